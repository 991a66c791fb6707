"""Weights that others published: where they are, and how their files are read."""

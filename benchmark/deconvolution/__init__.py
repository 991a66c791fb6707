"""Blur as a linear operator, and solvers that undo a known blur; none of it is learned from pairs."""

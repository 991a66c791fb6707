"""Reproduce the tables of single-image motion-deblurring papers, claim by claim."""

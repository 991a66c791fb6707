"""Measure a network: quality, size, arithmetic, memory traffic, run time and training steps."""

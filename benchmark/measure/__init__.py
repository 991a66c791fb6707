"""Measure a network: quality, size and arithmetic."""

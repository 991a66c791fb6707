"""Train a network the way a recipe says."""

from benchmark.training.fit import DivergedError, Settings, fit

__all__ = ["DivergedError", "Settings", "fit"]

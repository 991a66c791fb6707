"""Train a network the way a recipe says."""

from benchmark.training.fit import DivergedError, Settings, fit
from benchmark.training.objective import others

__all__ = ["DivergedError", "Settings", "fit", "others"]

"""Train a network, and the discriminators of a GAN beside it, by a recipe.

`fit.NetworkTrainer.step` is one step of training: it updates every network in turn. In which order, and by
which losses, is decided by the objective of the recipe (`objective.build_objective`). Without an adversary
that is the restoring network alone; with one, `Adversary.objective` of the recipe's file in
benchmark/adversaries yields (network name, loss) for the discriminators too.
"""

from benchmark.training.fit import Settings, fit
from benchmark.training.objective import adversary_networks
from benchmark.training.pending import DivergedError

__all__ = ["DivergedError", "Settings", "adversary_networks", "fit"]

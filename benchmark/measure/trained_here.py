"""Find weights that were trained here, for systems that estimate motion first and whose own cannot be had.

The real pairs are restored with the authors' weights or not at all, as a network that was trained here for
less, on other images, says nothing of theirs. Of these systems a network is only the first half, a solver the
second, so with weights trained here the whole of them runs on real pairs; every row says so.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from benchmark import nets, plugins, spec
from benchmark.results import finished
from benchmark.training import checkpoint


@dataclass(frozen=True)
class TrainedHere:
    """The committed weights of a finished training."""

    path: Path
    facts: dict[str, Any]  # of the file
    steps: int

    @property
    def note(self) -> str:
        """Say in a row what the weights are."""
        thin = int(self.facts["thin"])
        widths = f", widths divided by {thin}" if thin > 1 else ""
        return f"weights trained here for {self.steps:,} steps on simulated blur{widths}"

    def network(self, run: spec.Run) -> nn.Module:
        """Build the run's network as it was trained and load its weights."""
        net = nets.build(run, int(self.facts["thin"]))
        net.load_state_dict(checkpoint.load(self.path)[0])
        return net


def find(run: spec.Run, root: Path = Path("results")) -> TrainedHere | None:
    """Find the weights of a run that estimates motion in the records of finished trainings; None without any.

    Raises:
        ValueError: a record or its weights are damaged; the message names the file.
    """
    if run.weights or not run.train or not hasattr(plugins.load("models", run.model).Net, "flow"):
        return None
    for path in sorted(root.glob(f"*/finished/{run.name}.safetensors")):
        record = finished.read(path.with_suffix(".json"))
        return TrainedHere(path, checkpoint.load(path)[1], record.steps)
    return None

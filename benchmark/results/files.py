"""Paths of the result files. dvc.yaml names the same paths; tests/test_pipeline.py keeps the two equal."""

from dataclasses import dataclass
from pathlib import Path

COMPLEXITY = Path("results/complexity.csv")  # schema.Complexity
DATASETS = Path("results/datasets.csv")  # schema.DatasetSplit
RUNTIME = Path("results/runtime")  # one folder of recordings per device, and two tables over all devices
TIMINGS = RUNTIME / "timings.csv"  # schema.Timing
PRICES = RUNTIME / "prices.csv"  # schema.Price


@dataclass(frozen=True)
class Results:
    """Name the files of one profile, or of the authors' weights."""

    profile: str  # or "authors"
    root: Path = Path("results")

    def _path(self, *parts: str) -> Path:
        return self.root.joinpath(self.profile, *parts)

    def train(self, run: str = "") -> Path:
        """Return the folder of a run's weights.safetensors, curve.csv and record.json, or of all runs."""
        return self._path("train", run)

    def images(self, run: str = "") -> Path:
        """Return the folder of a run's restored images, or of all runs."""
        return self._path("images", run)

    @property
    def quality(self) -> Path:
        """Return the table of schema.Score: run, dataset, image, quantity."""
        return self._path("quality.csv")

    @property
    def measurements(self) -> Path:
        """Return the table of schema.Measurement: run, dataset, quantity."""
        return self._path("measurements.csv")

    @property
    def curves(self) -> Path:
        """Return the table of schema.CurvePoint: loss and validation PSNR of every run over its steps."""
        return self._path("curves.csv")

    @property
    def environment(self) -> Path:
        """Return the JSON file of machine, packages and profile."""
        return self._path("environment.json")

    @property
    def decoded(self) -> Path:
        """Return the table of schema.DecodedColumn: the protocol of each printed column of PSNR or SSIM."""
        return self._path("decoded.csv")

    @property
    def times(self) -> Path:
        """Return the table of schema.PrintedTime: physics and clocks beside each printed run time."""
        return self._path("times.csv")

    @property
    def findings(self) -> Path:
        """Return the table of schema.Finding, one row per claim."""
        return self._path("findings.csv")

    @property
    def metrics(self) -> Path:
        """Return the JSON file of DVC's metrics: verdict counts, gains, agreeing sizes."""
        return self._path("metrics.json")

    @property
    def psnr_over_macs(self) -> Path:
        """Return the table of schema.PsnrOverMacs behind DVC's plot."""
        return self._path("psnr_over_macs.csv")

    @property
    def report(self) -> Path:
        """Return the HTML report."""
        return self._path("report.html")


AUTHORS = Results("authors")  # quality and measurements of published weights, for every profile

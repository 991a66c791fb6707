"""Paths of the result files. dvc.yaml names the same paths; tests/test_pipeline.py keeps the two equal."""

import json
from pathlib import Path

from benchmark.trouble import reading

COMPLEXITY = Path("results/complexity.csv")  # schema.Complexity
STRUCTURE = Path("results/structure.csv")  # schema.Structure
DATASETS = Path("results/datasets.csv")  # schema.DatasetSplit
RUNTIME = Path("results/runtime")  # one folder of recordings per device, and three tables over all devices
TIMINGS = RUNTIME / "timings.csv"  # schema.Timing
PRICES = RUNTIME / "prices.csv"  # schema.Price
RATIOS = RUNTIME / "ratios.csv"  # ratios.PairedRatio


class Results:
    """Name the files of one profile, or of the authors' weights."""

    def __init__(self, profile: str, root: Path = Path("results")) -> None:
        self.profile, self.folder = profile, root / profile  # or "authors"
        self.quality = self.folder / "quality.csv"  # schema.Score: run, dataset, image, quantity
        self.measurements = self.folder / "measurements.csv"  # schema.Measurement: run, dataset, quantity
        self.curves = self.folder / "curves.csv"  # schema.CurvePoint: loss and validation PSNR over the steps
        self.environment = self.folder / "environment.json"  # machine, packages and profile
        self.decoded = self.folder / "decoded.csv"  # schema.DecodedColumn: protocols of PSNR and SSIM columns
        self.times = self.folder / "times.csv"  # schema.PrintedTime: physics and clocks of run times
        self.findings = self.folder / "findings.csv"  # schema.Finding, one row per claim and kind of evidence
        self.verdicts = self.folder / "verdicts.csv"  # schema.Verdict, one row per claim
        self.steps = self.folder / "steps.csv"  # schema.AblationStep: changes printed and measured
        self.orders = self.folder / "orders.csv"  # schema.Order: systems of a table by PSNR
        self.detectable = self.folder / "detectable.csv"  # schema.Detectable, one row per test set and metric
        self.ladder = self.folder / "ladder.csv"  # schema.Rung: orders that smaller trainings give
        self.collapse = self.folder / "collapse.csv"  # schema.Collapse: shapes of their curves
        self.forecasts = self.folder / "forecasts.csv"  # schema.Forecast: last values predicted from a part
        self.metrics = self.folder / "metrics.json"  # DVC's: verdict counts, gains
        self.psnr_over_macs = self.folder / "psnr_over_macs.csv"  # schema.PsnrOverMacs behind DVC's plot
        self.pictures = self.folder / "pictures"  # small pictures in git, and two tables of them
        self.picture_rows = self.pictures / "pictures.csv"  # schema.Picture
        self.windows = self.pictures / "windows.csv"  # schema.Window: where systems differ most
        self.report = self.folder / "report.html"
        self.figures = self.folder / "figures"  # every plot of the report as SVG and PDF

    def train(self, run: str = "") -> Path:
        """Return the folder of a run's weights.safetensors, curve.csv and record.json, or of all runs."""
        return self.folder / "train" / run

    def missing(self, run: str) -> str:
        """Return what a run could not be trained without, from its record.json; empty where it was."""
        path = self.train(run) / "record.json"
        if not path.exists():
            return ""
        with reading(path, "the record of a training"):
            return str(json.loads(path.read_text(encoding="utf-8")).get("missing", ""))

    def finished(self, name: str = "", suffix: str = ".json") -> Path:
        """Return the committed record of a finished training (or its weights), or the folder of all."""
        return self.folder / "finished" / (f"{name}{suffix}" if name else "")

    def images(self, run: str = "") -> Path:
        """Return the folder of a run's restored images, or of all runs."""
        return self.folder / "images" / run


AUTHORS = Results("authors")  # quality and measurements of published weights, for every profile

"""The pipeline as a whole: paths agree, a smoke run goes through, an interrupted one goes on."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from benchmark import spec
from benchmark.results import COMPLEXITY, DATASETS, Results
from benchmark.timing import record

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def outs(stage):
    """A stage's outputs as text."""
    return {next(iter(out)) if isinstance(out, dict) else out for out in STAGES[stage].get("outs", [])}


def test_dvc_and_code_name_the_same_files():
    """Each stage's outputs in dvc.yaml are the paths that benchmark/results.py gives."""
    results, authors = Results("${profile}"), Results("authors")

    assert outs("complexity") == {str(COMPLEXITY)}
    assert outs("train") == {str(results.train())}
    assert outs("quality") == {str(results.quality), str(results.images())}
    assert outs("collect") == {str(results.measurements), str(results.curves), str(results.environment)}
    assert outs("compare") == {str(results.findings), str(results.decoded), str(results.times)}
    assert outs("doctor") == {str(DATASETS)}
    assert outs("runtime") == {str(record.FOLDER)}
    assert outs("authors") == {
        str(path)
        for path in (authors.quality, authors.measurements, authors.quality.with_name("record.json"))
    }
    assert outs("report") == {str(results.report)}


def test_every_dependency_is_made_or_committed():
    """A stage depends on files in git or on another stage's outputs, nothing else."""
    made = set().union(*(outs(stage) for stage in STAGES))

    for name, stage in STAGES.items():
        for dep in stage["deps"]:
            assert dep in made or (ROOT / dep).exists(), f"{name}: {dep}"


def test_each_stage_is_a_module_of_its_name():
    """Stage x runs pipelines/x.py or benchmark/x."""
    for name, stage in STAGES.items():
        module = stage["cmd"].split()[2]

        assert module in (f"pipelines.{name}", f"benchmark.{name}")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A scratch clone of the working tree, set to the smoke profile."""
    folder = tmp_path_factory.mktemp("clone")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("profile: embedded", "profile: smoke", 1))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def command(clone, *words, **options):
    """Run a command of this environment in the clone; its output as text."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        words, cwd=clone, env=environment, text=True, capture_output=True, timeout=600, **options
    )


def table(path):
    """Rows of a CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Balance(HTMLParser):
    """Collects what a page would load."""

    def __init__(self):
        super().__init__()
        self.loads = []

    def handle_starttag(self, tag, attrs):
        """Remember sources and style sheets."""
        self.loads += [v for k, v in attrs if (k == "src" or (tag == "link" and k == "href")) and v]


def test_smoke_goes_through_end_to_end(clone):
    """One `dvc repro`: data, training, measuring, comparing, report; a second one has nothing to do."""
    first = command(clone, "dvc", "repro")
    profile, runs = spec.load(clone / "params.yaml")
    results = Results("smoke", clone / "results")
    chosen = profile.of(runs)

    assert first.returncode == 0, first.stdout + first.stderr
    assert {run.model for run in chosen.values()} == {run.model for run in runs.values()}
    measured = {(row["run"], row["quantity"]) for row in table(results.measurements)}
    for name in chosen:
        assert {(name, q) for q in ("psnr", "ssim", "ssim_matlab", "params", "macs_720p")} <= measured
        assert len(list(results.images(name).rglob("*.png"))) == profile.images["test"]
    assert {row["run"] for row in table(results.curves)} == {
        name for name, run in chosen.items() if run.train
    }
    assert {row["verdict"] for row in table(results.findings)} <= {"agrees", "close", "explained", "untested"}
    page = Balance()
    page.feed(results.report.read_text(encoding="utf-8"))
    assert all(load.startswith("data:") for load in page.loads)

    begun = time.monotonic()
    second = command(clone, "dvc", "repro")
    assert "Data and pipelines are up to date" in second.stdout, second.stdout
    assert time.monotonic() - begun < 60  # a guard against work being done, not a timing


def test_the_same_again_gives_the_same_bytes(clone):
    """Training and measuring again from nothing gives byte-identical tables."""
    results = Results("smoke", clone / "results")
    tables = [results.measurements, results.quality, results.curves, results.findings]
    before = [path.read_bytes() for path in tables]
    shutil.rmtree(results.train())
    again = command(clone, "dvc", "repro", "--force", "collect", "compare")

    assert again.returncode == 0, again.stdout + again.stderr
    assert before == [path.read_bytes() for path in tables]


def test_an_interrupted_training_keeps_what_is_finished(clone):
    """Killed in the middle, the train stage starts again without losing a finished run or a checkpoint."""
    results = Results("smoke", clone / "results")
    shutil.rmtree(results.train())
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-m", "pipelines.train"], cwd=clone, env=environment,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # fmt: skip
        while not list(results.train().glob("*/record.json")) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    kept = {path: path.stat().st_mtime_ns for path in results.train().glob("*/record.json")}
    again = command(clone, sys.executable, "-m", "pipelines.train")

    assert again.returncode == 0, again.stderr
    assert kept
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    profile, runs = spec.load(clone / "params.yaml")
    assert {path.parent.name for path in results.train().glob("*/record.json")} == set(profile.of(runs))
    assert not list((clone / "checkpoints").glob("*.part"))


def test_a_changed_run_alone_trains_again(clone):
    """After a change of one run's recipe, only that run is trained."""
    results = Results("smoke", clone / "results")
    before = {p: json.loads(p.read_text())["fingerprint"] for p in results.train().glob("*/record.json")}
    params = clone / "params.yaml"
    text = params.read_text()
    params.write_text(
        text.replace(
            'config: {levels: "1"}\n    train: *dmphn',
            'config: {levels: "1"}\n    train: {<<: *dmphn, epochs: 7}',
        )
    )
    again = command(clone, sys.executable, "-m", "pipelines.train")
    params.write_text(text)
    changed = {
        p.parent.name for p, mark in before.items() if json.loads(p.read_text())["fingerprint"] != mark
    }

    back = command(clone, sys.executable, "-m", "pipelines.train")

    assert again.returncode == back.returncode == 0, again.stderr + back.stderr
    assert changed == {"dmphn_1"}
    assert before == {path: json.loads(path.read_text())["fingerprint"] for path in before}


TOY = '''"""Toy: one convolution on top of the input.

Paper     none
Sources   none
Unstated  everything
Shapes    B batch, H W image
"""

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark.models._layers import conv


@dataclass(frozen=True)
class Config:
    kernel: int = 3

    def thin(self, factor: int) -> "Config":
        return self


class Net(nn.Module):
    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.body = conv(3, 3, config.kernel)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        return [blurry + self.body(blurry)]
'''
ENTRY = """
  toy:
    model: toy
    about: a toy
    train: {epochs: 10, batch: 2, crop: 32, optimiser: {lr: 1.0e-4}, schedule: {name: constant},
            loss: {name: pixel}}
"""


def test_a_model_is_one_file_and_one_entry(clone):
    """A new model file and its run: trained alone, and a row of its own in every table and on the page."""
    results = Results("smoke", clone / "results")
    others = {p: p.stat().st_mtime_ns for p in results.train().glob("*/record.json")}
    (clone / "benchmark" / "models" / "toy.py").write_text(TOY)
    params = clone / "params.yaml"
    params.write_text(params.read_text() + ENTRY)
    made = command(clone, "dvc", "repro")

    assert made.returncode == 0, made.stdout + made.stderr
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in others.items())
    for path in (clone / COMPLEXITY, results.measurements, results.quality, results.curves):
        assert "toy" in {row["run"] for row in table(path)}, path
    (counted,) = (row for row in table(clone / COMPLEXITY) if row["run"] == "toy")
    assert (counted["params"], counted["macs_256"]) == ("84", str(81 * 256 * 256))
    page = results.report.read_text(encoding="utf-8")
    for part in ("sizes", "quality", "convergence"):
        assert "toy" in page.split(f'id="{part}"')[1].split("<section")[0], part


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m", "pipelines.train", "cdgnt"], "train: no run 'cdgnt'; did you mean 'cdgnet'?"),
        (["-m", "benchmark.compare", "--profile", "smok"], "no profile 'smok'; did you mean 'smoke'?"),
        (["-m", "benchmark.report", "--profile", "smok"], "no profile 'smok'; did you mean 'smoke'?"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(clone, words, message):
    """A mistyped name ends in one line with the nearest known one, and a failing exit status."""
    told = command(clone, sys.executable, *words)

    assert told.returncode != 0
    assert message in told.stderr
    assert "Traceback" not in told.stderr

"""The pipeline as a whole: paths agree, a smoke run goes through, an interrupted one goes on."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from benchmark import spec
from benchmark.results import COMPLEXITY, DATASETS, RUNTIME, STRUCTURE, Results, provenance
from benchmark.training import planning
from tests.invented import section
from tests.project import ROOT, checkout

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
AGAIN = ("dmphn_1", "cdgnet_ssim", "deblurgan", "srn")  # trained several times here; all others once


def outs(stage):
    """A stage's outputs and metrics as text."""
    listed = [*STAGES[stage].get("outs", []), *STAGES[stage].get("metrics", [])]
    return {next(iter(out)) if isinstance(out, dict) else out for out in listed}


def test_dvc_and_code_name_the_same_files():
    """Each stage's outputs in dvc.yaml are the paths that benchmark/results gives."""
    results = Results("${profile}")

    assert outs("complexity") == {str(COMPLEXITY), str(STRUCTURE)}
    assert outs("train") == {str(results.train())}
    assert outs("quality") == {str(results.quality), str(results.images())}
    assert outs("pictures") == {str(results.pictures)}
    assert outs("collect") == {str(results.measurements), str(results.curves), str(results.environment)}
    judged = (results.findings, results.verdicts, results.decoded, results.times)
    compared = (results.steps, results.orders, results.detectable, results.metrics, results.psnr_over_macs)
    climbed = (results.ladder, results.collapse, results.forecasts)
    assert outs("compare") == set(map(str, (*judged, *compared, *climbed)))
    assert outs("doctor") == {str(DATASETS)}
    assert outs("runtime") == {str(RUNTIME)}
    assert outs("authors") == {"results/authors"}
    assert outs("report") == {str(results.report), str(results.figures)}


def test_every_dependency_is_made_or_committed():
    """A stage depends on files in git or on another stage's outputs, nothing else."""
    written = set().union(*(outs(stage) for stage in STAGES))

    for name, stage in STAGES.items():
        for dep in stage["deps"]:
            assert dep in written or (ROOT / dep).exists(), f"{name}: {dep}"


def test_each_stage_is_a_module_of_its_name():
    """Stage x runs pipelines/x.py or benchmark/x, and has a description."""
    for name, stage in STAGES.items():
        assert stage["cmd"].split()[2] in (f"pipelines.{name}", f"benchmark.{name}")
        assert stage["desc"]


@pytest.mark.parametrize("name", STAGES)
def test_dependencies_cover_all_code_that_a_stage_runs(name):
    """Every file that a stage's module imports, plugins and the YAML beside them included, is in its deps."""
    module = ROOT.joinpath(*STAGES[name]["cmd"].split()[2].split("."))
    start = module.with_suffix(".py") if module.with_suffix(".py").exists() else module / "__main__.py"
    code = set(provenance.with_imports([start], without=()))
    for file in list(code):
        for kind in re.findall(r'plugins\.(?:load|names)\("([a-z.]+)"', file.read_text()):
            folder = ROOT.joinpath("benchmark", *kind.split("."))
            code |= set(provenance.with_imports(folder.glob("*.py"), without=()))
    data = {path for file in code for path in file.parent.glob("*.yaml")}
    settings = {*(ROOT / spec.RUNS).glob("*.yaml"), *(ROOT / spec.PROFILES).glob("*.yaml")}
    covered = [ROOT / dep for dep in STAGES[name]["deps"] if "$" not in dep]

    assert len(code) > 5
    assert not {f for f in code | data | settings if not any(f.is_relative_to(dep) for dep in covered)}


def test_estimated_cost_follows_what_a_profile_cuts():
    """Arithmetic grows with steps and batch, and with the square of crop and width."""
    _, runs = spec.load()
    base = spec.Profile("p", "", steps=10, batch=4, crop=64, thin=4)

    def arithmetic(**cuts):
        profile = replace(base, **cuts)
        training = spec.Training("dmphn_1", runs["dmphn_1"], profile)
        return planning.macs(training, 1e12) - planning.START - profile.steps * planning.OVERHEAD

    assert arithmetic() == pytest.approx(10 * 3 * 1e12 * 4 * (64 / 256) ** 2 / 4**2)
    assert arithmetic(steps=30) == pytest.approx(3 * arithmetic())
    assert arithmetic(crop=128) == pytest.approx(4 * arithmetic())
    assert arithmetic(thin=2) == pytest.approx(4 * arithmetic())


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
ENTRY = """runs:
  toy:
    model: toy
    about: a toy
    train: {epochs: 10, batch: 2, crop: 32, optimiser: {lr: 1.0e-4}, schedule: {name: constant},
            loss: {name: pixel}}
"""


def add(folder, name):
    """Add a model as two files: its own and that of its runs."""
    (folder / "benchmark" / "models" / f"{name}.py").write_text(TOY)
    (folder / spec.RUNS / f"{name}.yaml").write_text(ENTRY.replace("toy", name))


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A scratch clone of the working tree, set to the smoke profile, to which a user has added a model."""
    folder = tmp_path_factory.mktemp("clone")
    checkout(folder)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("profile: embedded", "profile: smoke", 1))
    add(folder, "toy")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=clone"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
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


def test_smoke_goes_through_end_to_end(clone):
    """One `dvc repro`: data, training, measuring, comparing, report; a second one has nothing to do."""
    first = command(clone, "dvc", "repro")
    profile, runs = spec.load(clone / "params.yaml")
    results = Results("smoke", clone / "results")
    chosen = profile.of(runs)

    assert first.returncode == 0, first.stdout + first.stderr
    assert {run.model for run in chosen.values()} == {run.model for run in runs.values()}
    measured = {(row["run"], row["quantity"]) for row in table(results.measurements)}
    defined = {row["run"] for row in table(clone / COMPLEXITY) if row["macs_720p"]}
    for name in chosen:
        wanted = ("psnr", "ssim", "ssim_matlab", "params", *(("macs_720p",) if name in defined else ()))
        assert {(name, q) for q in wanted} <= measured
        assert len(list(results.images(name).rglob("*.png"))) == profile.images["test"]
    assert {row["run"] for row in table(results.curves)} == {
        name for name, run in chosen.items() if run.train
    }
    assert {row["explanation"] for row in table(results.findings)} <= {"explained", "known", ""}

    assert len((clone / "dvc.lock").read_text().splitlines()) <= 1500
    shown = command(clone, "dvc", "exp", "show", "--csv").stdout
    assert len(next(csv.reader(shown.splitlines()))) <= 42, shown.splitlines()[0]
    assert "gain_median_db" in command(clone, "dvc", "metrics", "show").stdout
    plots = command(clone, "dvc", "plots", "show", "--out", "plots")
    assert plots.returncode == 0, plots.stderr
    assert "cdgnet_small" in (clone / "plots" / "index.html").read_text()

    begun = time.monotonic()
    second = command(clone, "dvc", "repro")
    assert "Data and pipelines are up to date" in second.stdout, second.stdout
    assert time.monotonic() - begun < 60  # a guard against work being done, not a timing


def test_a_model_is_two_files(clone):
    """The files of a model and of its runs make a row in every table and on the page."""
    results = Results("smoke", clone / "results")

    for path in (clone / COMPLEXITY, results.measurements, results.quality, results.curves):
        assert "toy" in {row["run"] for row in table(path)}, path
    (counted,) = (row for row in table(clone / COMPLEXITY) if row["run"] == "toy")
    assert (counted["params"], counted["macs_256"]) == ("84", str(81 * 256 * 256))
    page = results.report.read_text(encoding="utf-8")
    for part in ("sizes", "quality", "system-toy"):
        assert "toy" in section(page, part), part


def test_the_same_again_gives_the_same_bytes(clone):
    """Training some runs again and measuring all gives byte-identical tables."""
    results = Results("smoke", clone / "results")
    tables = [results.measurements, results.quality, results.curves, results.findings]
    before = [path.read_bytes() for path in tables]
    for name in AGAIN:
        shutil.rmtree(results.train(name))
    stages = ("train", "quality", "collect", "compare")
    again = command(clone, "dvc", "repro", "--force", "--single-item", *stages)

    assert again.returncode == 0, again.stdout + again.stderr
    assert before == [path.read_bytes() for path in tables]


def test_an_interrupted_training_keeps_what_is_finished(clone):
    """Killed in the middle, the train stage starts again without losing a finished run or a checkpoint."""
    results = Results("smoke", clone / "results")
    for name in AGAIN:
        shutil.rmtree(results.train(name))
    before = len(list(results.train().glob("*/record.json")))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-m", "pipelines.train"], cwd=clone, env=environment,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:  # fmt: skip
        while len(list(results.train().glob("*/record.json"))) == before and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    kept = {path: path.stat().st_mtime_ns for path in results.train().glob("*/record.json")}
    again = command(clone, sys.executable, "-m", "pipelines.train")

    assert again.returncode == 0, again.stderr
    assert before < len(kept) < before + len(AGAIN)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    profile, runs = spec.load(clone / "params.yaml")
    assert {path.parent.name for path in results.train().glob("*/record.json")} == set(profile.of(runs))
    assert not list((clone / "checkpoints").glob("*.part"))


def test_what_is_changed_or_new_alone_trains(clone):
    """After a change of one run's recipe and with one more model, only these two are trained."""
    results = Results("smoke", clone / "results")

    def marks():
        """Each trained run's fingerprint and time of writing."""
        records = list(results.train().glob("*/record.json"))
        return {
            p.parent.name: (json.loads(p.read_text())["fingerprint"], p.stat().st_mtime_ns) for p in records
        }

    before = marks()
    system = clone / spec.RUNS / "dmphn.yaml"
    text = system.read_text()
    entry = 'config: {levels: "1"}\n    train: '
    system.write_text(text.replace(f"{entry}*dmphn", f"{entry}{{<<: *dmphn, epochs: 7}}"))
    add(clone, "newcomer")
    again = command(clone, sys.executable, "-m", "pipelines.train")
    changed = {name for name, mark in marks().items() if mark != before.get(name)}
    system.write_text(text)
    back = command(clone, sys.executable, "-m", "pipelines.train")
    after = marks()

    assert again.returncode == back.returncode == 0, again.stderr + back.stderr
    assert changed == {"dmphn_1", "newcomer"}
    assert {name: mark for name, (mark, _) in before.items()} == {name: after[name][0] for name in before}


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


def test_an_experiment_trains_with_other_steps(clone):
    """`dvc exp run -S steps=2` trains every run so, and leaves the comments of params.yaml.

    It comes last, as it leaves results of other steps behind.
    """
    committed = (clone / "params.yaml").read_text()
    done = command(clone, "dvc", "exp", "run", "--single-item", "--set-param", "steps=2", "train")
    profile, _ = spec.load(clone / "params.yaml")
    changed = (clone / "params.yaml").read_text()
    curve = table(Results("smoke", clone / "results").train("dmphn_1") / "curve.csv")

    assert done.returncode == 0, done.stderr
    assert profile.steps == int(curve[-1]["step"]) == 2
    assert yaml.safe_load(changed) == yaml.safe_load(committed) | {"steps": 2}
    assert re.findall("#.*", changed) == re.findall("#.*", committed)

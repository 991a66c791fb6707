"""Final trainings: their records are the results, killed machines lose at most what they were doing."""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmark import engine, spec
from benchmark.data import fetch
from benchmark.measure import finishing
from benchmark.results import Results, finished, read_rows
from benchmark.results.schema import CurvePoint, Measurement, Score
from pipelines import collect, data, quality, train
from tests import project

ROOT = Path(__file__).parents[1]
NAMES = {"blurred", "one", "one@1", "two", "two@1"}
PROJECT = """
profile: mini
profiles:
  mini: {about: a miniature, data: embedded, images: {train: 2, validation: 1, test: 1}, steps: 6, batch: 1,
         crop: 32, thin: 8, validate: 3, pretrained: leave, start: input, seeds: 2, ladder: [{thin: 8}],
         final: true}
runs:
  blurred: {model: identity, about: the input}
  one: &one
    model: dmphn
    about: a system
    config: {levels: "1"}
    train: {epochs: 9, batch: 1, crop: 32, optimiser: {lr: 1.0e-3}, schedule: {name: constant},
            loss: {name: pixel}}
  two:
    <<: *one
    ablates: one
    about: a variant
    config: {levels: "1-2"}
"""


# Trains as the stage does, one run after the other in this process: importing torch takes longer than that.
SERIAL = """
import torch
from benchmark import engine
from pipelines import train

def each(title, work, cost, in_order=False, steps=None):
    for name in cost:
        work(name, lambda share: None)
    return 0

torch.set_num_threads(1)
engine.each = each
train.main()
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sum in the same order as the processes that are killed."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def stage(folder, module, *words):
    """Run a stage in a folder, in this process; return the names of the runs that it worked on, in order."""
    done = []

    def each(title, work, cost, in_order=False, steps=None):
        for name in cost:
            done.append(name)
            work(name, lambda share: None)
        return 0

    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "each", each)
        assert not module.main(*words)
    return done


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The rendered set of the miniature."""
    folder = tmp_path_factory.mktemp("images")
    project.write(folder, PROJECT)
    stage(folder, data)
    return folder / "data"


@pytest.fixture
def clone(tmp_path, images):
    """A fresh clone: settings and images, nothing trained."""
    project.write(tmp_path, PROJECT)
    shutil.copytree(images, tmp_path / "data")
    return tmp_path


def contents(folder):
    """The records of a clone, without the time that they took."""
    return {name: (r.fingerprint, r.cut, r.curve, r.scores) for name, r in records(folder).items()}


def records(folder):
    """Every record of a clone."""
    paths = Results("mini", folder / "results").finished().glob("*.json")
    return {path.stem: finished.read(path) for path in paths}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, images):
    """A clone that was trained in one go."""
    folder = tmp_path_factory.mktemp("undisturbed")
    project.write(folder, PROJECT)
    shutil.copytree(images, folder / "data")
    stage(folder, train)
    return folder


def test_every_seed_and_length_has_a_record(undisturbed):
    """Two runs and two seeds and the blurred input; no two curves are equal.

    The rung is what the runs have anyway, and so no training of its own.
    """
    kept = records(undisturbed)

    assert set(kept) == NAMES
    assert {r.steps for r in kept.values() if r.curve} == {6}
    curves = [[point.loss for point in record.curve] for record in kept.values() if record.curve]
    assert len({tuple(losses) for losses in curves}) == len(curves) == 4
    assert all(len(record.scores["embedded"]) == 1 for record in kept.values())
    assert all(record.hours > 0 for name, record in kept.items() if name != "blurred")


def test_kills_at_random_moments_change_no_bit(clone, undisturbed):
    """Killed again and again, a clone ends with the records of one that was trained in one go."""
    moments, kills = random.Random(5), 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    while set(contents(clone)) != NAMES:
        before = len(contents(clone))
        process = subprocess.Popen([sys.executable, "-c", SERIAL], cwd=clone, env=environment)
        while kills < 2 and len(contents(clone)) == before and process.poll() is None:
            time.sleep(0.02)
        if kills < 2:
            time.sleep(moments.uniform(0, 0.3))
            process.kill()
            kills += 1
        process.wait()

    assert kills
    assert contents(clone) == contents(undisturbed)
    weights = [load_file(Results("mini", f / "results").finished("one", ".safetensors"))
               for f in (clone, undisturbed)]  # fmt: skip
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_git_keeps_no_large_weights(clone, undisturbed, monkeypatch):
    """A training whose weights are too large for git has its record alone, which counts as well."""
    kept = Results("mini", undisturbed / "results").finished("one", ".safetensors")
    monkeypatch.setattr(finishing, "LARGEST", kept.stat().st_size - 1)

    stage(clone, train, "one")

    ours = Results("mini", clone / "results")
    assert not ours.finished("one", ".safetensors").exists()
    assert contents(clone)["one"] == contents(undisturbed)["one"]
    shutil.rmtree(ours.train())
    assert "one" not in stage(clone, train)


def test_a_fresh_clone_trains_only_what_is_missing(clone, undisturbed):
    """With the records of another machine it trains the one that is not there, and nothing twice."""
    theirs = Results("mini", undisturbed / "results").finished()
    ours = Results("mini", clone / "results").finished()
    shutil.copytree(theirs, ours)
    (ours / "two@1.json").unlink()
    before = {path: path.read_bytes() for path in ours.iterdir()}

    assert stage(clone, train) == ["two@1"]
    assert {path: path.read_bytes() for path in before} == before
    assert contents(clone) == contents(undisturbed)
    assert stage(clone, train) == []


def test_tables_are_means_over_seeds(clone, undisturbed):
    """quality.csv averages images over seeds, measurements.csv names their means; rungs are in neither."""
    theirs = Results("mini", undisturbed / "results").finished()
    shutil.copytree(theirs, Results("mini", clone / "results").finished())
    shutil.copy(ROOT / "results" / "complexity.csv", clone / "results")
    for module in (train, quality, collect):
        stage(clone, module)
    results = Results("mini", clone / "results")
    kept = records(clone)
    rows = {(r.run, r.image): r.value for r in read_rows(results.quality, Score) if r.quantity == "psnr"}
    measured = {r.run: r for r in read_rows(results.measurements, Measurement) if r.quantity == "psnr"}

    assert len(rows) == 3
    for (run, image), value in rows.items():
        seeds = [kept[name].scores["embedded"][image]["psnr"] for name in (run, f"{run}@1") if name in kept]
        assert value == pytest.approx(sum(seeds) / len(seeds), abs=1e-6)
    assert "mean over 2 seeds (0: " in measured["one"].note
    assert "seeds" not in measured["blurred"].note
    assert {row.run for row in read_rows(results.curves, CurvePoint)} == {"one", "two"}
    images = {path.parent.parent.parent.name for path in results.images().rglob("*.png")}
    assert images == {"blurred", "one"}  # whose weights are kept


def test_a_note_of_seeds_is_of_one_set_and_quantity():
    """Two sets are not mixed, pooled errors become a PSNR, and a seed without the metric is left out."""

    def scores(psnr):
        return {"gopro": {"a": {"psnr": psnr, "psnr_pooled": 0.01}}, "hide": {"b": {"psnr": 20.0}}}

    facts = {"training": "", "run": "r", "steps": 1, "rung": "", "fingerprint": "", "cut": "", "hours": 0}
    kept = [
        finished.Finished(**facts, machine={}, seed=seed, scores=scores(psnr))
        for seed, psnr in ((0, 30), (1, 30.5))
    ]
    kept += [finished.Finished(**facts, machine={}, seed=2)]

    assert collect.seed_note(kept, "gopro", "psnr") == ["mean over 2 seeds (0: 30.0000, 1: 30.5000)"]
    assert collect.seed_note(kept, "hide", "psnr") == ["mean over 2 seeds (0: 20.0000, 1: 20.0000)"]
    assert collect.seed_note(kept, "gopro", "psnr_pooled") == ["mean over 2 seeds (0: 20.0000, 1: 20.0000)"]
    assert collect.seed_note(kept[1:], "gopro", "gmsd") == []


def test_a_record_of_another_cut_is_trained_again(clone, undisturbed):
    """With other steps no record holds but that of the input, which has nothing to train."""
    theirs = Results("mini", undisturbed / "results").finished()
    shutil.copytree(theirs, Results("mini", clone / "results").finished())
    project.write(clone, PROJECT.replace("steps: 6", "steps: 4").replace("seeds: 2", "seeds: 1"))

    assert stage(clone, train) == ["one", "two"]


def test_what_an_earlier_state_trained_stays_and_says_so(clone, undisturbed, capsys):
    """A record whose fingerprint is of other code is kept, named, and noted; named, it is trained again."""
    theirs = Results("mini", undisturbed / "results").finished()
    results = Results("mini", clone / "results")
    shutil.copytree(theirs, results.finished())
    path = results.finished("one@1")
    path.write_text(path.read_text().replace(finished.read(path).fingerprint, "0" * 64))
    kept = path.read_bytes()

    assert stage(clone, train) == []
    assert "final, though code or images changed since: one@1" in capsys.readouterr().out
    assert path.read_bytes() == kept
    assert "earlier state" in (results.train("one@1") / "record.json").read_text()
    assert stage(clone, train, "one@1") == ["one@1"]
    assert contents(clone) == contents(undisturbed)


@pytest.mark.parametrize("names", [(), ("one",)])
def test_a_removed_record_is_trained_again(clone, undisturbed, names):
    """As the message about a damaged record advises, though its weights and curve are still there."""
    shutil.copytree(undisturbed / "results", clone / "results")
    path = Results("mini", clone / "results").finished("one")
    path.write_text("damaged")
    with pytest.raises(ValueError, match="remove it to train again"):
        stage(clone, train, *names)
    path.unlink()

    assert stage(clone, train, *names) == ["one"]
    assert contents(clone) == contents(undisturbed)


def test_an_interrupted_training_of_a_named_run_survives_the_stage(clone, undisturbed):
    """The state that it goes on from is kept, and the note on its record too when another run is named."""
    results = Results("mini", clone / "results")
    shutil.copytree(undisturbed / "results", clone / "results")
    path = results.finished("one")
    state = clone / train.state_file("one", finished.read(path).fingerprint)
    path.write_text(path.read_text().replace(finished.read(path).fingerprint, "0" * 64))
    state.parent.mkdir()
    state.write_bytes(b"state")

    assert stage(clone, train) == stage(clone, train, "two") == []
    assert state.read_bytes() == b"state"
    assert "earlier state" in (results.train("one") / "record.json").read_text()


def test_what_another_process_trains_is_left_to_it(clone, undisturbed):
    """Neither its lock nor its curve is touched; a lock that nobody holds goes."""
    results = Results("mini", clone / "results")
    shutil.copytree(undisturbed / "results", clone / "results")
    curve, lock = results.train("one") / "curve.csv", results.train("one.lock")
    curve.write_text("half a curve")
    results.train("two.lock").touch()
    with fetch.locked(results.train("one")):
        with contextlib.chdir(clone):
            profile, runs = spec.load()
            laid_out = finishing.restore(results, profile.trainings(runs))
        train.remove_others(results, NAMES)
        assert (curve.read_text(), lock.exists()) == ("half a curve", True)
        assert laid_out == NAMES - {"one"}
    assert not results.train("two.lock").exists()


def test_weights_of_another_training_do_not_stay(clone, undisturbed):
    """Where a record comes without weights, those that an earlier training left beside it are removed."""
    results = Results("mini", clone / "results")
    shutil.copytree(undisturbed / "results", clone / "results")
    weights = results.train("two") / "weights.safetensors"  # a variant: git keeps none
    path = results.finished("two")
    with contextlib.chdir(clone):
        profile, runs = spec.load()
        finishing.restore(results, profile.trainings(runs))
        assert weights.exists()
        path.write_text(path.read_text().replace(finished.read(path).fingerprint, "0" * 64))
        finishing.restore(results, profile.trainings(runs))
    assert not weights.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no record of a finished training"),
        ('{"training": "one"}', "missing required field"),
        ('{"training": 1}', "no record of a finished training"),
        ("[]", "no record of a finished training"),
    ],
)
def test_a_damaged_record_is_named(tmp_path, text, message):
    """An empty, cut or foreign file is one line with its path."""
    path = tmp_path / "one.json"
    path.write_text(text)

    with pytest.raises(ValueError, match=message) as told:
        finished.read(path)
    assert str(path) in str(told.value)


def test_the_order_of_night_completes_tables_first():
    """Every system once, ablation tables with all seeds, seeds of other printed runs, the ladder."""
    profile, runs = spec.load(ROOT / "params.yaml", "night")
    trainings, tables = profile.trainings(runs), train.printed_tables(runs)
    rungs = list(dict.fromkeys(training.rung for training in trainings.values() if training.rung))
    order = sorted(trainings, key=lambda name: train.urgency(trainings[name], tables, rungs))
    first = [trainings[name] for name in order[: len([r for r in runs.values() if not r.ablates])]]

    assert {entry.run.model for entry in first} == {run.model for run in runs.values()}
    bag = [
        order.index(name) for name in ("bag_plain", "bag_1", "bag_2", "bag_3", "bag_4", "bag@1", "bag_4@1")
    ]
    assert (
        max(bag) < order.index("sgenet@1") < order.index(f"sgenet@0-{rungs[0]}") < order.index("sgenet_plain")
    )
    assert order.index("sgenet_plain") < order.index("sgenet_plain@1")

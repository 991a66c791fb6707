"""Runs that learn nothing and solve a problem for each image: how they enter counts, stages and verdicts."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmark import nets, spec
from benchmark.claims import Claim
from benchmark.compare import decode, dvc_metrics, formula, times
from benchmark.compare.kinds import authors_weights
from benchmark.data.pairs import Pairs
from benchmark.measure import counting, trained_here
from benchmark.metrics import psnr
from benchmark.results import COMPLEXITY, Results, finished, write
from benchmark.results.schema import Complexity
from benchmark.training import checkpoint
from pipelines import authors, collect
from tests.test_times import OLD, SOURCES

RUNS = spec.load(Path(__file__).parents[1] / "params.yaml")[1]
REASON = "not defined: an optimisation problem is solved for each image"
ROW = Complexity("xu", 0, None, None, REASON, None, None, None)
NETWORK = Complexity("dmphn_1", 9, 10, 11 * 10**9, "", 12, 0, 13)


def picture(seed=0, side=48):
    """Blocks of random grey levels."""
    blocks = np.random.default_rng(seed).integers(0, 255, (side // 8, side // 8, 3))
    return np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)


@pytest.mark.parametrize("name", ["xu", "hyun_kim"])
def test_operations_are_not_defined(name):
    """Parameters are counted, operations are not, and the row says why."""
    assert counting.count(name, nets.build(RUNS[name])) == replace(ROW, run=name)


def test_measurements_say_why_there_are_no_operations(tmp_path, monkeypatch):
    """The table of measurements has the parameters, and rows without a value for the operations."""
    monkeypatch.chdir(tmp_path)
    write(COMPLEXITY, Complexity, [ROW, NETWORK])
    rows = {(row.run, row.quantity): (row.value, row.note) for row in collect.counts(RUNS)}

    assert rows["xu", "params"] == (0, "")
    assert rows["xu", "macs_720p"] == (None, REASON)
    assert rows["dmphn_1", "macs_256"] == (10, "")


def test_physics_judges_no_operations():
    """A printed time of a solver is untested, by the reason of its row."""
    judged = times.judge(replace(OLD, run="xu"), [], "", replace(SOURCES, complexity={"xu": ROW}))

    assert (judged.verdict, judged.reason) == ("untested", f"operations of xu {REASON}")
    assert judged.macs_counted is None


def test_gains_are_over_the_input_and_plots_need_operations():
    """The blurred input alone is the floor; a solver has a gain and no place over the operations."""
    values = {"identity": 25.0, "xu": 24.0, "dmphn_1": 27.0}
    rows = [(run, "gopro", "psnr", value, 1, "") for run, value in values.items()]
    measured = pd.DataFrame(rows, columns=["run", "dataset", "quantity", "value", "n", "note"])
    evidence = SimpleNamespace(measured=measured, runs=RUNS, counts={"xu": ROW, "dmphn_1": NETWORK})
    gains = dvc_metrics.psnr_by_run(evidence).set_index("run")["gain"]

    assert gains.to_dict() == {"identity": 0.0, "xu": -1.0, "dmphn_1": 2.0}
    assert [(row.run, row.gmac) for row in dvc_metrics.psnr_over_macs(evidence)] == [("dmphn_1", 11.0)]


def test_formulas_need_operations():
    """An explanation cannot compute with operations that are not defined."""
    with pytest.raises(ValueError, match=f"macs_720p of xu {REASON}"):
        formula.evaluate("macs_720p(xu)", "dmphn_1", {"xu": ROW})
    assert formula.evaluate("params(xu) + 1", "dmphn_1", {"xu": ROW}) == 1


def test_solvers_are_measured_on_real_pairs():
    """A solver needs no weights for the sets it names; the blurred input alone is measured on all."""
    chosen = {name: replace(RUNS[name], weights="") for name in ("identity", "xu", "svdn")}
    keys = list(authors.keys_to_measure(chosen, ["gopro", "hide", "realblur_j"]))

    assert [key for key in keys if key[0] == "xu"] == [("xu", "gopro")]
    assert {dataset for name, dataset in keys if name == "identity"} == {"gopro", "hide", "realblur_j"}
    assert "svdn" not in {name for name, _ in keys}


def test_a_real_pair_is_restored_timed_and_kept(tmp_path, monkeypatch):
    """Scores come with the seconds per image, and the restored image is kept."""
    monkeypatch.chdir(tmp_path)
    every = authors.plugins.names
    monkeypatch.setattr(authors.plugins, "names", lambda kind: ["psnr"] if kind == "metrics" else every(kind))
    pairs = Pairs(["a/1"], [picture()], [picture()])
    rows, seconds = authors.measure(RUNS["xu"], None, [], "gopro", pairs)

    assert [(row.run, row.image, row.quantity) for row in rows] == [("xu", "a/1", "psnr")]
    assert seconds > 0
    assert len(list(tmp_path.rglob("a/1.png"))) == 1
    assert authors.measure(RUNS["identity"], None, [], "gopro", pairs)[1] is None


def test_an_image_that_cannot_be_restored_is_named():
    """The error has the image's name and what is wrong with it."""
    flat = np.full((48, 48, 3), 7, np.uint8)
    scored = authors.scoring.score(
        nets.build(RUNS["xu"]),
        lambda net, x: nets.restore(net, x, spec.Normalise()),
        Pairs(["good/1", "flat/2"], [picture(), flat], [picture(), flat]),
        {"psnr": psnr},
    )

    assert next(scored).name == "good/1"
    with pytest.raises(ValueError, match="flat/2: xu: image 1 of 1 has one level, 7: no edge shows a blur"):
        next(scored)


def finish(root, name, thin):
    """Write the record of a finished training, with weights as drawn; return these."""
    results = Results("invented", root)
    weights = nets.build(RUNS[name], thin, seed=3).state_dict()
    facts = {"seed": 0, "rung": "", "fingerprint": "", "cut": "", "hours": 0.5, "machine": {}}
    finished.save(results.finished(name), finished.Finished(training=name, run=name, steps=1500, **facts))
    checkpoint.save(results.finished(name, ".safetensors"), weights, {"run": name, "thin": thin})
    return weights


def test_motion_is_estimated_on_real_pairs_with_weights_trained_here(tmp_path):
    """A network that only estimates motion has such weights; rows say of what training."""
    weights = finish(tmp_path, "gong", 32)
    finish(tmp_path, "srn", 32)
    found = {name: trained_here.find(RUNS[name], tmp_path) for name in ("gong", "sun", "srn", "xu")}
    own = found["gong"]

    assert [name for name, file in found.items() if file] == ["gong"]
    assert own.note == "weights trained here for 1,500 steps on simulated blur, widths divided by 32"
    kept = own.network(RUNS["gong"]).state_dict()
    assert kept.keys() == weights.keys()
    assert all(kept[key].equal(weights[key]) for key in weights)
    keys = authors.keys_to_measure({name: RUNS[name] for name in ("gong", "sun")}, ["gopro"], {"gong": own})
    assert list(keys) == [("gong", "gopro")]


def test_weights_trained_here_confirm_and_refute_nothing():
    """Their value stands beside the print with the number of images, even of the whole set."""
    row = SimpleNamespace(value=25.9, n=1111, note="weights trained here for 9 steps")
    evidence = SimpleNamespace(
        runs=RUNS, theirs=lambda *key: row, protocol=lambda claim: ("psnr", ""), part=lambda *key: ""
    )
    claim = Claim("saphnet", "Table1", "Gong et al.", "PSNR", "gong", "gopro", "psnr", "26.4")
    finding = authors_weights.judge_one(claim, evidence)

    assert (finding.outcome, finding.measured, finding.images) == ("undecided", 25.9, 1111)
    assert finding.reason == row.note


def test_only_published_weights_decode_tables():
    """The blurred input and runs with their authors' weights; no solver, and nothing trained here."""
    scores = pd.DataFrame({"run": ["identity", "dmphn_1_2_4", "xu", "gong"], "value": 1.0})

    assert list(decode.published(scores, RUNS)["run"]) == ["identity", "dmphn_1_2_4"]

"""Training computes what versions.yaml says, and a version notices a change of arithmetic and no other."""

from importlib import import_module
from pathlib import Path

import pytest

from benchmark import spec
from benchmark.training import versions

RUNS = {
    name: run for name, run in spec.load(Path(__file__).parents[1] / "params.yaml")[1].items() if run.train
}
KEPT = [name for name in RUNS if name in versions.read()]  # a user's new run has no version there
ACCEPT = "python -m benchmark.training.versions --accept"
GAN, PLAIN = "deblurgan", "mscnn"


@pytest.mark.parametrize("name", KEPT)
def test_training_computes_what_its_version_says(name):
    """A changed number means other weights: once the change is accepted, the run is trained again."""
    kept = {key: values for key, values in versions.read()[name].items() if key != "code"}
    found = versions.numbers(RUNS[name])
    parts = [key for key in {**kept, **found} if kept.get(key) != found.get(key)]

    assert versions.agree(kept, found), (
        f"{name} computes something else ({', '.join(parts)}); if it should, `{ACCEPT}` says so"
    )


def test_versions_hold_for_todays_text():
    """Else they are computed again whenever somebody trains."""
    reworded = [name for name in KEPT if versions.read()[name]["code"] != versions.text(RUNS[name])]

    assert not reworded, f"the code of {', '.join(reworded)} is another; `{ACCEPT}` compares what it computes"


@pytest.fixture(scope="module")
def before():
    """What the two runs compute."""
    return {name: versions.numbers(RUNS[name]) for name in (GAN, PLAIN)}


@pytest.mark.parametrize(
    ("module", "old", "new", "concerned"),
    [
        ("training.crops", "whole", "entire", set()),
        ("training.fit", "zero_grad(set_to_none=True)", "zero_grad(set_to_none=False)", set()),
        ("models.mscnn", "pyramid", "shrunk", set()),
        ("training.fit", "fused=True", "fused=True, eps=1e-5", {GAN, PLAIN}),
        ("training.crops", "in recipe.augment", "in recipe.augment[::-1]", {PLAIN}),
        ("training.fit", "* step / self.settings.steps", "* (step + 0.01) / self.settings.steps", {GAN}),
        ("training.augment.saturate_hsv", "uniform(0.5", "uniform(0.51", {PLAIN}),
        ("models.mscnn", "[::-1]\n", "[::-1]\n        coarsest = 1.001 * coarsest\n", {PLAIN}),
        ("losses.pixel", "return weight *", "return 1.001 * weight *", {PLAIN}),
        ("losses.perceptual", "content = mse_loss", "content = l1_loss", {GAN}),
        ("adversaries.wgan_gp", "self.penalty *", "1.001 * self.penalty *", {GAN}),
    ],
)
def test_a_change_of_arithmetic_concerns_the_runs_that_use_it(before, module, old, new, concerned):
    """Other names concern no run; eps, order, rate, draws, initialisation, weights those that use them."""
    edited = import_module(f"benchmark.{module}")
    source = Path(edited.__file__).read_text()
    assert old in source
    kept = dict(vars(edited))
    try:
        exec(compile(source.replace(old, new), edited.__file__, "exec"), vars(edited))
        changed = {name for name in before if not versions.agree(before[name], versions.numbers(RUNS[name]))}
    finally:
        vars(edited).update(kept)

    assert changed == concerned


def test_a_kept_version_holds_for_its_text_and_for_what_computes_the_same(monkeypatch):
    """The same text is not computed again; another text is, and has the kept version if nothing changed."""
    run, calls = RUNS[PLAIN], []
    kept = {"loss": [1.0, 2.0]}

    def numbers(run):
        calls.append(run.name)
        return found

    monkeypatch.setattr(versions, "numbers", numbers)
    monkeypatch.setattr(versions, "read", lambda: {PLAIN: {"code": code, **kept}})
    code, found = versions.text(run), {"loss": [1.0, 3.0]}
    assert (versions.current(run), calls) == (kept, [])
    code = "another"
    assert (versions.current(run), calls) == (found, [PLAIN])
    found = {"loss": [1.0, 2.0 + 1e-9]}
    assert versions.current(run) == kept
    monkeypatch.setattr(versions, "read", dict)
    assert versions.current(run) == found


def test_accepting_writes_what_changed_and_nothing_else(monkeypatch, tmp_path, capsys):
    """Agreeing numbers stay as they were, digit for digit; missing runs are added, gone ones removed."""
    monkeypatch.setattr(versions, "FILE", tmp_path / "versions.yaml")
    monkeypatch.setattr(versions, "numbers", lambda run: {"loss": [len(run.name) / 3]})
    versions.read.cache_clear()
    runs = [RUNS[name] for name in (GAN, PLAIN)]
    old = {"gone": {"code": "", "loss": [1.0]}, GAN: {"code": "", "loss": [3.00000001]}}
    versions.FILE.write_text(versions.yaml.safe_dump(old))

    assert versions.accept(runs, write=False) == [PLAIN]
    assert versions.accept(runs, write=True) == [PLAIN]
    assert versions.read() == {
        GAN: {"code": versions.text(RUNS[GAN]), "loss": [3.00000001]},
        PLAIN: {"code": versions.text(RUNS[PLAIN]), "loss": [len(PLAIN) / 3]},
    }
    assert versions.accept(runs, write=False) == []
    versions.read.cache_clear()


def test_double_precision_is_left_again():
    """The numbers of a run change nothing for the code that comes after."""
    import torch

    with versions.double_precision():
        assert torch.zeros(1).dtype == torch.float64
    assert torch.zeros(1).dtype == torch.float32

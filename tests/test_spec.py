"""What users write: params.yaml, profiles and runs, and what they must not."""

import re
from dataclasses import replace

import pytest
import yaml

from benchmark import spec
from tests.project import ROOT, copy

PROFILES = [path.stem for path in sorted((ROOT / spec.PROFILES).glob("*.yaml"))]


@pytest.fixture
def params(tmp_path):
    """The path of params.yaml in a copy of the project's settings."""
    return copy(tmp_path)


def edit(path, place, value):
    """Set one entry of a YAML file."""
    raw = yaml.safe_load(path.read_text())
    *parents, last = place.split(".")
    entry = raw
    for key in parents:
        entry = entry[key]
    entry[last] = value
    path.write_text(yaml.safe_dump(raw))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_loads(profile):
    """Each profile is valid and has runs."""
    active, runs = spec.load(ROOT / "params.yaml", profile)

    assert active.name == profile
    assert active.of(runs)


def test_paper_profile_cuts_nothing():
    """In the paper profile each run trains exactly what its recipe says."""
    profile, runs = spec.load(ROOT / "params.yaml", "paper")

    for run in runs.values():
        if run.train:
            assert profile.cut(run.train) == (run.train, run.train.steps)
            assert profile.cuts(run.train) == []


def test_every_cut_is_described():
    """A profile describes each of its changes of a recipe, and nothing else."""
    _, runs = spec.load(ROOT / "params.yaml", "embedded")
    cuts: dict[str, tuple[object, str]] = {
        "steps": (1500, "1,500 of 1,053,000 steps"),
        "batch": (8, "batch 8 in place of 6"),
        "crop": (32, "crop 32 of 256"),
        "thin": (4, "widths divided by 4"),
        "lr_times": (5, "learning rate times 5"),
        "beta2": (0.95, "Adam's beta2 0.95 in place of 0.999"),
        "schedule": ({"name": "cosine"}, "cosine schedule"),
        "start": ("input", "weights that start near the input"),
        "data": ("embedded", "embedded data in place of the real set"),
    }
    for key, (value, words) in cuts.items():
        assert spec.Profile("p", "", **{key: value}).cuts(runs["cdgnet"].train) == [words]
    everything = spec.Profile("p", "", **{key: value for key, (value, _) in cuts.items()})
    assert everything.cuts(runs["cdgnet"].train) == [words for _, words in cuts.values()]


def test_settings_of_solvers_are_cut_and_described():
    """A profile may cut a solver's work, by the solver's own settings; reasons name them."""
    profile, runs = spec.load(ROOT / "params.yaml", "embedded")
    for run in runs.values():
        settings = profile.at(run).settings
        assert not (run.train and settings)
        assert profile.at(run).cuts(None) == [f"{key}: {value}" for key, value in settings.items()]
    assert profile.at(runs["whyte"]).cuts(None) == ["iterations: 2", "final: tiles", "apart: 2"]
    assert "steps: 4" in profile.at(runs["whyte_saturated"]).cuts(None)


def test_overrides_hold_for_a_model_and_then_for_a_run():
    """Whatever a profile cuts can be cut further by model; a run's own entry comes last."""
    profile, runs = spec.load(ROOT / "params.yaml", "embedded")
    profile = replace(profile, overrides={"dmphn": {"steps": 7, "crop": 24}, "dmphn_1_2": {"steps": 5}})
    cut = {name: profile.at(runs[name]) for name in ("cdgnet", "dmphn_1", "dmphn_1_2")}

    assert {name: (at.steps, at.crop) for name, at in cut.items()} == {
        "cdgnet": (profile.steps, profile.crop), "dmphn_1": (7, 24), "dmphn_1_2": (5, 24)
    }  # fmt: skip
    assert "7 of 842,400 steps" in cut["dmphn_1"].cuts(runs["dmphn_1"].train)


def test_an_experiment_changes_every_run(params):
    """Steps and seed of params.yaml replace the profile's and those of its overrides."""
    edit(params, "steps", 9)
    edit(params, "seed", 4)
    profile, runs = spec.load(params, "embedded")

    assert {(at.steps, at.seed) for at in map(profile.at, runs.values())} == {(9, 4)}
    assert profile.at(runs["deblurganv2_dsc"]).crop == 128


def test_a_system_is_one_file(params):
    """A new file of runs is read, and comes last in every table."""
    (params.parent / spec.RUNS / "a_toy.yaml").write_text("runs: {toy: {model: identity, about: a toy}}")
    before, after = (list(spec.load(path)[1]) for path in (ROOT / "params.yaml", params))

    assert after == [*before, "toy"]


SMOKE, CDGNET = str(spec.PROFILES / "smoke.yaml"), str(spec.RUNS / "cdgnet.yaml")
TRAIN = "runs.cdgnet_l1.train"


@pytest.mark.parametrize(
    ("file", "place", "value", "message"),
    [
        ("params.yaml", "profile", "embeded", "no profile 'embeded'; did you mean 'embedded'?"),
        ("params.yaml", "stepz", 1, "params.yaml: unknown key 'stepz'; did you mean 'steps'?"),
        ("params.yaml", "seed", "x", "params.yaml: seed: 'x'; allowed: whole numbers or null"),
        (SMOKE, "overrides", {"dmphm": {}}, "overrides.dmphm: no such run or model; did you mean 'dmphn'"),
        (SMOKE, "overrides", {"dmphn": {"step": 1}}, "overrides.dmphn: unknown key 'step'"),
        (SMOKE, "overrides", {"dmphn": {"data": "x"}}, "'data' holds for a whole profile"),
        (SMOKE, "seeds", 0, "smoke.yaml: seeds: 0; allowed: whole numbers from 1"),
        (SMOKE, "thin", 0, "smoke.yaml: thin: 0; allowed: whole numbers from 1"),
        (SMOKE, "lr_times", 0, "smoke.yaml: lr_times: 0; allowed: numbers above 0"),
        (SMOKE, "overrides", {"srn": {"parts": 0}}, "overrides.srn.parts: 0; allowed: whole numbers from 1"),
        (SMOKE, "seeds", 2, "smoke.yaml: seeds and ladder are read from final records; set `final: true`"),
        (SMOKE, "ladder", [{"stepz": 9}], "ladder[0]: unknown key 'stepz'; did you mean 'steps'?"),
        (SMOKE, "ladder", [{"seeds": 3}], "smoke.yaml: ladder[0]: 'seeds' holds for a whole profile"),
        (SMOKE, "stepz", 1, "profiles/smoke.yaml: unknown key 'stepz'; did you mean 'steps'?"),
        (SMOKE, "runs", ["cdgnt"], "smoke.yaml: runs: no run 'cdgnt'; did you mean 'cdgnet'?"),
        (SMOKE, "runs", [3], "smoke.yaml: runs[0]: 3; allowed: text in quotes"),
        (SMOKE, "steps", "many", "smoke.yaml: steps: 'many'; allowed: whole numbers"),
        (SMOKE, "steps", True, "smoke.yaml: steps: True; allowed: whole numbers"),
        (SMOKE, "steps", -1, "smoke.yaml: steps: -1 is negative"),
        (CDGNET, "runs.cdgnet_ld.ablates", "cdgnt", "runs.cdgnet_ld.ablates: no run 'cdgnt'; did you mean"),
        (CDGNET, "recipes.branch.epoch", 1, "cdgnet.yaml: recipes.branch: unknown key 'epoch'"),
        (CDGNET, f"{TRAIN}.lr", 1, f"cdgnet.yaml: {TRAIN}: unknown key 'lr'"),
        (CDGNET, f"{TRAIN}.optimiser", {"lr": 1, "beta": 1}, "train.optimiser: unknown key 'beta'"),
        (CDGNET, f"{TRAIN}.optimiser", {"lr": "fast"}, f"{TRAIN}.optimiser.lr: 'fast'; allowed: numbers"),
        (CDGNET, TRAIN, {"epochs": 1}, f"cdgnet.yaml: {TRAIN}: 'batch' is missing"),
        (CDGNET, "runs.new", 3, "cdgnet.yaml: runs.new: 3; allowed: a mapping"),
        (CDGNET, "runs.dmphn_1", {"model": "dmphn", "about": ""}, "dmphn_1: this name is taken by"),
    ],
)  # fmt: skip
def test_bad_entries_are_named(params, file, place, value, message):
    """A mistake names its file and place, the bad value and the allowed ones."""
    edit(params.parent / file, place, value)

    with pytest.raises(ValueError, match=re.escape(message)):
        spec.load(params, "smoke" if file == SMOKE else "")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("params.yaml", None, "params.yaml: cannot be read"),
        ("params.yaml", "profile: [", "params.yaml: cannot be read"),
        ("params.yaml", "steps: 3", "params.yaml: 'profile' is missing"),
        ("params.yaml", "", "params.yaml: None; allowed: a mapping of profile"),
        ("params.yaml", "profile: x\nsteps: 1\nsteps: 2", "line 3: key 'steps' is also in line 2"),
        (CDGNET, "recipes:\n  a: {epochs: 1,\n    epochs: 2}", "line 3: key 'epochs' is also in line 2"),
        (SMOKE, "- 1", "smoke.yaml: [1]; allowed: a mapping"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_one_line(params, file, text, message):
    """A missing file, one that is not YAML, and a duplicate key: a ValueError of one line."""
    path = params.parent / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text)

    with pytest.raises(ValueError, match=re.escape(message)) as error:
        spec.load(params, "smoke")
    assert "\n" not in str(error.value)

"""params.yaml: what it may say and what it must not."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from benchmark import spec

ROOT = Path(__file__).parents[1]
RAW = yaml.safe_load((ROOT / "params.yaml").read_text())


def broken(tmp_path, place, value):
    """params.yaml with one entry set, as a path."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    *parents, last = place.split(".")
    entry = raw
    for key in parents:
        entry = entry[key]
    entry[last] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


@pytest.mark.parametrize("profile", RAW["profiles"])
def test_every_profile_loads(profile):
    """Each profile of params.yaml is valid and has runs."""
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


def test_every_cut_is_said():
    """A profile that changes anything about a recipe says so, in words."""
    profile, runs = spec.load(ROOT / "params.yaml", "embedded")
    said = " / ".join(profile.at(runs["cdgnet"]).cuts(runs["cdgnet"].train))

    assert "1,500 of 1,053,000 steps" in said
    assert "crop 32 of 256" in said
    assert "widths divided by 4" in said
    assert "embedded data in place of the real set" in said


def test_overrides_hold_for_a_model_and_then_for_a_run():
    """Whatever a profile cuts can be cut further by model; a run's own entry comes last."""
    profile, runs = spec.load(ROOT / "params.yaml", "embedded")
    more = {"dmphn": {"steps": 7, "crop": 24}, "dmphn_1_2": {"steps": 5}}
    profile = replace(profile, overrides=more)
    cut = {name: profile.at(runs[name]) for name in ("cdgnet", "dmphn_1", "dmphn_1_2")}

    assert {name: (at.steps, at.crop) for name, at in cut.items()} == {
        "cdgnet": (profile.steps, profile.crop), "dmphn_1": (7, 24), "dmphn_1_2": (5, 24)
    }  # fmt: skip
    assert "7 of 842,400 steps" in cut["dmphn_1"].cuts(runs["dmphn_1"].train)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (
            "profiles.smoke.overrides",
            {"dmphm": {}},
            "overrides.dmphm: no such run or model; did you mean 'dmphn'",
        ),
        ("profiles.smoke.overrides", {"dmphn": {"step": 1}}, "overrides.dmphn: unknown key 'step'"),
        ("profiles.smoke.overrides", {"dmphn": {"data": "x"}}, "'data' holds for a whole profile"),
        ("profile", "embeded", "no profile 'embeded'; did you mean 'embedded'?"),
        ("profiles.smoke.stepz", 1, "profiles.smoke: unknown key 'stepz'; did you mean 'steps'?"),
        ("profiles.smoke.runs", ["cdgnt"], "profiles.smoke.runs: no run 'cdgnt'; did you mean 'cdgnet'?"),
        ("profiles.smoke.steps", "many", "profiles.smoke.steps: expected int, got 'many'"),
        ("profiles.smoke.steps", -1, "profiles.smoke.steps: -1 is negative"),
        ("runs.cdgnet_ld.ablates", "cdgnt", "runs.cdgnet_ld.ablates: no run 'cdgnt'"),
        ("runs.cdgnet_acda.train.lr", 1, "runs.cdgnet_acda.train: unknown key 'lr'"),
        ("runs.cdgnet_acda.train.optimiser", {"lr": 1, "beta": 1}, "train.optimiser: unknown key 'beta'"),
        ("runs.cdgnet_acda.train", {"epochs": 1}, "runs.cdgnet_acda.train: 'batch' is missing"),
        ("runs.new", 3, "runs.new: expected a mapping, got 3"),
    ],
)
def test_bad_entries_are_named(tmp_path, place, value, message):
    """A mistake in params.yaml names its place, the bad value and the allowed ones."""
    path = broken(tmp_path, place, value)

    with pytest.raises(ValueError, match=re.escape(message)):
        spec.load(path, "" if "no profile" in message else "smoke")


def test_missing_or_malformed_file_is_one_line(tmp_path):
    """No params.yaml, one that is no YAML, or one without its parts: a ValueError, not a KeyError."""
    torn = tmp_path / "params.yaml"
    torn.write_text("profile: [")
    bare = tmp_path / "bare.yaml"
    bare.write_text("profile: smoke\n")

    for path in (tmp_path / "none.yaml", torn, bare):
        with pytest.raises(ValueError, match=str(path.name)):
            spec.load(path)

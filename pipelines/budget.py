"""Cut a profile to a budget of time: `BUDGET=10m make repro`, or `python -m pipelines.plan --budget 10m`.

A step and a test image of every run are timed on this device. Steps are cut so that everything should end in
time, equally for all variants of a table, and test images where scoring them would take more than half of it.
The result is a profile like any other, `<profile>_10m`, which params.yaml then names, so that every row says
what was cut.
"""

import json
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from benchmark import claims, engine, nets, spec
from benchmark.compare import differences
from benchmark.datasets import embedded
from benchmark.measure import rates
from benchmark.training import planning, validation
from benchmark.trouble import write_text

# s of all stages but data, train and quality, the page included: 66 on two cores, and what starting takes.
OTHER_STAGES = 70.0
RESERVE = 0.05  # of the budget, for what runs slower than it was timed
FEWEST_IMAGES = 4  # one of each test photograph
VALIDATIONS = 1  # of a training, beside the one before it: each takes as long as several test images
RATES = Path("checkpoints/rates")


def measure(name: str, tick: engine.Progress) -> str:
    """Time a step and a test image of a run, for `cut`; return a message."""
    profile, runs = spec.load()
    training = base(profile).trainings(runs)[name]
    step = rates.step_seconds(training) if training.run.train else 0.0
    tick(0.5)
    image = rates.image_seconds(training)
    write_text(RATES / f"{name}.json", json.dumps({"step": step, "image": image}))
    return f"{step:.3f} s a step, {image:.2f} s an image"


def base(profile: spec.Profile) -> spec.Profile:
    """Return the profile that a budget is cut from: one training of each run, scored by the quality stage."""
    if profile.cut_from:
        profile, _ = spec.load(profile=profile.cut_from)
    return replace(profile, seeds=1, ladder=(), final=False, validate=min(profile.validate, VALIDATIONS))


def tables_of(runs: Mapping[str, spec.Run], chosen: Collection[str]) -> Iterator[list[str]]:
    """Group the chosen runs that have to train equally: rows of an ablation table, and a run's variants."""
    leader = {name: name for name in runs}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    pairs = [(name, run.ablates) for name, run in runs.items() if run.ablates]
    for table in differences.ablation_tables(claims.read(), runs):
        names = [str(claim.run) for claim in differences.networks(table)]
        pairs += [(names[0], name) for name in names[1:]]
    for one, other in pairs:
        leader[find(one)] = find(other)
    groups: dict[str, list[str]] = {}
    for name in chosen:
        groups.setdefault(find(name), []).append(name)
    yield from groups.values()


def cut(profile: spec.Profile, runs: Mapping[str, spec.Run], text: str, begun: float) -> spec.Profile:
    """Cut a profile so that the pipeline ends `text`, such as 10m, after `begun`, a time.monotonic().

    Raises:
        ValueError: the budget is no length of time, or too short for one step of each run.
    """
    profile, budget = base(profile), planning.seconds(text)
    trainings = profile.trainings(dict(runs))
    RATES.mkdir(parents=True, exist_ok=True)
    if engine.each("timing", measure, dict.fromkeys(trainings, 1.0)):
        raise ValueError("budget: runs whose step could not be timed; see above")
    timed = {name: json.loads((RATES / f"{name}.json").read_text(encoding="utf-8")) for name in trainings}
    devices = engine.workers(len(trainings))
    left = (1 - RESERVE) * budget - (time.monotonic() - begun) - OTHER_STAGES - rendering(profile, devices)
    images = dict(profile.images)
    scoring = sum(row["image"] for row in timed.values()) / devices
    if images and scoring * images["test"] > left / 2:
        images["test"] = min(images["test"], max(FEWEST_IMAGES, int(left / 2 / scoring)))
    left -= scoring * images.get("test", 0)
    groups = list(groups_of(profile, runs, trainings, timed))
    steps = planning.fit(groups, devices, left)
    name = f"{profile.name}_{re.sub(r'[^0-9a-z]+', '_', text.lower().strip())}"
    about = f"profile {profile.name}, cut to what {text} train on {devices} x {nets.device_name()}"
    overrides = with_steps(profile.overrides, runs, steps)
    return replace(profile, name=name, about=about, cut_from=profile.name, images=images, overrides=overrides)


def rendering(profile: spec.Profile, devices: int) -> float:
    """Estimate the s that rendering a profile's images takes; 0 where nothing is rendered."""
    if not profile.data:
        return 0.0
    seconds = rates.timed(lambda: embedded.render("train", 1))
    return seconds * sum(profile.images.values()) / min(devices, embedded.PROCESSES)


def groups_of(
    profile: spec.Profile,
    runs: Mapping[str, spec.Run],
    trainings: Mapping[str, spec.Training],
    timed: Mapping[str, Mapping[str, float]],
) -> Iterator[planning.Group]:
    """Group the runs that train, with their steps and seconds."""
    learning = {name: t for name, t in trainings.items() if t.run.train}
    for names in tables_of(runs, learning):
        steps = {n: t.profile.cut(t.run.train)[1] for n in names if (t := learning[n]).run.train}
        starts = {n: 1 + validating(learning[n].profile) * timed[n]["image"] for n in names}
        yield planning.Group(steps, {n: timed[n]["step"] for n in names}, starts)


def validating(profile: spec.Profile) -> float:
    """Count the test images whose restoration takes as long as all validations of a training."""
    height, width = rates.STAND_IN if profile.data else rates.REAL
    splits = 3 if "validation" in profile.images else 2
    return (profile.validate + 1) * splits * validation.CROPS * validation.SIDE**2 / (height * width)


def with_steps(
    overrides: Mapping[str, Mapping[str, Any]], runs: Mapping[str, spec.Run], steps: Mapping[str, int]
) -> dict[str, dict[str, Any]]:
    """Add steps to a profile's overrides: to a model's where all its runs have as many."""
    changed = {name: {k: v for k, v in cuts.items() if k != "steps"} for name, cuts in overrides.items()}
    models: dict[str, set[int]] = {}
    for name, count in steps.items():
        models.setdefault(runs[name].model, set()).add(count)
    for name, count in steps.items():
        key = runs[name].model if len(models[runs[name].model]) == 1 else name
        changed[key] = changed.get(key, {}) | {"steps": count}
    return {name: cuts for name, cuts in changed.items() if cuts}


def save(profile: spec.Profile, params: Path = Path("params.yaml")) -> Path:
    """Write a profile's file and name it in params.yaml; return its path."""
    defaults = spec.Profile("", "")
    entries = {f.name: getattr(profile, f.name) for f in fields(profile)}
    entries = {k: v for k, v in entries.items() if k != "name" and v != getattr(defaults, k)}
    text = yaml.safe_dump(plain(entries), sort_keys=False, width=110, allow_unicode=True)
    path = params.parent / spec.PROFILES / f"{profile.name}.yaml"
    write_text(path, text)
    lines = params.read_text(encoding="utf-8")
    write_text(params, re.sub(r"(?m)^profile:\s*\S+", f"profile: {profile.name}", lines, count=1))
    return path


def plain(value: Any) -> Any:
    """Turn tuples into lists, which YAML has.

    >>> plain({"perceptual": ("gmsd",)})
    {'perceptual': ['gmsd']}
    """
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(entry) for entry in value]
    return value

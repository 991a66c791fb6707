"""Read params.yaml, the profiles and the runs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.spec.checked import build, nearest, read_yaml
from benchmark.spec.recipes import Params, Profile, Run, System

RUNS, PROFILES = Path("benchmark/runs"), Path("benchmark/profiles")

# What a profile cannot override for single runs.
WHOLE = {"name", "about", "data", "images", "perceptual", "runs", "overrides", "timing"} | {
    "seeds",
    "ladder",
    "final",
    "cut_from",
}


def load_runs(folder: Path) -> dict[str, Run]:
    """Read every run, system by system in the order that the files declare."""
    systems = [(path, build(System, str(path), read_yaml(path))) for path in sorted(folder.glob("*.yaml"))]
    runs: dict[str, Run] = {}
    places: dict[str, str] = {}
    for path, system in sorted(systems, key=lambda item: item[1].order):
        for name, entry in system.runs.items():
            where = f"{path}: runs.{name}"
            if name in runs:
                raise ValueError(f"{where}: this name is taken by {places[name]}")
            run = build(Run, where, {"name": name, **entry})
            runs[name] = replace(run, system=path.stem, built_to_fit=system.built_to_fit)
            places[name] = where
    for name, run in runs.items():
        if run.ablates and run.ablates not in runs:
            raise ValueError(f"{places[name]}.ablates: no run {run.ablates!r}; {nearest(run.ablates, runs)}")
    return runs


def load_profile(path: Path, runs: Mapping[str, Run]) -> Profile:
    """Read a profile and check the runs and models that it names."""
    entries = build(dict[str, Any], str(path), read_yaml(path))
    profile = build(Profile, str(path), {"name": path.stem, **entries})
    for name in profile.runs:
        if name not in runs:
            raise ValueError(f"{path}: runs: no run {name!r}; {nearest(name, runs)}")
    names = [*runs, *{run.model for run in runs.values()}]
    for name in profile.overrides:
        if name not in names:
            raise ValueError(f"{path}: overrides.{name}: no such run or model; {nearest(name, names)}")
    check_factors(profile, f"{path}: ")
    changes = {f"overrides.{name}": cuts for name, cuts in profile.overrides.items()}
    changes |= {f"ladder[{number}]": cuts for number, cuts in enumerate(profile.ladder)}
    for key, cuts in changes.items():
        where = f"{path}: {key}"
        check_factors(build(Profile, where, {"name": path.stem, "about": "", **cuts}), f"{where}.")
        if shared := set(cuts) & WHOLE:
            raise ValueError(f"{where}: {min(shared)!r} holds for a whole profile, not for a part of it")
    if not profile.final and (profile.seeds > 1 or profile.ladder):
        raise ValueError(f"{path}: seeds and ladder are read from final records; set `final: true`")
    return profile


def check_factors(profile: Profile, where: str) -> None:
    """Refuse zeros where nothing could be trained with them.

    Raises:
        ValueError: a divisor or a number of things is 0; the message begins with `where`.
    """
    for key in ("seeds", "thin", "parts"):
        if not getattr(profile, key):
            raise ValueError(f"{where}{key}: 0; allowed: whole numbers from 1")
    if not profile.lr_times:
        raise ValueError(f"{where}lr_times: 0; allowed: numbers above 0")


def load(path: Path = Path("params.yaml"), profile: str = "") -> tuple[Profile, dict[str, Run]]:
    """Read params.yaml, the profile that it (or the caller) names, and every run.

    Profiles and runs are files below benchmark/profiles and benchmark/runs beside params.yaml.

    Raises:
        ValueError: a file is missing or has something that is not allowed; the message names the place.
    """
    params = build(Params, str(path), read_yaml(path))
    runs = load_runs(path.parent / RUNS)
    name = profile or params.profile
    profiles = {file.stem: file for file in sorted((path.parent / PROFILES).glob("*.yaml"))}
    if name not in profiles:
        raise ValueError(f"{path}: no profile {name!r}; {nearest(name, profiles)}")
    changes = {key: value for key in ("steps", "seed") if (value := getattr(params, key)) is not None}
    return load_profile(profiles[name], runs).changed(changes), runs

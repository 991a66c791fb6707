"""Lay out params.yaml, profiles and runs below a folder."""

import shutil
from pathlib import Path

import yaml

from benchmark import spec

ROOT = Path(__file__).parents[1]


def write(folder: Path, text: str) -> None:
    """Split one YAML text with `profiles` and `runs` into the files that hold them."""
    params = yaml.safe_load(text)
    profiles, runs = params.pop("profiles"), params.pop("runs")
    parts = {spec.PROFILES / f"{name}.yaml": profile for name, profile in profiles.items()}
    for place, part in {**parts, spec.RUNS / "all.yaml": {"runs": runs}, Path("params.yaml"): params}.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(part, sort_keys=False))


def copy(folder: Path) -> Path:
    """Copy those of this project; return the path of params.yaml."""
    for part in (spec.RUNS, spec.PROFILES):
        shutil.copytree(ROOT / part, folder / part, dirs_exist_ok=True)
    return Path(shutil.copy(ROOT / "params.yaml", folder))

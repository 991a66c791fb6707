"""Hash what a trained network depends on."""

from collections.abc import Collection, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmark import engine
from benchmark.results import provenance
from benchmark.spec import Profile, Run
from benchmark.training import validation, versions
from benchmark.training.fit import POINTS

HERE = Path(__file__).parent


def fingerprint(run: Run, profile: Profile, data: str, pretrained: Iterable[str] = ()) -> str:
    """Hash everything a run's weights and curve depend on: equal hashes, equal training.

    Code counts by what it computes, see `versions`; as text counts only what no short training sees.
    Left out: name, description and later tests of a run, and settings of its profile that do not change its
    training.

    Args:
        run: with its recipe.
        profile: as overridden for the run (`Profile.at`).
        data: a hash of the images.
        pretrained: files of pretrained weights that are available.
    """
    datasets = (run.train_on, run.test_on[0], run.unpaired_on)
    facts: dict[str, Any] = {
        "config": run.config,
        "data": data,
        "datasets": [profile.data or name for name in datasets if name],
        "pretrained": sorted(pretrained),
        "torch": torch.__version__,
        "device": engine.device(),
    }
    if run.train is None:
        facts |= {"settings": profile.settings} if profile.settings else {}
        return provenance.digest(facts | {"code": versions.text(run)})
    recipe, steps = profile.cut(run.train)
    cuts = {"thin": profile.thin, "seed": profile.seed, "amp": profile.amp, "validate": profile.validate}
    cuts |= {"parts": profile.parts} if profile.parts > 1 else {}
    cuts |= {"start": profile.start, "curve": [POINTS, validation.CROPS, validation.SIDE]}
    facts |= {"recipe": asdict(recipe), "steps": steps, **cuts, "version": versions.current(run)}
    return provenance.digest(facts | {"code": provenance.hashes(unseen(run, profile, facts["pretrained"]))})


def unseen(run: Run, profile: Profile, pretrained: Collection[str]) -> list[Path]:
    """List the files whose text counts, because a short training does not do what they do."""
    assert run.train is not None
    if profile.amp != "none":  # other operators than in double precision
        return versions.code(run)
    files = [HERE / "images.py"]
    files += [HERE / "start.py"] if profile.start else []
    files += [HERE / "edges.py"] if profile.start == "edges" else []
    if pretrained:
        files += [HERE.parent / "models" / f"{run.model}.py"]
        files += [HERE.parent / "losses" / f"{run.train.loss['name']}.py"]
    return files

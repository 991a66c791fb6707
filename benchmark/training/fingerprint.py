"""Hash what a trained network depends on."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmark import nets
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
    facts: dict[str, Any] = {
        "config": run.config,
        "data": data,
        "datasets": [profile.data or name for name in (run.train_on, run.test_on[0])],
        "pretrained": sorted(pretrained),
        "torch": torch.__version__,
        "device": nets.device(),
    }
    if run.train is None:
        return provenance.digest(facts | {"code": versions.text(run)})
    recipe, steps = profile.cut(run.train)
    cuts = {"thin": profile.thin, "seed": profile.seed, "amp": profile.amp, "validate": profile.validate}
    facts |= {"recipe": asdict(recipe), "steps": steps, **cuts}
    facts |= {"version": versions.current(run), "curve": [POINTS, validation.VALIDATION, validation.SIDE]}
    if profile.amp != "none":  # what autocast does is seen in no other precision
        facts["code"] = versions.text(run)
    elif facts["pretrained"]:  # a short training has none
        files = (
            HERE.parent / "models" / f"{run.model}.py",
            HERE.parent / "losses" / f"{run.train.loss['name']}.py",
        )
        facts["code"] = provenance.hashes(files)
    return provenance.digest(facts)

"""Hash what a trained network depends on."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmark import nets
from benchmark.results import provenance
from benchmark.spec import Profile, Run

HERE = Path(__file__).parent


def fingerprint(run: Run, profile: Profile, data: str, pretrained: Iterable[str] = ()) -> str:
    """Hash everything a run's weights and curve depend on: equal hashes, equal training.

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
        "device": nets.device(),
        "code": provenance.hashes(code(run)),
    }
    if run.train:
        recipe, steps = profile.cut(run.train)
        cuts = {"thin": profile.thin, "seed": profile.seed, "amp": profile.amp, "validate": profile.validate}
        cuts["start"] = profile.start
        facts |= {"recipe": asdict(recipe), "steps": steps, **cuts}
    return provenance.digest(facts)


def code(run: Run) -> list[Path]:
    """List the files that decide what training a run does: the trainer, its plugins, and their imports."""
    files = [HERE.parent / "models" / f"{run.model}.py", HERE / "trainer.py"]
    if run.train:
        files += [HERE / "augment" / f"{name}.py" for name in (*run.train.before_crop, *run.train.augment)]
        files.append(HERE.parent / "losses" / f"{run.train.loss.get('name')}.py")
        if run.train.adversary:
            files.append(HERE.parent / "adversaries" / f"{run.train.adversary.get('name')}.py")
    return provenance.with_imports(file for file in files if file.exists())

"""Compare the motion that a system estimates first with the true one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from torch import Tensor, nn

from benchmark import spec
from benchmark.data.pairs import Pairs
from benchmark.metrics import _flow

EXTRA = "motion"  # of pairs whose motion is known, (H, W, 2)


def known(run: spec.Run, profile: spec.Profile) -> bool:
    """Say whether a run has learnt from true motion and is tested where that is known: in a stand-in set."""
    return bool(profile.data and run.train and EXTRA in run.train.extras)


@contextmanager
def watched(net: nn.Module) -> Iterator[list[_flow.Flow]]:
    """Collect the motion (H, W, 2) of every image that a network restores meanwhile, if it estimates one."""
    seen: list[_flow.Flow] = []
    estimate = getattr(net, "flow", None)
    if estimate is None:
        yield seen
        return

    def flow(blurry: Tensor) -> Tensor:
        found: Tensor = estimate(blurry)
        seen.extend(field.permute(1, 2, 0).double().cpu().numpy() for field in found)
        return found

    cast(Any, net).flow = flow
    try:
        yield seen
    finally:
        del cast(Any, net).flow


def errors(flows: list[_flow.Flow], pairs: Pairs, training: Pairs) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield each image's name and the end-point errors of the estimated, no and the mean motion, in pixels.

    `flows` are those of the images of `pairs`, or empty. Both sets of pairs need the extra "motion".
    """
    folded = [_flow.fold(cast(Any, motion).astype(np.float64)) for motion in training.extras[EXTRA]]
    mean = np.mean([motion.mean(axis=(0, 1)) for motion in folded], axis=0)
    named = zip(pairs.names, pairs.extras[EXTRA], strict=True)
    for flow, (name, motion) in zip(flows, named, strict=bool(flows)):
        height, width = motion.shape[:2]  # a small image is padded before it is restored
        yield name, _flow.errors(flow[:height, :width], cast(Any, motion), mean)

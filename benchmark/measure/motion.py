"""Compare the motion that a system estimates first with the true one."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from benchmark import nets, spec
from benchmark.data.pairs import Pairs
from benchmark.metrics import _flow

EXTRA = "motion"  # of pairs whose motion is known, (H, W, 2)


def known(run: spec.Run, profile: spec.Profile) -> bool:
    """Say whether a run has learnt from true motion and is tested where that is known: in a stand-in set."""
    return bool(profile.data and run.train and EXTRA in run.train.extras)


def errors(
    net: nn.Module, pairs: Pairs, training: Pairs, device: str = "cpu"
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield each image's name and the end-point errors of the estimated, no and the mean motion, in pixels.

    Both sets of pairs need the extra "motion". A network that estimates no motion has no `flow(blurry)`, and
    nothing to compare.
    """
    if not hasattr(net, "flow"):
        return
    net = net.to(device).eval()
    folded = [_flow.fold(cast(Any, motion).astype(np.float64)) for motion in training.extras[EXTRA]]
    mean = np.mean([motion.mean(axis=(0, 1)) for motion in folded], axis=0)
    for name, blurry, motion in zip(pairs.names, pairs.blurry, pairs.extras[EXTRA], strict=True):
        with torch.inference_mode():
            flow = cast(Any, net).flow(nets.tensor(blurry, torch.float32).to(device))
        yield name, _flow.errors(flow[0].permute(1, 2, 0).double().cpu().numpy(), cast(Any, motion), mean)

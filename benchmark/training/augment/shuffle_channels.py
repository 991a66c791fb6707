"""Permute red, green and blue (MS-CNN)."""

import torch

from benchmark.training.augment import Crop, Rng, tensor


def augment(crop: Crop, rng: Rng) -> Crop:
    """Draw one order for all images."""
    order = torch.from_numpy(rng.permutation(3))
    return {
        name: tensor(x).index_select(-1, order).numpy() if x.shape[-1] == 3 else x for name, x in crop.items()
    }

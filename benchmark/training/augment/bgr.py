"""Hand images over as blue, green, red (DeblurGAN-v2, which trains on images as OpenCV reads them)."""

from benchmark.training.augment import Crop, Rng


def augment(crop: Crop, rng: Rng) -> Crop:
    """Swap red and blue of all images."""
    return {name: x[..., ::-1] if x.shape[-1] == 3 else x for name, x in crop.items()}

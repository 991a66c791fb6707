"""Say in one line what is wrong with an image whose blur cannot be estimated."""

from torch import Tensor

FLAT = 2 / 255  # difference of the greatest and the least level, below which there is no edge


def check(name: str, images: Tensor, side: int) -> None:
    """Raise a ValueError unless images are (B, 3, H, W), of at least that side, each with some structure.

    >>> import torch
    >>> check("xu", torch.zeros(1, 3, 64, 64), 16)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: xu: image 1 of 1 has one level, 0: no edge shows a blur; allowed: ...
    """
    if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[-2:]) < side:
        raise ValueError(f"{name}: images {tuple(images.shape)}; allowed: (B, 3, H, W), H and W from {side}")
    for number, image in enumerate(images, start=1):
        if not image.isfinite().all():
            raise ValueError(f"{name}: image {number} of {len(images)} has values that are no numbers")
        if float(image.amax((1, 2)).sub(image.amin((1, 2))).max()) < FLAT:
            level = round(255 * float(image.mean()))
            raise ValueError(
                f"{name}: image {number} of {len(images)} has one level, {level}: no edge shows a blur; "
                "allowed: levels that differ by 2 of 255"
            )

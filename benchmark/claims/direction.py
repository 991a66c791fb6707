"""Which direction of a printed quantity is better, in this one place."""

from typing import Literal

# Quality by the family that papers print; its metric files declare the same (a test compares them).
BETTER: dict[str, Literal["higher", "lower"]] = {
    "psnr": "higher",
    "ssim": "higher",
    "seconds": "lower",
    "params": "lower",
    "size": "lower",
    "macs_256": "lower",
    "macs_720p": "lower",
}

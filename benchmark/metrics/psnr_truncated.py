"""PSNR of an image that was saved by truncating values to 8 bits instead of rounding them.

torchvision's `save_image` did so until 2019 and `to_pil_image` still does; DMPHN and DeblurGAN were scored
this way. It costs 0.03 dB at 31 dB and more above.
"""

from benchmark.metrics import psnr
from benchmark.spec import Quantity

QUANTITY = Quantity(
    "psnr_truncated", "dB", "higher", family="psnr", sees="truncated", about="RGB, truncated to 8 bit"
)

measure = psnr.measure

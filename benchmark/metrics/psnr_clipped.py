"""PSNR of the network's floating-point output clamped to [0, 1], before it is saved (MIMO-UNet's eval.py)."""

from benchmark.metrics import psnr
from benchmark.spec import Quantity

QUANTITY = Quantity(
    "psnr_clipped", "dB", "higher", family="psnr", sees="clipped", about="RGB, floating point, clamped"
)

measure = psnr.measure

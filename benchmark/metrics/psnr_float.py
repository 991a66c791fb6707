"""PSNR of the network's answer as it is: floating point, with the values outside [0, 1] that it may have."""

from benchmark.metrics import psnr
from benchmark.spec import Quantity

QUANTITY = Quantity(
    "psnr_float", "dB", "higher", family="psnr", sees="float", about="RGB, floating point, not clamped"
)

measure = psnr.measure

"""PSNR of the network's floating-point output, including values outside [0, 1]."""

from benchmark.metrics import psnr
from benchmark.spec import Quantity

QUANTITY = Quantity(
    "psnr_float", "dB", "higher", family="psnr", sees="float", about="RGB, floating point, not clamped"
)

measure = psnr.measure

"""One thread: networks this small run no faster on two, and many times slower on a busy machine."""

import torch

torch.set_num_threads(1)

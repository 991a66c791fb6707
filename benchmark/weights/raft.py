"""RAFT, an optical flow network, with torchvision's weights.

Paper     Z. Teed, J. Deng. RAFT: Recurrent All-Pairs Field Transforms for Optical Flow. ECCV 2020
Weights   Raft_Large_Weights.C_T_SKHT_V2, torchvision's default: trained on FlyingChairs, FlyingThings3D,
          Sintel, KITTI and HD1K
"""

from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad
from torchvision.models.optical_flow import raft_large

from benchmark.data.flow import Estimate
from benchmark.weights import pretrained

NAME = "raft_large"  # in pretrained.WEIGHTS
STRIDE = 8  # sides are a multiple of this
SMALLEST = 128  # pixels: four levels of correlation at an eighth of the size


def estimator(device: str) -> Estimate | None:
    """Return a function that estimates where each pixel of one image is in another; None without weights.

    It takes two images (H, W, 3) uint8 and returns (H, W, 2) float32, movement in x and y, in pixels. Threads
    may share it.
    """
    path = pretrained.path(NAME)
    if path is None:
        return None
    net = raft_large()
    net.load_state_dict(pretrained.read(path))
    net.eval().to(device)
    lock = Lock()

    def prepared(image: NDArray[np.uint8]) -> Tensor:
        values = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(device).float() / 127.5 - 1
        bottom, right = (max(SMALLEST, -(-side // STRIDE) * STRIDE) - side for side in image.shape[:2])
        return pad(values, (0, right, 0, bottom), mode="replicate")

    def estimate(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = first.shape[:2]
        with lock, torch.inference_mode():
            flow: Tensor = net(prepared(first), prepared(second))[-1]
        return np.asarray(flow[0, :, :height, :width].permute(1, 2, 0).cpu().numpy())

    return estimate

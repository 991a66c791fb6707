"""Content loss: squared difference between features of VGG19 (DeblurGAN Sec. 3.2, BAG Eq. 7).

J. Johnson, A. Alahi, L. Fei-Fei. Perceptual Losses for Real-Time Style Transfer and Super-Resolution. ECCV
2016. Its use here:
PerceptualLoss in models/losses.py of KupynOrest/DeblurGAN @a6f4ad0 and of VITA-Group/DeblurGANv2 @ca1c5ee.

Without VGG19's weights the pixels of the normalised images are compared, as strongly as features would be,
and the results have a note. With the features' own weight, DeblurGAN's critic would decide almost alone: in
profile night the network then lost 0.19 dB, and gains 0.25 this way.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss
from torchvision.models import vgg19

from benchmark.losses import Batch, constants
from benchmark.weights import pretrained

# Convolutions of VGG19 before their ReLU, and their indices in torchvision's `features`.
STAGES = {1: (0, 2), 2: (5, 7), 3: (10, 12, 14, 16), 4: (19, 21, 23, 25), 5: (28, 30, 32, 34)}
LAYERS = {
    f"conv{stage}_{k}": index for stage, indices in STAGES.items() for k, index in enumerate(indices, start=1)
}

# Squared differences of VGG19's features, times this, are about as large as those of pixels. C. Ledig et al.
# Photo-Realistic Single Image Super-Resolution Using a GAN. CVPR 2017, Sec. 3.2.
PIXELS_PER_FEATURES = 0.006

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in [0, 1]


def imagenet(x: Tensor, batch: Batch) -> Tensor:
    """Normalise as for VGG19's training: ImageNet has mean 0 and standard deviation 1 per channel."""
    dtype = torch.get_default_dtype()
    mean, std = (constants(values, dtype, x.device).view(3, 1, 1) for values in (MEAN, STD))
    return (batch.image(x) - mean) / std


NORMALISE: dict[str, Callable[[Tensor, Batch], Tensor]] = {
    "none": lambda x, batch: x,  # the network's range as it is (DeblurGAN: [-1, 1])
    "imagenet": imagenet,  # DeblurGAN-v2, for the first image of a batch alone, but its batch is one
}

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": mse_loss, "l1": l1_loss}


@lru_cache(maxsize=2)
def features(layer: str, file: Path, device: torch.device) -> nn.Sequential:
    """Load VGG19 up to a layer, without gradients for its weights: (B, 3, H, W) -> (B, C, h, w)."""
    with torch.device("meta"):
        whole: nn.Sequential = vgg19().features
    part = whole[: LAYERS[layer] + 1]
    state = pretrained.read(file)
    part.load_state_dict({key: state[f"features.{key}"] for key in part.state_dict()}, assign=True)
    return part.requires_grad_(False).eval().to(device).to(memory_format=torch.channels_last)


def loss(
    outputs: list[Tensor],
    batch: Batch,
    *,
    weight: float = 1.0,
    layer: str = "conv3_3",
    normalise: str = "none",
    pixel: float = 0.0,
    distance: str = "mse",
) -> Tensor:
    """Compare the restored image: `weight` times the features' squared difference, `pixel` times the pixels'.

    Both are means over all values of normalised images. In DeblurGAN-v2's code the pixel term is too, because
    "imagenet" changes the images in place before they are compared.

    Recipes: DeblurGAN and BAG `weight: 100`; DeblurGAN-v2 `weight: 0.006, normalise: imagenet, pixel: 0.5`.
    `layer`, `normalise` and `distance` (of the pixels) are keys of LAYERS, NORMALISE and DISTANCES.
    """
    restored, sharp = (NORMALISE[normalise](x, batch) for x in (outputs[-1], batch.sharp))
    file = pretrained.path("vgg19")
    if file is None:
        content = mse_loss(restored, sharp) / PIXELS_PER_FEATURES
    else:
        vgg = features(layer, file, restored.device)
        content = mse_loss(vgg(restored), vgg(sharp))
    return weight * content + (pixel * DISTANCES[distance](restored, sharp) if pixel else 0)

"""Sun et al.: a network classifies the blur of patches, a random field smooths it, a deconvolution undoes it.

Paper     J. Sun, W. Cao, Z. Xu, J. Ponce. Learning a Convolutional Neural Network for Non-uniform Motion Blur
          Removal. CVPR 2015. arXiv:1503.00593
Sources   the authors' MATLAB code, which users have published (Deblur_CNN_motion.m: patches of 34 pixels in
          0 to 255, five rotations by 6 degrees, 361 kernels, weights of the patches, candidates, random
          field; immaxproduct.m: belief propagation). The paper's patches have 30 pixels: `patch: 30`. The
          trained weights could not be had. CDGNet prints 54.1 MB. 7,258,313 weights in float32 are 29.0 MB,
          with the momentum that MatConvNet stores beside them 58.1 MB, compressed as random numbers of
          float32 are in a MATLAB file, to 0.93 of that, 53.9 MB. So 54.1 MB is most likely the file of the
          released network, net-epoch-600.mat, which could not be seen
Unstated  widths and filters of the layers: not in the code; recalled from the paper, fitting 54.1 MB
          patches: every 6 pixels in the code, each cut from the turned image by itself. Here the network
          runs over the whole turned image once, which gives every fourth patch, and probabilities are
          interpolated between them
          initialisation: N(0, 0.01), as in the examples of MatConvNet, with which it was trained
          input: grey levels in the code. Here less 128 and over 64, and the first layer is drawn 64 times as
          wide: the same functions, whose first layer Adam trains at the pace of the others
          orientation: from the right towards below
          the chosen field: see `_sun_mrf.min_sum`; the code takes that of the last iteration
          solver: see benchmark/deconvolution/epll.py
Shapes    B batch, H W image, n patches, K candidates. While it is trained the network returns the scores of
          73 kernels for every fourth patch, (B, 73, h, w), alone: no image is needed then
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate

from benchmark.deconvolution.along_lines import check, remove_motion
from benchmark.models._layers import thinned
from benchmark.models._sun_mrf import min_sum

LENGTHS = tuple(range(3, 26, 2))  # pixels; and 1, which is no motion and has no orientation
ANGLES = tuple(range(0, 180, 30))  # degrees
KERNELS = [(1, 0), *((length, angle) for angle in ANGLES for length in LENGTHS)]  # what is classified
TURNS = (0, 6, 12, 18, 24)  # degrees
SPACING, STEP, NODES = 4, 6, 3  # pixels between patches of the network, of the field, between its nodes
MIDDLE, SCALE = 128, 64  # grey levels: zero and one for the first layer
FALL = 0.005  # of a patch's weight with the squared distance to its middle
TOP, LABELS = 20, 50  # candidates: the most probable ones, and all
SMOOTH = 100.0  # per pixel of difference between neighbours, squared
ITERATIONS, DAMPING = 15, 0.5  # of the belief propagation


@dataclass(frozen=True)
class Config:
    """The released network."""

    patch: int = 34  # pixels; the paper's network has 30
    widths: tuple[int, ...] = (96, 256, 1024)

    def thin(self, factor: int) -> "Config":
        """Divide every width by a factor; the classes stay."""
        return replace(self, widths=tuple(thinned(width, factor) for width in self.widths))


def vectors(kernels: list[tuple[int, int]]) -> Tensor:
    """Convert (length, degrees) to (n, 2), pixels right and down."""
    length, angle = torch.tensor(kernels, dtype=torch.get_default_dtype()).unbind(dim=1)
    return length[:, None] * torch.stack((angle.deg2rad().cos(), angle.deg2rad().sin()), dim=1)


# 73 kernels turned five times; no motion, which a turn does not change, counts once, upright.
EXTENDED = [*KERNELS, *((length, angle + turn) for turn in TURNS[1:] for length, angle in KERNELS[1:])]
# Of the 361 kernels in the order of their probability.
RANKS = [*range(TOP), *(round(21 + k * (361 - TOP) / (LABELS - TOP)) - 1 for k in range(LABELS - TOP))]


def turned(image: Tensor, degrees: float) -> Tensor:
    """Turn an image so that what runs along `degrees` runs to the right; enlarged to hold all of it.

    (1, C, H, W) -> (1, C, H', W'), black where there is nothing.
    """
    height, width = image.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    tall, wide = (math.ceil(a * cos + b * abs(sin)) for a, b in ((height, width), (width, height)))
    y, x = centred(tall, image), centred(wide, image)
    points = torch.stack(
        torch.broadcast_tensors(cos * x - sin * y[:, None], sin * x + cos * y[:, None]), dim=-1
    )
    return grid_sample(image, (points / middle(image.shape, image))[None], align_corners=True)


def centred(count: int, like: Tensor, step: int = 1) -> Tensor:
    """List the places of evenly spaced points about their middle, in pixels."""
    return step * (torch.arange(count, device=like.device, dtype=like.dtype) - (count - 1) / 2)


def middle(shape: torch.Size, like: Tensor) -> Tensor:
    """Return half the sides less half a pixel, x and y: `grid_sample` counts in these from the middle."""
    return torch.stack(
        [torch.full((), max(s - 1, 1) / 2, device=like.device) for s in (shape[-1], shape[-2])]
    )


def levels(image: Tensor) -> Tensor:
    """Convert an image in [0, 1] to what the network sees."""
    return (255 * image - MIDDLE) / SCALE


class Net(nn.Module):
    """Classify patches, choose a motion for each pixel, and remove its blur."""

    stride = 1
    no_macs = "a random field and a deconvolution solve optimisation problems for each image"

    def __init__(self, config: Config) -> None:
        super().__init__()
        first, second, third = config.widths
        self.patch = config.patch
        left = ((config.patch - 6) // 2 - 4) // 2  # what two filters and two poolings leave of a patch
        self.layers = nn.Sequential(
            nn.Conv2d(3, first, 7), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(first, second, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(second, third, left), nn.ReLU(),
            nn.Conv2d(third, len(KERNELS), 1),
        )  # fmt: skip
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01 * (SCALE if layer.in_channels == 3 else 1))
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        reach = max(math.sin(math.radians(t)) + math.cos(math.radians(t)) for t in TURNS)
        self.margin = math.ceil(config.patch / 2 * reach)  # of the middles of patches that fit when turned
        self.smallest_side = config.patch + LENGTHS[-1] - 1  # of the training's crops; a field needs less

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """Restore images: (B, 3, H, W) in [0, 1] -> [(B, 3, H, W)]; see Shapes for training.

        Raises:
            ValueError: no colour images, or images that are too small, in training for a patch.
        """
        check("sun", blurry, self.patch if self.training else self.smallest_side)
        if self.training:
            return [self.layers(levels(blurry))]
        return [remove_motion(blurry, self.flow(blurry))]

    def flow(self, blurry: Tensor) -> Tensor:
        """Estimate the pixels travelled right and down in the exposure: (B, 3, H, W) -> (B, 2, H, W).

        Pixels near the border, in no patch that fits when turned, have none.
        """
        return torch.cat([self.field(image[None]) for image in blurry])

    def field(self, blurry: Tensor) -> Tensor:
        """Estimate the motion of an image: (1, 3, H, W) -> (1, 2, H, W)."""
        places = [self.places(side) for side in blurry.shape[-2:]]
        probabilities = torch.cat(
            [self.classify(blurry, turn, places)[1 if turn else 0 :] for turn in TURNS]
        )  # (361, rows, columns) of patches
        boxes = [self.box(places_along) for places_along in places]
        down, across = (spread(p, box, self.patch, blurry) for p, box in zip(places, boxes, strict=True))
        at_nodes = torch.einsum("ip,kpq,jq->ijk", down, probabilities, across)
        ordered = at_nodes.sort(dim=2, descending=True, stable=True)
        ranks = list(RANKS)
        costs, labels = -ordered.values[..., ranks], ordered.indices[..., ranks]
        ends = vectors(EXTENDED).to(costs)
        chosen = min_sum(costs, SMOOTH * ends[labels], ITERATIONS, DAMPING)
        ends[0] = 0
        motion = ends[labels.gather(2, chosen[..., None])[..., 0]].permute(2, 0, 1)[None]
        size = [box.stop - box.start for box in boxes]
        field = blurry.new_zeros(1, 2, *blurry.shape[-2:])
        field[..., boxes[0], boxes[1]] = interpolate(motion, size, mode="nearest")
        return field

    def places(self, side: int) -> Tensor:
        """List rows, or columns, of patches: of the first pixel after the middle of each."""
        return torch.arange(self.margin, side - self.margin, STEP)

    def box(self, places: Tensor) -> slice:
        """Return the rows, or columns, that patches cover."""
        half = self.patch // 2
        return slice(int(places[0]) - half, int(places[-1]) + half)

    def classify(self, blurry: Tensor, turn: int, places: list[Tensor]) -> Tensor:
        """Return the probabilities of the 73 kernels for each patch, turned: (73, rows, columns)."""
        image = turned(blurry, turn)
        scores = self.layers(levels(image)).softmax(dim=1)
        y, x = (
            (p.to(blurry) - side / 2) for p, side in zip(places, blurry.shape[-2:], strict=True)
        )  # of the middles of patches from that of the image
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        points = torch.stack(
            torch.broadcast_tensors(cos * x + sin * y[:, None], cos * y[:, None] - sin * x), dim=-1
        )
        # The network's patches begin at the first pixel and lie SPACING apart.
        sizes = zip(image.shape[-2:], scores.shape[-2:], strict=True)
        offset = [(side - self.patch) / 2 - SPACING * (n - 1) / 2 for side, n in sizes]
        shifted = points + points.new_tensor(offset[::-1])
        grid = shifted / SPACING / middle(scores.shape, blurry)
        return grid_sample(scores, grid[None], padding_mode="border", align_corners=True)[0]


def spread(places: Tensor, box: slice, patch: int, like: Tensor) -> Tensor:
    """Weigh patches for each node of the random field, along one side: (nodes, patches), sums of 1."""
    nodes = torch.arange(box.start + 1, box.stop, NODES)
    apart = nodes[:, None] - places
    weights = torch.exp(-FALL * (apart.to(like) + 0.5).square())
    weights = weights * ((apart >= -(patch // 2)) & (apart < patch // 2)).to(like)
    return weights / weights.sum(dim=1, keepdim=True)

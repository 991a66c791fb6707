"""Blur an image by a known kernel, known lines or known camera paths, and apply the exact transpose.

Each output pixel is a weighted mean of the sharp image at points near it ("gather"): y = K x. Where a point
lies outside the image the nearest border pixel is taken, in K and in its transpose alike, so that <K x, y>
= <x, K' y> to rounding. Blurs that vary in space are sparse matrices, K and K' both by rows (35 weights per
row at a mean length of 15 pixels: 0.5 GB at 720x1280 in float32); a uniform blur is a product of Fourier
transforms.

Sources   a motion blur of full length |flow|, centred, reproduces published blurs of Gong et al. (CVPR 2017)
          to 40 dB (tests/test_operator.py); the border is replicated in the code of Sun, Gong, Whyte and
          Krishnan
Shapes    H W image, C channels, T points of a path
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft, sparse
from torch import Tensor

ENTRIES = 2**22  # matrix entries that are built at once: 100 MB with what is needed meanwhile
SPACING = 0.5  # greatest distance in pixels of two samples of a line

# The points (y, x) and weights, each (rows, T), from which pixels `first` to `last` of the image gather.
Points = Callable[[int, int], tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]


class Blur(ABC):
    """A linear blur of images of one size."""

    shape: tuple[int, int]  # height and width

    def forward(self, image: Tensor) -> Tensor:
        """Blur an image: (..., H, W) -> (..., H, W), K x."""
        return self._checked(image, self._forward)

    def adjoint(self, image: Tensor) -> Tensor:
        """Apply the transpose: (..., H, W) -> (..., H, W), K' y."""
        return self._checked(image, self._adjoint)

    def _checked(self, image: Tensor, apply: Callable[[Tensor], Tensor]) -> Tensor:
        if image.shape[-2:] != self.shape or not image.is_floating_point():
            height, width = self.shape
            raise ValueError(
                f"a blur of {height}x{width} images got {tuple(image.shape)} {image.dtype}; "
                f"allowed: floating point with last dimensions ({height}, {width})"
            )
        return apply(image)

    @abstractmethod
    def _forward(self, image: Tensor) -> Tensor: ...

    @abstractmethod
    def _adjoint(self, image: Tensor) -> Tensor: ...


class Uniform(Blur):
    """Convolve with one kernel whose centre is (height // 2, width // 2) of it."""

    def __init__(self, kernel: Tensor, height: int, width: int) -> None:
        self.kernel, self.shape = kernel, (height, width)
        tall, wide = kernel.shape
        self.sizes = [fft.next_fast_len(side, real=True) for side in (height + tall - 1, width + wide - 1)]
        self._rows = _clamped(tall, height, kernel.device)
        self._columns = _clamped(wide, width, kernel.device)
        self._spectra: dict[torch.dtype, Tensor] = {}

    def _spectrum(self, dtype: torch.dtype) -> Tensor:
        if dtype not in self._spectra:
            self._spectra[dtype] = torch.fft.rfft2(self.kernel.to(dtype), s=self.sizes)
        return self._spectra[dtype]

    def _forward(self, image: Tensor) -> Tensor:
        padded = image[..., self._rows, :][..., self._columns]
        spectrum = torch.fft.rfft2(padded, s=self.sizes) * self._spectrum(image.dtype)
        (tall, wide), (height, width) = self.kernel.shape, self.shape
        blurred = torch.fft.irfft2(spectrum, s=self.sizes)
        return blurred[..., tall - 1 : tall - 1 + height, wide - 1 : wide - 1 + width]

    def _adjoint(self, image: Tensor) -> Tensor:
        (tall, wide), (height, width) = self.kernel.shape, self.shape
        placed = image.new_zeros(*image.shape[:-2], *self.sizes)
        placed[..., tall - 1 : tall - 1 + height, wide - 1 : wide - 1 + width] = image
        spectrum = torch.fft.rfft2(placed) * self._spectrum(image.dtype).conj()
        padded = torch.fft.irfft2(spectrum, s=self.sizes)[..., : len(self._rows), : len(self._columns)]
        folded = image.new_zeros(*image.shape[:-2], height, len(self._columns))
        folded.index_add_(-2, self._rows, padded)
        return image.new_zeros(image.shape).index_add_(-1, self._columns, folded)


class Mixed(Blur):
    """Blur by several kernels and add the images up with weights at each pixel, (N, H, W), their sum 1."""

    def __init__(self, blurs: Sequence[Blur], weights: Tensor) -> None:
        self.blurs, self.weights, self.shape = blurs, weights, blurs[0].shape

    def _forward(self, image: Tensor) -> Tensor:
        parts = zip(self.blurs, self.weights, strict=True)
        return torch.stack([weight * blur.forward(image) for blur, weight in parts]).sum(0)

    def _adjoint(self, image: Tensor) -> Tensor:
        parts = zip(self.blurs, self.weights, strict=True)
        return torch.stack([blur.adjoint(weight * image) for blur, weight in parts]).sum(0)


class Rows(Blur):
    """Multiply by a sparse matrix (H W, H W), whose row is what one output pixel gathers."""

    def __init__(self, matrix: sparse.csr_matrix, shape: tuple[int, int], device: torch.device) -> None:
        self.shape = shape
        self._matrices = [_tensor(m, device) for m in (matrix, matrix.T.tocsr())]

    @property
    def entries(self) -> int:
        """Count the weights of the matrix that are stored."""
        return len(self._matrices[0].values())

    def _forward(self, image: Tensor) -> Tensor:
        return self._times(self._matrices[0], image)

    def _adjoint(self, image: Tensor) -> Tensor:
        return self._times(self._matrices[1], image)

    def _times(self, matrix: Tensor, image: Tensor) -> Tensor:
        columns = image.reshape(-1, matrix.shape[1]).T.to(matrix.dtype).contiguous()
        return (matrix @ columns).T.reshape(image.shape).to(image.dtype)


def uniform(kernel: Tensor, height: int, width: int) -> Uniform:
    """Make the blur by one kernel, (k, l), which is normalised to the sum 1.

    y(p) is the sum of k(q) x(p - q + centre): a convolution, centre (k // 2, l // 2).

    Raises:
        ValueError: the kernel is no matrix of finite numbers with a positive sum.
    """
    if kernel.ndim != 2 or not kernel.isfinite().all() or kernel.sum() <= 0:
        raise ValueError(f"kernel {tuple(kernel.shape)}: allowed: a matrix of finite numbers, sum above 0")
    return Uniform(kernel / kernel.sum(), height, width)


def lines(flow: Tensor) -> Rows:
    """Make the blur in which each pixel gathers evenly along a straight line centred on it.

    Flow: (H, W, 2), pixels travelled during the exposure, x to the right and y down; the sign does not
    matter. The dtype of the flow, at least float32, and its device become those of the matrix.

    Raises:
        ValueError: the flow has another shape, or values that are not finite.
    """
    if flow.ndim != 3 or flow.shape[2] != 2 or not flow.isfinite().all():
        raise ValueError(f"flow {tuple(flow.shape)}: allowed: (H, W, 2), finite")
    height, width, _ = flow.shape
    u, v = (flow[..., axis].reshape(-1, 1).double().cpu().numpy() for axis in (0, 1))

    def points(first: int, last: int) -> tuple[NDArray[np.float64], ...]:
        y, x = (index[:, None] for index in np.divmod(np.arange(first, last), width))
        longest = np.hypot(u[first:last], v[first:last]).max()
        count = max(1, int(np.ceil(longest / SPACING)))
        times = (np.arange(count) + 0.5) / count - 0.5
        return y + times * v[first:last], x + times * u[first:last], np.full((last - first, count), 1 / count)

    return _gather(cast(Points, points), (height, width), flow)


def paths(points: Tensor, weights: Tensor, shape: tuple[int, int] | None = None) -> Rows:
    """Make the blur in which each pixel gathers at T points with T weights, normalised to the sum 1.

    Points are either displacements (H, W, T, 2) in pixels, x to the right and y down, or T homographies
    (T, 3, 3), which take a pixel (x, y, 1) of the blurred image to its point in the sharp one; then `shape`
    is the image's height and width. Weights: (T,).

    Raises:
        ValueError: another shape, values that are not finite, or weights whose sum is not above 0.
    """
    count = len(weights)
    if not points.isfinite().all() or not weights.isfinite().all() or weights.ndim != 1 or weights.sum() <= 0:
        raise ValueError("points or weights: allowed: finite numbers, weights (T,) with a sum above 0")
    share = (weights / weights.sum()).double().cpu().numpy()
    if points.ndim == 4 and points.shape[2:] == (count, 2):
        height, width = points.shape[:2]
        moved = points.reshape(-1, count, 2)

        def at(y: NDArray[np.float64], x: NDArray[np.float64], span: slice) -> NDArray[np.float64]:
            return np.stack([x, y], -1)[:, None] + moved[span].double().cpu().numpy()

    elif points.shape == (count, 3, 3) and shape:
        height, width = shape
        matrices = points.double().cpu().numpy()

        def at(y: NDArray[np.float64], x: NDArray[np.float64], span: slice) -> NDArray[np.float64]:
            rays = np.einsum("tij,nj->nti", matrices, np.stack([x, y, np.ones_like(x)], -1))
            return rays[..., :2] / rays[..., 2:]

    else:
        raise ValueError(
            f"points {tuple(points.shape)} with {count} weights: allowed: (H, W, T, 2); (T, 3, 3) and a shape"
        )

    def gathered(first: int, last: int) -> tuple[NDArray[np.float64], ...]:
        y, x = np.divmod(np.arange(first, last, dtype=float), width)
        found = at(y, x, slice(first, last))
        return found[..., 1], found[..., 0], np.broadcast_to(share, (last - first, count))

    return _gather(cast(Points, gathered), (height, width), points)


def _gather(points: Points, shape: tuple[int, int], like: Tensor) -> Rows:
    """Build the matrix of a blur from the points of each pixel, with bilinear weights."""
    dtype = np.float64 if like.dtype == torch.float64 else np.float32
    height, width = shape
    blocks = [
        _block(*points(first, last), shape=shape, dtype=dtype)
        for first, last in _spans(points, height * width)
    ]
    return Rows(sparse.vstack(blocks, format="csr", dtype=dtype), shape, like.device)


def _spans(points: Points, pixels: int) -> Iterator[tuple[int, int]]:
    """Split the pixels so that no block has many more than ENTRIES entries."""
    first = 0
    while first < pixels:
        last = min(pixels, first + 4096)
        count = points(first, last)[0].shape[1]
        last = min(last, first + max(1, ENTRIES // (4 * count)))
        yield first, last
        first = last


def _block(
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    weights: NDArray[np.float64],
    shape: tuple[int, int],
    dtype: type,
) -> sparse.csr_matrix:
    """Build some rows of the matrix: each point is shared by its four neighbours."""
    height, width = shape
    y, x = y.clip(0, height - 1), x.clip(0, width - 1)
    top = np.minimum(y.astype(np.int32), max(height - 2, 0))
    left = np.minimum(x.astype(np.int32), max(width - 2, 0))
    below, right = y - top, x - left
    down, across = int(height > 1) * width, int(width > 1)
    corner = top * width + left
    columns = np.stack([corner, corner + across, corner + down, corner + down + across], -1)
    shares = np.stack(
        [(1 - below) * (1 - right), (1 - below) * right, below * (1 - right), below * right], -1
    )
    values: NDArray[Any] = (shares * weights[..., None]).astype(dtype)
    rows, each = len(y), y.shape[1] * 4
    starts = np.arange(rows + 1) * each
    block = sparse.csr_matrix((values.ravel(), columns.ravel(), starts), shape=(rows, height * width))
    block.sum_duplicates()
    block.eliminate_zeros()
    return block


def _tensor(matrix: sparse.csr_matrix, device: torch.device) -> Tensor:
    starts, columns, values = (
        torch.from_numpy(part).to(device) for part in (matrix.indptr, matrix.indices, matrix.data)
    )
    with warnings.catch_warnings(
        action="ignore"
    ):  # once per process: "Sparse CSR tensor support is in beta state"
        return torch.sparse_csr_tensor(starts, columns, values, matrix.shape, check_invariants=False)


def _clamped(taps: int, side: int, device: torch.device) -> Tensor:
    """Index the pixels that a side needs around a kernel's taps, the border repeated."""
    centre = taps // 2
    return torch.arange(centre - taps + 1, side + centre, device=device).clamp(0, side - 1)

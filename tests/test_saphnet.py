"""SAPHNet: its sizes, its equations written out, and that memory grows with the number of pixels alone."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.functional import conv2d
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmark.models import dmphn, saphnet
from benchmark.models.dmphn import CUT, cut, join
from benchmark.models.saphnet import Attention, Block, Config, Fuse, Gaussian, Net, filtered


def on_meta(config: Config) -> Net:
    """A network without numbers."""
    with torch.device("meta"):
        return Net(config).eval()


@pytest.mark.parametrize("strip", [1, 2**24])
def test_filtering_is_equation_7(monkeypatch, strip):
    """A sum over the window of K times W times x, zeros outside; row by row or at once."""
    monkeypatch.setattr(saphnet, "STRIP", strip)
    torch.manual_seed(0)
    x, adapting = torch.randn(2, 3, 6, 7), torch.rand(2, 25, 6, 7)
    weight, bias = torch.randn(4, 3, 5, 5), torch.randn(4)

    y = filtered(x, adapting, weight, bias)

    expected = bias.view(-1, 1, 1).expand_as(y)
    for i, mask in enumerate(torch.eye(25).view(25, 5, 5)):  # K does not vary within a tap's convolution
        expected = expected + adapting[:, i : i + 1] * conv2d(x, weight * mask, padding=2)
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("strip", [1, 1000, 2**24])
def test_a_kernel_of_one_is_a_convolution(monkeypatch, strip):
    """With K = 1 values and derivatives are those of an ordinary convolution, in strips of any height."""
    monkeypatch.setattr(saphnet, "STRIP", strip)
    torch.manual_seed(0)
    shapes = (2, 3, 9, 8), (4, 3, 5, 5), (4,)
    x, weight, bias = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    adapting = torch.ones(2, 25, 9, 8, dtype=torch.float64, requires_grad=True)

    ours, theirs = filtered(x, adapting, weight, bias), conv2d(x, weight, bias, padding=2)

    torch.testing.assert_close(ours, theirs)
    given = [x, weight, bias]
    derivatives = [torch.autograd.grad(y.pow(3).sum(), given, retain_graph=True) for y in (ours, theirs)]
    torch.testing.assert_close(*derivatives)
    (by_kernel,) = torch.autograd.grad(ours.pow(3).sum(), adapting)  # each tap's share, so all of y - b
    whole = ((ours - bias.view(-1, 1, 1)) * 3 * ours.square()).sum(dim=1)
    torch.testing.assert_close(by_kernel.sum(dim=1), whole)


def test_gaussian_kernels_are_pixel_adaptive_convolutions():
    """K is exp(-|f_i - f_j|^2 / 2): 1 for the pixel itself, and everywhere if all guides are alike."""
    torch.manual_seed(0)
    adapt = Gaussian(8, 5)
    x = torch.randn(1, 8, 5, 6)
    guide = adapt.guide(x)[0]

    kernels = adapt(x)[0]

    assert (kernels[12] == 1).all()
    for i, y, column in [(0, 2, 3), (7, 4, 0), (13, 2, 2), (24, 2, 1)]:
        there = guide[:, y + i // 5 - 2, column + i % 5 - 2]
        expected = (-(there - guide[:, y, column]).square().sum() / 2).exp()
        torch.testing.assert_close(kernels[i, y, column], expected)
    alike = adapt(torch.ones(1, 8, 5, 5))[0]
    torch.testing.assert_close(alike[:, 2, 2], torch.ones(25))


@pytest.mark.parametrize("size", [(4, 5), (7, 3)])
def test_attention_is_equations_1_to_6(size):
    """Of an image to itself, and to one of another size."""
    torch.manual_seed(0)
    layer = Attention(16)
    x, source = torch.randn(2, 16, 4, 5), 2 * torch.randn(2, 16, *size)
    source = x if size == (4, 5) else source

    q, p = layer.gather(source).exp(), layer.distribute(x).exp()
    q, p = q / q.sum(dim=(2, 3), keepdim=True), p / p.sum(dim=1, keepdim=True)  # Eqs. 1, 5
    descriptors = torch.einsum("bkhw,bchw->bkc", q, source)  # Eq. 2
    m2 = descriptors.mean(dim=1) @ layer.emphasise.weight[:, :, 0, 0].T + layer.emphasise.bias  # Eq. 4
    mixed = torch.einsum("bkhw,bkc,bc->bchw", p, descriptors, m2.sigmoid())  # Eq. 3
    torch.testing.assert_close(layer(x, source), mixed / p.shape[1])  # Eq. 6


def test_attention_sees_the_whole_image():
    """A change of any pixel reaches every other; local filters reach two pixels."""
    torch.manual_seed(0)
    layer, x = Attention(8), torch.randn(1, 8, 6, 9)
    changed = x.clone()
    changed[:, :, 0, 0] += 5

    assert (layer(x, x) != layer(changed, changed)).any(dim=1).all()
    far = saphnet.PDF(8, saphnet.Predicted)
    assert not (far(x) != far(changed)).any(dim=1)[0, 4:, 4:].any()


def test_a_block_sums_its_branches():
    """conv, ReLU, local filters plus both attentions (Eq. 8), ReLU, conv, plus identity."""
    torch.manual_seed(0)
    block = Block(8, "predicted", ("self", "encoder"))
    x, encoded = torch.randn(2, 1, 8, 5, 6)

    y = block(x, encoded)

    found = block.first(x).relu()
    fused = block.filter(found) + block.attend["self"](found, found) + block.attend["encoder"](found, encoded)
    torch.testing.assert_close(y, x + block.last(fused.relu()))


def test_levels_are_fused_by_a_sum_and_attention():
    """DMPHN's sum stays where there is no attention between levels."""
    torch.manual_seed(0)
    x, finer = torch.randn(2, 3, 32, 4, 5)
    attended, summed = Fuse(Config(width=8)), Fuse(Config(width=8, cross_attention="encoder"))

    torch.testing.assert_close(attended(x, finer), x + finer + attended.attend[0](x, finer))
    torch.testing.assert_close(summed(x, finer), x + finer)


def test_levels_work_together():
    """A level encodes its patches plus the finer image; it decodes, joined, what it and the finer found."""
    net = Net(Config().thin(4)).eval()
    seen: dict[str, list] = {}
    for name, parts in (("encoders", net.encoders), ("decoders", net.decoders), ("fuse", net.fuse)):
        seen[name] = [None] * len(parts)
        for level, part in enumerate(parts):
            part.register_forward_hook(
                lambda part, given, found, to=seen[name], at=level: to.__setitem__(at, (given, found))
            )
    blurry = torch.rand(2, 3, 32, 40) - 0.5

    (restored,) = net(blurry)

    patches = [blurry, cut(blurry, CUT[1]), cut(cut(blurry, CUT[1]), CUT[2])]
    images = [found for _, found in seen["decoders"]]
    for level in range(3):
        finer = images[level + 1] if level < 2 else 0
        torch.testing.assert_close(seen["encoders"][level][0][0], patches[level] + finer)
        encoded = seen["encoders"][level][1]
        fused = encoded[-1]
        if level < 2:
            (own, below), fused = seen["fuse"][level]
            torch.testing.assert_close(own, encoded[-1])
            torch.testing.assert_close(below, seen["decoders"][level + 1][0][0])
        features, sources = seen["decoders"][level][0]
        whole = (lambda x: x) if level == 0 else (lambda x, axis=CUT[level]: join(x, axis))
        torch.testing.assert_close(features, whole(fused))
        torch.testing.assert_close(sources, [whole(x) for x in encoded])
    assert restored is images[0]


@pytest.mark.parametrize("levels", ["1", "1-2", "1-2-4"])
def test_the_hierarchy_is_dmphns(levels):
    """Without attention, and with blocks that do nothing, it is DMPHN with such blocks: the same image."""
    config = Config(levels, self_attention="none", cross_attention="none", filtering="fixed", width=4)
    net, theirs = Net(config), dmphn.Net(dmphn.Config(levels, width=4))
    for module in net.modules():
        if isinstance(module, Block):
            torch.nn.init.zeros_(module.last.weight)
    state = theirs.state_dict()
    for key in state:
        if ".body.2." in key:
            state[key].zero_()
    for level in range(dmphn.LEVELS[levels]):
        for scale in range(3):
            for kind in ("weight", "bias"):
                ours = net.encoders[level].downs[scale].state_dict()
                state[f"stages.0.encoders.{level}.scales.{scale}.0.{kind}"] = ours[kind]
                ours = net.decoders[level].ups[scale].state_dict()
                state[f"stages.0.decoders.{level}.{(2, 5, 8)[scale]}.{kind}"] = ours[kind]
    theirs.load_state_dict(state)
    blurry = torch.rand(2, 3, 16, 24) - 0.5

    torch.testing.assert_close(net(blurry), theirs(blurry))


class Peak(TorchDispatchMode):
    """Adds up the storages that are alive, and keeps the most there were, in bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[StorageWeakRef, int] = {}
        self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operator, and look at what it left."""
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                self.alive[StorageWeakRef(storage)] = storage.nbytes()
        self.alive = {ref: size for ref, size in self.alive.items() if not ref.expired()}
        self.peak = max(self.peak, sum(self.alive.values()))
        return result


def peak(config: Config, height: int, width: int) -> int:
    """The most bytes that restoring an image takes, input and weights aside."""
    net, blurry = on_meta(config), torch.empty(1, 3, height, width, device="meta")
    with Peak() as mode, torch.no_grad():
        net(blurry)
    return mode.peak


def test_memory_grows_with_the_pixels(monkeypatch):
    """Four times the pixels take at most four times the memory: twelve maps of 32 channels, not hundreds."""
    small, large = (peak(replace(Config(), levels="1"), *size) for size in ((180, 320), (360, 640)))
    monkeypatch.setattr(saphnet, "STRIP", 10**12)
    at_once = peak(replace(Config(), levels="1"), 360, 640)

    assert large < 4.05 * small
    assert large < 4 * 360 * 640 * 12 * 32
    assert at_once > 3 * large

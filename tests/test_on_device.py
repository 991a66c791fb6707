"""Every network on a CUDA device, as far as that can be known without one: with tensors that have no values.

Torch then follows every operator with its devices and types and calculates nothing.
"""

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmark import losses, nets, plugins, spec
from benchmark.measure.forward import Forward
from benchmark.measure.steps import CHANNELS
from benchmark.metrics import _formula
from benchmark.training.objective import adversary_networks, build_objective
from benchmark.weights import pretrained

RUNS = spec.load(Path(__file__).parents[1] / "params.yaml")[1]
# One run of each network: many differ in their recipe alone. Solvers stop when a value is small enough.
NETWORKS = {
    json.dumps((run.model, run.config), sort_keys=True): name
    for name, run in RUNS.items()
    if not hasattr(plugins.load("models", run.model).Net, "no_macs")
}.values()


class Abroad(TorchDispatchMode):
    """Notes the operators that touch anything outside the device."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Do it, and look at what went in and came out."""
        made = function(*args, **(kwargs or {}))
        touched = {x.device.type for x in tree_leaves((args, kwargs, made)) if isinstance(x, torch.Tensor)}
        if touched - {"cuda"}:
            self.seen.add(f"{function}: {', '.join(sorted(touched))}")
        return made


def send(net):
    """Put a network on the device."""
    for module in net.modules():
        for tensors in (module._parameters, module._buffers):
            for name, x in tensors.items():
                if x is not None:
                    there = torch.empty(x.shape, dtype=x.dtype, device="cuda")
                    tensors[name] = nn.Parameter(there) if isinstance(x, nn.Parameter) else there


def abroad(net, dtype=torch.float32):
    """What a network's timed forward touches outside the device; an error if it waits for a value."""
    with FakeTensorMode():
        send(net)
        x = torch.empty(1, 3, nets.round_up_side(net, 96), nets.round_up_side(net, 128), device="cuda")
        with Abroad() as found:
            restored = Forward(net, x, dtype)()
    assert (restored.shape, restored.device.type) == (x.shape, "cuda")
    return found.seen


@pytest.fixture(autouse=True)
def card(monkeypatch):
    """Autocast asks whether there is one."""
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_stays_on_the_device(name):
    """No network sends anything to the device or waits for it: a CUDA graph can hold all of its work."""
    net = nets.build(RUNS[name]).eval()

    assert abroad(net, torch.float32) == set()
    assert abroad(net, torch.float16) == set()


def words(settings):
    """Settings that choose what is computed, without numbers."""
    return sorted((key, value) for key, value in settings.items() if isinstance(value, str))


# One run of each loss and adversary. The two networks for solvers look at their input.
LOSSES = {
    json.dumps([words(run.train.loss), run.train.adversary.get("name")]): name
    for name, run in RUNS.items()
    if run.train and run.model not in ("gong", "sun")
}.values()


@pytest.fixture
def nothing_sent():
    """Nothing is on the device yet, nor left there: it would be of another mode of tensors without values."""
    kept = losses.constants, _formula._sent
    for function in kept:
        function.cache_clear()
    yield
    for function in kept:
        function.cache_clear()


@pytest.mark.usefixtures("nothing_sent")
@pytest.mark.parametrize("name", LOSSES)
def test_losses_stay_on_the_device(name, monkeypatch):
    """From the second step on, no loss or adversary sends anything to the device or waits for it.

    But for backward, for which torch wants a device; the gradients of a penalty are zeros here.
    """
    monkeypatch.setattr(torch.autograd, "grad", lambda y, x, **options: (torch.zeros_like(x),))
    monkeypatch.setattr(pretrained, "path", lambda name: None)  # VGG19 is a network like any other
    run = RUNS[name]
    networks = {"net": nets.build(run, 16)} | adversary_networks(run.train, 16)
    side = nets.round_up_side(networks["net"], 32 if run.train.adversary else 16)

    def crops(channels):
        return torch.empty(2, channels, side, side, device="cuda")

    with FakeTensorMode():
        for net in networks.values():
            send(net)
        channels = 1 if "grey" in run.train.augment else 3
        extras = {extra: crops(CHANNELS.get(extra, 3)) for extra in run.train.extras}
        batch = losses.Batch(crops(channels), crops(channels), run.train.normalise, extras)
        for _ in range(2):
            with Abroad() as found:
                values = [loss for _, loss in build_objective(run.train)(networks, batch)]

    assert {loss.device.type for loss in values} == {"cuda"}
    assert found.seen == set()


class Sends(nn.Module):
    """Makes a tensor on the host at every call."""

    stride = 1

    def forward(self, x):
        """One more."""
        return [x + torch.ones(1).to(x)]


class Waits(nn.Module):
    """Looks at a value."""

    stride = 1

    def forward(self, x):
        """Brighter, unless it is bright."""
        return [x if x.mean() > 0.5 else x + 1]


def test_a_host_that_takes_part_is_seen():
    """A tensor that is sent is named; a value that is waited for cannot be had."""
    assert any(name.endswith("cpu, cuda") for name in abroad(Sends()))
    with pytest.raises(Exception, match=r"data-dependent|_local_scalar_dense"):
        abroad(Waits())

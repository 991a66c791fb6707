"""Every network on a CUDA device, as far as that can be known without one: with tensors that have no values.

Torch then follows every operator with its devices and types and calculates nothing.
"""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmark import nets, spec

RUNS = {run.model: run for run in spec.load(Path(__file__).parents[1] / "params.yaml")[1].values()}


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


def abroad(net, dtype):
    """What a network's forward touches outside the device; an error if it waits for a value."""
    weights = [(m, dict(m._parameters), dict(m._buffers)) for m in net.modules()]
    with FakeTensorMode():
        for module, parameters, buffers in weights:
            for name, p in parameters.items():
                if p is not None:
                    module._parameters[name] = nn.Parameter(torch.empty(p.shape, device="cuda"), False)
            for name, b in buffers.items():
                if b is not None:
                    module._buffers[name] = torch.empty(b.shape, dtype=b.dtype, device="cuda")
        x = torch.empty(1, 3, nets.fitting(net, 96), nets.fitting(net, 128), device="cuda")
        half = dtype != torch.float32
        with Abroad() as found, torch.inference_mode(), torch.autocast("cuda", dtype, enabled=half):
            answer = net(x)[-1]
    assert answer.shape == x.shape
    return found.seen


@pytest.fixture(autouse=True)
def card(monkeypatch):
    """Autocast asks whether there is one."""
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("model", RUNS)
def test_forward_stays_on_the_device(model, dtype):
    """No network sends anything to the device or waits for it: a CUDA graph can hold all of its work."""
    assert abroad(nets.build(RUNS[model]).eval(), dtype) == set()


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
    assert any(name.endswith("cpu, cuda") for name in abroad(Sends(), torch.float32))
    with pytest.raises(Exception, match=r"data-dependent|_local_scalar_dense"):
        abroad(Waits(), torch.float32)

"""Recordings of work on a simulated device, and of networks on the processor."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from benchmark import spec
from benchmark.measure import forward, recorder
from benchmark.measure.devices import Cpu
from benchmark.measure.recorder import END_TO_END_CALLS, Work
from benchmark.timing import sampler
from benchmark.timing.recording import MODES, timing_key
from benchmark.timing.rules import Rules
from benchmark.timing.schedule import Job
from benchmark.timing.storage import dump, load
from tests.fake_device import FakeCpu, FakeGpu, during

SHORT = Rules(
    warm_seconds=0.0,
    warm_calls=3,
    warm_slope=1e9,
    min_samples=5,
    target_half_width=1e9,
    max_seconds=1.0,
    burst_seconds=0.05,
)
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def no_garbage_collection(monkeypatch):
    """Collect no garbage: collecting all that pytest has imported takes longer than the tests."""
    monkeypatch.setattr(sampler, "paused_garbage_collection", nullcontext)


def job(mode="strict", run="small", height=64, width=64, batch=1):
    """Make the job of a forward pass."""
    return Job("forward", run, mode, height, width, batch, 1)


def record(job, work, device):
    """Record it with short rules."""
    return recorder.record(job, work, device, "abc", 7, SHORT)


def on(gpu, **about):
    """Make work that this device does."""
    return Work(gpu.call, macs=10, traffic=20, end_to_end=gpu.call, **about)


def test_every_clock_measures_what_it_should():
    """Calls of 10 ms sent in 0.1 ms, replayed as a graph: wall 10, until the call returns 0.1, events 10."""
    gpu = FakeGpu(slow=during(0.0, 0.001, 50.0, 1.0))
    recording = record(job(), on(gpu, capture=lambda: gpu.replay), gpu)

    assert recording.first_call_ms == pytest.approx(500.0)  # the first call is 50 times as long
    for clock, ms in (("wall", 10.0), ("asynchronous", 0.1), ("events", 10.0), ("graph", 10.0)):
        expected = [ms] * len(recording.samples.wall)
        assert getattr(recording.samples, clock) == pytest.approx(expected, abs=0.02), clock
    assert recording.end_to_end == pytest.approx([10.0] * len(recording.end_to_end))
    assert 0 < len(recording.end_to_end) <= END_TO_END_CALLS
    assert recording.burst.seconds / recording.burst.calls == pytest.approx(0.01, rel=0.01)
    assert recording.burst.joules == pytest.approx(6.0 * recording.burst.calls)  # 600 W for 10 ms each
    assert recording.memory == {"allocated": 100.0, "reserved": 128.0, "device": 600.0}
    calls = [method for method, _ in gpu.log]
    assert calls.index("reset_peaks") < calls.index("call")


def test_a_recording_describes_its_job_and_survives_its_line():
    """Every field that the job and the work name."""
    gpu = FakeGpu()
    recording = record(job(batch=4), on(gpu, notes=("a note of the work",)), gpu)
    again = load(dump(recording), "place")

    assert dump(again) == dump(recording)
    assert timing_key(again) == ("forward", "small", "strict", 64, 64, 4, "")
    device = again.device, again.kind_of_device, again.machine
    assert device == ("Fake GPU", "cuda", {"driver": "imaginary"})
    numbers = again.round, again.fingerprint, again.position, again.macs, again.traffic
    assert numbers == (1, "abc", 7, 10, 20)
    assert (again.notes, again.accuracy, again.samples.graph) == (("a note of the work",), {}, ())


@pytest.mark.parametrize("name", [*MODES])
def test_every_call_is_made_in_the_declared_mode(name):
    """The mode's settings hold in every kind of call, and not after."""
    gpu, settings = FakeGpu(), set()

    def call():
        settings.add((torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark))
        gpu.call()

    before = torch.backends.cudnn.allow_tf32
    work = Work(call, capture=lambda: call, end_to_end=call, accuracy=dict)
    record(job(name), work, gpu)

    assert settings == {(MODES[name].tf32, MODES[name].search)}
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_cold_mode_has_samples_from_an_empty_cache_and_nothing_else():
    """Back to back and from host to host the cache is warm: another mode's numbers."""
    gpu = FakeGpu(cold_ms=2.0)
    recording = record(job("cold"), on(gpu), gpu)

    assert recording.samples.wall == pytest.approx([12.1] * len(recording.samples.wall), abs=0.2)
    assert (recording.end_to_end, recording.burst) == ((), None)


def test_running_out_of_memory_names_the_job():
    """The run, its mode, size and batch, and no traceback."""

    def call():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB.")

    expected = "forward of small, mode tf32, 720x1280, batch 8: more memory than Fake GPU has"
    with pytest.raises(ValueError, match=f"^{expected}$"):
        record(job("tf32", height=720, width=1280, batch=8), Work(call), FakeGpu())


@pytest.mark.parametrize(
    ("part", "error", "note"),
    [
        ("capture", ValueError("no graph: not permitted"), "no graph: not permitted"),
        ("capture", torch.OutOfMemoryError("CUDA: no memory.\nMore."), "no graph: CUDA: no memory."),
        ("accuracy", ValueError("a.pkl: remove it"), "restored image not compared: a.pkl: remove it"),
    ],
)
def test_what_cannot_be_captured_or_compared_costs_no_samples(part, error, note):
    """A note has the reason: no graph, or for instance weights that are not the authors'."""
    gpu = FakeGpu()

    def fail():
        raise error

    recording = record(job(), on(gpu, **{part: fail}), gpu)

    assert (recording.samples.graph, recording.accuracy) == ((), {})
    assert len(recording.samples.events) == len(recording.samples.wall) > 0
    assert recording.notes == (note,)


@pytest.mark.parametrize("counts", [(0, 2), (2, 0)])
def test_other_processes_are_counted_before_and_after(counts):
    """A process may start in between."""
    gpu, numbers = FakeGpu(), iter(counts)
    gpu.other_processes = lambda: next(numbers)

    assert record(job(), on(gpu), gpu).other_processes == 2


def test_slow_end_to_end_calls_are_fewer():
    """Calls of 0.6 s beside a limit of 0.05 s: one that does not count, and one that does."""
    cpu = FakeCpu(busy_ms=600.0)

    assert len(record(job(), on(cpu), cpu).end_to_end) == 1


def test_a_processor_records_no_mode_of_a_graphics_processor():
    """Nothing is called then."""
    cpu = FakeCpu()
    with pytest.raises(ValueError, match="mode fast: graph needs CUDA"):
        record(job("fast"), on(cpu), cpu)

    assert not cpu.times("call")


@pytest.mark.parametrize("mode", ["strict", "channels_last"])
@pytest.mark.parametrize("name", ["identity", "dmphn_1"])
def test_a_real_network_is_recorded_on_the_processor(name, mode):
    """One clock, and a restored image that is that of mode strict but for rounding."""
    run = spec.load(ROOT / "params.yaml")[1][name]
    timed = job(mode, name)
    recording = record(timed, forward.prepare(timed, run, "cpu"), Cpu())

    assert timing_key(load(dump(recording), "place")) == ("forward", name, mode, 64, 64, 1, "")
    assert min(recording.samples.wall) > 0
    assert recording.samples.events == recording.samples.graph == ()
    assert recording.burst.calls > 0
    assert len(recording.end_to_end) <= END_TO_END_CALLS
    if mode == "strict":
        assert recording.accuracy == {}
    else:
        assert recording.accuracy["finite"]
        assert recording.accuracy["error"] < 1e-5
        assert recording.accuracy["levels"] < 0.01
        assert (recording.accuracy["error"] == 0) == (name == "identity")

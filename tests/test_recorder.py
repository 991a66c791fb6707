"""Recordings of work on a simulated device, and of networks on the processor."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from benchmark import spec
from benchmark.measure import forward
from benchmark.measure.devices import Cpu
from benchmark.measure.recorder import END_TO_END_CALLS, record
from benchmark.measure.work import Task, Work
from benchmark.spec import Run
from benchmark.timing import sampler
from benchmark.timing.recording import MODES, timing_key
from benchmark.timing.rules import Rules
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
SMALL = Run("small", "dmphn", "", config={"levels": "1", "width": 4})


@pytest.fixture(autouse=True)
def no_garbage_collection(monkeypatch):
    """Collect no garbage: collecting all that pytest has imported takes longer than the tests."""
    monkeypatch.setattr(sampler, "paused_garbage_collection", nullcontext)


def task(mode="strict", run=SMALL, height=64, width=64, batch=1):
    """Make the task of a forward pass."""
    return Task("forward", run.name, MODES[mode], height, width, batch, 1, "abc", position=7, run=run)


def on(gpu, **about):
    """Make work that this device does."""
    return Work(gpu.call, macs=10, traffic=20, end_to_end=gpu.call, **about)


def test_every_clock_measures_what_it_should():
    """Calls of 10 ms sent in 0.1 ms, replayed as a graph: wall 10, until the call returns 0.1, events 10."""
    gpu = FakeGpu(slow=during(0.0, 0.001, 50.0, 1.0))
    recording = record(task(), on(gpu, capture=lambda: gpu.replay), gpu, SHORT)

    assert recording.first_call_ms == pytest.approx(500.0)  # the first call is 50 times as long
    for clock, ms in (("wall", 10.0), ("asynchronous", 0.1), ("events", 10.0), ("graph", 10.0)):
        assert getattr(recording.samples, clock) == pytest.approx(
            [ms] * len(recording.samples.wall), abs=0.02
        ), clock
    assert recording.end_to_end == pytest.approx([10.0] * len(recording.end_to_end))
    assert 0 < len(recording.end_to_end) <= END_TO_END_CALLS
    assert recording.burst.seconds / recording.burst.calls == pytest.approx(0.01, rel=0.01)
    assert recording.burst.joules == pytest.approx(6.0 * recording.burst.calls)  # 600 W for 10 ms each
    assert recording.memory == {"allocated": 100.0, "reserved": 128.0, "device": 600.0}
    calls = [method for method, _ in gpu.log]
    assert calls.index("reset_peaks") < calls.index("call")


def test_a_recording_describes_its_task_and_survives_its_line():
    """Every field that the task and the work name."""
    gpu = FakeGpu()
    recording = record(task(batch=4), on(gpu, notes=("a note of the work",)), gpu, SHORT)
    again = load(dump(recording), "place")

    assert dump(again) == dump(recording)
    assert timing_key(again) == ("forward", "small", "strict", 64, 64, 4)
    assert (again.device, again.kind_of_device, again.machine) == (
        "Fake GPU",
        "cuda",
        {"driver": "imaginary"},
    )
    assert (again.round, again.fingerprint, again.position, again.macs, again.traffic) == (
        1,
        "abc",
        7,
        10,
        20,
    )
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
    record(task(name), work, gpu, SHORT)

    assert settings == {(MODES[name].tf32, MODES[name].search)}
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_cold_mode_has_samples_from_an_empty_cache_and_nothing_else():
    """Back to back and from host to host the cache is warm: another mode's numbers."""
    gpu = FakeGpu(cold_ms=2.0)
    recording = record(task("cold"), on(gpu), gpu, SHORT)

    assert recording.samples.wall == pytest.approx([12.1] * len(recording.samples.wall), abs=0.2)
    assert (recording.end_to_end, recording.burst) == ((), None)


def test_running_out_of_memory_names_the_task():
    """The run, its mode, size and batch, and no traceback."""

    def call():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB.")

    expected = "forward of small, mode tf32, 720x1280, batch 8: more memory than Fake GPU has"
    with pytest.raises(ValueError, match=f"^{expected}$"):
        record(task("tf32", height=720, width=1280, batch=8), Work(call), FakeGpu(), SHORT)


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (ValueError("no graph: operation not permitted when stream is capturing"), None),
        (torch.OutOfMemoryError("CUDA out of memory.\nIn two lines."), "no graph: CUDA out of memory."),
    ],
)
def test_what_cannot_be_captured_is_timed_without_a_graph(error, note):
    """And a note says why."""
    gpu = FakeGpu()

    def capture():
        raise error

    recording = record(task(), on(gpu, capture=capture), gpu, SHORT)

    assert recording.samples.graph == ()
    assert len(recording.samples.events) == len(recording.samples.wall) > 0
    assert recording.notes == (note or str(error),)


def test_a_restored_image_that_cannot_be_compared_costs_no_samples():
    """For instance, because weights are not the authors'."""
    gpu = FakeGpu()

    def accuracy():
        raise ValueError("decoder.pkl: its sha256 starts 00, not 92; remove it")

    recording = record(task("tf32"), on(gpu, accuracy=accuracy), gpu, SHORT)

    assert recording.samples.wall
    assert recording.accuracy == {}
    assert recording.notes == (
        "restored image not compared: decoder.pkl: its sha256 starts 00, not 92; remove it",
    )


@pytest.mark.parametrize("counts", [(0, 2), (2, 0)])
def test_other_processes_are_counted_before_and_after(counts):
    """A process may start in between."""
    gpu, numbers = FakeGpu(), iter(counts)
    gpu.other_processes = lambda: next(numbers)

    assert record(task(), on(gpu), gpu, SHORT).other_processes == 2


def test_slow_end_to_end_calls_are_fewer():
    """Calls of 0.6 s beside a limit of 0.05 s: one that does not count, and one that does."""
    cpu = FakeCpu(busy_ms=600.0)

    assert len(record(task(), on(cpu), cpu, SHORT).end_to_end) == 1


def test_a_processor_records_no_mode_of_a_graphics_processor():
    """Nothing is called then."""
    cpu = FakeCpu()
    with pytest.raises(ValueError, match="mode fast: graph needs CUDA"):
        record(task("fast"), on(cpu), cpu, SHORT)

    assert not cpu.times("call")


@pytest.mark.parametrize("mode", ["strict", "channels_last"])
@pytest.mark.parametrize("name", ["identity", "dmphn_1"])
def test_a_real_network_is_recorded_on_the_processor(name, mode):
    """One clock, and a restored image that is that of mode strict but for rounding."""
    run = spec.load(ROOT / "params.yaml")[1][name]
    cpu, timed = Cpu(), task(mode, run)
    recording = record(timed, forward.prepare(timed, cpu), cpu, SHORT)

    assert timing_key(load(dump(recording), "place")) == ("forward", name, mode, 64, 64, 1)
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

"""Recordings of work on a device on paper, where every clock is known, and of networks on the processor."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from benchmark import nets, spec
from benchmark.data.pairs import Pairs, image
from benchmark.measure import forward, scoring
from benchmark.measure.devices import Cpu
from benchmark.measure.recorder import END_TO_END_CALLS, record
from benchmark.measure.work import Task, Work
from benchmark.results import COMPLEXITY, read_rows
from benchmark.results.schema import Complexity
from benchmark.spec import Run
from benchmark.timing import sampler
from benchmark.timing.recording import MODES, Mode, timing_key
from benchmark.timing.rules import Rules
from benchmark.timing.storage import dump, load
from benchmark.weights import published
from benchmark.weights.published import Asset, Published
from tests.fake_device import FakeCpu, FakeGpu, during
from tests.test_dmphn import authors_names

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
    """Garbage is left where it is: collecting all that pytest has imported takes longer than the tests."""
    monkeypatch.setattr(sampler, "paused_garbage_collection", nullcontext)


def task(mode="strict", run=SMALL, height=64, width=64, batch=1):
    """Something to time."""
    return Task("forward", run.name, MODES[mode], height, width, batch, 1, "abc", position=7, run=run)


def on(gpu, **about):
    """Work that this device does."""
    return Work(gpu.call, macs=10, traffic=20, end_to_end=gpu.call, **about)


def test_every_clock_is_the_one_that_it_says():
    """Calls of 10 ms sent in 0.1 ms, replayed as a graph: wall 10, until the call returns 0.1, events 10."""
    gpu = FakeGpu(slow=during(0.0, 0.001, 50.0, 1.0))
    made = record(task(), on(gpu, capture=lambda: gpu.replay), gpu, SHORT)

    assert made.first_call_ms == pytest.approx(500.0)  # the first call is 50 times as long
    for clock, ms in (("wall", 10.0), ("asynchronous", 0.1), ("events", 10.0), ("graph", 10.0)):
        assert getattr(made.samples, clock) == pytest.approx([ms] * len(made.samples.wall), abs=0.02), clock
    assert made.end_to_end == pytest.approx([10.0] * len(made.end_to_end))
    assert 0 < len(made.end_to_end) <= END_TO_END_CALLS
    assert made.burst.seconds / made.burst.calls == pytest.approx(0.01, rel=0.01)
    assert made.burst.joules == pytest.approx(6.0 * made.burst.calls)  # 600 W for 10 ms each
    assert made.memory == {"allocated": 100.0, "reserved": 128.0, "device": 600.0}
    calls = [method for method, _ in gpu.log]
    assert calls.index("reset_peaks") < calls.index("call")


def test_a_recording_holds_what_was_asked_for_and_comes_back_from_its_line():
    """Every field that the task and the work name."""
    gpu = FakeGpu()
    made = record(task(batch=4), on(gpu, notes=("said before",)), gpu, SHORT)
    back = load(dump(made), "place")

    assert dump(back) == dump(made)
    assert timing_key(back) == ("forward", "small", "strict", 64, 64, 4)
    assert (back.device, back.kind_of_device, back.machine) == ("Fake GPU", "cuda", {"driver": "imaginary"})
    assert (back.round, back.fingerprint, back.position, back.macs, back.traffic) == (1, "abc", 7, 10, 20)
    assert (back.notes, back.accuracy, back.samples.graph) == (("said before",), {}, ())


@pytest.mark.parametrize("name", [*MODES])
def test_every_call_is_made_in_the_declared_mode(name):
    """Whoever prepared the work, its settings hold while it runs, and not after."""
    gpu, seen = FakeGpu(), set()

    def call():
        seen.add((torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark))
        gpu.call()

    before = torch.backends.cudnn.allow_tf32
    work = Work(call, capture=lambda: call, end_to_end=call, accuracy=dict)
    record(task(name), work, gpu, SHORT)

    assert seen == {(MODES[name].tf32, MODES[name].search)}
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_cold_mode_has_samples_from_an_empty_cache_and_nothing_else():
    """Back to back and from host to host the cache is warm: another mode's numbers."""
    gpu = FakeGpu(cold_ms=2.0)
    made = record(task("cold"), on(gpu), gpu, SHORT)

    assert made.samples.wall == pytest.approx([12.1] * len(made.samples.wall), abs=0.2)
    assert (made.end_to_end, made.burst) == ((), None)


def test_a_device_without_memory_enough_says_what_did_not_fit():
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

    made = record(task(), on(gpu, capture=capture), gpu, SHORT)

    assert made.samples.graph == ()
    assert len(made.samples.events) == len(made.samples.wall) > 0
    assert made.notes == (note or str(error),)


def test_an_answer_that_cannot_be_compared_costs_no_samples():
    """Weights on the shelf that are not the authors', say."""
    gpu = FakeGpu()

    def answer():
        raise ValueError("decoder.pkl: its sha256 starts 00, not 92; remove it")

    made = record(task("tf32"), on(gpu, accuracy=answer), gpu, SHORT)

    assert made.samples.wall
    assert made.accuracy == {}
    assert made.notes == (
        "restored image not compared: decoder.pkl: its sha256 starts 00, not 92; remove it",
    )


@pytest.mark.parametrize("counts", [(0, 2), (2, 0)])
def test_others_are_seen_before_or_after(counts):
    """A process that came in between was there."""
    gpu, seen = FakeGpu(), iter(counts)
    gpu.other_processes = lambda: next(seen)

    assert record(task(), on(gpu), gpu, SHORT).other_processes == 2


def test_moving_stops_when_it_takes_too_long():
    """Calls of 0.6 s in a cap of 1 s: one to begin with, and as many as begin in time."""
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
    """Times of one clock, the arithmetic, and an answer that is that of mode strict but for rounding."""
    run = spec.load(ROOT / "params.yaml")[1][name]
    cpu, wanted = Cpu(), task(mode, run)
    made = record(wanted, forward.prepare(wanted, cpu), cpu, SHORT)

    assert timing_key(load(dump(made), "place")) == ("forward", name, mode, 64, 64, 1)
    assert min(made.samples.wall) > 0
    assert made.samples.events == made.samples.graph == ()
    assert made.burst.calls > 0
    assert len(made.end_to_end) <= END_TO_END_CALLS
    if mode == "strict":
        assert made.accuracy == {}
    else:
        assert made.accuracy["finite"]
        assert made.accuracy["error"] < 1e-5
        assert made.accuracy["levels"] < 0.01
        assert (made.accuracy["error"] == 0) == (name == "identity")


@pytest.mark.parametrize("name", ["identity", "dmphn_1"])
def test_the_arithmetic_is_fvcores(name):
    """At 256x256 as in the committed table; two images have twice as much, half the type half the bytes."""
    macs = {row.run: row.macs_256 for row in read_rows(ROOT / COMPLEXITY, Complexity)}
    run = spec.load(ROOT / "params.yaml")[1][name]
    one, two = (forward.prepare(task("strict", run, 256, 256, batch), Cpu()) for batch in (1, 2))
    half = forward.prepare(task("fast", run, 256, 256), Cpu())

    assert one.macs == half.macs == macs[name]
    assert two.macs == 2 * one.macs
    assert half.traffic == one.traffic / 2


@pytest.mark.parametrize("batch", [1, 3])
def test_images_that_move_are_those_that_the_benchmark_restores(batch):
    """From 8 bits to 8 bits, through padding and cropping, as stage quality saves them."""
    drawn = torch.randint(
        256, (batch, 50, 60, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    run = replace(SMALL, train=spec.load(ROOT / "params.yaml")[1]["dmphn_1"].train)
    moved = forward.prepare(task("strict", run, 50, 60, batch), Cpu()).end_to_end()

    shown = [one.numpy() for one in drawn]
    pairs = Pairs([str(i) for i in range(batch)], shown, shown)
    sees = run.train.normalise
    scored = scoring.score(nets.build(run), lambda net, x: nets.restore(net, x, sees), pairs, {})
    saved = np.stack([one.image for one in scored])

    assert moved.dtype == torch.uint8
    assert np.abs(moved.numpy().astype(int) - saved).max() <= 1  # other layouts round otherwise
    assert (moved.numpy() == saved).mean() > 0.999


def test_the_input_is_an_image_as_the_network_sees_it():
    """In no part constant, normalised as the recipe has it, padded, and the same image throughout a batch."""
    net = nets.build(SMALL)
    x = forward.random_input(net, task(height=50, width=60, batch=2), spec.Normalise(0.5, 2.0))

    assert x.shape == (2, 3, nets.fitting(net, 50), nets.fitting(net, 60))
    assert torch.equal(x[0], x[1])
    assert (x.min(), x.max()) == (pytest.approx(-1, abs=0.01), pytest.approx(1, abs=0.01))
    assert x.std() == pytest.approx(2 / 12**0.5, rel=0.02)  # of a uniform distribution


def test_a_rougher_type_is_seen_in_the_answer():
    """bfloat16 has 8 bits: an error between its unit of rounding and some of them."""
    rough = replace(task(), mode=Mode("rough", "", dtype="bfloat16"))
    found = forward.prepare(rough, Cpu()).accuracy()

    assert found["finite"]
    assert found["weights"] == "initial"
    assert 2**-10 < found["error"] < 2**-5


def test_an_answer_that_is_not_finite_is_said_and_not_measured(monkeypatch):
    """NaN is no number, nor one of JSON."""
    work = forward.prepare(task("channels_last"), Cpu())
    work.call.net.get_parameter(next(name for name, _ in work.call.net.named_parameters())).data.fill_(
        torch.nan
    )

    assert work.accuracy() == {"weights": "initial", "finite": False}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of data with a small network's weights and two GoPro pairs of 48x64."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEBLUR_DATA", str(tmp_path))
    torch.manual_seed(1)
    net = nets.build(SMALL, seed=1)
    states = authors_names(net)
    (tmp_path / "theirs").mkdir()
    for name, state in states.items():
        torch.save(state, tmp_path / "theirs" / f"{name}.pkl")
    files = tuple(Asset(f"{name}.pkl") for name in states)
    entry = Published("theirs", "small", "nobody", "none", reads="parts", files=files)
    monkeypatch.setattr(published, "load", lambda: {"theirs": entry})
    rng = np.random.default_rng(0)
    for side in ("blur", "sharp"):
        folder = tmp_path / "GOPRO_Large" / "test" / "GOPR0384_11_00" / side
        folder.mkdir(parents=True)
        for frame in ("000001", "000002", "000003"):
            Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(folder / f"{frame}.png")
    return net


def psnr(net, folder):
    """Mean over the first two pairs, by scikit-image, of the network's 8-bit answer."""
    found = []
    for name in ("000001", "000002"):
        blurry, sharp = (image(folder / side / f"{name}.png") for side in ("blur", "sharp"))
        with torch.inference_mode():
            restored = nets.restore(net, nets.tensor(blurry, torch.float32), spec.Normalise())
        shown = restored[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
        found.append(peak_signal_noise_ratio(sharp, shown))
    return np.mean(found)


def test_the_change_of_psnr_is_that_of_the_authors_weights(shelf, tmp_path):
    """A mode that changes nothing changes nothing; one that rounds changes as much as scikit-image says."""
    run = replace(SMALL, weights="theirs")
    folder = tmp_path / "GOPRO_Large" / "test" / "GOPR0384_11_00"
    exact = forward.prepare(task("channels_last", run, 48, 64), Cpu()).accuracy()
    rough = replace(task("strict", run, 48, 64), mode=Mode("rough", "", dtype="bfloat16"))
    rounded = forward.prepare(rough, Cpu()).accuracy()
    with torch.autocast("cpu", torch.bfloat16):
        after = psnr(shelf.eval(), folder)

    assert (exact["weights"], exact["images"]) == ("theirs", 2)
    assert exact["psnr_change"] == pytest.approx(0, abs=1e-3)
    assert rounded["psnr_change"] == pytest.approx(after - psnr(shelf, folder), abs=2e-3)
    assert rounded["psnr_change"] != 0


def test_real_images_of_another_size_are_left_alone(shelf):
    """What is timed has one size, and is what restores them."""
    answer = forward.prepare(task("channels_last", replace(SMALL, weights="theirs")), Cpu()).accuracy()

    assert answer["weights"] == "theirs"
    assert "psnr_change" not in answer


def test_weights_that_are_not_at_hand_are_not_asked_for(shelf, tmp_path, monkeypatch):
    """A timing downloads nothing."""
    monkeypatch.setattr(published, "obtain", lambda *of: pytest.fail("asked for weights"))
    next((tmp_path / "theirs").iterdir()).unlink()
    work = forward.prepare(task("channels_last", replace(SMALL, weights="theirs"), 48, 64), Cpu())

    assert work.accuracy()["weights"] == "initial"


def test_a_graph_mode_names_what_cannot_be_captured():
    """Without a graphics processor nothing can; the message names the run and its mode."""
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ValueError, match=r"^runs.small, mode fast: no graph: .+"):
        forward.prepare(task("fast"), Cpu()).call()


class Graphs:
    """Stands in for torch.cuda: streams that do nothing, and a graph that counts its replays."""

    def __init__(self, error=None):
        self.error, self.begun, self.replays = error, 0, 0

    def patch(self, monkeypatch):
        """Put it in its place."""
        stream = SimpleNamespace(wait_stream=lambda other: None)
        for name in ("Stream", "current_stream"):
            monkeypatch.setattr(torch.cuda, name, lambda: stream)
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: self)
        monkeypatch.setattr(torch.cuda, "graph", lambda graph: graph)

    def __enter__(self):
        self.begun += 1
        if self.error:
            raise self.error

    def __exit__(self, *error):
        pass

    def replay(self):
        """Once more."""
        self.replays += 1


def test_a_graph_is_captured_once_after_three_calls_and_replayed_from_then_on(monkeypatch):
    """As PyTorch's notes on CUDA graphs ask; the answer lies in the same memory each time."""
    graphs, calls = Graphs(), []
    graphs.patch(monkeypatch)
    work = forward.GraphCall(lambda: calls.append(1) or len(calls), "place")

    assert [work(), work(), work()] == [4, 4, 4]
    assert (len(calls), graphs.begun, graphs.replays) == (4, 1, 3)


def test_a_graph_without_memory_is_not_one_that_cannot_be(monkeypatch):
    """The one is a matter of size and batch, the other of the network."""
    for error in (torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("not permitted\nmore lines")):
        Graphs(error).patch(monkeypatch)
        expected = torch.OutOfMemoryError if isinstance(error, torch.OutOfMemoryError) else ValueError
        with pytest.raises(expected, match=r"^(CUDA out of memory\.|no graph: not permitted)$"):
            forward.capture(list)


def test_the_first_error_of_a_capture_is_the_one_that_is_told():
    """Ending a capture that failed raises an error of its own."""

    def fail():
        try:
            raise RuntimeError("operation not permitted when stream is capturing")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    with pytest.raises(RuntimeError) as error:
        fail()

    assert str(forward.first_error(error.value)) == "operation not permitted when stream is capturing"


def test_forward_needs_a_run():
    """A ceiling has none."""
    with pytest.raises(ValueError, match="small: forward needs a run"):
        forward.prepare(replace(task(), run=None), Cpu())

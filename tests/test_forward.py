"""Forward passes as they are timed: arithmetic, input, end-to-end call, accuracy, graphs."""

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
from benchmark.results import COMPLEXITY, read_rows
from benchmark.results.schema import Complexity
from benchmark.spec import Run
from benchmark.timing.recording import MODES, Mode
from benchmark.timing.schedule import Job
from benchmark.weights import published
from benchmark.weights.published import Asset, Published
from tests.test_dmphn import authors_names

ROOT = Path(__file__).parents[1]
SMALL = Run("small", "dmphn", "", config={"levels": "1", "width": 4})


def job(mode="strict", height=64, width=64, batch=1):
    """Make the job of a forward pass."""
    return Job("forward", "small", mode, height, width, batch, 1)


def prepare(mode="strict", *size, run=SMALL):
    """Prepare a forward pass on the processor."""
    return forward.prepare(job(mode, *size), run, "cpu")


@pytest.fixture
def rough(monkeypatch):
    """Declare a mode that every device has and that rounds: to the 8 bits of bfloat16."""
    monkeypatch.setitem(MODES, "rough", Mode("rough", "", dtype="bfloat16"))


@pytest.mark.parametrize("name", ["identity", "dmphn_1"])
def test_the_arithmetic_is_fvcores(name):
    """At 256x256 as in the committed table; two images have twice as much, half the type half the bytes."""
    macs = {row.run: row.macs_256 for row in read_rows(ROOT / COMPLEXITY, Complexity)}
    run = spec.load(ROOT / "params.yaml")[1][name]
    one, two = (prepare("strict", 256, 256, batch, run=run) for batch in (1, 2))
    half = prepare("fast", 256, 256, run=run)

    assert one.macs == half.macs == macs[name]
    assert two.macs == 2 * one.macs
    assert half.traffic == one.traffic / 2


@pytest.mark.parametrize("batch", [1, 3])
def test_the_end_to_end_call_restores_as_stage_quality_does(batch):
    """From 8 bits to 8 bits, through padding and cropping."""
    drawn = torch.randint(
        256, (batch, 50, 60, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    run = replace(SMALL, train=spec.load(ROOT / "params.yaml")[1]["dmphn_1"].train)
    restored = prepare("strict", 50, 60, batch, run=run).end_to_end()

    shown = list(drawn.numpy())
    pairs = Pairs([str(i) for i in range(batch)], shown, shown)
    normalise = run.train.normalise
    scored = scoring.score(nets.build(run), lambda net, x: nets.restore(net, x, normalise), pairs, {})
    saved = np.stack([score.image for score in scored])

    assert restored.dtype == torch.uint8
    assert np.abs(restored.numpy().astype(int) - saved).max() <= 1  # other layouts round otherwise
    assert (restored.numpy() == saved).mean() > 0.999


def test_the_input_is_a_random_image_normalised_and_padded():
    """Uniform values, and the same image throughout a batch."""
    net = nets.build(SMALL)
    x = forward.random_input(net, job(height=50, width=60, batch=2), spec.Normalise(0.5, 2.0))

    assert x.shape == (2, 3, nets.round_up_side(net, 50), nets.round_up_side(net, 60))
    assert torch.equal(x[0], x[1])
    assert (x.min(), x.max()) == (pytest.approx(-1, abs=0.01), pytest.approx(1, abs=0.01))
    assert x.std() == pytest.approx(2 / 12**0.5, rel=0.02)  # of a uniform distribution


def test_a_rougher_type_has_an_error(rough):
    """bfloat16 has 8 bits: the error is between its unit of rounding and a few of them."""
    accuracy = prepare("rough").accuracy()

    assert accuracy["finite"]
    assert accuracy["weights"] == "initial"
    assert 2**-10 < accuracy["error"] < 2**-5


def test_a_restored_image_that_is_not_finite_has_no_error(monkeypatch):
    """NaN is no number, nor one of JSON."""
    work = prepare("channels_last")
    next(work.call.net.parameters()).data.fill_(torch.nan)

    assert work.accuracy() == {"weights": "initial", "finite": False}


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """Make a data folder with a small network's weights and GoPro pairs of 48x64; return the network."""
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
    """Return the mean PSNR of the first two restored 8-bit images, by scikit-image."""
    values = []
    for name in ("000001", "000002"):
        blurry, sharp = (image(folder / side / f"{name}.png") for side in ("blur", "sharp"))
        with torch.inference_mode():
            restored = nets.restore(net, nets.tensor(blurry, torch.float32), spec.Normalise())
        shown = restored[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
        values.append(peak_signal_noise_ratio(sharp, shown))
    return np.mean(values)


def test_the_change_of_psnr_is_that_of_the_authors_weights(data_folder, tmp_path, rough):
    """A mode that changes nothing changes nothing; one that rounds changes as much as scikit-image says."""
    run = replace(SMALL, weights="theirs")
    folder = tmp_path / "GOPRO_Large" / "test" / "GOPR0384_11_00"
    exact = prepare("channels_last", 48, 64, run=run).accuracy()
    rounded = prepare("rough", 48, 64, run=run).accuracy()
    with torch.autocast("cpu", torch.bfloat16):
        after = psnr(data_folder.eval(), folder)

    assert (exact["weights"], exact["images"]) == ("theirs", 2)
    assert exact["psnr_change"] == pytest.approx(0, abs=1e-3)
    assert rounded["psnr_change"] == pytest.approx(after - psnr(data_folder, folder), abs=2e-3)
    assert rounded["psnr_change"] != 0


def test_real_images_of_another_size_are_not_restored(data_folder):
    """A timed call restores one size."""
    accuracy = prepare("channels_last", run=replace(SMALL, weights="theirs")).accuracy()

    assert accuracy["weights"] == "theirs"
    assert "psnr_change" not in accuracy


def test_missing_weights_are_not_downloaded(data_folder, tmp_path, monkeypatch):
    """The initial weights stay."""
    monkeypatch.setattr(published, "obtain", lambda *of: pytest.fail("tried to obtain weights"))
    next((tmp_path / "theirs").iterdir()).unlink()
    work = prepare("channels_last", 48, 64, run=replace(SMALL, weights="theirs"))

    assert work.accuracy()["weights"] == "initial"


def test_a_graph_mode_names_what_cannot_be_captured():
    """Without a graphics processor every capture fails; the message names run and mode."""
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(ValueError, match=r"^runs.small, mode fast: no graph: .+"):
        prepare("fast").call()


class Graphs:
    """Stands in for torch.cuda: streams that do nothing, and a graph that counts its replays."""

    def __init__(self, error=None):
        self.error, self.captures, self.replays = error, 0, 0

    def patch(self, monkeypatch):
        """Replace torch.cuda's functions."""
        stream = SimpleNamespace(wait_stream=lambda other: None)
        for name in ("Stream", "current_stream"):
            monkeypatch.setattr(torch.cuda, name, lambda: stream)
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: self)
        monkeypatch.setattr(torch.cuda, "graph", lambda graph: graph)

    def __enter__(self):
        self.captures += 1
        if self.error:
            raise self.error

    def __exit__(self, *error):
        pass

    def replay(self):
        """Count a replay."""
        self.replays += 1


def test_a_graph_is_captured_once_after_three_calls_and_replayed_from_then_on(monkeypatch):
    """As PyTorch's notes on CUDA graphs ask; the result is in the same memory each time."""
    graphs, calls = Graphs(), []
    graphs.patch(monkeypatch)
    work = forward.launch(lambda: calls.append(1) or len(calls), job("fast"))

    assert [work(), work(), work()] == [4, 4, 4]
    assert (len(calls), graphs.captures, graphs.replays) == (4, 1, 3)


def test_out_of_memory_and_impossible_captures_are_different_errors(monkeypatch):
    """The first depends on size and batch, the second on the network."""
    for error in (torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("not permitted\nmore lines")):
        Graphs(error).patch(monkeypatch)
        expected = torch.OutOfMemoryError if isinstance(error, torch.OutOfMemoryError) else ValueError
        with pytest.raises(expected, match=r"^(CUDA out of memory\.|no graph: not permitted)$"):
            forward.capture(list)


def test_the_first_error_of_a_capture_is_reported():
    """Ending a capture that failed raises an error of its own."""

    def fail():
        try:
            raise RuntimeError("operation not permitted when stream is capturing")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    with pytest.raises(RuntimeError) as error:
        fail()

    assert str(forward.first_error(error.value)) == "operation not permitted when stream is capturing"

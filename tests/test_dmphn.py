"""DMPHN: its sizes, which patches each level sees, how stages hand on, and the authors' own weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.data.pairs import image
from benchmark.models import dmphn
from benchmark.models.dmphn import Config, Net, Stage

SHARED = Path(__file__).parents[2] / "shared"
WEIGHTS = SHARED / "weights" / "dmphn_1_2_4"
FRAMES = SHARED / "data" / "GOPRO_Large" / "test" / "GOPR0384_11_00"


class Record(nn.Module):
    """Stands in for an encoder or a decoder: keeps what it was given, hands on its multiple."""

    def __init__(self, times: float, as_list: bool) -> None:
        super().__init__()
        self.times, self.as_list = times, as_list
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """(B, C, H, W) -> (B, C, H, W), in a list for an encoder."""
        self.seen.append(x)
        return [x * self.times] if self.as_list else x * self.times


def recorded(levels: int, times: float = 1.0, keep: float = 0.0) -> Stage:
    """A stage whose encoders multiply by `times`, and decoders by `keep`."""
    stage = Stage(levels, 4)
    stage.encoders = nn.ModuleList(Record(times, as_list=True) for _ in range(levels))
    stage.decoders = nn.ModuleList(Record(keep, as_list=False) for _ in range(levels))
    return stage


def test_each_level_sees_its_own_patches():
    """Level 2 sees halves, level 3 quarters, level 4 eighths; decoders see pairs, joined as they were cut."""
    rows, columns = torch.arange(16.0).view(16, 1), torch.arange(16.0).view(1, 16)
    whole = (100 * rows + columns).expand(1, 3, 16, 16)
    stage = recorded(4)

    stage(whole, [], None)

    encoded = [encoder.seen[0] for encoder in stage.encoders]
    assert [tuple(patches.shape[2:]) for patches in encoded] == [(16, 16), (8, 16), (8, 8), (4, 8)]
    corners = [sorted(patches[:, 0, 0, 0].int().tolist()) for patches in encoded]  # 100 row + column
    assert corners == [[0], [0, 800], [0, 8, 800, 808], [0, 8, 400, 408, 800, 808, 1200, 1208]]
    # Encoders hand the image on here, and a level adds the finer level's features: so level k decodes
    # the image once for every level from k on, in the patches of level k - 1.
    decoded = [decoder.seen[0] for decoder in stage.decoders]
    torch.testing.assert_close(decoded[0], 4 * encoded[0])
    torch.testing.assert_close(decoded[1], 3 * encoded[0])
    torch.testing.assert_close(decoded[2], 2 * encoded[1])
    torch.testing.assert_close(decoded[3], 1 * encoded[2])


def test_a_level_adds_the_finer_levels_image():
    """Each coarser level encodes its patches plus what the finer level decoded there."""
    whole = torch.rand(2, 3, 8, 8)
    stage = recorded(2, times=1.0, keep=0.5)

    restored, features = stage(whole, [], None)

    # Level 2 decodes x / 2; level 1 encodes 3x / 2, adds level 2's x, decodes half of 5x / 2.
    torch.testing.assert_close(stage.encoders[0].seen[0], 1.5 * whole)
    torch.testing.assert_close(restored, 1.25 * whole)
    torch.testing.assert_close(features, [2.5 * whole, whole])


def test_a_later_stage_takes_up_the_earlier_ones():
    """It encodes the previous image, adds previous features, and adds stage 1's image at level 2."""
    whole, first = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    earlier = [torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)]
    stage = recorded(2, times=1.0, keep=1.0)

    restored, features = stage(whole, earlier, first)

    at_level_2 = whole + earlier[1]
    image = at_level_2 + first
    torch.testing.assert_close(features, [whole + image + at_level_2 + earlier[0], at_level_2])
    torch.testing.assert_close(restored, features[0])


def test_every_later_stage_adds_the_first_answer():
    """Stage 3 takes stage 2's image and features, but adds stage 1's image (a mistake of the authors)."""
    given = []
    net = Net(Config("1-2", stacks=3).thin(8))
    for stage in net.stages:
        stage.register_forward_pre_hook(lambda stage, inputs: given.append(inputs))
    blurry = torch.rand(1, 3, 8, 8)

    outputs = net(blurry)

    images, earlier, firsts = zip(*given, strict=True)
    assert images[0] is blurry
    assert images[1] is outputs[0]
    assert images[2] is outputs[1]
    assert [len(features) for features in earlier] == [0, 2, 2]
    assert firsts[0] is None
    assert firsts[1] is outputs[0]
    assert firsts[2] is outputs[0]


def test_patches_do_not_see_each_other():
    """A change in one quarter changes level 3's features of that quarter alone."""
    stage = Net(Config().thin(8)).stages[0]
    blurry = torch.rand(1, 3, 32, 32)
    changed = blurry.clone()
    changed[..., :16, 16:] += 1  # upper right

    before, after = (stage.encoders[2](dmphn.cut(dmphn.cut(x, 2), 3))[-1] for x in (blurry, changed))

    assert [(a != b).any().item() for a, b in zip(before, after, strict=True)] == [False, False, True, False]


def authors_names(net: Net) -> dict[str, dict[str, Tensor]]:
    """Split a network's weights into the authors' files: the inverse of `convert`, for small tests."""
    files: dict[str, dict[str, Tensor]] = {}
    for s, stage in enumerate(net.stages, start=1):
        for half, parts in (("encoder", stage.encoders), ("decoder", stage.decoders)):
            for level, part in enumerate(parts, start=1):
                state = part.state_dict()
                files[f"{half}_s{s}_lv{level}"] = {
                    theirs + key.removeprefix(ours): value
                    for theirs, ours in dmphn.LAYERS[half].items()
                    for key, value in state.items()
                    if key.startswith(ours + ".")
                }
    return files


def test_a_file_of_another_name_is_refused():
    """The message has the file's name and the form of the allowed ones."""
    files = authors_names(Net(Config("1").thin(8)))

    with pytest.raises(ValueError, match="unexpected sub-network 'critic'; allowed: encoder_lv1"):
        dmphn.convert(files | {"critic": {}})
    with pytest.raises(ValueError, match="missing weight: "):
        dmphn.convert({"decoder_s1_lv1": files["decoder_s1_lv1"]})


def test_convert_undoes_the_authors_names():
    """Weights under the authors' names, stacks included, become the same network's state dict."""
    net = Net(Config("1-2", stacks=2).thin(8))

    state = dmphn.convert(authors_names(net))

    torch.testing.assert_close(state, dict(net.state_dict()), rtol=0, atol=0)


@pytest.mark.skipif(
    not (WEIGHTS.is_dir() and FRAMES.is_dir()), reason="no shared/weights or shared/data here"
)
def test_the_authors_weights_restore_the_authors_image():
    """With their weights, a GoPro frame comes out as in their own PNG, and so does its PSNR."""
    saved = WEIGHTS.glob("*.pkl")
    files = {path.stem: torch.load(path, weights_only=True, map_location="cpu") for path in saved}
    net = Net(Config())
    net.load_state_dict(dmphn.convert(files))
    net = net.to(memory_format=torch.channels_last).eval()
    blurry = torch.tensor(image(FRAMES / "blur" / "000001.png")).permute(2, 0, 1)[None] / 255 - 0.5

    with torch.no_grad():
        restored = net(blurry.contiguous(memory_format=torch.channels_last))[-1]

    levels = ((restored[0].permute(1, 2, 0) + 0.5) * 255).clamp(0, 255).numpy()
    truncated, rounded = levels.astype(np.uint8), levels.round().astype(np.uint8)
    theirs = image(WEIGHTS / "restored" / "000001.png").astype(int)
    sharp = image(FRAMES / "sharp" / "000001.png").astype(float)
    assert (abs(truncated - theirs) <= 1).mean() >= 0.999
    assert round(psnr(truncated, sharp), 2) == 30.75
    assert round(psnr(rounded, sharp), 2) == 30.77


def psnr(image: np.ndarray, sharp: np.ndarray) -> float:
    """Of 8-bit images, in dB."""
    return float(10 * np.log10(255**2 / np.square(image - sharp).mean()))

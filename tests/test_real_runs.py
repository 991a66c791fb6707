"""Profile paper starts every run on miniatures of the official layouts, or says what is missing.

The miniatures have the names and numbers of the real archives; the images show a texture that moves by one
pixel a frame, so that flow and temporal levels are known.
"""

import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy.ndimage import gaussian_filter

from benchmark import spec
from benchmark.data import archives, derived, flow, health
from benchmark.data.flow import dis
from benchmark.data.health import real_set
from benchmark.data.pairs import AbsentError
from benchmark.datasets import gopro, gopro_all
from benchmark.losses import human_aware
from benchmark.results import Results, write
from benchmark.results.schema import Score
from benchmark.training import images
from pipelines import collect
from pipelines import data as data_stage
from pipelines import train as train_stage
from tests import project

HEIGHT, WIDTH = 144, 176
LEVELS = tuple(f"level_{n}" for n in (3, 5, 7, 9, 11))
# Sequence -> its images.
TRAIN = {"GOPR0372_07_00": (47, 48, 49), "GOPR0374_11_01": (203, 204), "GOPR0378_13_00": (41,)}
TEST = {"GOPR0384_11_00": (1, 2)}
# Middle frames of the first images, as ID-Blau found them (see gopro_all.py).
MIDDLES = {"GOPR0372_07_00/000047": 326, "GOPR0374_11_01/000203": 2227, "GOPR0378_13_00/000041": 22527}
FIRST = {"GOPR0374_11_01": 2223}  # frame of GOPRO_Large_all: those of image 203 start one earlier
RUNS = spec.load_runs(project.ROOT / spec.RUNS)
TRAINED = {name: run for name, run in RUNS.items() if run.train}
# The first run of each kind: extras and sets. A step of every run on the embedded set is in other tests.
KINDS = {(r.train.extras, r.train_on, r.unpaired_on): name for name, r in reversed(TRAINED.items())}
STARTED = sorted({*KINDS.values(), "hamd", "svdn", "svdn_unmodulated", "mtrnn", "dbgan"})


@cache
def field(seed):
    """Draw a smooth random field, wider than an image by 32 pixels on either side."""
    smooth = gaussian_filter(np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH + 64, 3)), (2, 2, 0))
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def texture(seed, shift=0):
    """Return a texture (H, W, 3) uint8 that has moved to the right by so many pixels."""
    return field(seed)[:, 32 - shift : 32 - shift + WIDTH]


def save(path, pixels):
    """Write an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **({"compress_level": 1} if path.suffix == ".png" else {}))


def save_pair(blurry, sharp, seed):
    """Write a pair of files: the mean of seven frames, and the middle one."""
    frames = [texture(seed, shift) for shift in range(-3, 4)]
    save(blurry, np.rint(np.mean(frames, axis=0)).astype(np.uint8))
    save(sharp, frames[3])


def write_gopro(root):
    """Write GOPRO_Large and GOPRO_Large_all."""
    seed = 0
    for split, sequences in (("train", TRAIN), ("test", TEST)):
        for sequence, numbers in sequences.items():
            seed += 1
            for number in numbers:
                frames = []
                for frame in gopro_all.averaged(sequence, number):
                    shift = frame - MIDDLES.get(f"{sequence}/{numbers[0]:06d}", 0)
                    frames.append(texture(seed, shift % 32))
                    if frame >= FIRST.get(sequence, 0):
                        save(root / "GOPRO_Large_all" / split / sequence / f"{frame:06d}.png", frames[-1])
                place = root / "GOPRO_Large" / split / sequence
                mean = np.rint(np.mean(frames, axis=0)).astype(np.uint8)
                save(place / "blur" / f"{number:06d}.png", mean)
                light = np.mean([(frame / 255) ** 2.2 for frame in frames], axis=0)
                save(
                    place / "blur_gamma" / f"{number:06d}.png",
                    np.rint(255 * light ** (1 / 2.2)).astype(np.uint8),
                )
                save(place / "sharp" / f"{number:06d}.png", frames[len(frames) // 2])


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Return a data folder with a miniature of every set that a run trains or is tested on."""
    root = tmp_path_factory.mktemp("sets")
    write_gopro(root)
    hide, dvd = root / "HIDE_dataset", root / "DeepVideoDeblurring_Dataset" / "quantitative_datasets"
    for seed, place in enumerate(
        ("train/1fromGOPR1", "test/test-close-ups/2fromGOPR2", "test/test-long-shot/3fromGOPR3")
    ):
        save_pair(hide / f"{place}.png", hide / "GT" / f"{Path(place).name}.png", 10 + seed)
    for seed, video in enumerate(("IMG_0004", "IMG_0003")):  # the second is for testing
        save_pair(dvd / video / "input" / "00001.jpg", dvd / video / "GT" / "00001.jpg", 20 + seed)
    for seed in range(2):
        save(root / "RWBI" / "1" / f"{seed}.jpg", texture(30 + seed))
    return root


@pytest.fixture(scope="module")
def prepared(sets, tmp_path_factory):
    """Return a working folder in which stage data has run for profile paper, thin and cut to one step."""
    root = tmp_path_factory.mktemp("work")
    project.copy(root)
    cuts = {
        "about": "paper",
        "steps": 1,
        "batch": 2,
        "crop": 32,
        "thin": 8,
        "validate": 1,
        "pretrained": "leave",
    }
    cuts |= {"overrides": {"deblurganv2": {"crop": 128}}}
    (root / spec.PROFILES / "paper.yaml").write_text(yaml.safe_dump(cuts))
    (root / "params.yaml").write_text("profile: paper\n")
    with pytest.MonkeyPatch.context() as patch:
        use(patch, root, sets)
        # Miniatures are smaller than the official 1280x720; nothing else about them is refused.
        patch.setattr(health, "real_set", lambda name: small(real_set(name)))
        data_stage.main()
    return root


def small(dataset):
    """Allow images of any size."""
    return dataset and replace(dataset, size=None)


def use(patch, root, sets):
    """Work in a folder, with one data folder and no network."""
    patch.chdir(root)
    patch.setenv("DEBLUR_DATA", str(sets))
    patch.setattr(archives, "download", refuse)


def refuse(file, folder):
    """Fail as without a network."""
    raise ValueError(f"{file.name}: no address answers")


@pytest.fixture
def work(prepared, sets, monkeypatch):
    """Work in the prepared folder."""
    use(monkeypatch, prepared, sets)
    return prepared


def check_none_is_missing(files, title, make):
    """Fail where an array would be made."""
    assert all(path.exists() for path in files.values())


@pytest.mark.parametrize("name", TRAINED)
def test_every_run_has_its_images(name, work):
    """Of every run, stage data has made what its recipe needs; nothing is computed again."""
    profile, runs = spec.load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(derived, "_make_missing", check_none_is_missing)
        recipe, pairs = images.load(profile, runs[name], runs[name].train)

    assert len(pairs)
    assert set(recipe.extras) - {"unpaired"} == pairs.extras.keys()
    assert all(len(arrays) == len(pairs) for arrays in pairs.extras.values())
    assert set(runs[name].train.extras) - set(recipe.extras) <= {"moving"}


@pytest.mark.parametrize("name", STARTED)
def test_every_kind_of_run_starts(name, work):
    """A training step and a validation, as stage train does them; the record has the notes."""
    assert train_stage.train(name, lambda share: None).startswith("trained in")
    notes = json.loads((Results("paper").train(name) / "record.json").read_text())["notes"]

    wanted = {
        "hamd": f"hide has no extra 'moving': {human_aware.WITHOUT['moving']}",
        "svdn": "motion estimated by DIS between sharp neighbours, one exposure apart",
        "mtrnn": "1 of 6 images left out: GOPRO_Large_all lacks some of their frames",
    }
    if name in wanted:
        assert wanted[name] in notes


def test_the_levels_are_means_of_the_middle_frames(work):
    """Levels of real names: means of the middle frames, and the blurred image where there are no more."""
    pairs = gopro.pairs(Path("data"), "train", LEVELS)
    for name, middle in MIDDLES.items():
        if name == "GOPR0374_11_01/000203":
            assert name not in pairs.names
            continue
        i, count = pairs.names.index(name), int(name.split("_")[1])
        sequence = Path(real_set("gopro_all").locate(), "train", name.split("/")[0])
        for n in (3, 5, 7, 9, 11):
            around = range(middle - n // 2, middle + n // 2 + 1)
            mean = pairs.blurry[i]
            if n < count:
                frames = [np.asarray(Image.open(sequence / f"{k:06d}.png"), float) for k in around]
                mean = np.rint(np.mean(frames, axis=0))
            assert np.array_equal(pairs.extras[f"level_{n}"][i], mean)


def test_frames_of_another_image_are_refused(work, tmp_path, monkeypatch):
    """A frame that is not what `blur` and `sharp` were made from: the error names image and difference."""
    shutil.copytree(real_set("gopro_all").locate(), tmp_path / "GOPRO_Large_all")
    shutil.copytree(real_set("gopro").locate(), tmp_path / "GOPRO_Large")
    save(tmp_path / "GOPRO_Large_all" / "train" / "GOPR0372_07_00" / "000324.png", texture(99))
    monkeypatch.setenv("DEBLUR_DATA", str(tmp_path))
    with pytest.raises(
        ValueError, match=r"gopro: GOPR0372_07_00/000047: the mean of its 7 frames in .* off by"
    ):
        gopro.pairs(tmp_path, "train", LEVELS)


def test_motion_is_the_movement_of_one_exposure(work):
    """Seven frames of one pixel each: seven pixels to the right, at both ends of a sequence too."""
    pairs = gopro.pairs(Path("data"), "train", ("motion",))

    assert "GOPR0378_13_00/000041" not in pairs.names  # no neighbour
    for name in ("GOPR0372_07_00/000047", "GOPR0372_07_00/000048", "GOPR0372_07_00/000049"):
        motion = pairs.extras["motion"][pairs.names.index(name)]
        assert motion.dtype == np.float16
        inner = motion[32:-32, 40:-40].astype(float)
        assert np.abs(np.median(inner, axis=(0, 1)) - (7, 0)).max() < 0.35


def test_stored_motion_of_raft_is_preferred(work, tmp_path):
    """What another estimator stored is used once it is complete; an interrupted one goes on with the rest."""
    done = []

    def estimate(first, second):
        done.append(1)
        if len(done) == 4:
            raise KeyboardInterrupt
        return np.full((*first.shape[:2], 2), 3.0, np.float32)

    with pytest.raises(KeyboardInterrupt):
        flow.prepare(gopro.SET, "train", tmp_path, estimate)
    assert "DIS" in gopro.pairs(tmp_path, "train", ("motion",)).notes[0]
    flow.prepare(gopro.SET, "train", tmp_path, estimate)
    pairs = gopro.pairs(tmp_path, "train", ("motion",))

    assert "RAFT" in pairs.notes[0]
    # Forward and backward flow of three pixels each cancel; at the ends of a sequence one of them is left.
    assert [float(m[0, 0, 0]) for m in pairs.extras["motion"]] == [3.0, 0.0, -3.0, 3.0, -3.0]
    assert len(done) < 12


def test_flow_of_a_known_shift():
    """OpenCV's DIS finds five pixels to the right to a tenth, where the texture does not leave the image."""
    moved = dis(texture(5), texture(5, 5))[16:-16, 16:-16]

    assert np.abs(np.median(moved, axis=(0, 1)) - (5, 0)).max() < 0.1


def test_unpaired_images_are_of_their_own_set(work):
    """DBGAN's real blur is RWBI's; with a stand-in it is the stand-in's, and a note says so."""
    profile, runs = spec.load()
    _, pairs = images.load(profile, runs["dbgan"], runs["dbgan"].train)

    assert pairs.unpaired.names == ["1/0", "1/1"]
    assert images.load(profile, runs["dbgan_minus"], runs["dbgan_minus"].train)[1].unpaired is None


def test_a_run_that_lacks_a_set_says_so_and_stops_no_other(work, sets, tmp_path, monkeypatch):
    """Without GOPRO_Large_all and RWBI: no weights, the reason in record, identity and measurements."""
    for folder in ("GOPRO_Large", "HIDE_dataset"):
        (tmp_path / folder).symlink_to(sets / folder)
    monkeypatch.setenv("DEBLUR_DATA", str(tmp_path))
    profile, runs = spec.load()
    with pytest.raises(AbsentError, match="rwbi: not at hand"):
        images.load(profile, runs["dbgan"], runs["dbgan"].train)
    found = data_stage.prepare_extras(profile, [runs[name] for name in ("mtrnn", "dbgan", "hamd", "dmphn_1")])
    reason = "GOPRO_Large_all, whose frames make MT-RNN's levels: not at hand; `python -m pipelines.data"
    shutil.rmtree(Results("paper").train("mtrnn"), ignore_errors=True)  # of a test that had the frames

    assert set(found) == {"extras of mtrnn", "extras of dbgan", "extras of hamd"}
    assert reason in found["extras of mtrnn"]
    assert train_stage.train("mtrnn", lambda share: None).startswith(f"not trained: {reason}")
    results = Results("paper")
    assert not (results.train("mtrnn") / "weights.safetensors").exists()
    assert train_stage.recorded(profile.trainings(runs)["mtrnn"], results) == ""  # the next call tries again

    write(results.quality, Score, [Score("identity", "gopro", "a/1", "psnr", 25.0)])
    train_stage.train("identity", lambda share: None)
    rows = list(collect.qualities(profile, {name: runs[name] for name in ("identity", "mtrnn")}))
    missing = [row for row in rows if row.run == "mtrnn"]
    assert {row.dataset for row in missing} == set(runs["mtrnn"].test_on)
    assert all(row.value is None and row.note.startswith(f"not trained: {reason}") for row in missing)

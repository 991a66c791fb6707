"""The report's pictures: each shows what its row says, what is missing is named, real images stay here."""

import base64
import io
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmark.report import frames, hero, page, pictures
from benchmark.results import Results, read_rows, write
from benchmark.results.schema import Picture, Score
from tests import invented, invented_pictures
from tests.invented import CHOSEN, HOSTILE, PROFILE, RUNS, read
from tests.invented_pictures import DATA, HEIGHT, IMAGES, SIDE, WIDTH

TRAINED = [name for name in CHOSEN if RUNS[name].train]


@pytest.fixture
def folder(filled, tmp_path):
    """Copy the full folder, so that a test may change it."""
    return shutil.copytree(filled, tmp_path / "copy")


@pytest.fixture(scope="module")
def gallery(filled):
    """Return the pictures of the full folder."""
    return pictures.collect(read(filled))


def decoded(uri):
    """Decode a data URI by Pillow: (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))


def test_every_version_of_an_image_is_that_picture_with_its_psnr(gallery):
    """Pixels, places and PSNR are those of the files and of quality.csv."""
    assert [photograph.image for photograph in gallery.photographs] == IMAGES
    for photograph in gallery.photographs:
        keys = [shot.key for shot in photograph.shots]
        assert keys[0] == "blurred"
        assert set(TRAINED[:-1]) | {"blurred", "sharp", "mask 0.96"} <= set(keys)
        for shot in photograph.shots:
            source = invented_pictures.pixels(photograph.image, "mask" if shot.kind == "mask" else shot.key)
            part = source[shot.y : shot.y + shot.height, shot.x : shot.x + shot.width]
            np.testing.assert_array_equal(decoded(shot.uri), part)
            run = {"blurred": "identity"}.get(shot.key, shot.key)
            if run in RUNS:
                assert shot.psnr == pytest.approx(invented.psnr(run, photograph.image), abs=1e-6)
            if shot.kind == "restored":
                gain = invented.psnr(run, photograph.image) - invented.psnr("identity", photograph.image)
                assert shot.gain == pytest.approx(gain, abs=1e-5)
    crops = [
        (p.image, s.key, s.x, s.y, s.width) for p in gallery.photographs for s in p.shots if s.kind == "crop"
    ]
    assert crops == [("a/000", TRAINED[-1], 4, 8, SIDE)]


def test_maps_are_in_the_order_of_training(gallery):
    """By run and name, with the ends of their colours, and with the image that they are of."""
    tiles = gallery.maps[TRAINED[0]]["ms"]

    assert gallery.mapped == "a/000"
    assert [(tile.step, tile.low, tile.high) for tile in tiles] == [
        (s, 0, s + 0.5) for s in invented_pictures.STEPS
    ]
    assert gallery.fidelity == (40, pytest.approx(np.median([40 + i for i in range(len(TRAINED) - 1)])))


def test_a_papers_own_systems_are_shown_first(filled, gallery):
    """Systems named as a paper come first, in the order of the papers; then others, four in all."""
    papers = [paper.key for paper in invented.PAPERS]
    few = [
        replace(photograph, shots=[s for s in photograph.shots if s.key in ("dmphn_1", "cdgnet")])
        for photograph in gallery.photographs
    ]

    assert gallery.defaults == papers[:4]
    assert pictures.defaults(read(filled), few) == ["cdgnet", "dmphn_1"]


def test_first_picture_is_where_a_system_gains_most(gallery):
    """Its three crops are the same pixels of that image, and its address names image, run and place."""
    shown = hero.hero(gallery)
    window = (slice(8, 8 + SIDE), slice(4, 4 + SIDE))

    assert [tile.label for tile in shown.tiles] == ["blurred", f"by {TRAINED[0]}", "sharp"]
    assert [tile.psnr for tile in shown.tiles] == [20.0, 23.0, None]
    for tile, key in zip(shown.tiles, ("blurred", TRAINED[0], "sharp"), strict=True):
        np.testing.assert_array_equal(decoded(tile.uri), invented_pictures.pixels("b/000", key)[window])
    assert shown.address == f"#images?image=b%2F000&run={TRAINED[0]}&zoom=2.50&x=0.2500&y=0.4000"


def test_what_is_missing_is_named(folder):
    """Pictures that are gone, cut or outside the folder are counted; without a table the page says so."""
    results = Results(PROFILE, folder / "results")
    table = read_rows(results.picture_rows, Picture)
    secret = folder / "secret.png"
    Image.new("RGB", (2, 2)).save(secret)
    (results.pictures / table[0].file).unlink()
    (results.pictures / table[1].file).write_text("version https://git-lfs")
    table[2] = replace(table[2], file="../../../secret.png")
    table[3] = replace(table[3], file=str(secret))
    write(results.picture_rows, Picture, table)
    shown = pictures.collect(read(folder))

    assert shown.missing[0].startswith(
        f"4 of {len(table)} pictures cannot be read, {table[0].file} among them"
    )
    assert base64.b64encode(secret.read_bytes()).decode() not in str(
        [s.uri for p in shown.photographs for s in p.shots]
    )
    shutil.rmtree(results.pictures)
    assert "`dvc repro` makes them" in pictures.collect(read(folder)).missing[0]
    assert hero.hero(pictures.collect(read(folder))) is None


def test_hostile_names_stay_text(folder, full_summary):
    """An image and a map whose names are scripts appear escaped, in the page as in the viewer's data."""
    results = Results(PROFILE, folder / "results")
    table = [
        replace(row, image=HOSTILE, name=HOSTILE if row.kind == "map" else row.name)
        for row in read_rows(results.picture_rows, Picture)
        if row.image == IMAGES[0]
    ]
    write(results.picture_rows, Picture, table)
    shown = pictures.collect(read(folder))
    templates = page.environment()
    text = templates.get_template("images.html.j2").render(page=replace(full_summary, gallery=shown))
    facts = re.search(r'<script type="application/json" id="gallery-data">(.*?)</script>', text, re.DOTALL)

    assert "<script>alert" not in text
    assert json.loads(facts[1])["photographs"][0]["image"] == HOSTILE


def test_the_view_says_every_number_without_scripts(full_summary):
    """Each version has its picture and its PSNR in plain HTML; nothing is read from a network."""
    text = page.environment().get_template("images.html.j2").render(page=full_summary)
    for image in IMAGES:
        for run in TRAINED[:-1]:
            assert f"{run}<br>{invented.psnr(run, image):.2f} dB" in text
    sources = re.findall(r'src="(.{10})', text)

    assert sources
    assert set(sources) == {"data:image"}
    assert text == page.environment().get_template("images.html.j2").render(page=full_summary)


def gopro(root, frames_by_sequence, restored_by):
    """Lay out real test images, their scores and what weights restored of them; return the sharp ones."""
    authors = Results("authors", root / "results")
    scores, sharp = [], {}
    for number, (sequence, frame, psnr) in enumerate(frames_by_sequence):
        base = np.random.default_rng(number).integers(0, 255, (72, 128, 3), np.uint8)
        smooth = np.asarray(Image.fromarray(base[:9, :16]).resize((128, 72), Image.Resampling.BICUBIC))
        sharp[f"{sequence}/{frame}"] = smooth
        for kind, image in (("blur", smooth[:, ::-1]), ("sharp", smooth)):
            path = root / "sets" / "GOPRO_Large" / "test" / sequence / kind / f"{frame}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(image)).save(path)
        scores.append(Score("identity", "gopro", f"{sequence}/{frame}", "psnr", psnr))
        for index, run in enumerate(restored_by):
            path = authors.images(run) / "gopro" / sequence / f"{frame}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.roll(smooth, index + 1, axis=0)).save(path)
            scores.append(Score(run, "gopro", f"{sequence}/{frame}", "psnr", psnr + 2))
    write(authors.quality, Score, scores)
    return sharp


FRAMES = [
    ("GOPR0384_11_00", "000001", 24.0),
    ("GOPR0384_11_00", "000002", 25.0),
    ("GOPR0396_11_00", "000001", 28.0),
]


def test_real_images_are_shown_where_this_machine_has_them(folder, monkeypatch):
    """Hardest and easiest of other sequences, as the authors' weights restored them; nothing is written."""
    sharp = gopro(folder, FRAMES, ["dmphn_1", "dmphn_1_2_4"])
    before = sorted(folder.rglob("*"))
    without = [p.dataset for p in pictures.collect(read(folder)).photographs]
    monkeypatch.setenv("DEBLUR_DATA", str(folder / "sets"))
    shown = [p for p in pictures.collect(read(folder)).photographs if p.dataset == "gopro"]

    assert set(without) == {DATA}
    assert [p.image for p in shown] == ["GOPR0384_11_00/000001", "GOPR0396_11_00/000001"]
    assert shown[0].title == "gopro: GOPR0384_11_00 1"
    assert [(s.key, s.psnr, s.gain) for s in shown[0].shots] == [
        ("blurred", 24, None),
        ("dmphn_1", 26, 2),
        ("dmphn_1_2_4", 26, 2),
        ("sharp", None, None),
    ]
    error = decoded(shown[0].shots[-1].uri).astype(float) - sharp[shown[0].image]
    assert 10 * np.log10(255**2 / np.square(error).mean()) > 30
    assert shown[0].windows
    assert sorted(folder.rglob("*")) == before


def test_real_images_end_where_the_page_would_grow_too_large(folder, monkeypatch):
    """The first is always shown; a damaged one is left out."""
    gopro(folder, FRAMES, ["dmphn_1"])
    monkeypatch.setenv("DEBLUR_DATA", str(folder / "sets"))
    monkeypatch.setattr(frames, "BUDGET", 1)
    assert [frame.image for frame in frames.frames(read(folder))] == ["GOPR0384_11_00/000001"]
    path = folder / "sets" / "GOPRO_Large" / "test" / "GOPR0384_11_00" / "sharp" / "000001.png"
    path.write_bytes(path.read_bytes()[:99])
    assert [frame.image for frame in frames.frames(read(folder))] == ["GOPR0396_11_00/000001"]


def test_sizes_are_those_of_the_pictures(gallery):
    """The viewer lays panels out by them."""
    assert {(p.width, p.height) for p in gallery.photographs} == {(WIDTH, HEIGHT)}

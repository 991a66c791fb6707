"""The protocol decoder: tables made from known protocols, and its standard errors against closed forms."""

import math
import random
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from scipy import stats

from benchmark import claims, plugins
from benchmark.claims import Claim
from benchmark.compare import decode

SEQUENCES, FRAMES = 11, 20
TOTAL = SEQUENCES * FRAMES
SYSTEMS = {"a": 29.2, "b": 30.3, "c": 31.2, "d": 32.5}
SSIMS = ("ssim", "ssim_matlab", "ssim_uniform")


def world(seed=0):
    """(system, gopro) -> protocol -> image -> value: scenes differ, SSIM follows PSNR."""
    draw = random.Random(seed)
    scenes = [(draw.gauss(0, 2.3), draw.gauss(0, 0.12), draw.gauss(0, 0.1)) for _ in range(SEQUENCES)]
    made = {}
    for system, level in SYSTEMS.items():
        values = {protocol: {} for protocol in ("psnr", "psnr_float", "psnr_y", "psnr_pooled", *SSIMS)}
        for s, (scene, texture, colour) in enumerate(scenes):
            for frame in range(FRAMES):
                name, psnr = f"{s:02}/{frame:06}", level + scene + draw.gauss(0, 1.5)
                loss, noise = 10 ** ((30 - psnr) / 22), draw.gauss(0, 0.008)
                values["psnr"][name] = psnr
                values["psnr_float"][name] = psnr + 0.008
                values["psnr_y"][name] = psnr + 1.4
                values["psnr_pooled"][name] = 10 ** (-psnr / 10)
                values["ssim"][name] = 1 - 0.1 * loss * (1 + texture) + noise
                values["ssim_matlab"][name] = 1 - 0.065 * loss * (1 + texture + colour) + 0.7 * noise
                values["ssim_uniform"][name] = values["ssim"][name] - 0.007
        made[system, "gopro"] = values
    return made


def table(images, protocols):
    """The printed table of these systems, with the SSIM of each under its protocol."""
    printed = []
    for system, protocol in protocols.items():
        for column, quantity, digits, name in (("PSNR", "psnr", 2, "psnr"), ("SSIM", "ssim", 3, protocol)):
            mean = fmean(images[system, "gopro"][name].values())
            text = f"{mean:.{digits}f}"
            printed.append(Claim("p", "Table 1", f"Net {system}", column, system, "gopro", quantity, text))
    return printed


def part(images, names):
    """The same measurements on some of the images."""
    return {
        key: {protocol: {name: values[name] for name in names} for protocol, values in scores.items()}
        for key, scores in images.items()
    }


def ten(seed):
    """Ten images of six sequences, five of them of one: what the shared real pairs are."""
    first, *rest = random.Random(seed).sample(range(SEQUENCES), 6)
    return [f"{first:02}/{frame:06}" for frame in range(5)] + [f"{s:02}/000007" for s in rest]


def decode_ssim(printed, images, total=TOTAL):
    """The verdict on the SSIM column."""
    return decode.decide([c for c in printed if c.quantity == "ssim"], printed, images, total)


@pytest.mark.parametrize("protocol", SSIMS)
def test_a_table_of_one_protocol_is_decoded(protocol):
    """From whole sets, the protocol a table was made with is found, and its residual is that of rounding."""
    images = world()
    found = decode_ssim(table(images, dict.fromkeys(SYSTEMS, protocol)), images)

    assert (found.verdict, found.protocol, found.mixed) == ("decided", protocol, "")
    assert float(found.residual) <= 0.0005 < 0.005 < float(found.runner_up_residual)
    assert found.rows == 4
    assert f"{protocol} gives" in found.evidence
    assert "220 of 220 images" in found.evidence


def test_a_row_of_another_protocol_is_flagged():
    """One system quoted under another SSIM does not hide the table's protocol, and is named with its own."""
    images = world()
    found = decode_ssim(table(images, dict.fromkeys(SYSTEMS, "ssim_matlab") | {"c": "ssim"}), images)

    assert (found.verdict, found.protocol, found.mixed) == ("decided", "ssim_matlab", "Net c: ssim")
    assert found.fits(Claim("p", "Table 1", "Net c", "SSIM", "c", "gopro", "ssim", "0.9")) == "ssim"
    assert found.fits(Claim("p", "Table 1", "Net a", "SSIM", "a", "gopro", "ssim", "0.9")) == ""


def test_a_table_of_halves_is_inconclusive():
    """Two rows against two rows: no protocol has more than half."""
    images = world()
    half = {"a": "ssim", "b": "ssim", "c": "ssim_matlab", "d": "ssim_matlab"}
    found = decode_ssim(table(images, half), images)

    assert found.verdict == "inconclusive"
    assert "2 of 4 rows fit" in found.evidence
    assert found.mixed.count(": ") == 2


def test_one_row_decides_no_column():
    """A column may mix protocols, so one row says nothing about the others."""
    images = world()
    found = decode_ssim(table(images, {"a": "ssim_matlab"}), images)

    assert (found.verdict, found.protocol) == ("inconclusive", "ssim_matlab")
    assert found.evidence.endswith("one row decides no column")


def test_few_images_are_inconclusive_rather_than_wrong():
    """Ten images never decide for a wrong protocol, and name those that they cannot exclude."""
    wrong = inconclusive = 0
    for seed in range(40):
        images, truth = world(seed), SSIMS[seed % 3]
        printed = table(images, dict.fromkeys(SYSTEMS, truth))
        found = decode_ssim(printed, part(images, ten(seed)))
        wrong += found.verdict == "decided" and found.protocol != truth
        inconclusive += found.verdict == "inconclusive"

        assert found.verdict == "decided" or truth in found.evidence

    assert wrong == 0
    assert inconclusive > 20


def test_frames_of_two_sequences_tell_no_error():
    """However many frames: a line needs three sequences."""
    images = world()
    names = [f"{s:02}/{frame:06}" for s in range(2) for frame in range(FRAMES)]
    found = decode_ssim(table(images, dict.fromkeys(SYSTEMS, "ssim")), part(images, names))

    assert (found.verdict, found.protocol) == ("inconclusive", "")
    assert "40 images of Net a are too few sequences" in found.evidence


def test_psnr_protocols_that_are_the_same_count_as_one():
    """PSNR of the rounded and of the float image are 0.008 dB apart; Y and pooled PSNR are excluded."""
    images = world()
    printed = table(images, dict.fromkeys(SYSTEMS, "ssim"))
    found = decode.decide([c for c in printed if c.quantity == "psnr"], printed, images, TOTAL)

    assert (found.verdict, found.protocol) == ("decided", "psnr")
    assert found.runner_up in ("psnr_y", "psnr_pooled")


def test_systems_may_stand_across():
    """A table with one column per system is one with one row per system, turned."""
    images = world()
    printed = table(images, dict.fromkeys(SYSTEMS, "ssim_matlab") | {"b": "ssim"})
    turned = [replace(c, row=c.column, column=c.row) for c in printed]
    found = decode_ssim(turned, images)

    assert found == decode_ssim(printed, images)
    assert (found.column, found.mixed) == ("SSIM", "Net b: ssim")


def test_nothing_measured_is_untested():
    """Every printed column of the papers has a row, and without measurements all are untested."""
    found = list(decode.tables(claims.read(), {}, {}))

    assert {d.verdict for d in found} == {"untested"}
    assert {("cdgnet", "Table 2", "SSIM", "dvd"), ("sgenet", "Table 1", "HIDE SSIM", "hide")} <= {
        (d.paper, d.table, d.column, d.dataset) for d in found
    }
    assert len({(d.paper, d.table, d.dataset, d.family) for d in found}) == len(found)


def test_printed_numbers_alone_show_mixing():
    """Four printed columns scatter three times as much around a line as those of one protocol do."""
    found = {(d.paper, d.table, d.dataset): d.evidence for d in decode.tables(claims.read(), {}, {})}
    bent = {place for place, evidence in found.items() if "which one protocol does not" in evidence}

    assert bent == {
        ("bag", "Table 2", "gopro"),
        ("cdgnet", "Table 1", "gopro"),
        ("cdgnet", "Table 2", "dvd"),
        ("saphnet", "Table 1", "gopro"),
    }
    assert "its 9 printed pairs scatter by 0.020" in found["cdgnet", "Table 1", "gopro"]


def test_the_error_of_a_line_is_that_of_least_squares():
    """The prediction and its standard error, s^2 x' (X'X)^-1 x, on the means of sequences."""
    images = part(world(), ten(3))["a", "gopro"]
    sequences = sorted({name[:2] for name in images["psnr"]})
    x, y = (
        np.array([np.mean([v for n, v in images[q].items() if n[:2] == s]) for s in sequences])
        for q in ("psnr", "ssim")
    )
    design, at = np.stack([np.ones(6), x], axis=1), np.array([1.0, 30.0])
    weights, squares, _, _ = np.linalg.lstsq(design, y, rcond=None)
    error = math.sqrt(squares[0] / 4 * at @ np.linalg.inv(design.T @ design) @ at)

    found = decode.expect(images["ssim"], TOTAL, images["psnr"], 30.0)

    assert found is not None
    assert (found.value, found.error, found.freedom) == pytest.approx((weights @ at, error, 4))


def test_the_error_of_a_mean_is_that_of_its_sequences():
    """Ten images of six sequences are six numbers, not ten."""
    images = part(world(), ten(3))["a", "gopro"]["psnr"]
    groups = [np.mean([v for n, v in images.items() if n[:2] == s]) for s in {name[:2] for name in images}]

    found = decode.expect(images, TOTAL, images, None)

    assert found is not None
    assert (found.value, found.error) == pytest.approx((np.mean(groups), stats.sem(groups)))


def test_a_whole_set_has_no_sampling_error():
    """Its mean is the mean of all images; printed beside another PSNR, the line's slope moves it."""
    images = world()["a", "gopro"]
    psnr, ssim = images["psnr"], images["ssim"]
    mean, at = fmean(ssim.values()), fmean(psnr.values())

    assert decode.expect(ssim, TOTAL, psnr, None) == decode.Expected(mean, 0.0, math.inf)
    assert decode.expect(ssim, TOTAL, psnr, at) == decode.Expected(mean, 0.0, SEQUENCES - 2)
    higher = decode.expect(ssim, TOTAL, psnr, at + 0.5)
    assert higher is not None
    assert 0.002 < higher.value - mean < 0.02
    assert 0 < higher.error < 0.002


def test_pooling_is_of_squared_errors():
    """PSNR of the mean squared error, its error from 2 % of that: 0.087 dB."""
    found = decode.decibels(decode.Expected(1e-3, 2e-5, 5))

    assert (found.value, found.error) == pytest.approx((30.0, 0.0869), abs=1e-4)


@pytest.mark.parametrize("freedom", [1, 2, 4, 9, 30])
def test_student_t_becomes_normal(freedom):
    """As rare as Student's t by scipy, to 3 % from 4 degrees of freedom on; fewer err to the careful side."""
    for t in (1.0, 2.0, 3.0, 6.6, 20.0):
        exact = stats.norm.isf(stats.t.sf(t, freedom))
        found = decode.normal(t, freedom)

        assert found <= exact * 1.02
        assert found == pytest.approx(exact, rel=0.03 if freedom >= 4 else 0.15)


def test_metrics_say_the_same_of_themselves():
    """Families and pooling are read off names here, where nothing may import torch."""
    quantities = [plugins.load("metrics", name).QUANTITY for name in plugins.names("metrics")]

    for quantity in quantities:
        family = quantity.name.split("_")[0]

        assert quantity.family == (family if family in decode.FAMILIES else "")
    assert {quantity.name for quantity in quantities if quantity.pool == "psnr"} == decode.POOLED

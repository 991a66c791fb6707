"""The protocol decoder: tables made from known protocols, and its standard errors against closed forms."""

import math
import random
from dataclasses import replace

import numpy as np
import pandas as pd
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
    """Scores by system and dataset, images down and protocols across: scenes differ, SSIM follows PSNR."""
    draw = random.Random(seed)
    scenes = [(draw.gauss(0, 2.3), draw.gauss(0, 0.12), draw.gauss(0, 0.1)) for _ in range(SEQUENCES)]
    scores = {}
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
        scores[system, "gopro"] = pd.DataFrame(values)
    return scores


def table(images, protocols):
    """Print a table of these systems, with the SSIM of each under its protocol."""
    printed = []
    for system, protocol in protocols.items():
        for column, quantity, digits, name in (("PSNR", "psnr", 2, "psnr"), ("SSIM", "ssim", 3, protocol)):
            text = f"{images[system, 'gopro'][name].mean():.{digits}f}"
            printed.append(Claim("p", "Table 1", f"Net {system}", column, system, "gopro", quantity, text))
    return printed


def part(images, names):
    """The same measurements on some of the images."""
    return {key: scores.loc[names] for key, scores in images.items()}


def ten(seed):
    """Ten images of six sequences, five of them of one: what the shared real pairs are."""
    first, *rest = random.Random(seed).sample(range(SEQUENCES), 6)
    return [f"{first:02}/{frame:06}" for frame in range(5)] + [f"{s:02}/000007" for s in rest]


def decode_ssim(printed, images, total=TOTAL):
    """The verdict on the SSIM column."""
    return decode.decide([c for c in printed if c.quantity == "ssim"], printed, images, total)


@pytest.mark.parametrize("protocol", SSIMS)
def test_a_table_of_one_protocol_is_decoded(protocol):
    """From whole sets, the protocol of a table is decoded, and its residual is that of rounding."""
    images = world()
    decoded = decode_ssim(table(images, dict.fromkeys(SYSTEMS, protocol)), images)

    assert (decoded.verdict, decoded.protocol, decoded.mixed) == ("decided", protocol, "")
    assert decoded.residual <= 0.0005 < 0.005 < decoded.runner_up_residual
    assert decoded.rows == 4
    assert f"{protocol} gives" in decoded.evidence
    assert "220 of 220 images" in decoded.evidence


def test_a_row_of_another_protocol_is_flagged():
    """One system quoted under another SSIM does not hide the table's protocol, and is named with its own."""
    images = world()
    decoded = decode_ssim(table(images, dict.fromkeys(SYSTEMS, "ssim_matlab") | {"c": "ssim"}), images)

    assert (decoded.verdict, decoded.protocol, decoded.mixed) == ("decided", "ssim_matlab", "Net c: ssim")
    cell = Claim("p", "Table 1", "Net c", "SSIM", "c", "gopro", "ssim", "0.9")
    assert decode.other_protocol(decoded, cell) == "ssim"
    assert decode.other_protocol(decoded, replace(cell, row="Net a")) == ""


@pytest.mark.parametrize(
    ("protocols", "evidence", "outliers"),
    [
        ({"a": "ssim", "b": "ssim", "c": "ssim_matlab", "d": "ssim_matlab"}, "2 of 4 rows fit", 2),
        ({"a": "ssim_matlab"}, "one row decides no column", 0),
    ],
)
def test_too_few_rows_of_one_protocol_are_inconclusive(protocols, evidence, outliers):
    """More than half of at least two rows must fit, as a column may mix protocols."""
    images = world()
    decoded = decode_ssim(table(images, protocols), images)

    assert decoded.verdict == "inconclusive"
    assert evidence in decoded.evidence
    assert decoded.mixed.count(": ") == outliers


def test_few_images_are_inconclusive_rather_than_wrong():
    """Ten images never decide for a wrong protocol, and name those that they cannot exclude."""
    wrong = inconclusive = 0
    for seed in range(40):
        images, truth = world(seed), SSIMS[seed % 3]
        printed = table(images, dict.fromkeys(SYSTEMS, truth))
        decoded = decode_ssim(printed, part(images, ten(seed)))
        wrong += decoded.verdict == "decided" and decoded.protocol != truth
        inconclusive += decoded.verdict == "inconclusive"

        assert decoded.verdict == "decided" or truth in decoded.evidence

    assert wrong == 0
    assert inconclusive > 20


def test_images_that_would_exclude_a_protocol():
    """A protocol 1 dB away is 3.84 standard errors off once 3.84^2 (e^2 n / N + fixed errors) is 1 dB^2."""
    claim = Claim("p", "Table 1", "Net", "PSNR", "net", "gopro", "psnr", "30.00")
    right, error, many = 30.0, 0.8, 1e9  # so many degrees of freedom that t is normal
    values = {"psnr": right, "psnr_y": right + 1.0, "psnr_float": right + 0.01}
    row = decode.Row(claim, "Net", None, 10, {p: decode.Expected(v, error, many) for p, v in values.items()})
    fixed = 0.005**2 / 3 + 0.01**2
    square = (3 + stats.norm.ppf(0.8)) ** 2
    needed = math.ceil(10 * square * error**2 / (1 - square * fixed))

    assert decode.images_needed([row], "psnr", ["psnr_y"], 0) == pytest.approx(needed, abs=1)
    assert decode.images_needed([row], "psnr", ["psnr_y"], 40) == 40  # the whole set has no sampling error
    assert decode.images_needed([row], "psnr", ["psnr_y", "psnr_float"], 0) is None  # nearer than the print


def test_an_inconclusive_column_says_how_many_images_it_needs():
    """Ten images that leave a protocol open name a number above ten, in a column and in words."""
    images = world(1)
    decoded = decode_ssim(table(images, dict.fromkeys(SYSTEMS, SSIMS[1])), part(images, ten(1)))

    assert decoded.verdict == "inconclusive"
    assert 10 < decoded.images_needed <= TOTAL
    assert f"(about {decoded.images_needed} images would exclude them)" in decoded.evidence


def test_frames_of_two_sequences_tell_no_error():
    """However many frames: a line needs three sequences."""
    images = world()
    names = [f"{s:02}/{frame:06}" for s in range(2) for frame in range(FRAMES)]
    decoded = decode_ssim(table(images, dict.fromkeys(SYSTEMS, "ssim")), part(images, names))

    assert (decoded.verdict, decoded.protocol) == ("inconclusive", "")
    assert "40 images of Net a are too few sequences" in decoded.evidence


def test_psnr_protocols_that_are_the_same_count_as_one():
    """PSNR of the rounded and of the float image are 0.008 dB apart; Y and pooled PSNR are excluded."""
    images = world()
    printed = table(images, dict.fromkeys(SYSTEMS, "ssim"))
    decoded = decode.decide([c for c in printed if c.quantity == "psnr"], printed, images, TOTAL)

    assert (decoded.verdict, decoded.protocol) == ("decided", "psnr")
    assert decoded.runner_up in ("psnr_y", "psnr_pooled")


def test_systems_may_be_columns():
    """A table with one column per system is one with one row per system, turned."""
    images = world()
    printed = table(images, dict.fromkeys(SYSTEMS, "ssim_matlab") | {"b": "ssim"})
    turned = [replace(c, row=c.column, column=c.row) for c in printed]
    decoded = decode_ssim(turned, images)

    assert decoded == decode_ssim(printed, images)
    assert (decoded.column, decoded.mixed) == ("SSIM", "Net b: ssim")


def test_nothing_measured_is_untested():
    """Every printed column of the papers has a row, and without measurements all are untested."""
    decoded = list(decode.tables(claims.read(), {}, {}))

    assert {d.verdict for d in decoded} == {"untested"}
    assert {("cdgnet", "Table 2", "SSIM", "dvd"), ("sgenet", "Table 1", "HIDE SSIM", "hide")} <= {
        (d.paper, d.table, d.column, d.dataset) for d in decoded
    }
    assert len({(d.paper, d.table, d.dataset, d.family) for d in decoded}) == len(decoded)


def test_printed_numbers_alone_show_mixing():
    """Three printed columns scatter three times as much around a line as those of one protocol do."""
    decoded = {(d.paper, d.table, d.dataset): d.evidence for d in decode.tables(claims.read(), {}, {})}
    bent = {place for place, evidence in decoded.items() if "which one protocol does not" in evidence}

    assert bent == {
        ("bag", "Table 2", "gopro"),
        ("cdgnet", "Table 1", "gopro"),
        ("saphnet", "Table 1", "gopro"),
    }
    assert "its 11 printed pairs scatter by 0.023" in decoded["cdgnet", "Table 1", "gopro"]


def test_errors_are_those_of_sequences():
    """Ten images of six sequences are six numbers: s^2 x' (X'X)^-1 x for a line, s / sqrt(6) for a mean."""
    images = part(world(), ten(3))["a", "gopro"]
    means = images.groupby(images.index.str[:2]).mean()
    design, at = np.stack([np.ones(6), means["psnr"]], axis=1), np.array([1.0, 30.0])
    weights, squares, _, _ = np.linalg.lstsq(design, means["ssim"], rcond=None)
    error = math.sqrt(squares[0] / 4 * at @ np.linalg.inv(design.T @ design) @ at)

    line = decode.expect(images["ssim"], images["psnr"], TOTAL, 30.0)
    mean = decode.expect(images["psnr"], images["psnr"], TOTAL, None)

    assert (line.value, line.error, line.freedom) == pytest.approx((weights @ at, error, 4))
    assert (mean.value, mean.error) == pytest.approx((means["psnr"].mean(), stats.sem(means["psnr"])))


def test_a_whole_set_has_no_sampling_error():
    """Its mean is the mean of all images; printed beside another PSNR, the line's slope moves it."""
    scores = world()["a", "gopro"]
    psnr, ssim = scores["psnr"], scores["ssim"]
    mean, at = ssim.mean(), psnr.mean()

    assert decode.expect(ssim, psnr, TOTAL, None) == decode.Expected(mean, 0.0, math.inf)
    assert decode.expect(ssim, psnr, TOTAL, at) == decode.Expected(mean, 0.0, SEQUENCES - 2)
    higher = decode.expect(ssim, psnr, TOTAL, at + 0.5)
    assert 0.002 < higher.value - mean < 0.02
    assert 0 < higher.error < 0.002


def test_pooling_is_of_squared_errors():
    """PSNR of the mean squared error, its error from 2 % of that: 0.087 dB."""
    expected = decode.pooled_psnr(decode.Expected(1e-3, 2e-5, 5))

    assert (expected.value, expected.error) == pytest.approx((30.0, 0.0869), abs=1e-4)


def test_student_t_becomes_normal():
    """As rare as in the tables of Student's t: 2.776 with 4 degrees of freedom is 1.96, 4.604 is 2.576."""
    assert decode.normal_deviate(2.776, 4) == pytest.approx(1.96, abs=1e-3)
    assert decode.normal_deviate(-4.604, 4) == pytest.approx(2.576, abs=1e-3)
    assert decode.normal_deviate(100.0, math.inf) == 100.0


def test_names_of_metrics_tell_family_and_pooling():
    """The decoder reads families and pooling off the names, as nothing in it may import torch."""
    quantities = [plugins.load("metrics", name).QUANTITY for name in plugins.names("metrics")]

    for quantity in quantities:
        family = quantity.name.split("_")[0]

        assert quantity.family == (family if family in decode.FAMILIES else "")
    assert {quantity.name for quantity in quantities if quantity.pool == "psnr"} == decode.POOLED

"""Names of claims: full ones, parts of them, ambiguous ones and mistyped ones."""

from dataclasses import replace

import pytest

from benchmark import claims
from benchmark.compare.naming import find, names, parts

PRINTED = [claim for paper in claims.read() for claim in paper.claims() if not claim.blank]


def test_every_claim_has_a_name_of_its_own():
    """The name of each printed number finds it again, with its quotes and as a shell hands it on."""
    named = names(PRINTED)
    assert set(named.values()) == set(PRINTED)
    for name, claim in named.items():
        assert find(name, PRINTED) is claim
        assert find(name.replace('"', ""), PRINTED) is claim


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ('sgenet:"Table 1":SGENet:Runtime', "0.017"),
        ("sgenet:table 1:sgenet:runtime", "0.017"),
        ("SGENet faster than", "6.82"),
        ("cdgnet:Table 1:Ours:FLOPs", "292.57"),
    ],
)
def test_a_part_is_enough(name, printed):
    """Case, quotes and whole fields do not matter where one claim is meant."""
    assert find(name, PRINTED).printed == printed


def test_several_are_listed():
    """A row of Table 1 has six numbers: each is named."""
    with pytest.raises(ValueError, match="fits 6 claims") as error:
        find("sgenet:Table 1:SGENet", PRINTED)

    assert 'sgenet:"Table 1":SGENet:"HIDE SSIM"' in str(error.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("sgenet:Table 1:SGENet:Runtme", "'Runtime'"), ("", "bag"), ("bag:HIDE PSNR", "nearest")],
)
def test_a_typo_gets_the_nearest(name, meant):
    """What is in no name gets the nearest field; parts that never occur together the nearest names."""
    with pytest.raises(ValueError, match="no claim") as error:
        find(name, PRINTED)

    assert meant in str(error.value)


def test_a_colon_in_a_label():
    """A label with a colon is quoted, and found without its quotes too."""
    claim = replace(PRINTED[0], row="Ours: large")
    (name,) = names([claim])

    assert parts(name)[2] == "Ours: large"
    assert find(name, [claim]) is find(name.replace('"', ""), [claim]) is claim

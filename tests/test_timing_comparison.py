"""Which of two invented timings is faster."""

from dataclasses import replace

import pytest

from benchmark.timing.comparison import compare
from tests.recordings import slowed, two_rounds, with_samples

TEN = two_rounds(10.0)


@pytest.mark.parametrize(
    ("ms", "expected"), [(5.0, "faster"), (9.7, "faster"), (10.1, "same"), (10.4, "slower"), (20.0, "slower")]
)
def test_differences_beyond_two_percent_count(ms, expected):
    """With quiet rounds the fixed threshold decides, in both directions."""
    reverse = {"faster": "slower", "slower": "faster", "same": "same"}

    assert compare(two_rounds(ms), TEN) == expected
    assert compare(TEN, two_rounds(ms)) == reverse[expected]


def test_the_spread_of_rounds_widens_the_threshold():
    """With rounds that differ by 1.5 %, 4 % are ambiguous; 8 % are beyond three times that."""
    assert compare(two_rounds(9.6, apart=0.015), TEN) == "ambiguous"
    assert compare(two_rounds(9.1, apart=0.015), TEN) == "faster"
    assert compare(TEN, two_rounds(9.6, apart=0.015)) == "ambiguous"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([two_rounds(9.0)[0], two_rounds(11.0)[1]], TEN),
        (two_rounds(5.0)[:1], TEN),
        (TEN, two_rounds(5.0)[:1]),
        ([two_rounds(5.0)[0], slowed(100, 100)], TEN),
        ([], TEN),
    ],
    ids=["rounds disagree", "one round", "one round of the other", "a round without a sample", "no round"],
)
def test_rounds_must_agree_and_number_two(a, b):
    """Anything else is ambiguous."""
    assert compare(a, b) == "ambiguous"


def test_cycles_must_differ_as_well():
    """10 % less time at a higher clock proves nothing, on one device whose clock is readable."""
    quick, slow = two_rounds(9.0, mhz=1980.0), two_rounds(10.0, mhz=1782.0)
    unreadable = [with_samples(each, states=()) for each in quick]
    elsewhere = [replace(each, device="Another card") for each in quick]

    assert compare(quick, slow) == compare(slow, quick) == "ambiguous"
    assert compare(two_rounds(9.0, mhz=1782.0), TEN) == "faster"
    assert compare(unreadable, slow) == compare(elsewhere, slow) == "faster"

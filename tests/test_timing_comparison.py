"""Which of two invented measurements is faster."""

from dataclasses import replace

import pytest
from benchmark.timing.differ import differ

from tests.recordings import both, slowed, with_samples


@pytest.mark.parametrize(
    ("ms", "found"), [(5.0, "faster"), (9.7, "faster"), (10.1, "same"), (10.4, "slower"), (20.0, "slower")]
)
def test_differences_beyond_two_percent_are_real(ms, found):
    """With quiet rounds the practical threshold decides; from the other side the answer is turned round."""
    turned = {"faster": "slower", "slower": "faster", "same": "same"}[found]

    assert differ(both(ms), both(10.0)) == found
    assert differ(both(10.0), both(ms)) == turned


def test_noise_between_rounds_widens_the_threshold():
    """Rounds that differ by 1.5 % make 4 % ambiguous; 8 % are beyond three times that."""
    assert differ(both(9.6, apart=0.015), both(10.0)) == "ambiguous"
    assert differ(both(9.1, apart=0.015), both(10.0)) == "faster"
    assert differ(both(10.0), both(9.6, apart=0.015)) == "ambiguous"


def test_rounds_must_agree_and_there_must_be_two():
    """One faster and one slower round; one round alone; a round of which no sample counts; none."""
    mixed = [both(9.0)[0], both(11.0)[1]]
    lost = [both(5.0)[0], slowed(100, 100)]

    assert differ(mixed, both(10.0)) == "ambiguous"
    assert differ(both(5.0)[:1], both(10.0)) == "ambiguous"
    assert differ(both(10.0), both(5.0)[:1]) == "ambiguous"
    assert differ(lost, both(10.0)) == "ambiguous"
    assert differ([], both(10.0)) == "ambiguous"


def test_a_difference_must_be_there_in_cycles_too():
    """10 % less time at a higher clock proves nothing, where the clock is known and the device the same."""
    quick, plain = both(9.0, mhz=1980.0), both(10.0, mhz=1782.0)
    unknown = [with_samples(one, states=()) for one in quick]
    elsewhere = [replace(one, device="Another card") for one in quick]

    assert differ(quick, plain) == "ambiguous"
    assert differ(plain, quick) == "ambiguous"
    assert differ(both(9.0), both(10.0)) == "faster"
    assert differ(both(9.0, mhz=1782.0), both(10.0, mhz=1980.0)) == "faster"
    assert differ(unknown, plain) == "faster"
    assert differ(elsewhere, plain) == "faster"

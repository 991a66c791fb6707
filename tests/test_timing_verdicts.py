"""Verdicts on invented recordings; each from a recording with its flaw."""

from itertools import combinations

import pytest

from benchmark.timing.rules import RULES, Rules
from benchmark.timing.stats import relative_half_width
from benchmark.timing.verdicts import VERDICTS, judge
from tests.recordings import (
    CPU,
    HARDWARE,
    POWER_CAP,
    noisy,
    recording,
    rising,
    row,
    slowed,
    states_after,
    times,
    with_samples,
)


def test_steady_times_of_a_steady_device_are_sound():
    """A hundred samples within 0.2 % have no flaw and no remark."""
    assert judge(recording()) == ("sound", [])


def test_drifting_recordings_are_caught_in_both_directions():
    """5 % from first to last are drift; 0.5 % are not."""
    verdict, reasons = judge(recording(rising(by=0.05)))

    assert verdict == "drifting"
    assert reasons[0].startswith("the last third's median is +3.")
    assert judge(recording(rising()[::-1]))[0] == "drifting"
    assert judge(recording(rising(by=0.005)))[0] == "sound"


# Ways to add a flaw to a recording of 120 samples that may have others, and how its reason begins.
FLAWS = {
    "unsettled": (lambda each: with_samples(each, settled=False), "times had not settled after 30 s"),
    "drifting": (lambda each: scaled(each, rising(1.0, count=120)), "the last third's median is +"),
    "inconclusive": (lambda each: scaled(each, [0.95, 1.05] * 60), "the median is known to "),
    "throttled": (
        lambda each: with_samples(
            each, states=states_after(each.samples.wall, slow=range(20), slow_events=HARDWARE)
        ),
        "more than 10 % of the samples are rejected",
    ),
    "unsynchronised": (lambda each: with_samples(each, events=[30.0] * 120), "the wall clock says "),
}


def scaled(recording, factors):
    """Multiply each synchronised time by a factor."""
    return with_samples(
        recording, wall=tuple(a * b for a, b in zip(recording.samples.wall, factors, strict=True))
    )


@pytest.mark.parametrize(
    "verdicts", [*((flaw,) for flaw in FLAWS), *combinations(VERDICTS[1:-1], 2)], ids=" and ".join
)
def test_each_flaw_has_its_verdict_and_the_graver_comes_first(verdicts):
    """The reasons state every flaw; of two the graver is the verdict."""
    flawed = recording(times(count=120), events=())
    for verdict in verdicts:
        flawed = FLAWS[verdict][0](flawed)
    verdict, reasons = judge(flawed)

    assert verdict == verdicts[-1]
    for flaw, reason in zip(reversed(verdicts), reasons, strict=False):
        assert reason.startswith(FLAWS[flaw][1])


@pytest.mark.parametrize(
    ("wall", "clocks", "reason"),
    [
        (5.0, {"events": [10.0] * 40}, "the wall clock says 5 ms, but the device took 10 ms"),
        (9.7, {"events": [10.0] * 40}, "the wall clock says 9.7 ms, but the device took 10 ms"),
        (9.9, {"events": [10.0] * 40}, ""),  # rounding
        (
            1.0,
            {"events": (), "graph": (), "asynchronous": [2.0] * 40},
            "the wall clock says 1 ms, but the call returned after 2 ms",
        ),
    ],
)
def test_a_wall_clock_read_too_early_is_caught(wall, clocks, reason):
    """It cannot be below the device's events, nor below the time until the call returned."""
    verdict, reasons = judge(recording([wall] * 40, **clocks))

    assert (verdict, reasons) == (("unsynchronised", [reason]) if reason else ("sound", []))


def test_the_power_limit_is_a_remark_and_rejects_nothing():
    """A card at its limit is the card as it is sold."""
    wall = times(count=80)
    capped = recording(wall, states=states_after(wall, slow=range(20), slow_events=POWER_CAP))

    assert judge(capped) == ("sound", ["at its power limit in 25 % of 80 readings"])
    assert row(capped).dropped == 0


def test_other_processes_and_notes_are_remarks():
    """They are no flaw, but a reader should know."""
    _, reasons = judge(recording(other_processes=2, accuracy={"finite": False}, notes=("no graph: refused",)))

    assert reasons == [
        "other processes on the device: 2",
        "the restored image, or that of mode strict, is not finite",
        "no graph: refused",
    ]
    assert judge(recording(accuracy={"finite": True, "error": 1e-4})) == ("sound", [])


@pytest.mark.parametrize("stopped", ["narrow", "time"])
def test_a_wide_interval_is_inconclusive_whatever_the_loop_reported(stopped):
    """Verdicts come from the samples, not from what took them."""
    wall = noisy()
    width = relative_half_width(wall)

    assert width > RULES["cuda"].max_half_width
    expected = f"the median is known to {100 * width:.3g} % instead of 1 %"
    assert judge(recording(wall, stopped=stopped)) == ("inconclusive", [expected])


def test_few_samples_are_inconclusive():
    """The rules of the kind of device decide how many must count."""
    assert judge(recording(times(count=29))) == ("inconclusive", ["29 samples count; 30 are needed"])
    assert judge(recording(times(count=30)))[0] == "sound"
    assert judge(recording(times(count=10), **CPU))[0] == "sound"
    assert judge(recording([], **CPU)) == ("inconclusive", ["0 samples count; 10 are needed"])
    assert judge(recording(times(count=29)), Rules(min_samples=10))[0] == "sound"


@pytest.mark.parametrize(("rejected", "verdict"), [(10, "sound"), (11, "throttled")])
def test_more_than_a_tenth_rejected_is_throttled(rejected, verdict):
    """10 of 100 are a tenth, 11 are more."""
    assert judge(slowed(100, rejected))[0] == verdict

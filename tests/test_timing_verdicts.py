"""Verdicts on invented recordings; each from a recording made to earn it."""

from itertools import combinations

import pytest
from benchmark.timing.judge import VERDICTS, judge

from benchmark.timing.rules import RULES, Rules
from benchmark.timing.stats import half_width
from tests.recordings import HARDWARE, POWER_CAP, looks, made, rising, row, slowed, times, wide, with_samples


def test_still_times_of_a_steady_device_are_sound():
    """A hundred samples within 0.2 %: nothing to say."""
    assert judge(made()) == ("sound", [])


EARNED = {
    "unsettled": made(settled=False),
    "drifting": made(rising()),
    "inconclusive": made(wide()),
    "throttled": slowed(100, 11),
    "unsynchronised": made(times(5.0), events=times(10.0)),
}


@pytest.mark.parametrize("verdict", EARNED)
def test_each_verdict_is_earned(verdict):
    """By a recording with that flaw alone, and the words say it with numbers."""
    found, words = judge(EARNED[verdict])

    assert found == verdict
    assert any(char.isdigit() for char in words[0])


# Ways to add a flaw to a recording of 120 samples that may have others, and how the words for it begin.
FLAWS = {
    "unsettled": (lambda one: with_samples(one, settled=False), "times had not settled"),
    "drifting": (lambda one: slower(one, rising(1.0, count=120)), "the last third's median"),
    "inconclusive": (lambda one: slower(one, [0.95, 1.05] * 60), "the median is known to"),
    "throttled": (
        lambda one: with_samples(one, states=looks(one.samples.wall, slow=range(20), slow_reasons=HARDWARE)),
        "more than 10 % of the samples",
    ),
    "unsynchronised": (lambda one: with_samples(one, events=[30.0] * 120), "the wall clock says"),
}


def slower(recording, by):
    """The recording with each synchronised time multiplied."""
    return with_samples(recording, wall=tuple(a * b for a, b in zip(recording.samples.wall, by, strict=True)))


@pytest.mark.parametrize(("milder", "graver"), list(combinations(VERDICTS[1:-1], 2)))
def test_the_graver_verdict_comes_first(milder, graver):
    """Of two flaws the graver one is the verdict; the words name both, it first."""
    add_milder, milder_says = FLAWS[milder]
    add_graver, graver_says = FLAWS[graver]
    one = add_graver(add_milder(made(times(count=120), events=())))
    found, words = judge(one)

    assert found == graver
    assert words[0].startswith(graver_says)
    assert words[1].startswith(milder_says)


def test_a_clock_that_nobody_synchronised_is_caught_by_the_device():
    """Half of what the events say; 1 % less may be rounding, 3 % less is not."""
    _, words = judge(made([5.0] * 40, events=[10.0] * 40))
    assert words[0] == "the wall clock says 5 ms, but the device took 10 ms"

    assert judge(made([9.9] * 40, events=[10.0] * 40))[0] == "sound"
    assert judge(made([9.7] * 40, events=[10.0] * 40))[0] == "unsynchronised"


def test_a_clock_that_is_faster_than_the_call_is_caught_without_events():
    """Nothing can be done before the call that asks for it has returned."""
    found, words = judge(made([1.0] * 40, events=(), graph=(), asynchronous=[2.0] * 40))

    assert found == "unsynchronised"
    assert words[0] == "the wall clock says 1 ms, but the call returned after 2 ms"


def test_the_power_limit_is_said_and_drops_nothing():
    """A card at its limit is the card as it is sold."""
    wall = times(count=80)
    one = made(wall, states=looks(wall, slow=range(20), slow_reasons=POWER_CAP))

    assert judge(one) == ("sound", ["at its power limit in 25 % of 80 looks"])
    assert row(one).dropped == "0"


def test_other_processes_and_notes_are_said():
    """They are no flaw, but a reader should know."""
    _, words = judge(made(others=2, answer={"finite": False}, notes=("no graph: refused",)))

    assert words == [
        "other processes on the device: 2",
        "its answer or strict's is not finite",
        "no graph: refused",
    ]
    assert judge(made(answer={"finite": True, "error": 1e-4})) == ("sound", [])


def test_times_that_change_are_drifting():
    """By 5 % from first to last, in either direction; by 0.5 % they are still."""
    found, words = judge(made(rising(by=0.05)))
    assert found == "drifting"
    assert words[0].startswith("the last third's median is +3.")

    assert judge(made(rising()[::-1]))[0] == "drifting"
    assert judge(made(rising(by=0.005)))[0] == "sound"


def test_a_wide_interval_is_inconclusive_whatever_the_loop_thought():
    """Verdicts come from the samples, not from the word of what took them."""
    wall = wide()
    assert half_width(wall) > RULES["cuda"].wide
    for stopped in ("narrow", "time"):
        found, words = judge(made(wall, stopped=stopped))

        assert found == "inconclusive"
        assert words == [f"the median is known to {100 * half_width(wall):.3g} % instead of 1 %"]


def test_few_samples_are_inconclusive():
    """As many as the rules of that kind of device ask for must count."""
    cpu = {"kind_of_device": "cpu", "states": (), "events": (), "graph": (), "asynchronous": ()}

    assert judge(made(times(count=29))) == ("inconclusive", ["29 samples count; 30 are needed"])
    assert judge(made(times(count=30)))[0] == "sound"
    assert judge(made(times(count=10), **cpu))[0] == "sound"
    assert judge(made([], **cpu)) == ("inconclusive", ["0 samples count; 10 are needed"])
    assert judge(made(times(count=29)), Rules(least=10))[0] == "sound"

"""Recordings as lines of JSON: what is written is read back, what is no recording is refused."""

import json
from dataclasses import asdict, replace

import pytest
from benchmark.timing.record import MODES, Burst, Recording, Samples, State

from benchmark.timing import record


def made(**more):
    """A recording with something in every field, and floats of no few digits."""
    samples = Samples(
        warm=(100 / 3, 31.0),
        settled=True,
        at=(0.0, 1 / 30),
        wall=(100 / 3, 200 / 7),
        asynchronous=(1 / 3, 1 / 7),
        events=(33.0, 28.0),
        graph=(30.0, 27.0),
        states=(State(1 / 30, 1980.0, 2619.0, 61.0, 640.123456, 0x24),),
        stopped="time",
    )
    values = {
        "kind": "forward",
        "run": "small",
        "mode": "fast",
        "height": 720,
        "width": 1280,
        "batch": 4,
        "round": 2,
        "device": "NVIDIA H100 80GB HBM3",
        "kind_of_device": "cuda",
        "fingerprint": "0123456789abcdef",
        "began": "2026-01-01T00:00:00+00:00",
        "order": 7,
        "samples": samples,
        "macs": 687_090_000_000,
        "traffic": 12_345_678_901,
        "first_ms": 1234.56789,
        "moved": (40 / 3, 41.0),
        "burst": Burst(60, 2.00004, 1234.5),
        "memory": {"allocated": 1024.25, "reserved": 2048.0},
        "answer": {"weights": "initial", "finite": True, "error": 1.25e-7},  # not rounded
        "machine": {"torch": "2.15.0", "driver": "580.1"},
        "others": 1,
        "notes": ("no power counter",),
    }
    return Recording(**values | more)


def test_a_recording_is_read_back_as_it_was():
    """All but the fifth decimal, and to the same line again."""
    one = made()
    line = record.dump(one)
    again = record.load(line, "here")

    assert "\n" not in line
    assert record.dump(again) == line
    assert again.samples.states == (State(0.0333, 1980.0, 2619.0, 61.0, 640.1235, 0x24),)
    assert again.burst == Burst(60, 2.0, 1234.5)
    for clock in ("warm", "at", "wall", "asynchronous", "events", "graph"):
        assert getattr(again.samples, clock) == pytest.approx(getattr(one.samples, clock), abs=0.5e-4)
    assert replace(again, samples=one.samples, burst=one.burst, moved=one.moved, first_ms=one.first_ms) == one


def test_what_a_device_lacks_stays_away():
    """No clocks but one, no states, no burst, no answer."""
    one = made(
        samples=Samples((), False, (0.0,), (10.0,)), burst=None, first_ms=None, moved=(), answer={}, notes=()
    )

    assert record.load(record.dump(one), "here") == one
    half = replace(one, burst=Burst(3, 1.0))
    assert record.load(record.dump(half), "here") == half


def test_lines_hold_nothing_but_json():
    """States are rows of numbers, so that hours of them stay small."""
    entry = json.loads(record.dump(made()))

    assert entry["version"] == record.VERSION
    assert entry["samples"]["states"] == [[0.0333, 1980.0, 2619.0, 61.0, 640.1235, 36]]
    assert entry["samples"]["wall"] == [33.3333, 28.5714]


def changed(**more):
    """The line of a recording with other entries."""
    return json.dumps(json.loads(record.dump(made())) | more)


def without(name):
    """The line of a recording that lacks an entry."""
    entry = json.loads(record.dump(made()))
    del entry[name]
    return json.dumps(entry)


def sampled(**more):
    """The line of a recording with other samples."""
    return changed(samples=json.loads(record.dump(made()))["samples"] | more)


BROKEN = {
    "half a line": (record.dump(made())[:100], "no recording"),
    "nothing": ("", "no recording"),
    "a list": ("[1, 2]", "no recording"),
    "brackets without end": ("[" * 100_000, "no recording"),
    "null": ("null", "no recording"),
    "no version": (without("version"), "version None, expected version 1"),
    "another version": (changed(version=2), "version 2, expected version 1"),
    "no samples": (without("samples"), "samples: expected a mapping, got None"),
    "no kind": (without("kind"), "'kind' is missing"),
    "an unknown entry": (changed(colour="red"), "unknown key 'colour'"),
    "a state of two numbers": (sampled(states=[[0.0, 1980.0]]), "samples.states: [0.0, 1980.0] is not at, "),
    "a state of words": (sampled(states=[["a"] * 6]), "samples.states.at: expected float, got 'a'"),
    "an unknown clock": (sampled(sundial=[1.0]), "samples: unknown key 'sundial'"),
    "a burst that is none": (changed(burst={"calls": 1}), "burst: 'seconds' is missing"),
    "an unknown kind": (changed(kind="backward"), "kind 'backward'; known: forward, step, ceiling"),
    "an unknown mode": (changed(mode="turbo"), f"mode 'turbo'; known: {', '.join(MODES)}"),
    "a list of modes": (changed(mode=["fast"]), "mode: expected str, got ['fast']"),
    "an unknown kind of device": (changed(kind_of_device="tpu"), "kind_of_device 'tpu'; known: cuda, cpu"),
    "a height in words": (changed(height="720"), "height: expected int, got '720'"),
    "memory that is none": (changed(memory=None), "memory: expected a mapping, got None"),
    "a short clock": (sampled(events=[1.0]), "samples.events: 1 numbers for 2 samples"),
    "a long clock": (sampled(graph=[1.0, 2.0, 3.0]), "samples.graph: 3 numbers for 2 samples"),
    "too few moments": (sampled(at=[0.0]), "samples.at: 1 numbers for 2 samples"),
    "no wall clock": (sampled(wall=[]), "samples.at: 2 numbers for 0 samples"),
    "a time in words": (sampled(wall=["a", "b"]), "samples.wall: expected numbers from 0 on"),
    "a time that is none": (sampled(wall=[None, 1.0]), "samples.wall: expected numbers from 0 on"),
    "a negative time": (sampled(wall=[-1.0, 1.0]), "samples.wall: expected numbers from 0 on"),
    "no number": (sampled(wall=[float("nan"), 1.0]), "samples.wall: expected numbers from 0 on"),
    "no time at all": (sampled(wall=[0.0, 1.0]), "samples.wall: a sample took no time"),
    "a text for a clock": (sampled(wall="ab"), "samples.wall: expected numbers from 0 on"),
    "a first call in words": (changed(first_ms="x"), "first_ms: expected numbers from 0 on, got ['x']"),
    "memory in words": (changed(memory={"device": "all"}), "memory: expected numbers from 0 on, got ['all']"),
    "a distance in words": (changed(answer={"error": "far"}), "answer.error: expected a number, got 'far'"),
    "moved in words": (changed(moved=["a"]), "moved: expected numbers from 0 on"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_recording_is_refused(name, tmp_path):
    """File and line are named, and what is wrong with it."""
    line, words = BROKEN[name]
    file = tmp_path / "card" / "small.jsonl"
    record.keep([made()], file)
    file.write_text(f"{file.read_text()}{line or ' '}\n")

    with pytest.raises(ValueError, match=r"small\.jsonl, line 2\b") as caught:
        list(record.read(tmp_path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_recordings_are_kept_by_device_and_run(tmp_path):
    """Read by folder, then file, in the order they were made; a file is written anew through a draft."""
    big, small = made(run="big"), made()
    for one in (small, big):
        record.keep([one, replace(one, round=3)], record.path(one.device, one.run, tmp_path))
    record.keep([made(device="A card")], record.path("A card", "small", tmp_path))

    found = [(one.device, one.run, one.round) for one in record.read(tmp_path)]
    card = "NVIDIA H100 80GB HBM3"
    assert found == [
        ("A card", "small", 2),
        *((card, run, turn) for run in ("big", "small") for turn in (2, 3)),
    ]
    record.keep([small], record.path(card, "small", tmp_path))
    assert [one.round for one in record.read(tmp_path) if one.key == small.key and one.device == card] == [2]
    assert not list(tmp_path.rglob("*.part"))
    assert list(record.read(tmp_path / "nothing")) == []


def test_names_of_devices_are_names_of_folders():
    """Lower case, digits and hyphens; no name climbs out of the folder."""
    assert record.slug("NVIDIA GeForce RTX 3090") == "nvidia-geforce-rtx-3090"
    assert record.slug("AMD EPYC 9R14 (2 threads)") == "amd-epyc-9r14-2-threads"
    assert record.slug("../../etc/passwd") == "etc-passwd"


def test_a_key_is_all_but_the_round():
    """Rounds and devices share it; modes, sizes and batches do not."""
    assert made(round=5, order=1, device="x").key == made().key
    for other in ({"mode": "strict"}, {"height": 256}, {"batch": 1}, {"run": "big"}, {"kind": "step"}):
        assert made(**other).key != made().key
    assert set(asdict(made())) >= {"kind", "run", "mode", "height", "width", "batch"}

"""Recordings as JSON lines: a recording is read back as it was written, and mistakes are refused."""

import json
from dataclasses import replace

import pytest

from benchmark.timing import storage
from benchmark.timing.recording import MODES, Burst, Recording, Samples, State, timing_key

H100 = "NVIDIA H100 80GB HBM3"


def recording(**more):
    """Make a recording with something in every field, and floats of many digits."""
    states = (State(1 / 30, 1980.0, 2619.0, 61.0, 640.123456, 0x24),)
    clocks = (1 / 3, 1 / 7), (33.0, 28.0), (30.0, 27.0)
    samples = Samples((100 / 3, 31.0), True, (0.0, 1 / 30), (100 / 3, 200 / 7), *clocks, states, "time")
    values = {"kind": "forward", "run": "small", "mode": "fast", "height": 720, "width": 1280, "batch": 4}
    values |= {"round": 2, "device": H100, "kind_of_device": "cuda", "fingerprint": "0123456789abcdef"}
    values |= {"started": "2026-01-01T00:00:00+00:00", "position": 7, "samples": samples}
    values |= {"macs": 687_090_000_000, "traffic": 12_345_678_901, "first_call_ms": 1234.56789}
    values |= {"end_to_end": (40 / 3, 41.0), "burst": Burst(60, 2.00004, 1234.5)}
    values |= {"memory": {"allocated": 1024.25, "reserved": 2048.0}, "machine": {"torch": "2.15.0"}}
    values |= {"accuracy": {"weights": "initial", "finite": True, "error": 1.25e-7}}  # not rounded
    values |= {"other_processes": 1, "notes": ("no power counter",)}
    return Recording(**values | more)


def test_a_recording_is_read_back_as_it_was_written():
    """All but the fifth decimal, and the second writing equals the first."""
    original = recording()
    line = storage.dump(original)
    again = storage.load(line, "place")

    assert "\n" not in line
    assert storage.dump(again) == line
    assert again.samples.states == (State(0.0333, 1980.0, 2619.0, 61.0, 640.1235, 0x24),)
    assert again.burst == Burst(60, 2.0, 1234.5)
    for clock in ("warm", "at", "wall", "asynchronous", "events", "graph"):
        assert getattr(again.samples, clock) == pytest.approx(getattr(original.samples, clock), abs=0.5e-4)
    rounded = ("samples", "burst", "end_to_end", "first_call_ms")
    assert replace(again, **{name: getattr(original, name) for name in rounded}) == original


def test_what_a_device_lacks_stays_empty():
    """One clock, no states, no burst, no accuracy."""
    empty = {"burst": None, "first_call_ms": None, "end_to_end": (), "accuracy": {}, "notes": ()}
    bare = recording(samples=Samples((), False, (0.0,), (10.0,)), **empty)

    for each in (bare, replace(bare, burst=Burst(3, 1.0))):
        assert storage.load(storage.dump(each), "place") == each


def test_keys_on_disk_are_those_of_the_committed_files():
    """Renamed fields keep their keys; states are rows of numbers, so that hours of them stay small."""
    entry = json.loads(storage.dump(recording()))

    assert entry["version"] == storage.VERSION
    assert entry.keys() >= {"began", "order", "first_ms", "moved", "answer", "others"}
    assert entry["samples"]["states"] == [[0.0333, 1980.0, 2619.0, 61.0, 640.1235, 36]]
    assert entry["samples"]["wall"] == [33.3333, 28.5714]


ENTRY = json.loads(storage.dump(recording()))


def changed(**more):
    """Write the line of a recording with other entries."""
    return json.dumps(ENTRY | more)


def without(name):
    """Write the line of a recording without an entry."""
    return json.dumps({key: value for key, value in ENTRY.items() if key != name})


def sampled(**more):
    """Write the line of a recording with other samples."""
    return changed(samples=ENTRY["samples"] | more)


MISTAKES = {
    "half a line": (json.dumps(ENTRY)[:100], "not a recording"),
    "nothing": ("", "not a recording"),
    "a list": ("[1, 2]", "not a recording (version None; allowed: 1)"),
    "unclosed brackets": ("[" * 100_000, "not a recording"),
    "null": ("null", "not a recording"),
    "no version": (without("version"), "version None; allowed: 1"),
    "another version": (changed(version=2), "version 2; allowed: 1"),
    "no samples": (without("samples"), "missing required field samples"),
    "no kind": (without("kind"), "missing required field kind"),
    "an unknown field": (changed(colour="red"), "unknown field 'colour'; allowed: kind, run, mode"),
    "an in-code name": (changed(started="now"), "unknown field 'started'; allowed: kind, run, mode"),
    "a short state": (sampled(states=[[0.0, 1980.0]]), "samples.states[0]: Expected array of length 6"),
    "a state of words": (sampled(states=[["a"] * 6]), "samples.states[0][0]: Expected float, got str"),
    "an unknown clock": (sampled(sundial=[1.0]), "unknown field 'sundial'; allowed: warm, settled, at"),
    "half a burst": (changed(burst={"calls": 1}), "burst: Object missing required field seconds"),
    "an unknown kind": (changed(kind="backward"), "kind 'backward'; allowed: forward, step, ceiling"),
    "an unknown mode": (changed(mode="turbo"), f"mode 'turbo'; allowed: {', '.join(MODES)}"),
    "an unknown device": (changed(kind_of_device="tpu"), "kind_of_device 'tpu'; allowed: cuda, cpu"),
    "a short clock": (sampled(events=[1.0]), "samples: events: 1 numbers for 2 samples"),
    "a long clock": (sampled(graph=[1.0, 2.0, 3.0]), "samples: graph: 3 numbers for 2 samples"),
    "too few moments": (sampled(at=[0.0]), "samples: at: 1 numbers for 2 samples"),
    "no wall clock": (sampled(wall=[]), "samples: at: 2 numbers for 0 samples"),
    "a negative time": (sampled(wall=[-1.0, 1.0]), "samples: wall: -1.0; allowed: numbers from 0 on"),
    "not a number": (sampled(wall=[float("nan"), 1.0]), "not a recording"),
    "a sample without duration": (sampled(wall=[0.0, 1.0]), "samples: wall: a sample took 0 ms"),
    "a first call in words": (changed(first_ms="x"), "first_ms: Expected float | null, got str"),
    "a negative first call": (changed(first_ms=-1.0), "first_ms: -1.0; allowed: numbers from 0 on"),
    "an error in words": (changed(answer={"error": "far"}), "answer.error 'far'; allowed: numbers"),
    "end to end in words": (changed(moved=["a"]), "moved[0]: Expected float, got str"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_refused_with_their_place(name, tmp_path):
    """One line names file, line, field and what is allowed."""
    line, message = MISTAKES[name]
    file = tmp_path / "card" / "small.jsonl"
    storage.write([recording()], file)
    file.write_text(f"{file.read_text()}{line or ' '}\n")

    with pytest.raises(ValueError, match=r"small\.jsonl, line 2: ") as caught:
        list(storage.read(tmp_path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_recordings_are_written_by_device_and_run(tmp_path):
    """They are read by folder, then file, in the order they were made; a file is replaced as a whole."""
    big, small = recording(run="big"), recording()
    for each in (small, big):
        storage.write([each, replace(each, round=3)], storage.path(H100, each.run, tmp_path))
    storage.write([recording(device="A card")], storage.path("A card", "small", tmp_path))

    found = [(each.device, each.run, each.round) for each in storage.read(tmp_path)]
    rounds = [(H100, run, number) for run in ("big", "small") for number in (2, 3)]
    assert found == [("A card", "small", 2), *rounds]
    storage.write([small], storage.path(H100, "small", tmp_path))
    assert [(each.device, each.run, each.round) for each in storage.read(tmp_path)] == found[:-1]
    assert not list(tmp_path.rglob("*.part"))
    assert list(storage.read(tmp_path / "nothing")) == []


@pytest.mark.parametrize(
    ("device", "folder"),
    [
        ("NVIDIA GeForce RTX 3090", "nvidia-geforce-rtx-3090"),
        ("AMD EPYC 9R14 (2 threads)", "amd-epyc-9r14-2-threads"),
        ("../../etc/passwd", "etc-passwd"),
    ],
)
def test_names_of_devices_become_names_of_folders(device, folder):
    """Lower case, digits and hyphens; no name leaves the folder."""
    assert storage.slug(device) == folder


def test_the_key_leaves_out_round_and_device():
    """Modes, sizes and batches are in it."""
    key = timing_key(recording())

    assert timing_key(recording(round=5, position=1, device="x")) == key
    for other in ({"mode": "strict"}, {"height": 256}, {"batch": 1}, {"run": "big"}, {"kind": "step"}):
        assert timing_key(recording(**other)) != key

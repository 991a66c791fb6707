"""The committed raw samples, judged again: the committed tables, byte for byte."""

import csv
from pathlib import Path

import pytest
from benchmark.timing.judge import judge

from benchmark import spec
from benchmark.results.legacy import read
from benchmark.timing import orders, record
from pipelines import runtime
from tests import project

ROOT = Path(__file__).parents[1]
FORWARD = [made for made in record.read(ROOT / record.FOLDER) if made.kind == "forward"]


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """The recordings alone in a folder of their own, and what becomes of them there."""
    for file in (ROOT / record.FOLDER).glob("*/*"):
        copy = tmp_path / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    project.copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    runtime.tables(spec.load()[1], runtime.rates())
    return tmp_path


def test_raw_samples_give_the_committed_tables(judged):
    """Whatever machine made them; nothing in the tables comes from elsewhere."""
    for table in (runtime.TIMINGS, runtime.PRICES):
        assert (judged / table).read_bytes() == (ROOT / table).read_bytes()


def test_every_system_with_a_printed_time_has_a_row(judged):
    """Measured, or with the reason why not."""
    rows = [row for row in read(runtime.TIMINGS) if row["kind"] == "forward"]
    assert orders.timed() <= {row["run"] for row in rows}
    assert all(row["ms"] or row["reason"] for row in rows)


@pytest.mark.parametrize("made", FORWARD, ids=lambda m: f"{m.device} {m.run} {m.mode} {m.round}")
def test_a_recording_counts_the_arithmetic_of_its_network(made):
    """That of results/complexity.csv, scaled by pixels; and its clock was not read too early."""
    with (ROOT / "results" / "complexity.csv").open() as file:
        counted = {row["run"]: row for row in csv.DictReader(file)}
    row = counted[made.run]
    full = int(row["macs_720p_torch"]) + int(row["macs_720p_deformable"])
    share = made.batch * made.height * made.width / (720 * 1280)

    # A small image loses more of its border to Inception-ResNet-v2's unpadded convolutions: a fifth.
    assert made.macs == pytest.approx(full * share, rel=0.21 if "inception" in made.run else 0.05)
    assert judge(made)[0] != "unsynchronised"

"""Stage runtime with --paired: which pairs, in which order, kept and judged; and a real pair."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from benchmark import spec
from benchmark.measure import devices, recorder, session
from benchmark.results import COMPLEXITY, RATIOS, TIMINGS, read_rows, write
from benchmark.results.ratios import PairedRatio
from benchmark.results.schema import Complexity, Timing
from benchmark.timing import schedule, storage
from benchmark.timing.rules import PAIR_RULES
from benchmark.timing.schedule import Host
from pipelines import runtime
from tests import project as project_files
from tests.recordings import pair

ROOT = Path(__file__).parents[1]
PARAMS = """
profile: tiny
profiles: {tiny: {about: "", data: embedded, timing: 1000}}
runs:
  small: {model: dmphn, about: "", config: {levels: "1", width: 4}}
  large: {model: dmphn, about: "", config: {levels: "1", width: 8}}
  solver: {model: dmphn, about: "", config: {levels: "1", width: 2}}
"""
PAIRS = [("large", "large"), ("small", "large"), ("solver", "large"), ("elsewhere", "large")]
NAME = "A processor, 1 thread"


class FakeProcesses:
    """Stands in for processes: a network takes half of its anchor's time."""

    def __init__(self):
        self.jobs = []

    def __call__(self, job, position=0):
        """Return what the process would."""
        if job is None:
            return Host("cpu", NAME, "2.0", {})
        self.jobs.append(job)
        runs = spec.load()[1]
        made_by = session.fingerprint(job, runs[job.run], "2.0", runs[job.anchor])
        measured = pair(1.0 if job.run == job.anchor else 0.5, job.round, run=job.run)
        cells = {"turns": measured.turns, "device": NAME, "kind_of_device": "cpu", "fingerprint": made_by}
        cells |= {"position": position, "started": "", "samples": measured.samples}
        return storage.dump(type(measured)(**asdict(job), **cells))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one table, of which one system solves an optimisation problem."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # the folder has a `benchmark` too
    project_files.write(Path(), PARAMS)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # other tests work on this machine
    monkeypatch.setattr(schedule, "table_pairs", lambda: PAIRS)
    counts = [(name, 10**9) for name in ("small", "large")] + [("solver", None)]
    write(COMPLEXITY, Complexity, [Complexity(name, 1, macs, macs, "", 0, 0, 0) for name, macs in counts])
    return tmp_path


@pytest.fixture
def processes(project, monkeypatch):
    """Fake processes in the project."""
    fake = FakeProcesses()
    monkeypatch.setattr(session, "run_in_process", fake)
    return fake


def rows():
    """Read ratios.csv by run."""
    return {row.run: row for row in read_rows(RATIOS, PairedRatio)}


def test_every_system_is_paired_with_its_tables_anchor_and_the_anchor_with_itself(processes):
    """Both rounds of each, in fresh processes; a solver is a row with its reason; no other table changes."""
    assert runtime.main("--paired") == 0

    assert [(job.run, job.round) for job in processes.jobs].count(("small", 2)) == 1
    assert {(job.run, job.anchor, job.height) for job in processes.jobs} == {
        ("small", "large", 128),
        ("large", "large", 128),
    }
    assert len(processes.jobs) == 4
    found = rows()
    assert (found["small"].verdict, found["small"].ratio) == ("sound", pytest.approx(0.5, rel=0.01))
    assert found["large"].ratio == pytest.approx(1, rel=0.01)
    assert found["solver"].verdict == "unmeasured"
    assert "optimisation problem" in found["solver"].reason
    assert read_rows(TIMINGS, Timing) == []


def test_what_is_measured_is_kept(processes):
    """A second command measures nothing and writes the same table; other code measures its pairs again."""
    runtime.main("--paired")
    before = RATIOS.read_bytes()
    runtime.main("--paired")

    assert len(processes.jobs) == 4
    assert RATIOS.read_bytes() == before

    project_files.write(Path(), PARAMS.replace("width: 8", "width: 16"))
    runtime.main("small", "--paired")
    assert len(processes.jobs) == 8  # the anchor is in both pairs


def test_a_named_system_brings_its_anchor(processes):
    """Without its ratio to itself, no other is sound; the size is that of the command line."""
    runtime.main("small", "--paired", "--size", "64x96", "--rounds", "1")

    assert {(job.run, job.height, job.width) for job in processes.jobs} == {
        ("small", 64, 96),
        ("large", 64, 96),
    }


def test_what_does_not_fit_the_budget_is_a_row_with_that_reason(processes):
    """It names the pair."""
    runtime.main("--paired", "--budget", "1")

    assert not processes.jobs
    assert rows()["small"].reason == "not measured within the time budget"


def test_the_pairs_of_the_papers_tables():
    """Anchors themselves first; a system of several tables has one pair for each anchor."""
    pairs = schedule.table_pairs()
    anchors = ["deblurgan", "dmphn_1_2_4", "dmphn_stack4", "mprnet"]

    assert sorted(name for name, anchor in pairs[:4] if name == anchor) == anchors
    assert {anchor for name, anchor in pairs if name == "mscnn_gan"} == set(anchors)
    assert ("sgenet", "mprnet") in pairs
    assert len(pairs) == len(set(pairs))


def test_real_networks_are_timed_in_turn(project, monkeypatch):
    """From the command line to the table, without a process of its own: the wider network takes longer."""
    quick = {"cpu": replace(PAIR_RULES["cpu"], warm_seconds=0.1, max_seconds=1.0)}
    monkeypatch.setattr(recorder, "PAIR_RULES", quick)
    monkeypatch.setattr(schedule, "table_pairs", lambda: [("large", "small")])
    host = Host("cpu", devices.Core().name, torch.__version__, {})
    process = lambda job, position=0: session.run_pair(job, position) if job else host  # noqa: E731
    monkeypatch.setattr(session, "run_in_process", process)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    runtime.main("--paired", "--size", "64x64", "--rounds", "1")

    found = rows()["large"]
    assert found.ratio > 1
    assert found.reason.startswith("the anchor is not held against itself")
    assert found.clock == ("processor time" if torch.get_num_threads() == 1 else "wall")

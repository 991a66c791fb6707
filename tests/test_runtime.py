"""Stage runtime: a process per timing, interleaved, resumed, within a budget; and a real one."""

import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmark import spec
from benchmark.engine import quiet
from benchmark.measure import session
from benchmark.results import PRICES, RUNTIME, TIMINGS, read_rows
from benchmark.results.schema import Price, Timing
from benchmark.timing import schedule, storage
from benchmark.timing.recording import Recording, Samples, timing_key
from benchmark.timing.schedule import Host, Job
from pipelines import runtime
from tests import project as project_files

ROOT = Path(__file__).parents[1]
PARAMS = """
profile: tiny
profiles: {tiny: {about: "", data: embedded, timing: 1000}}
rates: {Card: 2.0}
runs:
  blurred: {model: identity, about: ""}
  small: &small
    model: dmphn
    about: ""
    config: {levels: "1", width: 4}
    train: {epochs: 2, batch: 2, crop: 64, optimiser: {lr: 1}, schedule: {}, loss: {}, pairs: 100}
  variant: {<<: *small, ablates: small}
"""


class FakeProcesses:
    """Stands in for processes: returns invented recordings, and logs the jobs."""

    def __init__(self, kind="cuda", name="Card", ceilings=()):
        self.host = Host(kind, name, "2.0", dict(ceilings))
        self.jobs, self.noisy, self.broken, self.interrupt = [], set(), {}, 0

    def __call__(self, job, position=0):
        """Return what the process would."""
        if job is None:
            return self.host
        self.jobs.append(job)
        if len(self.jobs) == self.interrupt:
            raise KeyboardInterrupt
        if job.run in self.broken:
            raise ValueError(self.broken[job.run])
        noise = 20.0 if job in self.noisy else 0.001
        self.noisy.discard(job)
        wall = tuple(100 + noise * (i % 7) for i in range(40))
        return storage.dump(
            Recording(
                **asdict(job),
                device=self.host.name,
                kind_of_device=self.host.kind,
                fingerprint=session.fingerprint(job, spec.load()[1].get(job.run), "2.0"),
                started="2026-01-01T00:00:00",
                position=position,
                samples=Samples((101.0,) * 10, True, tuple(0.1 * i for i in range(40)), wall),
            )
        )


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project with three runs."""
    monkeypatch.chdir(tmp_path)
    # The folder has a `benchmark` too; the server of fresh processes must import the real one.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    project_files.write(Path(), PARAMS)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where a timing looks whether it is alone
    return tmp_path


@pytest.fixture
def processes(project, monkeypatch):
    """Fake processes in the project."""
    fake = FakeProcesses()
    monkeypatch.setattr(session, "run_in_process", fake)
    return fake


def forwards(*more):
    """Time forward passes only, once per round, in two modes."""
    return runtime.main("--kinds", "forward", "--batches", "1", "--modes", "strict,tf32", *more)


def rows():
    """Read timings.csv by run and mode."""
    return {(row.run, row.mode): row for row in read_rows(TIMINGS, Timing)}


def test_each_timing_is_a_process_and_rounds_are_whole_and_shuffled(processes):
    """Round 2 begins when round 1 has timed everything, in another order; variants must be requested."""
    forwards()

    first, second = processes.jobs[:4], processes.jobs[4:]
    assert [job.round for job in processes.jobs] == [1] * 4 + [2] * 4
    assert {(job.run, job.mode) for job in first} == {
        (run, mode) for run in ("blurred", "small") for mode in ("strict", "tf32")
    }
    assert {replace(job, round=1) for job in second} == set(first)
    assert [(job.run, job.mode) for job in first] != [(job.run, job.mode) for job in second]
    assert {(job.height, job.width) for job in first} == {(720, 1280)}


@pytest.mark.parametrize("budget", [(), ("--budget", "0")])
def test_a_second_command_times_nothing_and_writes_the_same_tables(processes, budget):
    """Recordings with the same fingerprint are kept; without a budget nothing is started anyway."""
    forwards()
    before, count = TIMINGS.read_bytes(), len(processes.jobs)

    assert forwards(*budget) == 0
    assert len(processes.jobs) == count
    assert TIMINGS.read_bytes() == before


def test_it_resumes_after_an_interruption(processes, capsys):
    """Recordings are written after every process; the next command makes the missing ones only."""
    processes.interrupt = 4
    assert forwards() == 130
    assert "start again to go on" in capsys.readouterr().err
    kept = {(timing_key(recording), recording.round) for recording in storage.read()}

    forwards()

    again = {(timing_key(job), job.round) for job in processes.jobs[4:]}
    assert (len(kept), len(again), len(kept | again)) == (3, 5, 8)


def test_what_does_not_fit_the_budget_is_a_row_with_that_reason(processes):
    """A process that would not end in time is not started."""
    forwards("--budget", "1")

    assert not processes.jobs
    assert [(row.verdict, row.reason) for row in rows().values()] == [
        ("unmeasured", "not measured within the time budget")
    ] * 4


def test_a_failed_process_is_a_row_with_its_message_and_others_go_on(processes):
    """The next command tries it again."""
    processes.broken["small"] = "small strict 720x1280 batch 1: out of memory"
    forwards()
    failed = rows()["small", "strict"]
    assert (failed.verdict, failed.reason) == ("unmeasured", processes.broken["small"])
    assert rows()["blurred", "strict"].median_ms

    processes.broken.clear()
    forwards()
    assert rows()["small", "strict"].median_ms
    assert not any(row.verdict == "unmeasured" for row in rows().values())


def test_an_inconclusive_recording_is_repeated_once_and_both_are_kept(processes):
    """The second try counts."""
    noisy = Job("forward", "blurred", "strict", 720, 1280, 1, 1)
    processes.noisy.add(noisy)
    forwards("blurred")

    assert processes.jobs.count(noisy) == 2
    tries = [each for each in storage.read() if (timing_key(each), each.round) == (timing_key(noisy), 1)]
    assert max(tries[0].samples.wall) > 200 > max(tries[1].samples.wall)
    assert rows()["blurred", "strict"].median_ms == pytest.approx(100, abs=0.01)


def test_changed_code_is_timed_again_and_replaces_the_old(processes):
    """Only the rounds of the run whose fingerprint changed."""
    forwards()
    count = len(processes.jobs)
    project_files.write(Path(), PARAMS.replace("width: 4}", "width: 8}", 1))
    forwards()

    assert [job.run for job in processes.jobs[count:]] == ["small"] * 4
    assert sum(recording.run == "small" for recording in storage.read()) == 4


def test_recordings_of_another_device_are_judged_and_kept(processes):
    """A machine without the card derives the same rows for it."""
    forwards()
    before = [row for row in read_rows(TIMINGS, Timing) if row.device == "Card"]
    processes.host = replace(processes.host, kind="cpu", name="Processor")
    runtime.main("--kinds", "forward")

    after = read_rows(TIMINGS, Timing)
    assert [row for row in after if row.device == "Card"] == before
    assert {row.device for row in after} == {"Card", "Processor"}
    assert {(j.height, j.width) for j in processes.jobs if j.mode == "channels_last"} == {(128, 128)}


def test_ceilings_networks_batches_and_steps_come_in_this_order(processes):
    """A short budget covers what matters most."""
    processes.host = replace(processes.host, ceilings={"copy": "strict"})
    runtime.main("small")

    kinds = [(job.kind, job.batch > 1 or job.height == 256) for job in processes.jobs]
    assert list(dict.fromkeys(kinds)) == [
        ("ceiling", False),
        ("forward", False),
        ("forward", True),
        ("step", True),
    ]
    assert {job.batch for job in processes.jobs if job.height == 256} == {1, 2, 4, 8}
    assert {(job.batch, job.height) for job in processes.jobs if job.kind == "step"} == {(2, 64)}


def test_systems_with_a_printed_time_come_first(processes, monkeypatch):
    """All rounds of them, before any other system."""
    monkeypatch.setattr(schedule, "runs_with_printed_time", lambda: {"small"})
    forwards()

    assert [job.run for job in processes.jobs] == ["small"] * 4 + ["blurred"] * 4


def test_the_runs_with_a_printed_time_are_those_of_the_claims():
    """As read in the four tables: twenty-one, without those whose time is a dash."""
    printed = schedule.runs_with_printed_time()

    assert printed >= {"cdgnet", "dmphn_1_2_4", "sgenet", "mimo_unet_plus", "saphnet", "bag"}
    assert len(printed) == 21
    assert not printed & {"hamd", "svdn", "dbgan_minus", "identity"}


def test_prices_follow_from_steps_and_rates(processes):
    """2 epochs of 50 steps of 100 ms are 10 s."""
    runtime.main("small", "--kinds", "step")

    price = next(row for row in read_rows(PRICES, Price) if row.run == "small")
    assert price.hours == pytest.approx(10 / 3600, rel=1e-3)
    assert price.cost == pytest.approx(2 * 10 / 3600, rel=1e-3)


def test_a_second_command_at_the_same_time_is_refused(processes):
    """They would disturb each other."""
    here = rf"runtime \(process {os.getpid()}\): at work on this machine, and a timing needs it alone"
    with quiet.timing("runtime"), pytest.raises(ValueError, match=here):
        forwards()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["smal"], "RUN: no 'smal'; did you mean 'small'"),
        (["--modes", "strikt"], "--modes: no 'strikt'; did you mean 'strict'"),
        (["--kinds", "backward"], "--kinds: no 'backward'"),
        (["--size", "720"], "HEIGHTxWIDTH"),
        (["--size", "0x9"], "from 1 on"),
        (["--batches", "1,two"], "from 1 on"),
        (["--rounds", "0"], "--rounds 0"),
        (["--budget", "-1"], "--budget -1"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_line(processes, words, message):
    """It names the argument, the value and what is allowed."""
    with pytest.raises(ValueError, match=message):
        runtime.main(*words)


@pytest.mark.parametrize("rate", ["free", "0", "-1", "true"])
def test_a_rate_is_a_price(processes, rate):
    """A positive number."""
    project_files.write(Path(), PARAMS.replace("Card: 2.0", f"Card: {rate}"))

    with pytest.raises(ValueError, match=r"rates\.Card"):
        forwards("--budget", "0")


SMALL = ("small", "--kinds", "forward", "--rounds", "1")


def test_a_real_process_times_a_real_network(project):
    """From the command line to the table, on this processor."""
    assert runtime.main(*SMALL, "--modes", "strict", "--size", "64x96") == 0

    (row,) = read_rows(TIMINGS, Timing)
    *_, last = storage.read()  # an inconclusive recording is repeated, and the last one counts
    assert row.verdict in ("sound", "unsettled", "drifting", "inconclusive")
    assert row.median_ms == pytest.approx(sorted(last.samples.wall)[len(last.samples.wall) // 2], rel=0.05)
    assert last.macs > 0
    assert row.async_ms is None
    assert "one round" in row.reason


def test_a_real_process_that_cannot_do_its_job_has_a_reason(project):
    """A mode that needs CUDA, on a processor."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine can do it")
    runtime.main(*SMALL, "--modes", "fast", "--size", "64x64")

    (row,) = read_rows(TIMINGS, Timing)
    assert row.verdict == "unmeasured"
    assert "CUDA" in row.reason


def test_timing_needs_no_package_of_the_other_stages():
    """A rented GPU has torch, and none of these."""
    absent = ("dvc", "fvcore", "pyiqa", "matplotlib", "seaborn", "jinja2", "sklearn")
    modules = ("pipelines.runtime", *session.PRELOAD)
    code = f"import sys\nsys.modules.update(dict.fromkeys({absent}))\nimport {', '.join(modules)}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def alive(group):
    """Decide whether a process group has a process."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_command_leaves_no_process_behind(tmp_path):
    """The one that was timing would disturb the next command."""
    project_files.write(tmp_path, PARAMS)
    words = ["small", "--kinds", "forward", "--modes", "strict", "--size", "64x64", "--rounds", "9"]
    command = subprocess.Popen(
        [sys.executable, "-m", "pipelines.runtime", *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert "9 of 9 measurements" in command.stdout.readline()
    assert "round 1" in command.stdout.readline()
    command.kill()
    command.communicate()

    end = time.monotonic() + 20
    while left := alive(command.pid):
        assert time.monotonic() < end, left
        time.sleep(0.1)
    assert len(list(storage.read(tmp_path / RUNTIME))) >= 1

"""Stage runtime: a process per measurement, interleaved, resumed, within a budget; and one real one."""

import csv
import fcntl
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from benchmark.timing.record import Recording, Samples

from benchmark import spec
from benchmark.results.legacy import read
from benchmark.timing import orders, record
from pipelines import runtime
from tests import project

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


class Children:
    """Stands in for processes: answers with invented recordings, keeps what was asked for."""

    def __init__(self, kind="cuda", name="Card", ceilings=()):
        self.host = orders.Host(kind, name, "2.0", dict(ceilings))
        self.orders, self.noisy, self.broken, self.interrupt = [], set(), {}, 0

    def __call__(self, order, number=0):
        """What the process would answer."""
        if order is None:
            return self.host
        self.orders.append(order)
        if len(self.orders) == self.interrupt:
            raise KeyboardInterrupt
        if order.run in self.broken:
            raise ValueError(self.broken[order.run])
        noise = 20.0 if order in self.noisy else 0.001
        self.noisy.discard(order)
        wall = tuple(100 + noise * (i % 7) for i in range(40))
        run = spec.load()[1].get(order.run)
        mark = runtime.fingerprint(order, run, "2.0")
        samples = Samples((101.0,) * 10, True, tuple(0.1 * i for i in range(40)), wall)
        common = {**asdict(order), "device": self.host.name, "fingerprint": mark}
        kind = self.host.kind
        made = Recording(**common, kind_of_device=kind, began="2026-01-01T00:00:00", order=0, samples=samples)
        return record.dump(made)


@pytest.fixture
def children(tmp_path, monkeypatch):
    """An empty project with three runs, and no processes."""
    monkeypatch.chdir(tmp_path)
    project.write(Path(), PARAMS)
    monkeypatch.setattr(runtime, "LOCK", tmp_path / "lock")
    made = Children()
    monkeypatch.setattr(runtime, "process", made)
    return made


def forwards(*more):
    """Time networks alone, once per round, in two modes."""
    return runtime.main("--kinds", "forward", "--batches", "1", "--modes", "strict,tf32", *more)


def rows():
    """timings.csv by run and mode."""
    return {(row["run"], row["mode"]): row for row in read(runtime.TIMINGS)}


def test_each_measurement_is_a_process_and_rounds_are_whole_and_shuffled(children):
    """Round 2 begins when round 1 has measured everything, in another order; variants must be asked for."""
    forwards()

    first, second = children.orders[:4], children.orders[4:]
    assert [order.round for order in children.orders] == [1] * 4 + [2] * 4
    assert {(o.run, o.mode) for o in first} == {
        (r, m) for r in ("blurred", "small") for m in ("strict", "tf32")
    }
    assert {replace(o, round=1) for o in second} == set(first)
    assert [(o.run, o.mode) for o in first] != [(o.run, o.mode) for o in second]
    assert {(o.height, o.width) for o in first} == {(720, 1280)}


def test_a_second_call_measures_nothing_and_writes_the_same_tables(children):
    """What is there with the same fingerprint is kept."""
    forwards()
    before, made = runtime.TIMINGS.read_bytes(), len(children.orders)

    assert forwards() == 0
    assert len(children.orders) == made
    assert runtime.TIMINGS.read_bytes() == before


def test_it_goes_on_where_it_was_interrupted(children, capsys):
    """Samples are written after every process; the next call makes the others and no other."""
    children.interrupt = 4
    assert forwards() == 130
    assert "start again to go on" in capsys.readouterr().err
    kept = [(made.key, made.round) for made in record.read()]

    forwards()

    again = [(o.key, o.round) for o in children.orders[4:]]
    assert len(kept) == 3
    assert not set(kept) & set(again)
    assert len(set(kept) | set(again)) == 8


def test_the_budget_is_kept_and_what_did_not_fit_is_a_row_with_that_reason(children):
    """A process that would not end in time is not started."""
    forwards("--budget", "1")

    assert not children.orders
    assert {row["verdict"] for row in read(runtime.TIMINGS)} == {"unmeasured"}
    assert {row["reason"] for row in read(runtime.TIMINGS)} == {"not measured within the time budget"}
    assert len(rows()) == 4


def test_no_budget_starts_nothing_and_judges_what_is_there(children):
    """As a profile that leaves timing alone does."""
    forwards()
    before, made = runtime.TIMINGS.read_bytes(), len(children.orders)

    assert forwards("--budget", "0") == 0
    assert len(children.orders) == made
    assert runtime.TIMINGS.read_bytes() == before


def test_a_failed_process_is_a_row_with_its_words_and_others_go_on(children):
    """And it is tried again next time."""
    children.broken["small"] = "small strict 720x1280 batch 1: out of memory"
    forwards()
    assert rows()["small", "strict"]["reason"].endswith("out of memory")
    assert rows()["small", "strict"]["verdict"] == "unmeasured"
    assert rows()["blurred", "strict"]["ms"]

    children.broken.clear()
    forwards()
    assert rows()["small", "strict"]["ms"]
    assert not any(row["verdict"] == "unmeasured" for row in read(runtime.TIMINGS))


def test_an_inconclusive_recording_is_made_once_more_and_both_are_kept(children):
    """All raw samples stay; the second try counts."""
    noisy = orders.Order("forward", "blurred", "strict", 720, 1280, 1, 1)
    children.noisy.add(noisy)
    forwards("blurred")

    assert children.orders.count(noisy) == 2
    both = [made for made in record.read() if (made.key, made.round) == (noisy.key, 1)]
    assert max(both[0].samples.wall) > 200 > max(both[1].samples.wall)
    assert float(rows()["blurred", "strict"]["ms"]) == pytest.approx(100, abs=0.01)


def test_changed_code_is_measured_again_and_replaces_the_old(children, monkeypatch):
    """Only the rounds of the run whose fingerprint changed."""
    forwards()
    made = len(children.orders)
    project.write(Path(), PARAMS.replace("width: 4}", "width: 8}", 1))
    forwards()

    again = children.orders[made:]
    assert {order.run for order in again} == {"small"}
    assert len(again) == 4
    assert sum(made.run == "small" for made in record.read()) == 4


def test_samples_of_another_device_are_judged_and_kept(children):
    """A machine without the card gives the same rows for it."""
    forwards()
    before = [row for row in read(runtime.TIMINGS) if row["device"] == "Card"]
    children.host = replace(children.host, kind="cpu", name="Processor")
    runtime.main("--kinds", "forward")

    assert [row for row in read(runtime.TIMINGS) if row["device"] == "Card"] == before
    assert {row["device"] for row in read(runtime.TIMINGS)} == {"Card", "Processor"}
    assert {(o.height, o.width) for o in children.orders if o.mode == "channels_last"} == {(128, 128)}


def test_ceilings_networks_batches_and_steps_in_this_order(children):
    """A short budget has what matters most."""
    children.host = replace(children.host, ceilings={"copy": "strict"})
    runtime.main("small")

    kinds = [(o.kind, o.batch > 1 or o.height == 256) for o in children.orders]
    assert list(dict.fromkeys(kinds)) == [
        ("ceiling", False),
        ("forward", False),
        ("forward", True),
        ("step", True),
    ]
    assert {o.batch for o in children.orders if o.height == 256} == {1, 2, 4, 8}
    assert {(o.batch, o.height) for o in children.orders if o.kind == "step"} == {(2, 64)}


def test_systems_with_a_printed_time_come_first(children, monkeypatch):
    """All rounds of them, before any other system."""
    monkeypatch.setattr(orders, "timed", lambda: {"small"})
    forwards()

    assert [order.run for order in children.orders] == ["small"] * 4 + ["blurred"] * 4


def test_the_runs_with_a_printed_time_are_those_of_the_claims():
    """As read in the four tables: sixteen, without those whose time is a dash."""
    assert orders.timed() >= {"cdgnet", "dmphn_1_2_4", "sgenet", "mimo_unet_plus", "saphnet", "bag"}
    assert len(orders.timed()) == 16
    assert not orders.timed() & {"hamd", "svdn", "dbgan_minus", "identity"}


def test_prices_follow_from_steps_and_rates(children):
    """2 epochs of 50 steps of 100 ms are 10 s."""
    runtime.main("small", "--kinds", "step")

    with runtime.PRICES.open() as file:
        (row,) = [row for row in csv.DictReader(file) if row["run"] == "small"]
    assert float(row["hours"]) == pytest.approx(10 / 3600, rel=1e-3)
    assert float(row["cost"]) == pytest.approx(2 * 10 / 3600, rel=1e-3)


def test_two_at_a_time_are_refused(children):
    """They would disturb each other."""
    with runtime.LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="being timed on this machine already"):
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
def test_a_wrong_argument_is_one_line(children, words, message):
    """It names the argument, the value and what is allowed."""
    with pytest.raises(ValueError, match=message):
        runtime.main(*words)


@pytest.mark.parametrize("rate", ["free", "0", "-1", "true"])
def test_a_rate_is_a_price(children, rate):
    """A positive number."""
    project.write(Path(), PARAMS.replace("Card: 2.0", f"Card: {rate}"))

    with pytest.raises(ValueError, match=r"rates\.Card"):
        forwards("--budget", "0")


def test_a_real_process_measures_a_real_network(tmp_path, monkeypatch):
    """From the command line to the table, on this processor."""
    monkeypatch.chdir(tmp_path)
    project.write(Path(), PARAMS)
    monkeypatch.setattr(runtime, "LOCK", tmp_path / "lock")

    assert (
        runtime.main("small", "--kinds", "forward", "--modes", "strict", "--size", "64x96", "--rounds", "1")
        == 0
    )

    (row,) = read(runtime.TIMINGS)
    *_, made = record.read()  # an inconclusive one is made again, and counts as it was made last
    assert row["verdict"] in ("sound", "unsettled", "drifting", "inconclusive")
    assert float(row["ms"]) == pytest.approx(sorted(made.samples.wall)[len(made.samples.wall) // 2], rel=0.05)
    assert made.macs > 0
    assert not row["asynchronous_ms"]
    assert "one round" in row["reason"]


def test_a_real_process_that_cannot_says_why(tmp_path, monkeypatch):
    """A mode that needs CUDA, on a processor."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine can")
    monkeypatch.chdir(tmp_path)
    project.write(Path(), PARAMS)
    monkeypatch.setattr(runtime, "LOCK", tmp_path / "lock")
    runtime.main("small", "--kinds", "forward", "--modes", "fast", "--size", "64x64", "--rounds", "1")

    (row,) = read(runtime.TIMINGS)
    assert row["verdict"] == "unmeasured"
    assert "CUDA" in row["reason"]


def alive(group):
    """Whether a process group has a process."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_timing_needs_no_package_of_the_pipeline():
    """A rented GPU has torch, and none of these."""
    absent = ("dvc", "fvcore", "pyiqa", "pandas", "matplotlib", "seaborn", "jinja2", "sklearn")
    modules = ("pipelines.runtime", *runtime.MEASURES)
    code = f"import sys\nsys.modules.update(dict.fromkeys({absent}))\nimport {', '.join(modules)}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_killed_command_leaves_no_process_behind(tmp_path):
    """The one that was measuring would go on beside the next command's."""
    project.write(tmp_path, PARAMS)
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
    assert len(list(record.read(tmp_path / record.FOLDER))) >= 1

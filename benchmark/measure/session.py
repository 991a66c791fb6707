"""Run the jobs that have no recording yet on this device, each in a fresh process, while the budget lasts."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark import spec
from benchmark.measure import fresh
from benchmark.results import COMPLEXITY, RUNTIME, provenance, read_rows, write
from benchmark.results.schema import Complexity, Unmeasured
from benchmark.timing import storage
from benchmark.timing.pairing import ratios_of
from benchmark.timing.ratios import MINIMUM_ROUNDS, enough
from benchmark.timing.recording import MODES, Recording, timing_key
from benchmark.timing.schedule import Host, Job, Options, call_seconds, mean_seconds, plan, process_seconds
from benchmark.timing.stats import ratio_interval
from benchmark.timing.verdicts import judge

PRELOAD = tuple(f"benchmark.measure.{name}" for name in ("ceilings", "forward", "session", "steps"))
MAX_SECONDS = 900  # after which a process is stopped
UNMEASURED = "unmeasured.csv"  # in each device's folder
MAX_STEP_SECONDS = 10.0  # a training step that would take longer is not timed

Key = tuple[Any, str, str, int, int, int, str]  # of timing_key


def run_in_process(job: Job | None, position: int = 0) -> Any:
    """Call `run` in a fresh process.

    Raises:
        ValueError: it failed, or took too long; the message is its own.
    """
    return fresh.call(run, (job, position), PRELOAD, MAX_SECONDS)


def run(job: Job | None, position: int) -> Any:
    """Return the job's recording as a line; without a job, this machine's Host.

    Raises:
        ValueError: this device cannot do the job.
    """
    import torch

    from benchmark.measure import ceilings, devices, forward, recorder, steps

    device = devices.current()
    if job is None:
        modes = {name: ceilings.mode(name) for name in ceilings.NAMES[device.kind]}
        return Host(device.kind, device.name, torch.__version__, modes)
    if job.kind == "pair":
        return run_pair(job, position)
    system: Any = None if job.kind == "ceiling" else spec.load()[1][job.run]
    prepare = {"forward": forward.prepare, "step": steps.prepare, "ceiling": ceilings.prepare}[job.kind]
    with recorder.memory_error(job, device), devices.applied(MODES[job.mode], device.kind):
        work = prepare(job, system, device.kind)
        made_by = fingerprint(job, system, torch.__version__)
        return storage.dump(recorder.record(job, work, device, made_by, position))


def run_pair(job: Job, position: int) -> str:
    """Return the recording of a network and its anchor, in turn, as a line.

    Raises:
        ValueError: this device cannot do the job.
    """
    import torch

    from benchmark.measure import devices, forward, recorder

    device = devices.Cuda() if torch.cuda.is_available() else devices.Core()
    runs = spec.load()[1]
    with recorder.memory_error(job, device), devices.applied(MODES[job.mode], device.kind):
        network, anchor = (forward.prepare(job, runs[name], device.kind) for name in (job.run, job.anchor))
        made_by = fingerprint(job, runs[job.run], torch.__version__, runs[job.anchor])
        return storage.dump(recorder.record_pair(job, network, anchor, device, made_by, position))


def fingerprint(job: Job, run: spec.Run | None, torch: str, anchor: spec.Run | None = None) -> str:
    """Hash the code and settings that are timed. The timing code has storage.VERSION."""
    made_by: dict[str, Any] = {"torch": torch, "version": storage.VERSION}
    if anchor:
        made_by["anchor"] = {"config": anchor.config, "code": provenance.model_code(anchor.model)}
    if job.kind == "ceiling":
        made_by["code"] = provenance.hashes([provenance.ROOT / "benchmark/measure/ceilings.py"])
    if run:
        made_by |= {"config": run.config, "code": provenance.model_code(run.model)}
    if run and job.kind == "step":
        from benchmark.training.versions import code

        made_by |= {"recipe": asdict(run)["train"], "code": provenance.hashes(code(run))}
    return provenance.digest(made_by)[:16]


class Session:
    """What one command measures on this device.

    Attributes:
        recordings: of this device, by run; each file is written again as a whole.
        latest: the last recording of the current code, by key.
        reasons: why a timing could not be measured, by key.
    """

    def __init__(self, options: Options, runs: Mapping[str, spec.Run]) -> None:
        """Ask a process for the device, plan the jobs, and read what was recorded before."""
        self.begin = time.monotonic()
        self.options = options
        self.host: Host = run_in_process(None)
        counts = read_rows(COMPLEXITY, Complexity, optional=True)
        self.macs = {row.run: float(row.macs_256 or 0) for row in counts}
        self.jobs = plan(options, self.host, runs)
        self.fingerprints = {
            timing_key(job): fingerprint(job, runs.get(job.run), self.host.torch, runs.get(job.anchor))
            for job in self.jobs
        }
        self.recordings: dict[str, list[Recording]] = defaultdict(list)
        for recording in storage.read():
            if recording.device == self.host.name:
                self.recordings[recording.run].append(recording)
        current = [
            recording
            for recordings in self.recordings.values()
            for recording in recordings
            if self.fingerprints.get(timing_key(recording)) == recording.fingerprint
        ]
        self.latest: dict[Key, Recording] = {timing_key(recording): recording for recording in current}
        done = {(timing_key(recording), recording.round) for recording in current}
        # A solver takes minutes for one image, here too many; stage authors keeps its time.
        solvers = {row.run for row in counts if row.macs_256 is None}
        self.reasons: dict[Key, str] = {
            timing_key(job): "timed by stage authors, once per image: it solves an optimisation problem"
            for job in self.jobs
            if job.run in solvers
        }
        self.missing = [
            job
            for job in self.jobs
            if timing_key(job) not in self.reasons and (timing_key(job), job.round) not in done
        ]

    def measure(self) -> None:
        """Run what is missing; write each recording at once, and in the end what could not be measured."""
        if self.missing:
            count = f"{len(self.missing)} of {len(self.jobs)} measurements"
            print(f"runtime: {count} to make on {self.host.name}", flush=True)
        try:
            for position, job in enumerate(self.missing, 1):
                self.measure_job(job, position)
        except KeyboardInterrupt:
            for job in self.missing:
                self.reasons.setdefault(timing_key(job), "not measured yet")
            raise
        finally:
            self.write_unmeasured()

    def measure_job(self, job: Job, position: int) -> None:
        """Run one job, or keep the reason why not; a timing that failed once is not tried again.

        A third and further process of a pair is started only where those before it do not give a sound ratio.
        """
        key = timing_key(job)
        seconds = call_seconds(job, self.host, self.latest, self.macs)
        needed = process_seconds(seconds, self.host, job.kind == "pair")
        left = self.options.budget - (time.monotonic() - self.begin)
        if job.kind == "step" and seconds > MAX_STEP_SECONDS:
            reason = f"a training step would take about {seconds:.0f} s on this device"
            self.reasons.setdefault(key, reason)
        elif job.kind == "pair" and job.round > MINIMUM_ROUNDS and enough(self.tries(key)):
            return
        elif needed > left:
            self.reasons.setdefault(key, "not measured within the time budget")
        elif key not in self.reasons:
            try:
                recording = self.record(job, position, tries=2 if 2 * needed <= left else 1)
                verdict = judge(recording)[0]
                result = f"{in_words(recording)}, {verdict}"
            except ValueError as error:
                result = self.reasons[key] = str(error)
            print(f"runtime {position} of {len(self.missing)}  {job}: {result}", flush=True)

    def record(self, job: Job, position: int, tries: int) -> Recording:
        """Run a job and write its recording; repeat it while it is inconclusive and tries are left.

        Raises:
            ValueError: its process failed.
        """
        key = timing_key(job)
        recording = storage.load(run_in_process(job, position), str(job))
        # Recordings of older code are replaced.
        self.recordings[job.run] = [
            *(
                old
                for old in self.recordings[job.run]
                if timing_key(old) != key or old.fingerprint == self.fingerprints[key]
            ),
            recording,
        ]
        storage.write(self.recordings[job.run], storage.path(recording.device, job.run))
        self.latest[key] = recording
        if tries > 1 and judge(recording)[0] == "inconclusive":
            return self.record(job, position, tries - 1)
        return recording

    def tries(self, key: Key) -> list[Recording]:
        """Return what was recorded of a timing, by the current code."""
        recordings = (each for each in self.recordings[key[1]] if timing_key(each) == key)
        return [each for each in recordings if each.fingerprint == self.fingerprints[key]]

    def write_unmeasured(self) -> None:
        """Write what could not be measured; reasons for what was not requested now stay."""
        path = RUNTIME / storage.slug(self.host.name) / UNMEASURED
        requested = {timing_key(job) for job in self.jobs}
        rows = [row for row in read_table(path) if timing_key(row) not in requested]
        for key, reason in self.reasons.items():
            if key not in self.latest:
                rows.append(Unmeasured(self.host.name, *key[:-1], reason, key[-1]))
        write(path, Unmeasured, rows)


def in_words(recording: Recording) -> str:
    """Write what a recording has measured, for the progress line."""
    if recording.kind != "pair":
        return f"{1000 * mean_seconds(recording):.4g} ms, {len(recording.samples.wall)} samples"
    if not (ratios := ratios_of(recording)):
        return "no pair counts"
    return "ratio {:.4f} ({:.4f} to {:.4f})".format(*ratio_interval(ratios)) + f", {len(ratios)} pairs"


def read_unmeasured() -> Sequence[Unmeasured]:
    """Read what could not be measured on any device."""
    return [row for path in sorted(RUNTIME.glob(f"*/{UNMEASURED}")) for row in read_table(path)]


def read_table(path: Path) -> Sequence[Unmeasured]:
    """Read what could not be measured on one device; tables from before there were pairs have no anchors."""
    return read_rows(path, Unmeasured, optional=True, defaults={"anchor": ""})

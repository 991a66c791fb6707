"""Stage authors: restore and score the real test sets with the authors' weights, under every protocol.

The blurred images themselves (a run without training) are measured on every real set that has sharp ones.
Solvers need no weights, and those whose first half is a network that the authors did not publish have weights
that were trained here (benchmark/measure/trained_here.py).
What is not available is not measured, and what was measured is kept: the tables are the same for every
profile, and grow where data, weights or a GPU are available. A run is measured on a dataset again when its
network, its weights or a protocol have changed, or when other images are available, unless they are fewer.
"""

import json
import re
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from PIL import Image
from tqdm import tqdm

from benchmark import engine, nets, plugins, spec, trouble
from benchmark.data import fetch, folders
from benchmark.data.health import examine_dataset, real_set
from benchmark.data.pairs import Pairs
from benchmark.data.realset import RealSet
from benchmark.deconvolution import progress
from benchmark.measure import aggregate, scoring, trained_here
from benchmark.measure.trained_here import TrainedHere
from benchmark.results import AUTHORS, COMPLEXITY, Measurement, provenance, read_frame, read_rows, write
from benchmark.results.schema import Complexity, Score
from benchmark.weights import published
from benchmark.weights.published import Published
from pipelines import run_stage

RECORD = AUTHORS.quality.with_name("record.json")
FAMILIES = {"psnr": "dB", "ssim": "1"}  # names and units of the rows that say what could not be measured
VERSION = 1  # of restoring and scoring; another version measures everything again
SCORING = 2e11  # MACs that take as long as scoring one image, for the time left

Key = tuple[str, str]  # run, dataset
Record = dict[str, dict[str, dict[str, Any]]]  # the content of record.json, by run and dataset


@dataclass(frozen=True)
class TestImages:
    """The available test images of a dataset."""

    total: int  # official number
    count: int = 0
    digest: str = ""  # of their names and files
    reason: str = ""  # why none are available


@dataclass
class Weights:
    """The files of published weights, each obtained once."""

    files: dict[str, list[Path]] = field(default_factory=lambda: {"": []})
    reasons: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)  # hosts that did not answer

    def obtain(self, entry: Published) -> str:
        """Put an entry's files into `files`; return the reason where they are not available."""
        if entry.name not in self.files | self.reasons:
            try:
                self.files[entry.name] = published.obtain(entry, silent=self.silent)
            except Exception as error:
                self.reasons[entry.name] = trouble.line(error)
        return self.reasons.get(entry.name, "")


def entries_by_run(runs: Mapping[str, spec.Run]) -> dict[str, Published | None]:
    """Look up the entry of published.yaml that each run names; None for a run that names none."""
    entries = published.load()
    for run in runs.values():
        if run.weights and run.weights not in entries:
            hint = spec.nearest(run.weights, entries)
            raise ValueError(f"runs.{run.name}.weights: no {run.weights!r} in published.yaml; {hint}")
    return {name: entries[run.weights] if run.weights else None for name, run in runs.items()}


def paired_datasets() -> dict[str, RealSet]:
    """Return the real datasets whose blurred images have sharp ones."""
    sets = {name: real_set(name) for name in plugins.names("datasets")}
    return {name: real for name, real in sets.items() if real and real.paired}


def find_images(real: RealSet) -> TestImages:
    """List the available test images of a dataset; none where the doctor calls them broken."""
    total = real.total("test")
    try:
        shots = [shot for shot in real.pair_files("test") if shot.sharp]
        if not shots:
            return TestImages(total, reason=f"{real.name}: no available blurred image has its sharp one")
        rows = {row.split: row for row in examine_dataset(real)}
        if rows["test"].verdict == "broken":
            return TestImages(total, reason=f"{real.name}/test is broken: {rows['test'].problems}")
        sums = {
            shot.name: [fetch.digest(path) for path in (shot.blurry, shot.sharp) if path] for shot in shots
        }
    except Exception as error:
        return TestImages(total, reason=trouble.line(error))
    return TestImages(total, len(shots), provenance.digest(sums))


def keys_to_measure(
    runs: Mapping[str, spec.Run], datasets: Collection[str], here: Collection[str] = ()
) -> Iterator[Key]:
    """Yield runs that name weights, need none, or were trained `here` with their test sets.

    The blurred images come with all sets.
    """
    for name, run in runs.items():
        own = run.test_on if run.weights or not run.train or name in here else ()
        test_on = dict.fromkeys((*run.test_on, *datasets)) if run.is_input else own
        yield from ((name, dataset) for dataset in test_on if dataset in datasets)


def fingerprint(run: spec.Run, entry: Published | None, sums: Mapping[str, str]) -> str:
    """Hash all that a run's values depend on except the images; device and torch are only recorded."""
    metrics = {name: plugins.load("metrics", name).QUANTITY.version for name in plugins.names("metrics")}
    made_by = {
        "config": run.config,
        "normalise": asdict(normalise(run)),
        "files": [asdict(asset) for asset in entry.files] if entry else [],
        "read": [entry.reads, entry.key, entry.member, entry.convert] if entry else [],
        "sums": dict(sums),
        "code": provenance.model_code(run.model),
        "metrics": metrics,
        "version": VERSION,
    }
    return provenance.digest(made_by)


def normalise(run: spec.Run) -> spec.Normalise:
    """Return the input range of a run's network."""
    return run.train.normalise if run.train else spec.Normalise()


def up_to_date(
    record: Mapping[str, Any],
    run: spec.Run,
    entry: Published | None,
    images: TestImages,
    here: TrainedHere | None = None,
) -> bool:
    """Say whether recorded values are still those that would be measured, and of no fewer images."""
    sums = checksums([here.path]) if here else record.get("weights", {})
    if record.get("fingerprint") != fingerprint(run, entry, sums):
        return False
    return bool(record.get("digest") == images.digest or record["images"] > images.count)


def checksums(files: list[Path]) -> dict[str, str]:
    """Compute the checksum of each file of weights, by its name."""
    return {path.name: fetch.digest(path) for path in files}


def measure(
    run: spec.Run,
    entry: Published | None,
    files: list[Path],
    dataset: str,
    pairs: Pairs,
    here: TrainedHere | None = None,
) -> tuple[list[Score], float | None]:
    """Restore and score every image; the restored ones are kept beside the tables.

    Of a solver, which the stage runtime does not time, the mean seconds per image come with the scores: of
    processors, as other work on the machine takes none of these, or of a GPU.
    """
    clock = time.monotonic if nets.device() == "cuda" else time.process_time
    net = here.network(run) if here else nets.build(run)
    if entry:
        published.fill(net, published.read(entry, run.model, files), entry)
    metrics: Mapping[str, Any] = {name: plugins.load("metrics", name) for name in plugins.names("metrics")}
    input_range, rows = normalise(run), list[Score]()
    times = list[float]()

    def restore(net: torch.nn.Module, blurry: torch.Tensor) -> torch.Tensor:
        begun = clock()
        with progress.told(bar.set_postfix_str):  # a solver takes minutes for one image
            restored = nets.restore(net, blurry, input_range)
        times.append(clock() - begun)
        return restored

    bar = tqdm(None, f"{run.name} {dataset}", len(pairs), unit="image", disable=None, leave=False)
    for image in scoring.score(net, restore, pairs, metrics, nets.device()):
        bar.update()
        if not run.is_input:
            path = AUTHORS.images(run.name) / dataset / f"{image.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.image).save(path, compress_level=1)
        rows += [Score(run.name, dataset, image.name, name, value) for name, value in image.values.items()]
    bar.close()
    return rows, (sum(times) / len(times) if hasattr(net, "no_macs") else None)


def measurements(record: Record) -> Iterator[Measurement]:
    """Yield a row per run, dataset and quantity, and rows without a value for what could not be measured.

    Means are over the values as the table has them, so that the next call gives the same.
    """
    protocols, scores = aggregate.quantities(), read_frame(AUTHORS.quality, Score)
    rows = aggregate.pool(scores[scores["quantity"].isin(list(protocols))])
    pooled = {(row.run, row.dataset, row.quantity): row for row in rows}
    for name, datasets in record.items():
        for dataset, entry in datasets.items():
            n, total = entry["images"], entry["total"]
            if not n:
                for family, unit in FAMILIES.items():
                    reason = entry["lacks"]
                    yield Measurement(name, dataset, family, None, unit, 0, "", "", AUTHORS.profile, reason)
                continue
            parts = [entry.get("trained_here", ""), f"{n:,} of {total:,} images" if n < total else ""]
            part = "; ".join(filter(None, parts))
            origin = {key: entry.get(key, "") for key in ("device", "torch")}
            if each := entry.get("seconds_per_image"):
                note = "; ".join(filter(None, ["of processors" if origin["device"] == "cpu" else "", part]))
                more = {"n": n, "profile": AUTHORS.profile, "note": note, **origin}
                yield Measurement(name, dataset, "seconds", each, "s", **more)
            for quantity in protocols:
                if row := pooled.get((name, dataset, quantity)):
                    note = "; ".join(filter(None, [part, row.note]))
                    yield replace(row, n=n, profile=AUTHORS.profile, note=note, **origin)


def save(scores: Mapping[Key, list[Score]], record: Record) -> None:
    """Write the three tables."""
    write(AUTHORS.quality, Score, [row for rows in scores.values() for row in rows])
    trouble.write_text(RECORD, json.dumps(record, indent=1) + "\n")
    write(AUTHORS.measurements, Measurement, measurements(record))


def read_record() -> Record:
    """Read record.json; empty where it does not exist yet."""
    try:
        record = msgspec.json.decode(RECORD.read_bytes(), type=Record)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{RECORD}: cannot be read ({trouble.one_line(error)})") from None
    for name, datasets in record.items():
        for dataset, entry in datasets.items():
            kinds = {"images": int, "total": int} | ({} if entry.get("images") else {"lacks": str})
            for key, kind in kinds.items():
                if type(value := entry.get(key)) is not kind:
                    where = f"{RECORD}: {name}.{dataset}.{key}"
                    raise ValueError(f"{where}: {value!r}; allowed: {spec.checked.NAMES[kind]}")
    return record


def unmeasured(images: TestImages, reason: str) -> dict[str, Any]:
    """Record why a run was never measured on a dataset, without folders and proxies of this machine."""
    for folder in folders.data_folders()[1:]:  # the first is this project's own, relative
        reason = reason.replace(f"{folder}/", "")
    reason = re.sub(r" \(proxy [^)]*\)", "", reason)
    return {"images": 0, "total": images.total, "lacks": reason}


def measured(
    images: TestImages, run: spec.Run, entry: Published | None, files: list[Path], seconds: float
) -> dict[str, Any]:
    """Record that a run was measured on a dataset."""
    sums = checksums(files)
    return {
        "fingerprint": fingerprint(run, entry, sums),
        "weights": sums,
        "digest": images.digest,
        "images": images.count,
        "total": images.total,
        "device": nets.device_name(),
        "torch": torch.__version__,
        "seconds": round(seconds, 1),
    }


def main() -> int:
    """Measure what is missing or changed; the tables are written after every run and dataset."""
    runs, datasets = spec.load()[1], paired_datasets()
    entries, weights = entries_by_run(runs), Weights()
    here = {name: found for name, run in runs.items() if (found := trained_here.find(run))}
    images = {name: find_images(real) for name, real in datasets.items()}
    for reason in folders.unusable_folders():
        print(f"authors: {reason}", file=sys.stderr)
    for name, available in images.items():
        print(f"authors: {available.reason or f'{name}: {available.count:,} of {available.total:,} images'}")
    scores: dict[Key, list[Score]] = {key: [] for key in keys_to_measure(runs, datasets, here)}
    for row in read_rows(AUTHORS.quality, Score, optional=True):
        scores.get((row.run, row.dataset), []).append(row)
    old = read_record()
    kept: dict[Key, dict[str, Any]] = {}  # records whose values are still in the table
    record: Record = {name: {} for name, _ in scores}
    todo: list[Key] = []
    for key, rows in scores.items():
        name, dataset = key
        entry, before = entries[name], old.get(name, {}).get(dataset, {})
        if rows and before.get("images"):
            kept[key] = before
        reason = (entry and entry.missing) or images[dataset].reason
        current = (runs[name], entry, images[dataset], here.get(name))
        if not reason and not (key in kept and up_to_date(before, *current)):
            reason = weights.obtain(entry) if entry else ""
            todo += [] if reason else [key]
        if key in kept:
            record[name][dataset] = before
        elif before.get("lacks") and reason and reason == images[dataset].reason:
            record[name][dataset] = before  # only a machine with the images can tell why it did not measure
        else:
            record[name][dataset] = unmeasured(images[dataset], reason or "not measured yet")
    for reason in dict.fromkeys(weights.reasons.values()):
        print(f"authors: {reason}")
    save(scores, record)

    macs = {row.run: row.macs_720p for row in read_rows(COMPLEXITY, Complexity, optional=True)}
    cost = {(name, on): images[on].count * ((macs.get(name) or 0) + SCORING) for name, on in todo}
    begun, done = time.monotonic(), 0.0
    for number, key in enumerate(todo, start=1):
        name, dataset = key
        run, entry, start = runs[name], entries[name], time.monotonic()
        own = here.get(name)
        files = [own.path] if own else weights.files[run.weights]
        try:
            pairs = datasets[dataset].pairs(Path("data"), "test")
            scores[key], each = measure(run, entry, files, dataset, pairs, own)
            seconds = time.monotonic() - start
            record[name][dataset] = measured(images[dataset], run, entry, files, seconds)
            record[name][dataset] |= {"seconds_per_image": round(each, 2)} if each is not None else {}
            record[name][dataset] |= {"trained_here": own.note} if own else {}
            message = f"{images[dataset].count:,} images in {engine.clock(seconds)}"
        except Exception as error:
            message = trouble.line(error)
            record[name][dataset] = kept.get(key) or unmeasured(images[dataset], message)
        except KeyboardInterrupt:
            print("authors: interrupted; what is finished is kept, start again to go on", file=sys.stderr)
            return 130
        save(scores, record)
        done += cost[key]
        left = engine.clock((time.monotonic() - begun) * (sum(cost.values()) - done) / done)
        print(f"authors {number} of {len(todo)}  {name} {dataset}: {message}; {left} left", flush=True)
    return 0


if __name__ == "__main__":
    run_stage("authors", main)

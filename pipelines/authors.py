"""Stage authors: the authors' weights on the real test sets -> per-image values under every protocol.

The blurred images themselves (a run without training) are measured on every real set that has sharp ones.
What is not at hand is not measured, and what was measured is kept: the tables are the same for every profile,
and grow where data, weights or a GPU are. A run is measured on a dataset again when its network, its weights
or a protocol have changed, or when other images are at hand, unless they are fewer.
"""

import json
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tqdm import tqdm

from benchmark import nets, plugins, spec
from benchmark.data import fetch
from benchmark.data.pairs import Pairs
from benchmark.data.realset import RealSet
from benchmark.measure import aggregate, scoring
from benchmark.results import COMPLEXITY, Results, provenance
from benchmark.results.legacy import QUALITY, Measurement, columns, read, text, write
from benchmark.training import pool
from benchmark.weights import published
from benchmark.weights.published import Published
from pipelines import run_stage

RESULTS = Results("authors")
RECORD = RESULTS.quality.with_name("record.json")
FAMILIES = {"psnr": "dB", "ssim": "1"}  # names and units under which a row says what could not be measured
VERSION = 1  # of restoring and scoring; another one measures everything again
SCORING = 2e11  # MACs that take as long as scoring one image, for the time left

Rows = list[dict[str, str]]
Key = tuple[str, str]  # run, dataset


@dataclass(frozen=True)
class AtHand:
    """The test images of a dataset that are at hand."""

    total: int  # official number
    count: int = 0
    digest: str = ""  # of their names and files
    lacks: str = ""  # why there are none


@dataclass
class Weights:
    """Files of entries, each asked for once."""

    files: dict[str, list[Path]] = field(default_factory=lambda: {"": []})
    lost: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    def lacks(self, entry: Published) -> str:
        """Why an entry's files cannot be had; empty when `files` has them now."""
        if entry.name not in self.files | self.lost:
            try:
                self.files[entry.name] = published.obtain(entry, silent=self.silent)
            except ValueError as error:
                self.lost[entry.name] = str(error)
        return self.lost.get(entry.name, "")


def named(runs: Mapping[str, spec.Run]) -> dict[str, Published | None]:
    """Per run the entry of published.yaml that its `weights` names; None where it names nothing.

    Raises:
        ValueError: there is no such entry.
    """
    listed = published.load()
    for run in runs.values():
        if run.weights and run.weights not in listed:
            hint = spec.nearest(run.weights, list(listed))
            raise ValueError(f"runs.{run.name}.weights: no {run.weights!r} in published.yaml; {hint}")
    return {name: listed[run.weights] if run.weights else None for name, run in runs.items()}


def sets() -> dict[str, RealSet]:
    """The real datasets whose blurred images have sharp ones."""
    found = {name: getattr(plugins.load("datasets", name), "SET", None) for name in plugins.names("datasets")}
    return {name: real for name, real in found.items() if real and real.paired}


def look(real: RealSet) -> AtHand:
    """Which test images of a dataset are at hand."""
    total = real.total("test")
    try:
        shots = [shot for shot in real.shots_of("test") if shot.sharp]
    except ValueError as error:
        return AtHand(total, lacks=str(error))
    if not shots:
        return AtHand(total, lacks=f"{real.name}: no blurred image at hand has its sharp one")
    sums = {shot.name: [fetch.digest(path) for path in (shot.blurry, shot.sharp) if path] for shot in shots}
    return AtHand(total, len(shots), provenance.digest(sums))


def wanted(runs: Mapping[str, spec.Run], datasets: Collection[str]) -> Iterator[Key]:
    """Runs that name weights, on the test sets they name; the blurred images themselves, on all."""
    for name, run in runs.items():
        named = run.test_on if run.weights else ()
        on = named if run.train else dict.fromkeys((*run.test_on, *datasets))
        yield from ((name, dataset) for dataset in on if dataset in datasets)


def fingerprint(run: spec.Run, entry: Published | None, sums: Mapping[str, str]) -> str:
    """A hash of all that a run's values depend on, but for the images; device and torch are only recorded."""
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
    """What the network sees."""
    return run.train.normalise if run.train else spec.Normalise()


def holds(known: Mapping[str, Any], run: spec.Run, entry: Published | None, images: AtHand) -> bool:
    """Whether recorded values are still those that would be measured, and of no fewer images."""
    if known["fingerprint"] != fingerprint(run, entry, known["weights"]):
        return False
    return bool(known["digest"] == images.digest or known["images"] > images.count)


def measure(run: spec.Run, entry: Published | None, files: list[Path], dataset: str, pairs: Pairs) -> Rows:
    """Restore and score every image; the restored ones are kept beside the tables.

    Raises:
        ValueError: the weights are not this network's.
    """
    net = nets.build(run)
    if entry:
        published.fill(net, published.read(entry, run.model, files), entry)
    metrics: Mapping[str, Any] = {name: plugins.load("metrics", name) for name in plugins.names("metrics")}
    sees, rows = normalise(run), Rows()
    scored = scoring.score(net, lambda n, x: nets.restore(n, x, sees), pairs, metrics, nets.device())
    for image in tqdm(scored, f"{run.name} {dataset}", len(pairs), unit="image", disable=None, leave=False):
        if entry:
            path = RESULTS.images(run.name) / dataset / f"{image.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.image).save(path, compress_level=1)
        for quantity, value in image.values.items():
            cells = (run.name, dataset, image.name, quantity, text(value))
            rows.append(dict(zip(QUALITY, cells, strict=True)))
    return rows


def measurements(record: Mapping[str, Mapping[str, Any]]) -> Iterator[Measurement]:
    """One row per run, dataset and quantity, and rows without a value for what could not be measured."""
    known, values = aggregate.quantities(), aggregate.values(RESULTS)
    for name, datasets in record.items():
        for dataset, about in datasets.items():
            n, total = about["images"], about["total"]
            where = (about.get("device", ""), about.get("torch", ""), RESULTS.profile)
            for quantity, unit in FAMILIES.items() if not n else ():
                yield Measurement(name, dataset, quantity, "", unit, 0, *where, about["lacks"])
            for quantity in known if n else ():
                if found := values.get((name, dataset, quantity)):
                    value, note = aggregate.pooled(found, known[quantity])
                    part = f"{n:,} of {total:,} images" if n < total else ""
                    note = "; ".join(filter(None, [part, note]))
                    yield Measurement(name, dataset, quantity, value, known[quantity].unit, n, *where, note)


def save(rows: Mapping[Key, Rows], record: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the three tables."""
    write(RESULTS.quality, QUALITY, (row for part in rows.values() for row in part))
    draft = RECORD.with_suffix(".part")
    draft.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draft.replace(RECORD)
    write(RESULTS.measurements, columns(Measurement), map(asdict, measurements(record)))


def recorded(keys: Iterable[Key]) -> tuple[dict[Key, Rows], dict[Key, dict[str, Any]], dict[Key, Any]]:
    """What was said before, of these keys: rows, what is known about them, and why there are none."""
    rows: dict[Key, Rows] = {key: [] for key in keys}
    for row in read(RESULTS.quality) if RESULTS.quality.exists() else []:
        rows.get((row["run"], row["dataset"]), []).append(row)
    old = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    said = {key: old.get(key[0], {}).get(key[1], {}) for key in rows}
    known = {key: about for key, about in said.items() if rows[key] and about.get("images")}
    return rows, known, {key: about for key, about in said.items() if about.get("lacks")}


def lacking(images: AtHand, why: str) -> dict[str, Any]:
    """What is recorded of a run never measured on a dataset; folders of this machine stay out of it."""
    for place in fetch.places()[1:]:  # the first is this project's own, relative
        why = why.replace(f"{place}/", "")
    return {"images": 0, "total": images.total, "lacks": why}


def measured(
    images: AtHand, run: spec.Run, entry: Published | None, files: list[Path], seconds: float
) -> Any:
    """What is recorded of a run that was measured on a dataset."""
    sums = {path.name: fetch.digest(path) for path in files}
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
    runs, real = spec.load()[1], sets()
    entries, weights = named(runs), Weights()
    at_hand = {name: look(found) for name, found in real.items()}
    for name, images in at_hand.items():
        print(f"authors: {images.lacks or f'{name}: {images.count:,} of {images.total:,} images'}")
    keys = list(wanted(runs, real))
    rows, known, unknown = recorded(keys)
    record: dict[str, dict[str, Any]] = {name: {} for name, _ in keys}
    todo: list[Key] = []
    for name, dataset in keys:
        entry, images, about = entries[name], at_hand[dataset], known.get((name, dataset))
        lacks = (entry and entry.missing) or images.lacks
        if not lacks and not (about and holds(about, runs[name], entry, images)):
            lacks = weights.lacks(entry) if entry else ""
            todo += [] if lacks else [(name, dataset)]
        # Without the images nothing is learnt here of why somebody who had them could not measure.
        before = unknown.get((name, dataset)) if images.lacks and lacks == images.lacks else None
        record[name][dataset] = about or before or lacking(images, lacks or "not measured yet")
    for why in dict.fromkeys(weights.lost.values()):
        print(f"authors: {why}")
    save(rows, record)

    macs = {row["run"]: float(row["macs_720p"]) for row in read(COMPLEXITY)} if COMPLEXITY.exists() else {}
    cost = {key: at_hand[key[1]].count * (macs.get(key[0], 0.0) + SCORING) for key in todo}
    begun, done = time.monotonic(), 0.0
    for number, (name, dataset) in enumerate(todo, start=1):
        run, entry, images, start = runs[name], entries[name], at_hand[dataset], time.monotonic()
        files = weights.files[run.weights]
        try:
            pairs = real[dataset].pairs(Path("data"), "test")
            rows[name, dataset] = measure(run, entry, files, dataset, pairs)
            seconds = time.monotonic() - start
            record[name][dataset] = measured(images, run, entry, files, seconds)
            said = f"{images.count:,} images in {pool.clock(seconds)}"
        except ValueError as error:
            record[name][dataset] = known.get((name, dataset)) or lacking(images, str(error))
            said = str(error)
        except KeyboardInterrupt:
            print("authors: interrupted; what is finished is kept, start again to go on", file=sys.stderr)
            return 130
        save(rows, record)
        done += cost[name, dataset]
        left = pool.clock((time.monotonic() - begun) * (sum(cost.values()) - done) / done)
        print(f"authors {number} of {len(todo)}  {name} {dataset}: {said}; {left} left", flush=True)
    return 0


if __name__ == "__main__":
    run_stage("authors", main)

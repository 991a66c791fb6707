"""Examine every pair of a dataset once: measurements are kept by path, size and time of the files."""

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from tqdm import tqdm

from benchmark.data.examine import Examination, examine
from benchmark.data.pairs import PairFiles
from benchmark.trouble import write_text

CACHE = Path("data/doctor")  # one file per dataset
VERSION = 3  # of what is kept of a pair; with another one it is examined again
ALIGNED = 64  # images of a split whose shift is measured, evenly spread

Split = Sequence[tuple[PairFiles, Examination]]  # in name order


def examine_splits(name: str, files: Mapping[str, Sequence[PairFiles]], cache: Path) -> dict[str, Split]:
    """Examine all pairs by split, in name order; unchanged files in the cache are not decoded again."""
    entries, keys = read_cache(cache), {}
    for split, pairs in files.items():
        step = max(1, -(-len(pairs) // ALIGNED))
        for index, pair in enumerate(pairs):
            keys[f"{split}/{pair.name}"] = (pair, stamp(pair, align=index % step == 0))
    stale = [key for key, (_, mark) in keys.items() if entries.get(key, {}).get("stamp") != mark]
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))  # decoding, sums and transforms release the GIL
    results = pool.map(lambda key: examine(keys[key][0], keys[key][1]["align"]), stale)
    try:
        with tqdm(total=len(stale), desc=f"doctor {name}", unit="image", disable=None) as bar:
            for key, result in zip(stale, results, strict=True):
                entries[key] = {"stamp": keys[key][1], "examination": asdict(result)}
                bar.update()
    finally:  # an interrupted examination continues from here
        pool.shutdown(cancel_futures=True)
        write_cache(cache, {key: entries[key] for key in keys if key in entries})
    return {
        split: [(pair, Examination(**entries[f"{split}/{pair.name}"]["examination"])) for pair in pairs]
        for split, pairs in files.items()
    }


def stamp(pair: PairFiles, align: bool) -> dict[str, Any]:
    """Describe what an examination is valid for: the unchanged files, and whether their shift is measured."""
    paths = [path for path in (pair.blurry, pair.sharp) if path and os.path.exists(path)]
    facts = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    return {"version": VERSION, "files": facts, "align": align}


def read_cache(path: Path) -> dict[str, Any]:
    """Read what earlier examinations measured; nothing where the file is missing or damaged."""
    try:
        entries: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for entry in entries.values():
            msgspec.convert(entry["examination"], Examination)
        return entries
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def write_cache(path: Path, entries: Mapping[str, Any]) -> None:
    """Write all measurements or nothing; where nothing can be written, the next call measures again."""
    with suppress(ValueError):
        write_text(path, json.dumps(entries))

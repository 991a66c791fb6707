"""Files that run code when they are read without care, in the place of every file that is read."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from benchmark import claims, spec
from benchmark.data import archives, derived, examinations, fetch, listing
from benchmark.data.pairs import image
from benchmark.results import read_rows
from benchmark.results.schema import Score
from benchmark.timing import storage
from benchmark.training import checkpoint
from benchmark.weights import formats, pretrained
from pipelines import authors
from tests.fuzzing import attempt, saved, write


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Evil:
    """An object whose unpickling leaves a trace."""

    def __reduce__(self):
        """Run a command when read."""
        return os.system, ("touch ran",)


def evil_array():
    """Return a .npy file that holds an object."""
    with io.BytesIO() as out:
        np.save(out, np.array([Evil()], object), allow_pickle=True)
        return out.getvalue()


PLANTED = {
    "a pickle": pickle.dumps(Evil()),
    "torch": saved({"a": Evil()}),
    "torch before 1.6": saved({"a": Evil()}, _use_new_zipfile_serialization=False),
    "numpy": evil_array(),
    "YAML": b"a: !!python/object/apply:os.system ['touch ran']\n",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(ran) (w) file closefile\nshowpage\n",
}
READERS = {
    "weights": lambda path: pretrained.tensors(path),
    "safetensors": lambda path: pretrained.tensors(path.rename(path.with_suffix(".safetensors"))),
    "state of training": checkpoint.load,
    "caffemodel": formats.caffemodel,
    "checkpoint": formats.checkpoint,
    "image": image,
    "array": lambda path: derived._sound(path),
    "YAML": spec.read_yaml,
    "claims": lambda path: claims.read_paper(path, "x"),
    "table": lambda path: read_rows(path, Score),
    "recording": lambda path: storage.load(path.read_bytes().decode("latin-1"), "x"),
    "record": lambda path: authors.read_record(),
    "doctor's cache": examinations.read_cache,
    "sums": lambda path: fetch.load_sums(path.parent),
    "list": lambda path: listing.read_list(path.parent.parent, "x", "x/{split}"),
    "archive": lambda path: archives.unpack(path, Path("unpacked")),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("planted", PLANTED)
def test_nothing_that_is_read_is_run(reader, planted):
    """Each kind of file that can run code, in the place of each kind that is read."""
    for name in ("x/x", "x/sums.json", "results/authors/record.json"):
        write(name, PLANTED[planted])
    path = Path("x/sums.json") if reader == "sums" else Path("x/x")
    attempt(READERS[reader], path)

    assert not Path("ran").exists()


def test_the_planted_files_would_run():
    """Read without care, the pickle leaves its trace: the test above can fail."""
    pickle.loads(PLANTED["a pickle"])

    assert Path("ran").exists()

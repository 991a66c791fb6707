"""Files of weights as people have them: of another shape, wrapped, or with values that are no weights."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.models import dmphn
from benchmark.results import Measurement, read_rows
from benchmark.weights import published
from benchmark.weights.published import Asset, Published
from pipelines import authors
from tests.people import (
    official,
)
from tests.test_dmphn import authors_names

pytestmark = pytest.mark.usefixtures("machine")

KNOWN = {"of": "a test", "licence": "MIT"}
STATE = authors_names(dmphn.Net(dmphn.Config("1", width=4)))


def entry_of(contents, reads="parts", **more):
    """Write files of weights; return their entry and paths."""
    Path("w").mkdir(exist_ok=True)
    for name, content in contents.items():
        torch.save(content, Path("w", f"{name}.pkl"))
    paths = sorted(Path("w").iterdir())
    return Published("w", "w", reads=reads, files=tuple(Asset(p.name) for p in paths), **KNOWN, **more), paths


def filled(contents):
    """Read DMPHN's parts from files and fill the network."""
    entry, paths = entry_of(contents)
    net = dmphn.Net(dmphn.Config("1", width=4))
    published.fill(net, published.read(entry, "dmphn", paths), entry)
    return net


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (None, "holds a NoneType, not weights by name"),
        (torch.zeros(2), "holds a Tensor, not weights by name"),
        ({}, "w/w.pkl: holds nothing; allowed: tensors by name"),
        ({0: torch.zeros(2)}, "has an entry 0; allowed: names in letters"),
        ({"model": [torch.zeros(2)]}, "w/w.pkl: model is a list; allowed: a tensor"),
        ({"model": {"a": torch.zeros(2)}}, "w/w.pkl: model is a dict; allowed: a tensor"),
        ({"Encoder.x": torch.zeros(2)}, "w: w/w.pkl: cannot be read as weights of w"),
    ],
)
def test_weights_of_an_unexpected_shape(contents, reason):
    """One line with the file, what it holds and what is allowed."""
    entry, paths = entry_of({"w": contents}, reads="torch")
    with pytest.raises(ValueError, match=r"^w") as caught:
        published.read(entry, "mimo_unet", paths)

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("contents", [[torch.zeros(2)], None, torch.zeros(2), {"b": torch.zeros(2)}])
def test_an_entry_of_an_unexpected_shape(contents):
    """Where the weights are an entry of the file: `{'model': [...]}`."""
    entry, paths = entry_of({"w": {"model": contents}}, reads="torch", key="model")

    with pytest.raises(ValueError, match=r"w/w.pkl: .*(allowed: tensors by name|cannot be read as weights)"):
        published.read(entry, "mimo_unet", paths)


def test_weights_that_are_no_numbers_or_few_bits():
    """NaN, infinite and 8-bit weights do not load; the message has the name and what is allowed."""
    for value, reason in (
        (torch.tensor(float("nan")), r"\d+ of \d+ numbers are not finite"),
        (torch.tensor(float("inf")), r"\d+ of \d+ numbers are not finite"),
        (torch.tensor(1, dtype=torch.int8), "has int8 numbers; allowed: float32, float64"),
        (torch.tensor(1.0, dtype=torch.float16), "has float16 numbers; allowed: float32, float64"),
    ):
        part, name = next((part, name) for part, state in STATE.items() for name in state)
        spoilt = {**STATE, part: STATE[part] | {name: value.expand_as(STATE[part][name]).clone()}}
        with pytest.raises(ValueError, match=reason):
            filled(spoilt)


@pytest.mark.parametrize("wrap", ["module.", "state_dict"])
def test_parts_in_a_wrapper(wrap):
    """DMPHN's files saved from DataParallel, or as `{'state_dict': ...}`, are the same weights."""

    def wrapped(state):
        if wrap == "state_dict":
            return {wrap: state}
        return {f"{wrap}{name}": value for name, value in state.items()}

    right, other = filled(STATE), filled({part: wrapped(state) for part, state in STATE.items()})

    assert all(torch.equal(a, b) for a, b in zip(right.parameters(), other.parameters(), strict=True))


def test_one_bad_file_does_not_stop_the_others(measured, monkeypatch, capsys):
    """The run with a strange checkpoint has a row with the reason; the runs after it are measured."""
    official("data")
    torch.save({"model": [1]}, Path("w.pth"))
    entry = Published("w", "w", files=(Asset("w.pth"),), **KNOWN)
    monkeypatch.setattr(authors, "entries_by_run", lambda runs: dict.fromkeys(runs) | {"odd": entry})
    monkeypatch.setattr(published, "obtain", lambda entry, silent: [Path("w.pth")])
    runs = authors.spec.load()[1]
    odd = replace(runs["blurred"], name="odd", model="mimo_unet", weights="w", test_on=("gopro",))
    monkeypatch.setattr(authors.spec, "load", lambda: (None, {"odd": odd, **runs}))
    measured()
    rows = read_rows(Path("results/authors/measurements.csv"), Measurement)

    assert {(row.run, row.value is None) for row in rows} == {("odd", True), ("blurred", False)}
    assert "model is a list" in next(row.note for row in rows if row.run == "odd")

"""Tables: every committed one keeps its bytes, and a broken one fails with one line that says where."""

import os
from pathlib import Path

import pytest

from benchmark.results import read_frame, read_rows, write
from benchmark.results import schema as rows
from benchmark.results.ratios import PairedRatio, Throughput

ROOT = Path(__file__).parents[1]
TABLES = {
    "collapse.csv": rows.Collapse,
    "complexity.csv": rows.Complexity,
    "curves.csv": rows.CurvePoint,
    "datasets.csv": rows.DatasetSplit,
    "decoded.csv": rows.DecodedColumn,
    "detectable.csv": rows.Detectable,
    "findings.csv": rows.Finding,
    "forecasts.csv": rows.Forecast,
    "ladder.csv": rows.Rung,
    "verdicts.csv": rows.Verdict,
    "structure.csv": rows.Structure,
    "measurements.csv": rows.Measurement,
    "orders.csv": rows.Order,
    "pictures.csv": rows.Picture,
    "prices.csv": rows.Price,
    "psnr_over_macs.csv": rows.PsnrOverMacs,
    "quality.csv": rows.Score,
    "ratios.csv": PairedRatio,
    "steps.csv": rows.AblationStep,
    "throughput.csv": Throughput,
    "times.csv": rows.PrintedTime,
    "timings.csv": rows.Timing,
    "unmeasured.csv": rows.Unmeasured,
    "windows.csv": rows.Window,
}
COMMITTED = sorted((ROOT / "results").rglob("*.csv"))
HEADER = "run,step,lr,loss,train,validation,test"
LINE = "cdgnet,10,0.0001,0.25,,,"


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: str(path.relative_to(ROOT / "results")))
def test_every_committed_table_keeps_its_bytes(path, tmp_path):
    """Reading and writing changes no byte."""
    write(tmp_path / path.name, TABLES[path.name], read_rows(path, TABLES[path.name]))

    assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_every_kind_of_table_is_committed():
    """So the test above covers every class of rows but a run's own curve."""
    assert {path.name for path in COMMITTED} >= TABLES.keys() - {"unmeasured.csv"}


def test_numbers_are_numbers_and_empty_cells_are_none(tmp_path):
    """Rows have int, float and None; frames have NaN."""
    path = tmp_path / "curves.csv"
    path.write_text(f"{HEADER}\n{LINE}\n")
    (point,) = read_rows(path, rows.CurvePoint)

    assert point == rows.CurvePoint("cdgnet", 10, 1e-4, 0.25, None)
    assert read_frame(path, rows.CurvePoint)["test"].isna().all()


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff{HEADER}\n{LINE}\n",
        f"{HEADER}\r\n{LINE}\r\n",
        "test,run,more,step,lr,loss,validation,train\n,cdgnet,x,10,0.0001,0.25,,\n",
    ],
    ids=["byte order mark", "CRLF", "another order of columns, and one more"],
)
def test_what_spreadsheets_write_is_read(content, tmp_path):
    """The rows are the same."""
    path = tmp_path / "curves.csv"
    path.write_text(content, encoding="utf-8", newline="")

    assert read_rows(path, rows.CurvePoint) == [rows.CurvePoint("cdgnet", 10, 1e-4, 0.25, None)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, ": does not exist yet; `dvc repro` makes it"),
        ("", ": is empty; its first line must name the columns"),
        ("run,step,lr,test\n", ": no column 'loss'; its columns: run, step, lr, test"),
        (f"{HEADER}\n{LINE}\na,many,0,0,,,\n", ", line 3: step 'many'; allowed: whole numbers >= 0"),
        (f"{HEADER}\na,-1,0,0,,,\n", ", line 2: step '-1'; allowed: whole numbers >= 0"),
        (f"{HEADER}\na,1.5,0,0,,,\n", ", line 2: step '1.5'; allowed: whole numbers >= 0"),
        (f"{HEADER}\na,1,,0,,,\n", ", line 2: lr ''; allowed: numbers"),
        (f"{HEADER}\na,1,0,0,high,,\n", ", line 2: train 'high'; allowed: numbers or an empty cell"),
        (f"{HEADER}\na,1,0,0\n", ", line 2: 4 cells, but the header has 7"),
        (f'{HEADER}\n"a\nb",1,0,0,,,\nc,1,x,0,,,\n', ", line 4: lr 'x'; allowed: numbers"),
        (f'{HEADER}\n"a,1,0,0,,,\n', ": cannot be read as a UTF-8 CSV file ("),
        (HEADER.replace(",", ";"), ": its cells are separated by ';'; save it with ',' as separator"),
        (f"{HEADER}\n<<<<<<< HEAD\n", ", line 2: a merge-conflict marker; resolve the conflict first"),
        (f"{HEADER}\n\xff\n".encode("latin1"), ": cannot be read as a UTF-8 CSV file ("),
    ],
)
def test_a_broken_table_is_one_line(content, message, tmp_path):
    """The line names file, line, column, value and what is allowed."""
    path = tmp_path / "curves.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(ValueError, match="curves") as caught:
        read_rows(path, rows.CurvePoint)

    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",partial,", ",fine,", "verdict 'fine'; allowed: complete, partial, broken, absent"),
        (",linear,", ",cubic,", "response 'cubic'; allowed: linear, gamma, unknown, an empty cell"),
    ],
)
def test_a_wrong_word_names_the_allowed_ones(old, new, message, tmp_path):
    """A verdict is one of few words, and some columns may be empty."""
    text = (ROOT / "results" / "datasets.csv").read_text()
    (tmp_path / "datasets.csv").write_text(text.replace(old, new))

    with pytest.raises(ValueError, match=f", line [0-9]+: {message}$"):
        read_rows(tmp_path / "datasets.csv", rows.DatasetSplit)


def test_a_missing_table_may_be_an_empty_one(tmp_path):
    """The frame has no row, and the columns of its rows."""
    frame = read_frame(tmp_path / "none.csv", rows.Score, optional=True)

    assert (len(frame), list(frame)) == (0, ["run", "dataset", "image", "quantity", "value"])


def test_a_table_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch):
    """The error names the file, and no draft is left beside it."""
    path = tmp_path / "curves.csv"
    path.write_text("before")
    (tmp_path / f"curves.csv.{os.getpid()}.part").mkdir()

    with pytest.raises(ValueError, match=r"curves.csv: cannot be written \("):
        write(path, rows.CurvePoint, [])
    assert path.read_text() == "before"
    with pytest.raises(ValueError, match=r"params.yaml/curves.csv: cannot be written \("):
        write(ROOT / "params.yaml" / "curves.csv", rows.CurvePoint, [])

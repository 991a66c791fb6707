"""Parts of the report: entries, matrix, evidence, stories, systems, packed data, and a training under way."""

import base64
import gzip
import json
import os
import re
import shlex
from collections import Counter
from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmark import spec
from benchmark.report import entries, evidence, inputs, live, matrix, packing, page, stories, summary, system
from benchmark.report.cells import COLUMNS, NOT_COMPARED
from benchmark.report.inputs import place
from benchmark.results import Results, write
from benchmark.results.schema import OUTCOMES, PrintedTime, TrainingStep
from tests.invented import CHOSEN, HOSTILE, PAPERS, PROFILE, ROOT, RUNS, fill, findings, read, section

TRAINED = [name for name in CHOSEN if RUNS[name].train]


def test_every_claim_is_an_entry_with_an_id_of_its_own(full_summary):
    """Ids count rows and columns of the claims file from 1; each entry's name leads `--explain` to it."""
    listed = full_summary.entries
    printed = [claim for paper in PAPERS for claim in paper.claims() if not claim.blank]

    assert [(e.claim.paper, e.claim.table, e.claim.row, e.claim.column) for e in listed] == [
        (c.paper, c.table, c.row, c.column) for c in printed
    ]
    assert len({entry.id for entry in listed}) == len({entry.name for entry in listed}) == len(listed)
    assert all(re.fullmatch(r"[a-z]+-(t\d+-r\d+-c\d+|s\d+)", entry.id) for entry in listed)
    for entry in listed:
        if table := re.fullmatch(r"\w+-t(\d+)-r(\d+)-c(\d+)", entry.id):
            t, i, j = (int(number) - 1 for number in table.groups())
            assert entry.paper.tables[t].rows[i][1][j] == entry.claim.printed
            assert entry.paper.tables[t].columns[j] == entry.claim.column
    assert {entry.system for entry in listed} - {run.system for run in RUNS.values()} == {entries.NONE}


def test_every_quantity_has_a_group(full_summary):
    """Numbers are sorted by what they measure; sentences on order, even of sizes, are text."""
    of = {entry.claim.quantity: entry.group for entry in full_summary.entries}

    assert (of["psnr"], of["ssim"], of["params"], of["seconds"]) == ("PSNR", "SSIM", "Size", "Time")
    assert {g for quantity, g in of.items() if quantity.startswith(("order", "delta", "setting"))} == {"Text"}
    assert set(of.values()) <= set(entries.GROUPS) == set(entries.MEANINGS)


def test_the_matrix_has_each_claim_once(full_summary):
    """Its squares count all claims; each shows its gravest; its link selects exactly its claims."""
    laid_out, listed = full_summary.matrix, full_summary.entries
    width = sum(len(groups) for _, groups in laid_out.papers)
    squares = [mark for row in laid_out.rows for mark in row.marks if mark]

    assert {len(row.marks) for row in laid_out.rows} == {width}
    assert sum((mark.counts for mark in squares), Counter()) == full_summary.totals
    for mark in squares:
        query = dict(parse_qsl(mark.query, strict_parsing=True))
        own = [
            e
            for e in listed
            if (e.paper.key, e.system or "none", e.group) == (query["paper"], query["system"], query["group"])
        ]
        assert mark.counts == Counter(entry.outcome for entry in own)
        assert mark.outcome == min(mark.counts, key=COLUMNS.index)
        assert mark.first in own
        assert mark.words.split(",")[0] == f"{mark.counts[mark.outcome]} {mark.outcome}"
    assert matrix.mark([]) is None


def test_a_panel_has_everything_behind_its_claim(full_summary):
    """Quote, verdict, findings with the deciding kind first, measured rows, and files with their digests."""
    listed = {entry.id: entry for entry in full_summary.entries}
    found = Counter(map(place, findings()))

    assert list(full_summary.panels) == list(listed)
    for key, panel in full_summary.panels.items():
        entry, claim = listed[key], listed[key].claim
        assert panel["quote"] == claim.printed
        assert panel["verdict"].startswith(entry.outcome)
        assert len(panel["findings"]) == found[place(claim)]
        words = [re.split(r" \(|, ", told["outcome"])[0] for told in panel["findings"]]
        assert words == sorted(words, key=OUTCOMES.index)
        assert shlex.split(panel["command"])[-1] == entry.name
        for path, digest, _ in panel["files"]:
            assert digest == full_summary.inputs.sources[path]
    entry = next(e for e in full_summary.entries if e.claim.run == "cdgnet" and e.claim.quantity == "psnr")
    rows = dict(full_summary.panels[entry.id]["rows"])
    mean = full_summary.inputs.mean("cdgnet", "embedded", "psnr")
    assert f"{mean:.10g} dB; n 3" in rows[f"results/{PROFILE}/measurements.csv: cdgnet embedded psnr"]
    sized = next(e for e in full_summary.entries if e.claim.run == "cdgnet" and e.group == "Size")
    count, counted = full_summary.inputs.complexity["cdgnet"].params, "results/complexity.csv: cdgnet"
    assert f"params {count:,}" in dict(full_summary.panels[sized.id]["rows"])[counted]


def test_the_verdict_is_that_of_the_first_finding():
    """In the committed results, the kind of evidence that a panel lists first gives the claim's verdict."""
    known = inputs.read("embedded", ROOT / "results", ROOT / "params.yaml", ROOT / "data")
    listed = entries.entries(known)
    panels = evidence.panels(known, listed)

    assert [e.id for e in listed if e.judged is None] == []
    for entry in listed:
        first = panels[entry.id]["findings"][0]
        assert first["kind"] == entry.judged.verdict.kind.replace("_", " ")
        assert first["outcome"].split(",")[0].split(" (")[0] == entry.judged.verdict.outcome
        assert {path for path, digest, _ in panels[entry.id]["files"] if not digest} == set()


def test_what_was_never_compared_has_a_panel_too(filled):
    """Without verdicts, a panel says that nothing is compared yet, and how to look."""
    bare = replace(read(filled), findings=[], verdicts=[])
    panels = evidence.panels(bare, entries.entries(bare))

    assert len(panels) > 400
    assert {(panel["verdict"], panel["reason"]) for panel in panels.values()} == {("undecided", NOT_COMPARED)}
    assert all(panel["findings"] == [] and panel["command"] for panel in panels.values())


def test_the_boldest_times_come_first(full_summary):
    """Impossible times are shown by how far below their floor they are, each once; without any, none is."""
    tables = full_summary.inputs
    timed = [e for e in full_summary.entries if e.claim.quantity == "seconds" and e.claim.value]
    claims = list({(e.paper.key, e.claim.run, e.claim.value): e for e in timed}.values())[:6]
    judged = [
        replace(e, cell=replace(e.cell, verdict="impossible" if n else "holds", basis=""))
        for n, e in enumerate(claims)
    ]
    rows = [
        PrintedTime(
            *(e.claim.paper, e.claim.table, e.claim.row, e.claim.column, e.claim.run or "", e.claim.printed),
            *(e.claim.value, "", "impossible", ""),
            lower_bound_s=e.claim.value * (n + 2),
        )
        for n, e in enumerate(claims)
    ]
    story = stories.impossible(replace(tables, times=rows), judged)

    assert story.count == len(claims) - 1
    assert [bar.factor for bar in story.bars] == pytest.approx([7, 6, 5, 4])
    assert [bar.entry.id for bar in story.bars] == [e.id for e in judged[:1:-1]]
    assert story.longest == max(bar.floor for bar in story.bars)
    assert stories.impossible(replace(tables, times=[]), judged) is None


def test_the_plainest_contradiction_is_told(full_summary):
    """Of numbers that their own paper contradicts, the one with the widest ratio."""
    pick = [e for e in full_summary.entries if e.judged and e.claim.value][:3]
    made = []
    for entry, ratio in zip(pick, (1.1, 0.2, 2.0), strict=True):
        verdict = replace(entry.judged.verdict, outcome="contradicted", kind="own_paper", basis="print")
        first = next(iter(entry.judged.findings.values()))
        finding = replace(first, kind="own_paper", measured=entry.claim.value * ratio)
        cell = replace(entry.cell, verdict="contradicted", basis="print")
        judged = replace(entry.judged, verdict=verdict, findings={"own_paper": finding})
        made.append(replace(entry, judged=judged, cell=cell))

    assert stories.arithmetic(made) == stories.Arithmetic(3, made[1])
    assert stories.arithmetic([]) is None


def test_the_conclusion_adds_up(full_summary):
    """Its five counts are all claims, each once."""
    numbers = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", full_summary.conclusion)]
    claims, papers, *counts = numbers
    totals = full_summary.totals

    assert (claims, papers) == (len(full_summary.entries), len(PAPERS))
    assert sum(counts) == claims
    assert counts[0] == totals["holds"] + totals["close"]
    assert counts[1] == totals["impossible"] + totals["contradicted"] + totals["not reproduced"]
    assert counts[-1] == totals["undecided"]


def test_a_system_is_what_its_files_say(full_summary):
    """Its runs, recipe, gain and claims; the fields of its model's docstring, item by item."""
    known = {s.key: s for s in full_summary.systems}
    cdgnet = known["cdgnet"]
    run, mean = RUNS["cdgnet"], full_summary.inputs.mean

    assert list(known) == list(dict.fromkeys(run.system for run in RUNS.values()))
    assert [v.run.name for v in cdgnet.variants] == [n for n, r in RUNS.items() if r.system == "cdgnet"]
    main = next(v for v in cdgnet.variants if v.run.name == "cdgnet")
    assert main.gain == mean("cdgnet", "embedded", "psnr") - mean("identity", "embedded", "psnr")
    assert main.images == 3
    assert f"{run.train.steps:,} steps" in main.recipe["length"]
    assert main.recipe["batch"] == f"{run.train.batch} × {run.train.crop} × {run.train.crop}"
    assert {"Paper", "Unstated"} <= set(cdgnet.facts)
    assert sum(len(s.entries) for s in known.values()) == sum(bool(e.system) for e in full_summary.entries)
    shown = section(page.render(full_summary), "system-cdgnet")
    assert [line for line in cdgnet.facts["Unstated"] if " ".join(line.split()) not in shown] == []
    assert system.described("gone") == ("gone", "", {})


@pytest.mark.parametrize("text", ["", HOSTILE, "</script><script>alert(1)</script>", "\u2028 \u2029 é 日本"])
def test_data_in_the_page_comes_back_and_stays_data(text):
    """JSON in an element has no `<`; what is packed unpacks to the same; equal data give equal bytes."""
    value = {text: [text, 1.5, None, {"a": text}]}
    element = str(packing.data("x", value))
    inner = element.removeprefix('<script type="application/json" id="x">').removesuffix("</script>")
    large = str(packing.large_data("x", value))
    packed = re.fullmatch(r'<script type="text/plain" id="x">([A-Za-z0-9+/=]*)</script>', large)[1]

    assert json.loads(inner) == value
    assert not re.search("[<\u2028\u2029]", inner)
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == value
    assert packing.packed(text) == packing.packed(text)
    with pytest.raises(ValueError, match="not JSON compliant"):
        packing.data("x", float("nan"))


def test_a_library_is_the_file_of_its_package():
    """Libraries are packed as their wheels ship them; a file that is not there is named."""
    text = re.search(r">([^<]*)<", str(packing.library("datatables")))[1]
    shipped = packing.shipped(*packing.LIBRARIES["datatables"]).read_bytes()

    assert gzip.decompress(base64.b64decode(text)) == shipped
    with pytest.raises(ValueError, match=r"package itables: has no gone\.js; install the pinned version"):
        packing.shipped("itables", "gone.js")


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Return a finished run, one at a checkpoint, one with a damaged checkpoint, and the second's steps."""
    fill(tmp_path)
    monkeypatch.chdir(tmp_path)
    done, half, torn, *_ = TRAINED
    rows = [TrainingStep(step, 1e-4, 0.1 / step if step else None) for step in range(4)]
    write(Results(PROFILE).train(done) / "curve.csv", TrainingStep, rows)
    profile = spec.load(tmp_path / "params.yaml", PROFILE)[0]
    steps = profile.at(RUNS[half]).cut(RUNS[half].train)[1]
    checkpoint(half, "old", steps // 2, time=1)
    checkpoint(half, "new", steps // 2, time=2)
    live.CHECKPOINTS.joinpath(f"{torn}-x.safetensors").write_bytes(b"torn")
    return done, half, torn, steps


def checkpoint(run, name, step, time):
    """Write a checkpoint as training does: its curve is in the facts."""
    live.CHECKPOINTS.mkdir(exist_ok=True)
    path = live.CHECKPOINTS / f"{run}-{name}.safetensors"
    rows = [{"step": s, "lr": 1e-4, "loss": 0.5 if s else None} for s in (0, step)]
    save_file({"w": np.zeros(1)}, path, metadata={"facts": json.dumps({"rows": rows})})
    os.utime(path, (time, time))


def test_a_watch_tells_finished_running_and_waiting_runs_apart(training):
    """Curves are of finished runs and of the newest checkpoints; a damaged one leaves its run waiting."""
    done, half, torn, steps = training
    tables, progress = live.Watch().look(read(live.Path()))

    assert progress.finished == [done]
    assert progress.running == {half: (steps // 2) / steps}
    assert progress.waiting == [name for name in TRAINED if name not in (done, half)]
    assert torn in progress.waiting
    assert progress.left is None
    assert progress.share == pytest.approx((1 + (steps // 2) / steps) / len(TRAINED))
    points = Counter(tables.curves["run"])
    assert points == {done: 4, half: 2}
    assert list(tables.curves.loc[tables.curves["run"] == half, "step"]) == [0, steps // 2]


def test_the_time_left_is_of_the_speed_since_the_watch_began(training, monkeypatch):
    """After 30 s in which one more run of N was finished, the rest takes 30 s each."""
    done, half, torn, _ = training
    clock = [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: clock[0])
    watch = live.Watch()
    _, before = watch.look(read(live.Path()))
    curve = (Results(PROFILE).train(done) / "curve.csv").read_text()
    target = Results(PROFILE).train(torn) / "curve.csv"
    target.parent.mkdir(parents=True)
    target.write_text(curve)
    clock[0] += 30
    tables, after = watch.look(read(live.Path()))

    assert before.left is None
    assert after.finished == [done, torn]
    assert after.left == pytest.approx(30 * (len(TRAINED) - 2 - after.running[half]))
    shown = section(page.render(summary.summarise(tables), after), "overview")
    assert f"2 runs finished, {len(after.waiting)} waiting" in shown
    assert f"about {round(after.left / 60)} min left" in shown
    assert f"{half} {round(100 * after.running[half])} %" in shown


def test_the_page_of_a_training_loads_itself_again(full_summary):
    """Only while a training runs does the page refresh itself."""
    progress = live.Progress(["a"], {HOSTILE: 0.25}, ["c"], None, "12:00:00")
    under_way = page.render(full_summary, progress)

    assert 'http-equiv="refresh"' in under_way
    assert 'http-equiv="refresh"' not in page.render(full_summary)
    assert f"{HOSTILE} 25 %" in section(under_way, "overview")
    assert progress.share == pytest.approx(1.25 / 3)
    assert live.Progress([], {}, [], None, "").share == 1

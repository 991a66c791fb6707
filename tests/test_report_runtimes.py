"""The report's run times: printed ones beside physics, and measurements on devices."""

import html
import re
import shutil
from collections import Counter
from dataclasses import replace

import pytest

from benchmark.report import cells, headlines, inputs, page, summary
from benchmark.report import runtimes as section
from benchmark.report.__main__ import main
from benchmark.report.inputs import Judged, place
from benchmark.results import Results, read_rows
from benchmark.results.schema import PHYSICS_VERDICTS, PrintedTime
from tests.invented import HOSTILE, PAPERS, PROFILE, ROOT, RUNS, element, fill, read, verdicts
from tests.invented import findings as invented_findings
from tests.invented_times import CPU, FULL, GPU, PRICES, TIMINGS, judged, write_tables

PRINTED = [c for paper in PAPERS for c in paper.claims() if c.quantity == "seconds" and not c.blank]
COMMITTED = Results("embedded", ROOT / "results")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with every table of run times."""
    root = tmp_path_factory.mktemp("times")
    fill(root)
    write_tables(root, judged(), TIMINGS, PRICES)
    return root


@pytest.fixture(scope="module")
def whole(folder):
    """Its summary."""
    return summary.summarise(read(folder))


@pytest.fixture(scope="module")
def text(whole):
    """Its page."""
    return page.render(whole)


def once(rows):
    """Return the verdict on each printed time, which a paper may print again in a sentence."""
    return {(row.paper, row.run or row.row, row.seconds): row.verdict for row in rows if row.seconds}


def part(text):
    """Return the section's markup."""
    return element(text, "times")


def visible(markup):
    """Return the visible text: without tags and drawings, with single spaces."""
    bare = re.sub(r"(?s)<svg.*?</svg>|</?code>", " ", markup)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", bare)).split())


def under(text, heading):
    """Return the visible text below a heading of the section."""
    markup = part(text)[part(text).index(f"<h4>{heading}</h4>") :]
    return visible(markup[: markup.find("<h4>", 4)])


def test_every_printed_time_appears(text):
    """Each time that the claims files hold is in its paper's table as printed, with its system."""
    shown = under(text, "Printed times and the laws of physics")

    assert len(PRINTED) > 25
    for claim in PRINTED:
        assert f"{claim.row} " in shown
        assert f" {claim.printed} " in shown, claim
    assert len(re.findall(r'<td colspan="8" class="why">', part(text))) >= len(PRINTED)


def test_verdicts_are_those_of_the_table(whole, text):
    """Counts over all papers are the file's, each time once, without cells where the paper prints nothing.

    Three times are in a table and again in a sentence: SGENet's 0.017 s, BAG's 7.15 and 1.13 s.
    """
    counts = Counter(once(judged()).values())
    shown = under(text, "Printed times and the laws of physics")

    assert whole.times.totals == {verdict: counts[verdict] for verdict in PHYSICS_VERDICTS}
    assert sum(whole.times.totals.values()) == len(PRINTED) - 3
    for verdict, count in counts.items():
        assert f"{page.STATES[verdict][0]} {verdict} {count} {page.LAWS[verdict]}" in shown
    assert f"of {len(PRINTED) - 3}, {counts['impossible']} are impossible" in whole.headlines[5].text
    assert f"{counts['not credible']} not credible" in whole.headlines[5].text


def test_reasons_are_escaped(text):
    """Text of the tables cannot become markup; every reason is there to read."""
    markup = part(text)

    assert "<script" not in markup
    assert visible(markup).count(HOSTILE) >= 4  # of a print, a ceiling, a mode that failed, a price
    for row in judged():
        if row.seconds:
            assert " ".join(row.reason.split()) in visible(markup)
    assert GPU in visible(markup)
    assert "<fast>" not in text


def test_every_counted_time_has_a_dot(whole):
    """A dot has a printed time and those of its arithmetic; an impossible one is below its lower bound."""
    dots, rows = whole.times.dots, [row for row in judged() if row.seconds and row.at_peak_s]

    assert Counter(dot.verdict for dot in dots) == Counter(row.verdict for row in rows)
    assert Counter(dot.printed for dot in dots) == Counter(row.seconds for row in rows)
    assert all(dot.lower_bound < dot.at_peak for dot in dots)
    assert {dot.printed < dot.lower_bound for dot in dots if dot.verdict == "impossible"} == {True}


def test_published_pairs_have_their_factor(text):
    """Both clocks of each published measurement, and how many times the one the other is."""
    shown = under(text, "Two clocks")

    assert "MPRNet mprnet NVIDIA GeForce RTX 3090 75 ms 1.474 s 19.7 × README" in shown
    assert "MIMO-UNet mimo_unet NVIDIA GeForce RTX 2080 Ti 15 ms 209 ms 13.9 ×" in shown
    assert shown.index("mprnet – 890.0 900.0 – 19.8 ×") < shown.index("cdgnet – 79.00 80.00 – 12.5 ×")
    assert "MT-RNN [19] Table 1 0.050 not synchronised" in shown
    assert "has 31 ms asynchronous and 394 ms synchronised; printed 50 ms" in shown


def test_ratios_measured_in_turn_stand_beside_printed_ones(whole, text):
    """With the interval, the device and what it may say; those without one are left out."""
    ((paper, row),) = whole.times.in_turn
    shown = visible(part(text))

    assert (paper, row.row, row.printed) == ("SGENet", "MIMO-UNet [4]", "0.018")
    assert re.search(r"0\.018 MPRNet \[27\] \S+ \S+ 0\.570? 0\.561 to 0\.583", shown)
    assert f"{CPU} (strict, 128x128) a processor" in shown


def test_a_device_with_one_clock_says_so(whole):
    """Where only a processor was measured, one sentence takes the place of its factors."""
    only = tuple(device for device in whole.times.devices if device.name == CPU)
    bare = page.render(replace(whole, times=replace(whole.times, devices=only)))

    assert f"Measured: only {CPU}, whose calls return when they are done" in under(bare, "Two clocks")
    assert "A processor without a clock of its own" in under(bare, "Measured times")
    assert "Images are not the papers’ 720 × 1280." in under(bare, "Measured times")


def test_modes_of_a_run_stand_together(whole, text):
    """The largest size first; what failed keeps its reason; other sizes are folded away."""
    gpu, cpu = whole.times.devices
    shown = under(text, "Measured times")
    first = shown.index("cdgnet strict ✓ sound 80.00 79.20 to 80.80 – 0.40 % 2 60 (2) 86.8")

    assert (gpu.height, gpu.width, gpu.batch, gpu.torch) == (*FULL, 1, "9.8.7")
    assert (cpu.height, cpu.events, gpu.events) == (128, False, True)
    assert [(run, [row.mode for row in rows]) for run, rows in gpu.main] == [
        ("cdgnet", ["strict", "fast", "compiled"]),
        ("mprnet", ["strict"]),
        ("srn", ["strict"]),
    ]
    assert (
        first < shown.index(f"compiled · unmeasured no time no compiler: {HOSTILE}") < shown.index("mprnet")
    )
    assert "2 measurements at other sizes and batches" in shown
    assert "cdgnet tf32 256 × 256 ✓ sound 5.000" in shown
    assert "256 × 256, batch 4 ✓ sound 16.00" in shown
    assert f"{1e6 * 80 / (720 * 1280):.1f}" == "86.8"
    assert f"{GPU}, torch 9.8.7, images of 720 × 1280 pixels, batch 1." in shown
    assert shown.count("A processor without") == 1


def test_runs_lie_beneath_measured_limits(whole, text):
    """FLOP per byte is TFLOP/s over GB/s; a clock read too early makes neither a roof nor a point."""
    roofline = whole.times.devices[0].roofline
    assert [(p.run, p.intensity, p.tflops) for p in roofline.points] == [
        ("cdgnet", 50, 20),
        ("mprnet", 100, 25),
    ]
    assert (roofline.bandwidth, roofline.roofs) == (2000, (("matmul_float32", 50), ("conv_float32", 60)))
    assert "copy strict 1.100 – 2,000 ✓ sound" in under(text, "Roofline")
    assert "Arithmetic per byte of the runs: not measured yet" in under(text, "Roofline")  # of the processor


def test_fast_modes_stand_beside_strict(text):
    """Speed-up, verdict, error and change of PSNR of each measured mode."""
    assert "cdgnet 80.00 fast 16.00 5.00 × ▲ faster 0.00083 −0.012" in under(text, "Fast path")
    assert "compiled" not in under(text, "Fast path")


def test_batches_need_two_sizes(whole, text):
    """Throughput over batch sizes, of what was measured at more than one of the same image size."""
    assert whole.times.devices[0].rates == {("cdgnet", "tf32", 256, 256): {1: 200.0, 4: 250.0}}
    assert "Run Mode Size 1 4 cdgnet tf32 256 × 256 200 250" in under(text, "Batch")
    assert whole.times.devices[1].rates == {}


def test_prices_are_summed_by_paper(whole, text):
    """A paper's total is over the runs of its tables that have a price, and says how many have none."""
    (prices,) = whole.times.prices
    shown = under(text, "Price list")
    total = next(total for total in prices.totals if total.short == "CDGNet")
    (cdgnet,) = (paper for paper in PAPERS if paper.key == "cdgnet")
    runs = {c.run for t in cdgnet.tables for c in t.claims.values() if c.run and RUNS[c.run].train}

    assert (total.priced, total.runs) == (2, len(runs))
    assert (total.hours, total.cost, total.kwh) == (12.75, 38.25, 7.75)
    assert f"CDGNet 2 {len(runs) - 2} 12.8 38.2 7.75" in shown
    sgenet = next(total for total in prices.totals if total.short == "SGENet")
    assert (sgenet.priced, sgenet.hours, sgenet.cost) == (1, 100, None)  # MPRNet's hour has no price
    assert prices.unpriced == {HOSTILE: ["sgenet", "srn"]}
    assert f"No price for sgenet, srn: {HOSTILE}" in shown


@pytest.mark.parametrize("empty_files", [False, True])
def test_without_rows_the_section_waits(tmp_path, empty_files):
    """Missing files and files without a row say the same: not measured yet."""
    fill(tmp_path)
    if empty_files:
        write_tables(tmp_path)
    bare = summary.summarise(read(tmp_path))
    shown = visible(part(page.render(bare)))

    assert shown.count("not measured yet") == 3
    assert "No device with two clocks was measured." in shown
    assert headlines.WAITING in bare.headlines[5].text
    assert (bare.times.dots, bare.times.devices, bare.times.prices) == ((), (), ())


def test_a_newer_print_waits(tmp_path):
    """A time whose printed text is no longer the row's is not shown under the old verdict."""
    fill(tmp_path)
    old = [replace(row, printed="5") if row.row == "Ours" else row for row in judged()]
    write_tables(tmp_path, old)
    made = summary.summarise(read(tmp_path))

    assert made.times.waiting == 2  # CDGNet's and SAPHNet's own
    assert not any(row.printed == "5" for rows in made.times.papers.values() for row in rows)
    assert "2 printed times are newer than times.csv" in page.render(made)


def test_a_time_of_another_card_is_no_stand_in_image(folder):
    """A time measured on another card is grey, and its reason names the card, not images."""
    inputs = read(folder)
    claim = next(c for c in PRINTED if c.run == "cdgnet" and c.paper == "cdgnet")
    found = next(f for f in invented_findings() if place(f) == place(claim))
    found = replace(
        found, kind="timed", measured=0.075, outcome="undecided", reason="not on the paper's card"
    )
    verdict = next(v for v in verdicts() if place(v) == place(claim))
    verdict = replace(verdict, outcome="undecided", kind="timed", reason=found.reason)
    cell = cells.fill(inputs, claim, Judged(verdict, {"timed": found}), "here")

    assert (cell.ours, cell.stand_in) == ("75", True)
    assert cell.reason == f"{cells.OTHER_CARD}: not on the paper's card"


def test_traffic_stands_beside_arithmetic(whole):
    """Bytes that a network moves are in the table of sizes, in units of 10^9."""
    sizes = {run: replace(row, traffic_720p=12_340_000_000) for run, row in whole.inputs.complexity.items()}
    inputs = replace(whole.inputs, complexity=sizes)

    assert page.render(replace(whole, inputs=inputs)).count("<td>12.34</td>") == len(sizes)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (f"{PROFILE}/times.csv", ",impossible,", ",likely,", "verdict 'likely'; allowed: possible"),
        (f"{PROFILE}/times.csv", ",0.0", ",-0.0", "allowed: numbers >= 0"),
        ("runtime/timings.csv", ",80,", ",fast,", "median_ms 'fast'; allowed: numbers"),
        ("runtime/prices.csv", ",sound,", ",cheap,", "verdict 'cheap'; allowed: sound, unsettled"),
    ],
)
def test_a_malformed_cell_is_reported_in_one_line(
    folder, tmp_path, monkeypatch, capsys, file, old, new, message
):
    """The command exits with 2; the line names file, line, column and allowed values."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "results" / file
    before, after = path.read_text().split(old, 1)
    path.write_text(before + new + after)
    line = len((before + new).splitlines())
    monkeypatch.chdir(tmp_path)

    assert main(["--profile", PROFILE]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{file}, line {line}: " in error
    assert message in error


def test_sources_are_named(whole):
    """Provenance has the three tables, with a digest each."""
    for name in (f"{PROFILE}/times.csv", "runtime/timings.csv", "runtime/prices.csv"):
        assert len(whole.inputs.sources[f"results/{name}"]) == 12


@pytest.mark.skipif(not COMMITTED.times.exists(), reason="results/embedded/times.csv is not made yet")
def test_committed_results_are_shown():
    """Every committed verdict and measured row is on the page of the committed results."""
    known = inputs.read("embedded", ROOT / "results", ROOT / "params.yaml", ROOT / "data")
    made = section.times(known)
    counts = Counter(once(read_rows(COMMITTED.times, PrintedTime)).values())

    assert made.totals == {verdict: counts[verdict] for verdict in PHYSICS_VERDICTS}
    assert made.waiting == 0
    shown = [row for d in made.devices for groups in (d.main, d.others) for _, rows in groups for row in rows]
    assert sorted(map(id, shown)) == sorted(id(t) for t in known.timings if t.kind == "forward")
    assert sum(len(one.rows) + sum(map(len, one.unpriced.values())) for one in made.prices) == len(
        known.prices
    )

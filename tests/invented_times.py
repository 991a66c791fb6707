"""Invented tables of run times: printed ones judged by the committed counts, timings and prices."""

from dataclasses import replace

from benchmark.compare.times import sources, times
from benchmark.results import COMPLEXITY, Results, read_rows, write
from benchmark.results.schema import Complexity, Price, PrintedTime, Timing
from tests.invented import HOSTILE, PAPERS, PROFILE, ROOT

GPU, CPU = 'A card <fast> & "loud"', 'a processor\'s "name"'
FULL, SMALL = (720, 1280), (128, 128)


def timing(device, run, mode, size, ms, batch=1, verdict="sound", reason="", **more):
    """Make a measured forward pass; its rate follows from its time."""
    cells = {"median_ms": ms, "ci_low_ms": 0.99 * ms, "ci_high_ms": 1.01 * ms, "aa_spread": 0.004}
    cells |= {"images_per_second": 1e3 * batch / ms, "samples": 60, "dropped": 2, "rounds": 2}
    return Timing(
        device, "forward", run, mode, *size, batch, verdict, reason, **cells | {"torch": "9.8.7"} | more
    )


def ceiling(name, verdict="sound", reason="", **more):
    """Make a measured ceiling."""
    return Timing(GPU, "ceiling", name, "strict", 0, 0, 1, verdict, reason, **more)


EARLY = {"verdict": "unsynchronised"}
TIMINGS = [
    ceiling("matmul_float32", tflops=50.0, gb_per_s=40.0),
    ceiling("matmul_float16", tflops=9000.0, gb_per_s=1.0, reason=HOSTILE, **EARLY),
    ceiling("conv_float32", tflops=60.0, gb_per_s=50.0),
    ceiling("copy", gb_per_s=2000.0, median_ms=1.1),
    timing(
        GPU, "cdgnet", "strict", FULL, 80, tflops=20.0, gb_per_s=400.0, events_ms=79.0, wall_over_async=12.5
    ),
    timing(
        GPU, "cdgnet", "fast", FULL, 16, versus_strict="faster", relative_error=0.00083, psnr_change_db=-0.012
    ),
    Timing(GPU, "forward", "cdgnet", "compiled", *FULL, 1, "unmeasured", f"no compiler: {HOSTILE}"),
    timing(
        GPU, "mprnet", "strict", FULL, 900, tflops=25.0, gb_per_s=250.0, events_ms=890.0, wall_over_async=19.8
    ),
    timing(GPU, "srn", "strict", FULL, 0.5, tflops=9999.0, gb_per_s=1.0, **EARLY),
    timing(GPU, "cdgnet", "tf32", (256, 256), 5),
    timing(GPU, "cdgnet", "tf32", (256, 256), 16, batch=4),
    timing(CPU, "dmphn_1", "strict", SMALL, 400, verdict="inconclusive", reason="known to 2 %"),
]


def price(run, hours=None, cost=None, kwh=None, reason=""):
    """Make a price; without hours it is unmeasured."""
    verdict = "unmeasured" if hours is None else "sound"
    return Price(GPU, run, "tf32", 8, 256, 1000, None, None, None, hours, None, cost, kwh, verdict, reason)


PRICES = [
    price("cdgnet", 10.5, 31.5, 6.25),
    price("dmphn_1_2_4", 2.25, 6.75, 1.5),
    price("mprnet", 100.0, reason="no price per hour"),
    price("sgenet", reason=HOSTILE),
    price("srn", reason=HOSTILE),
]


IN_TURN = {"paired_ratio": 0.5701, "paired_low": 0.5612, "paired_high": 0.5834}
IN_TURN |= {"paired_on": f"{CPU} (strict, 128x128)", "paired_scope": "a processor"}


def judged():
    """Judge every printed time by the committed counts; make a reason hostile, and measure one in turn."""
    read = sources(read_rows(ROOT / COMPLEXITY, Complexity), ratios=ROOT / "no such file")
    rows = [row for _, row in times(PAPERS, read)]
    more = {"SRN 2018 [14]": {"reason": HOSTILE}, "MIMO-UNet [4]": IN_TURN}
    return [replace(row, **more.get(row.row, {})) for row in rows]


def write_tables(root, printed_times=(), timings=(), prices=()):
    """Write the three tables."""
    runtime = root / "results" / "runtime"
    write(Results(PROFILE, root / "results").times, PrintedTime, printed_times)
    write(runtime / "timings.csv", Timing, timings)
    write(runtime / "prices.csv", Price, prices)

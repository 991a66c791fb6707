"""Render the summary and its plots as one HTML file that needs nothing else."""

import math
import platform
import re
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmark.report import figures
from benchmark.report.crops import NETWORKS, SIDE
from benchmark.report.measured import MAIN
from benchmark.report.printed import BLURRED
from benchmark.report.runtimes import FULL
from benchmark.report.summary import COLUMNS, Summary, bands, outcome
from benchmark.results.schema import OUTCOMES, PHYSICS_VERDICTS, PrintedTime

_NAMES_BY_SYMBOL = {
    "✓": ("holds", "decided", "complete", "possible", "sound"),
    "≈": ("close",),
    "≠": ("contested",),
    "✗": ("not reproduced", "contradicted", "broken", "impossible", "unsynchronised"),
    "○": ("undecided", "untested", "absent", "unmeasured"),
    "?": ("inconclusive", "not credible", "ambiguous"),
    "◐": ("partial",),
    "~": ("unsettled", "drifting"),
    "↓": ("throttled",),
    "▲": ("faster",),
    "▼": ("slower",),
    "=": ("same",),
}
SYMBOLS = {name: symbol for symbol, names in _NAMES_BY_SYMBOL.items() for name in names}  # of all verdicts
SEES = {
    "rounded": "rounded to 8 bits",
    "truncated": "truncated to 8 bits",
    "clipped": "unrounded, within [0, 1]",
    "float": "unrounded, as the network gives it",
}
MEANINGS = {
    "impossible": "no software makes its card that fast",
    "contradicted": "by the paper itself, by arithmetic or by the data set",
    "not credible": "its card would need software that nobody has measured",
    "not reproduced": "the network built or trained here gives another number",
    "contested": "papers print different numbers for the same thing, and nothing decides",
    "holds": "equal to the last printed digit; PSNR and SSIM within the tolerance below",
    "holds (print)": "another print says the same; it may have been copied",
    "holds (by construction)": "a recipe or layout was typed from it, or searched to meet it: no agreement",
    "close": "within the wider tolerance below",
    "close (print)": "another print is within the wider tolerance below",
    "close (by construction)": "within the wider tolerance of a layout that was searched to meet it",
    "undecided": "the footnote has the reason",
}
LAWS = {
    "possible": "the card could do it",
    "not credible": "above the card’s peak: only near-ideal software for every layer could do it",
    "impossible": "not at the highest clock, not with an ideal algorithm for every layer",
    "untested": "no network to count, or no card",
}
TOOLS = ("jinja2", "matplotlib", "pillow", "seaborn")  # packages that draw the page
MINUS = "\N{MINUS SIGN}"
ABSENT = "–"


def fixed(value: float | None, decimals: int = 2) -> str:
    """Write a number with so many decimals, or a dash for a missing number.

    >>> fixed(24.456), fixed(float("inf")), fixed(None), fixed(float("nan")), fixed(-0.5, 1)
    ('24.46', '∞', '–', '–', '−0.5')
    """
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def signed(value: float | None, decimals: int = 2) -> str:
    """Write a difference with its sign; what rounds to zero has no sign.

    >>> signed(0.104), signed(-1), signed(-0.001)
    ('+0.10', '−1.00', '0.00')
    """
    if value is None or not math.isfinite(value):
        return fixed(value)
    text = f"{value:+,.{decimals}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text[1:]


def digits(value: float | None, count: int = 3) -> str:
    """Write a number to so many significant digits, or a dash for a missing number.

    >>> digits(0.0123456), digits(1415.2), digits(99.96), digits(0), digits(None)
    ('0.0123', '1,420', '100', '0', '–')
    """
    if value is None:
        return ABSENT
    number = float(f"{value:.{count}g}")
    if not number or not math.isfinite(number):
        return fixed(number, 0)
    return fixed(number, max(0, count - 1 - math.floor(math.log10(abs(number)))))


def duration(seconds: float | None) -> str:
    """Write a time in s or ms, to three digits.

    >>> duration(0.0171), duration(1200), duration(0.0000312), duration(None)
    ('17.1 ms', '1,200 s', '0.0312 ms', '–')
    """
    if seconds is None:
        return ABSENT
    return f"{digits(1e3 * seconds)} ms" if seconds < 1 else f"{digits(seconds)} s"


def exact(seconds: float) -> str:
    """Write a time in s or ms, with all its digits.

    >>> exact(0.031), exact(1200)
    ('31 ms', '1,200 s')
    """
    return f"{1e3 * seconds:,g} ms" if seconds < 1 else f"{seconds:,g} s"


def spelled(row: PrintedTime) -> str:
    """Write a printed time with a unit if it is printed without; else nothing.

    >>> spelled(PrintedTime("p", "t", "r", "c", "", "6", 0.006, "", "untested", ""))
    '6 ms'
    """
    text = exact(row.seconds) if row.seconds else ""
    return "" if text.replace(" ", "") == row.printed.replace(" ", "") else text


def decimals(unit: str) -> int:
    """Return the number of decimals of a quality in this unit."""
    return 2 if unit == "dB" else 4


def code(text: str) -> Markup:
    """Escape text and turn its `backticks` into code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def environment() -> Environment:
    """Load the templates beside this file, with autoescape, the number formats above and shared macros."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (fixed, signed, digits, duration, exact, spelled, decimals, code, outcome)
    templates.filters |= {function.__name__: function for function in filters}
    templates.globals |= {
        "outcomes": OUTCOMES,
        "columns": COLUMNS,
        "symbols": SYMBOLS,
        "sees": SEES,
        "blurred": BLURRED,
        "meanings": MEANINGS,
        "side": SIDE,
        "networks": NETWORKS,
        "main_quantities": MAIN,
        "bands": bands(),
        "judgements": PHYSICS_VERDICTS,
        "laws": LAWS,
        "full": FULL,
        "tools": {"python": platform.python_version(), **{name: version(name) for name in TOOLS}},
    }
    templates.globals["cells"] = templates.get_template("cells.html.j2").module
    return templates


def render(summary: Summary) -> str:
    """Render the whole page; the same summary always gives the same text."""
    curves = {name: Markup(svg) for name, svg in figures.curves(summary).items()}
    plots = {name: Markup(svg) for name, svg in figures.run_times(summary.times).items()}
    text = environment().get_template("page.html.j2").render(page=summary, figures=curves, plots=plots)
    return re.sub(r"\n\s*\n+", "\n", text)


def write(summary: Summary, path: Path) -> None:
    """Write the page through a draft, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".html.part")
    draft.write_text(render(summary), encoding="utf-8")
    draft.replace(path)

"""Render the summary as one HTML file that needs nothing else, and never asks a network for anything."""

import math
import platform
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmark.report import figures, ladders, packing, plots
from benchmark.report.cells import COLUMNS, MARKS
from benchmark.report.entries import MEANINGS as GROUP_MEANINGS
from benchmark.report.live import Progress
from benchmark.report.matrix import OTHERS
from benchmark.report.measured import MAIN
from benchmark.report.plot import Plot
from benchmark.report.printed import BLURRED
from benchmark.report.runtimes import FULL
from benchmark.report.summary import Summary, bands
from benchmark.results.schema import OUTCOMES, PHYSICS_VERDICTS, PrintedTime

# What the verdicts of timings, of physics and of data sets look like: a mark and a tone.
STATES = {
    name: (mark, tone)
    for mark, tone, names in (
        ("✓", "good", ("decided", "complete", "possible", "sound", "same")),
        ("✗", "bad", ("broken", "against", "unsynchronised", "slower")),
        ("!", "bad", ("impossible",)),
        ("·", "none", ("undecided", "untested", "absent", "unmeasured")),
        ("?", "doubt", ("inconclusive", "not credible", "ambiguous")),
        ("◐", "doubt", ("partial",)),
        ("~", "doubt", ("unsettled", "drifting", "throttled")),
        ("▲", "good", ("faster",)),
    )
    for name in names
}
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
    "holds (print)": "another printed number says the same; it may have been copied",
    "holds (by construction)": "a recipe or layout was made from it, so that agreement proves nothing",
    "close": "within the wider tolerance below",
    "close (print)": "another printed number is within the wider tolerance below",
    "close (by construction)": "within the wider tolerance of a layout that was searched to meet it",
    "undecided": "its evidence says why",
}
BRIEF = {
    "impossible": "no software is that fast on its card",
    "contradicted": "by its own paper or by the data",
    "not credible": "needs software nobody has measured",
    "not reproduced": "the network here gives another number",
    "contested": "papers disagree, nothing decides",
    "holds": "by independent evidence",
    "holds (print)": "by another printed number, perhaps a copy",
    "holds (by construction)": "an input of ours: proves nothing",
    "close": "by independent evidence",
    "close (print)": "to another printed number",
    "close (by construction)": "an input of ours: proves nothing",
    "undecided": "nothing decides yet",
}
LAWS = {
    "possible": "the card could do it",
    "not credible": "above the card’s peak: only near-ideal software for every layer could do it",
    "impossible": "not at the highest clock, not with an ideal algorithm for every layer",
    "untested": "no network to count, or no card",
}
TOOLS = ("jinja2", "itables", "matplotlib", "pillow", "plotly", "seaborn")  # packages that draw the page
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
    here = Path(__file__).parent
    templates = Environment(
        loader=FileSystemLoader([here / "templates", here / "assets"]),
        autoescape=lambda name: (name or "").endswith(".j2"),  # scripts and styles are inserted as they are
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (fixed, signed, digits, duration, exact, spelled, decimals, code)
    templates.filters |= {function.__name__: function for function in filters}
    templates.globals |= {
        "outcomes": OUTCOMES,
        "columns": COLUMNS,
        "marks": MARKS,
        "states": STATES,
        "sees": SEES,
        "blurred": BLURRED,
        "meanings": MEANINGS,
        "brief": BRIEF,
        "groups_mean": GROUP_MEANINGS,
        "main_quantities": MAIN,
        "bands": bands(),
        "judgements": PHYSICS_VERDICTS,
        "laws": LAWS,
        "ladder_kinds": ladders.KINDS,
        "full": FULL,
        "data": packing.data,
        "large_data": packing.large_data,
        "library": packing.library,
        "plot_groups": plots.GROUPS,
        "plot_numbers": plots.first_numbers,
        "tools": {"python": platform.python_version(), **{name: version(name) for name in TOOLS}},
    }
    templates.globals["cells"] = templates.get_template("cells.html.j2").module
    return templates


def render(
    summary: Summary, progress: Progress | None = None, picture: Callable[[Plot], str] = lambda plot: ""
) -> str:
    """Render the whole page; the same summary always gives the same text.

    Args:
        summary: everything that it says.
        progress: of a training that is under way; the page then loads itself again every few seconds.
        picture: returns the SVG of a plot.
    """
    templates = environment()
    hero = templates.get_template("hero.html.j2").render(hero=summary.hero) if summary.hero else ""
    text = templates.get_template("page.html.j2").render(
        page=summary,
        progress=progress,
        shorts={paper.paper.key: paper.short for paper in summary.papers},
        titles={system.key: system.title for system in summary.systems if system.entries} | {"none": OTHERS},
        kinds=list(summary.kinds),
        restoration=next(h.text for h in summary.headlines if h.section in ("quality", "authors")),
        hero=Markup(hero),
        picture=lambda plot: Markup(picture(plot)),
        curve_figure=lambda run: Markup(plots.curves.figure(summary.plots.curve(run))),
        folder=f"results/{summary.inputs.profile.name}/figures",
        datatables_style=Markup(packing.style("datatables")),
    )
    return re.sub(r"\n\s*\n+", "\n", text)


def write(summary: Summary, path: Path, progress: Progress | None = None) -> None:
    """Write the page through a draft, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".html.part")
    if progress:  # its curves grow: only the page draws them
        draft.write_text(render(summary, progress), encoding="utf-8")
    else:
        with figures.Drawing(summary.plots.all, summary.inputs.results.figures) as drawing:
            draft.write_text(render(summary, picture=drawing.picture), encoding="utf-8")
    draft.replace(path)

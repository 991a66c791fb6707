"""Summary and figures to one HTML file that needs nothing else."""

import math
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmark.compare import VERDICTS
from benchmark.report import figures
from benchmark.report.ablation import SURE
from benchmark.report.crops import SHOWN, SIDE
from benchmark.report.printed import BLURRED
from benchmark.report.summary import Summary

SYMBOLS = {
    # of claims
    "agrees": "✓",
    "close": "≈",
    "explained": "≠",
    "differs": "✗",
    "untested": "○",
    # of protocols
    "decided": "✓",
    "inconclusive": "?",
    # of datasets
    "complete": "✓",
    "partial": "◐",
    "broken": "✗",
    "absent": "○",
}
SEES = {
    "rounded": "rounded to 8 bits",
    "truncated": "truncated to 8 bits",
    "clipped": "unrounded, within [0, 1]",
    "float": "unrounded, as the network gives it",
}
MEANINGS = {
    "agrees": "equal to the last printed digit; PSNR and SSIM to a band of their own, below",
    "close": "within the band below",
    "explained": "differs, for a reason that the claims file states",
    "differs": "differs, and nothing explains it",
    "untested": "not comparable here; the footnote says why",
}
MINUS = "\N{MINUS SIGN}"
ABSENT = "–"


def fixed(value: float | None, decimals: int = 2) -> str:
    """A number with so many decimals; a dash for none.

    >>> fixed(24.456), fixed(float("inf")), fixed(None), fixed(-0.5, 1)
    ('24.46', '∞', '–', '−0.5')
    """
    if value is None:
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def signed(value: float | None, decimals: int = 2) -> str:
    """A difference with its sign; what rounds to zero has none.

    >>> signed(0.104), signed(-1), signed(-0.001)
    ('+0.10', '−1.00', '0.00')
    """
    if value is None or not math.isfinite(value):
        return fixed(value)
    text = f"{value:+,.{decimals}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) else text[1:]


def decimals(unit: str) -> int:
    """How many decimals a quality in this unit gets."""
    return 2 if unit == "dB" else 4


def code(text: str) -> Markup:
    """Escaped text whose `backticks` become code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def environment() -> Environment:
    """The templates beside this file, with autoescape and the number formats above."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"fixed": fixed, "signed": signed, "decimals": decimals, "code": code}
    made.globals |= {
        "verdicts": VERDICTS,
        "symbols": SYMBOLS,
        "sees": SEES,
        "blurred": BLURRED,
        "meanings": MEANINGS,
        "sure": SURE,
        "side": SIDE,
        "shown": SHOWN,
    }
    return made


def render(summary: Summary) -> str:
    """The whole page; the same summary always gives the same text."""
    drawn = {
        name: Markup(text) for name, text in {**figures.panels(summary), **figures.overlays(summary)}.items()
    }
    text = environment().get_template("page.html.j2").render(page=summary, figures=drawn)
    return re.sub(r"\n\s*\n+", "\n", text)


def write(summary: Summary, path: Path) -> None:
    """Write the page through a draft, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".html.part")
    draft.write_text(render(summary), encoding="utf-8")
    draft.replace(path)

"""Print every plot as SVG and PDF, in the sizes of a two-column paper, and hand the SVG to the page.

A figure whose data, code and libraries are unchanged is not drawn again: its SVG ends with their fingerprint.
matplotlib and seaborn take seconds to import, each figure half a second; so processes of their own draw what
has changed while the page is written: `python -m benchmark.report.figures FOLDER`, with plots and
fingerprints as JSON on its standard input.
"""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

import msgspec

from benchmark.report.plot import COLOURS, Plot

LIBRARIES = ("matplotlib", "seaborn")
CODE = ("plot.py", "printing.py")
PROCESSES = 2


def fingerprint(plot: Plot) -> str:
    """Hash all that a figure is drawn from."""
    here = Path(__file__).parent
    parts = [msgspec.json.encode(plot), *(version(name).encode() for name in LIBRARIES)]
    parts += [(here / name).read_bytes() for name in CODE]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def stamp(plot: Plot) -> str:
    """Return the last line of the plot's SVG file."""
    return f"<!-- drawn from {fingerprint(plot)} -->"


def drawn(plot: Plot, folder: Path) -> bool:
    """Tell whether both files of a plot are there and show its present data."""
    picture = folder / f"{plot.id}.svg"
    if not (picture.exists() and picture.with_suffix(".pdf").exists()):
        return False
    return picture.read_text(encoding="utf-8").rstrip().endswith(stamp(plot))


def inline(plot: Plot, folder: Path) -> str:
    """Return the plot's SVG as an element in the colours of the page's theme; empty if it is not drawn."""
    if not drawn(plot, folder):
        return ""
    text = (folder / f"{plot.id}.svg").read_text(encoding="utf-8")
    text = re.sub(
        r"<style.*?</style>|<metadata>.*?</metadata>|<!--.*?-->",
        "",
        text[text.index("<svg") :],
        flags=re.DOTALL,
    )
    tag, _, rest = text.partition(">")
    tag = re.sub(r'\s(xmlns(:xlink)?|version|width|height)="[^"]*"', "", tag)
    tag = tag.replace("<svg", f'<svg role="img" aria-label="{escape(plot.title)}"')
    text = f"{tag}>{rest}".replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{plot.id}-', text)
    text = re.sub(r'href="#', f'href="#{plot.id}-', text).replace("url(#", f"url(#{plot.id}-")
    text = re.sub(r"font: ([^;\"]*?px)[^;\"]*", r"font: \1 sans-serif", text)
    for name, colour in {**COLOURS, "paper": "#ffffff"}.items():
        text = text.replace(colour, f"var(--{name})")
    return re.sub(r"\n\s*", "\n", text).strip()


class Drawing:
    """Draw what has changed beside the page, which asks for each picture when it comes to it."""

    def __init__(self, plots: Sequence[Plot], folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        names = {plot.id for plot in plots}
        for path in (*folder.glob("plot-*.svg"), *folder.glob("plot-*.pdf")):
            if path.stem not in names:
                path.unlink()
        waiting = [plot for plot in plots if not drawn(plot, folder)]
        parts = [part for start in range(PROCESSES) if (part := waiting[start::PROCESSES])]
        self.processes = [self.start(part) for part in parts]

    def start(self, plots: Sequence[Plot]) -> "subprocess.Popen[bytes]":
        """Start a process that draws these plots."""
        paths = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        command = [sys.executable, "-m", "benchmark.report.figures", str(self.folder)]
        with TemporaryFile() as file:  # a pipe would block until the process reads
            file.write(msgspec.json.encode([(plot, stamp(plot)) for plot in plots]))
            file.seek(0)
            return subprocess.Popen(command, stdin=file, stderr=subprocess.PIPE, env=environment)

    def wait(self) -> None:
        """Wait until all is drawn.

        Raises:
            OSError: a figure could not be drawn or written.
        """
        while self.processes:
            process = self.processes.pop()
            errors = process.communicate()[1].decode()
            if process.returncode:
                last = errors.strip().rpartition("\n")[2]
                raise OSError(f"{self.folder}: figures cannot be drawn ({last})")

    def picture(self, plot: Plot) -> str:
        """Return the plot's SVG element.

        Raises:
            OSError: as `wait`.
        """
        self.wait()
        return inline(plot, self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


def main() -> None:
    """Draw the plots on the standard input, each with the last line of its SVG."""
    from benchmark.report import printing  # seconds, which only a process that draws should take

    plots = msgspec.json.decode(sys.stdin.buffer.read(), type=list[tuple[Plot, str]])
    printing.write(plots, Path(sys.argv[1]))


if __name__ == "__main__":
    main()

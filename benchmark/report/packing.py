"""Put data and libraries into the page: JSON where it is small, else compressed and unpacked when needed."""

import base64
import gzip
import json
from functools import cache
from importlib.metadata import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

# Scripts of well-kept libraries, as their Python packages ship them.
LIBRARIES = {
    "datatables": ("itables", "html/dt_bundle.js"),
    "plotly": ("plotly", "package_data/plotly.min.js"),
}


def packed(text: str) -> str:
    """Compress text for `report.load` and `report.library`: gzip without a time, then base64."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def escaped(value: Any) -> str:
    """Write JSON that is safe inside a script element: nothing in it can close it or open another."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def data(name: str, value: Any) -> Markup:
    """Make an element that `report.data(name)` reads."""
    return Markup(f'<script type="application/json" id="{name}">{escaped(value)}</script>')


def large_data(name: str, value: Any) -> Markup:
    """Make an element that `report.load(name)` reads."""
    text = packed(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    return Markup(f'<script type="text/plain" id="{name}">{text}</script>')


def shipped(package: str, name: str) -> Path:
    """Find a file that an installed package ships, without importing the package.

    Raises:
        ValueError: the package has no such file.
    """
    for file in files(package) or ():
        if str(file).replace("\\", "/").endswith(f"{package}/{name}"):
            return Path(str(file.locate()))
    raise ValueError(f"package {package}: has no {name}; install the pinned version in requirements.txt")


@cache
def library(name: str) -> Markup:
    """Make an element that `report.library(name)` reads."""
    script = shipped(*LIBRARIES[name]).read_text(encoding="utf-8")
    return Markup(f'<script type="text/plain" id="lib-{name}">{packed(script)}</script>')


def style(name: str) -> str:
    """Read a style sheet that a library ships."""
    return {"datatables": shipped("itables", "html/dt_bundle.css")}[name].read_text(encoding="utf-8")

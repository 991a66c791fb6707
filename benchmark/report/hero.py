"""Choose the picture of the first screen: the same pixels blurred, restored and sharp."""

import base64
import io
from dataclasses import dataclass, field
from urllib.parse import urlencode

from PIL import Image, UnidentifiedImageError

from benchmark.report.pictures import Gallery, Photograph, Shot
from benchmark.results.schema import Window


@dataclass(frozen=True)
class Tile:
    """A crop as a data URI."""

    label: str
    psnr: float | None  # of the crop
    uri: str = field(repr=False)


@dataclass(frozen=True)
class Hero:
    """The crops side by side, and where the viewer shows them."""

    title: str
    side: int
    tiles: list[Tile]
    address: str


def crop(shot: Shot, window: Window) -> str:
    """Cut a window out of a picture and encode it as a PNG data URI; empty for a damaged picture."""
    content = base64.b64decode(shot.uri.partition(",")[2])
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(content)) as picture:
            part = picture.crop((window.x, window.y, window.x + window.side, window.y + window.side))
            part.convert("RGB").save(buffer, "PNG", optimize=True)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
        return ""
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def address(photograph: Photograph, window: Window) -> str:
    """Return the fragment under which the viewer shows a window, beside blurred and sharp."""
    shown = {
        "image": photograph.image,
        "run": window.best,
        "zoom": f"{min(photograph.width, photograph.height) / window.side:.2f}",
        "x": f"{(window.x + window.side / 2) / photograph.width:.4f}",
        "y": f"{(window.y + window.side / 2) / photograph.height:.4f}",
    }
    return f"#images?{urlencode(shown)}"


def hero(gallery: Gallery) -> Hero | None:
    """Choose the window in which the best system gains most over the blurred input; None without any."""
    candidates = [
        (photograph, window)
        for photograph in gallery.photographs
        for window in photograph.windows
        if all(photograph.shot(key) for key in ("blurred", window.best, "sharp"))
    ]
    if not candidates:
        return None
    photograph, window = max(candidates, key=lambda pair: pair[1].best_psnr - pair[1].blurred_psnr)
    values = {"blurred": window.blurred_psnr, window.best: window.best_psnr, "sharp": None}
    tiles = [
        Tile(f"by {key}" if key == window.best else key, psnr, crop(shot, window))
        for key, psnr in values.items()
        if (shot := photograph.shot(key))
    ]
    if not all(tile.uri for tile in tiles):
        return None
    return Hero(photograph.title, window.side, tiles, address(photograph, window))

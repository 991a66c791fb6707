"""What the tests of damaged and of planted files share."""

import io
from pathlib import Path

import torch


def attempt(read, *words):
    """Call a reader; return what it read, or None where it refuses in one line of words."""
    try:
        return read(*words)
    except ValueError as error:
        text = str(error)
    assert text.strip()
    assert "\n" not in text, text
    assert len(text) < 2000, text
    return None


def write(name, content):
    """Write a file; return its path."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def saved(contents, **how):
    """Save with torch; return the bytes."""
    with io.BytesIO() as out:
        torch.save(contents, out, **how)
        return out.getvalue()

"""Chromium without a network, and pages that record what they say and ask for."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
OFFLINE = ("--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND")  # containers have no sandbox of their own
READY = """() => {
  const view = document.querySelector("section.view:not([hidden])");
  return [...view.querySelectorAll("table.data")].every((table) => table.classList.contains("dataTable"));
}"""
SECONDS = 60  # a page on a busy machine


def executable() -> str | None:
    """Find Chromium."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """Start Chromium; no host has an address."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable(), args=OFFLINE)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page, what it wrote to the console or raised, the dialogs it opened, and what it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def show(self, address: str) -> None:
        """Go to a view and wait until its tables can be used."""
        self.page.evaluate("(hash) => { location.hash = hash; }", address)
        self.page.wait_for_function(READY)

    def reload(self) -> None:
        """Load the page again, as a reader of a shared address does."""
        self.page.reload()
        self.page.wait_for_function(READY)


@contextmanager
def visit(browser: Browser, path: Path, address: str = "", **options: Any) -> Iterator[Visit]:
    """Open a file in a fresh context, 1400 pixels wide unless told otherwise; on leaving, nothing was amiss.

    Raises:
        AssertionError: there was an error, a warning, a dialog, or a request for more than files.
    """
    context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}} | options)
    context.set_default_timeout(1000 * SECONDS)
    opened = Visit(context.new_page())
    page, complaints = opened.page, opened.complaints
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: opened.requests.append(request.url))
    page.goto(path.as_uri() + address)
    if options.get("java_script_enabled", True):
        page.wait_for_function(READY)
    yield opened
    assert complaints == []
    assert [url[:100] for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    context.close()

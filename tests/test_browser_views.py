"""Every view of the report on the committed results in Chromium: sizes, phone, accessibility, speed."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from benchmark.report import inputs, page, summary
from tests.browser import visit
from tests.invented import ROOT

SCREEN = 900  # px
OPEN = (
    "(open) => document.querySelectorAll('.view:not([hidden]) details').forEach((fold) => (fold.open = open))"
)
SHOWN = """() => {
  const copy = document.documentElement.cloneNode(true);
  copy.querySelectorAll("script, .view[hidden]").forEach((element) => element.remove());
  return copy.outerHTML;
}"""
VIEWS = "(views) => views.map((view) => view.id)"
KINDS = (
    "overview",
    "claims",
    "paper-cdgnet",
    "systems",
    "system-cdgnet",
    "images",
    "plots",
    "measured",
    "methods",
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Write the page of the results in git, with the place that its figures take."""
    known = inputs.read("embedded", ROOT / "results", ROOT / "params.yaml", ROOT / "data")
    path = tmp_path_factory.mktemp("page") / "report.html"
    picture = '<svg role="img" aria-label="a figure" viewBox="0 0 504 288"></svg>'
    text = page.render(summary.summarise(known), picture=lambda plot: picture)
    path.write_text(text, encoding="utf-8")
    return path


def names(opened):
    """Return the ids of all views."""
    return opened.page.locator("section.view").evaluate_all(VIEWS)


def violations(page, **options):
    """Return what axe-core finds wrong in a copy of what is shown: rule, element and why.

    In the page itself axe-core walks through the ten thousands of elements of hidden views, 15 s each time.
    """
    copy = page.context.new_page()
    copy.set_content("<!doctype html>" + page.evaluate(SHOWN))
    found = Axe().run(copy, options={"resultTypes": ["violations"], **options}).response["violations"]
    copy.close()
    return [(rule["id"], n["html"][:200], n["failureSummary"]) for rule in found for n in rule["nodes"]]


def test_it_is_small_and_opens_fast(chromium, path):
    """At most 10 MB; loading and the first view cost less than 2 s of the main thread's own time."""
    with visit(chromium, path) as opened:
        protocol = opened.page.context.new_cdp_session(opened.page)
        protocol.send("Performance.enable", {"timeDomain": "threadTicks"})  # whatever else the machine does
        opened.reload()
        spent = {m["name"]: m["value"] for m in protocol.send("Performance.getMetrics")["metrics"]}

        assert opened.page.locator("#overview .matrix a.square").first.is_visible()
        assert 0 < spent["TaskDuration"] < 2
    assert path.stat().st_size <= 10_000_000


def test_no_view_is_long_or_wide(chromium, path):
    """Folded as delivered, a view has at most 15 screens; a phone never scrolls sideways, nor does print."""
    with visit(chromium, path) as opened:
        for view in names(opened):
            opened.show(view)
            assert opened.page.evaluate("document.documentElement.scrollHeight") <= 15 * SCREEN, view
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= 1400, view
    with visit(chromium, path, viewport={"width": 375, "height": 800}, has_touch=True) as opened:
        for view in names(opened):
            opened.show(view)
            opened.page.evaluate(OPEN)
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= 375, view


def test_without_scripts_it_is_short(chromium, path):
    """All views, folded as delivered, have at most 15 screens together."""
    with visit(chromium, path, java_script_enabled=False) as opened:
        assert opened.page.evaluate("document.documentElement.scrollHeight") <= 15 * SCREEN


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(chromium, path, theme):
    """No rule is violated in a view of any kind, all unfolded, nor with the panel of evidence open."""
    with visit(chromium, path, color_scheme=theme, reduced_motion="reduce") as opened:
        assert set(KINDS) <= set(names(opened))
        # Only colours differ between the themes.
        options = {} if theme == "light" else {"runOnly": ["color-contrast"]}
        for view in KINDS:
            opened.show(view)
            assert opened.page.evaluate("document.documentElement.dataset.theme") == theme
            opened.page.evaluate(OPEN)
            assert violations(opened.page, **options) == [], view
        opened.show("overview")
        opened.page.locator("a.square[data-claim]").first.click()
        opened.page.locator("#evidence .body h2").wait_for()
        assert violations(opened.page, **options) == []


def test_a_keyboard_gets_everywhere(chromium, path):
    """The first stop skips the bar; Tab leaves every kind of view again, and no stop folds the view away."""
    with visit(chromium, path) as opened:
        page = opened.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        for view in KINDS:
            opened.show(view)
            page.evaluate("[...document.querySelectorAll('header.bar button')].at(-1).focus()")
            stops = 0
            while stops < 400 and not page.evaluate("document.activeElement === document.body"):
                assert not page.evaluate("document.activeElement.matches('.view > details > summary')")
                page.keyboard.press("Tab")
                stops += 1
            assert 0 < stops < 400, view
        page.evaluate("document.querySelector('#methods > details > summary').click()")
        assert page.locator("#verdicts").is_visible()
    with visit(chromium, path, "#methods", viewport={"width": 375, "height": 800}) as phone:
        box = phone.page.locator("nav.views [aria-current]").bounding_box()
        assert 0 <= box["x"] <= 375 - box["width"]  # the bar is scrolled to the view's link

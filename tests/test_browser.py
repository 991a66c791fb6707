"""The report in Chromium: what a reader does with it, on invented results with hostile words in them."""

import csv
import io
import re
import shlex

import pytest

from benchmark.report import page as report
from benchmark.report.cells import COLUMNS
from tests.browser import visit
from tests.invented import HOSTILE, PAPERS, element, section

LEDGER = ["Verdict", "Paper", "Where", "What", "Printed", "Here", "Evidence", "Reason"]
PAGE = 25  # rows of the list of claims at once


@pytest.fixture(scope="module")
def path(tmp_path_factory, full_summary):
    """Write the page of the invented results."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report.render(full_summary), encoding="utf-8")
    return path


@pytest.fixture
def visited(chromium, path):
    """Open the list of claims."""
    with visit(chromium, path, "#claims") as opened:
        yield opened


def rows(page, table="#ledger"):
    """Return the texts of the rows that a table shows on its page."""
    return page.locator(f"{table} tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.cells]"
        ".map((cell) => cell.innerText.replace(/\\s+/g, ' ').trim()))"
    )


def ids(page):
    """Return the ids of the claims that the list shows on its page."""
    return page.locator("#ledger tbody tr").evaluate_all("(rows) => rows.map((row) => row.id.slice(6))")


def state(page):
    """Return what follows the # of the address."""
    return page.evaluate("location.hash").removeprefix("#")


def test_a_click_sorts_and_the_address_keeps_it(visited, full_summary):
    """By verdict: the gravest first; again: the other way round; a reader of the address sees the same."""
    page, head = visited.page, visited.page.locator("#ledger thead th").first
    ranks = sorted(COLUMNS.index(entry.outcome) for entry in full_summary.entries)
    head.click()
    page.wait_for_selector("#ledger thead th[aria-sort=ascending]")  # it sorts when the page is idle
    rising = [COLUMNS.index(re.sub(r"^\S+ ", "", row[0])) for row in rows(page)]
    head.click()
    page.wait_for_selector("#ledger thead th[aria-sort=descending]")
    falling = [COLUMNS.index(re.sub(r"^\S+ ", "", row[0])) for row in rows(page)]
    first = ids(page)

    assert rising == ranks[:PAGE]
    assert falling == ranks[: -PAGE - 1 : -1]
    assert "ledger.sort=0desc" in state(page)
    visited.reload()
    assert ids(page) == first


def test_filters_and_search_select_rows(visited, full_summary, path):
    """Each choice keeps its claims and says how many; the address keeps them; only failures are failures."""
    page, status = visited.page, visited.page.locator("#claims .filter [role=status]")
    chosen = [e for e in full_summary.entries if e.paper.key == "cdgnet" and e.group == "PSNR"]
    page.select_option("select[name=paper]", "cdgnet")
    page.select_option("select[name=group]", "PSNR")

    assert status.inner_text() == f"{len(chosen)} rows"
    assert ids(page) == [entry.id for entry in chosen[:PAGE]]
    page.check("#claims input[name=failures]")
    failed = [entry for entry in chosen if entry.failed]
    assert ids(page) == [entry.id for entry in failed[:PAGE]]
    assert status.inner_text() == f"{len(failed)} rows"
    visited.reload()
    assert ids(page) == [entry.id for entry in failed[:PAGE]]
    assert page.is_checked("#claims input[name=failures]")
    page.uncheck("#claims input[name=failures]")
    page.fill("#claims input[name=q]", "SRN")
    ledger = element(path.read_text(encoding="utf-8"), "claims")
    found = [entry for entry in chosen if "SRN" in section(ledger, f"claim-{entry.id}")]
    assert 0 < len(found) < len(chosen)
    assert ids(page) == [entry.id for entry in found]
    assert "q=SRN" in state(page)


def test_a_square_of_the_matrix_lists_its_claims(chromium, path, full_summary):
    """A square leads to the list of its claims, filtered by paper, system and what they are about."""
    row = next(row for row in full_summary.matrix.rows if any(m and not m.single for m in row.marks))
    mark = next(m for m in row.marks if m and not m.single)
    with visit(chromium, path) as opened:
        link = opened.page.locator(f'a.square[href="#claims?{mark.query}"]')
        assert mark.words in link.get_attribute("aria-label")
        link.click()
        opened.page.wait_for_selector("#claims .filter [role=status]:not(:empty)")
        assert (
            opened.page.locator("#claims .filter [role=status]").inner_text() == f"{mark.counts.total()} rows"
        )


def test_columns_hide_and_come_back(visited):
    """A column that is unticked is gone, in the address too, until it is ticked again."""
    page = visited.page
    page.click("#claims .tools summary")
    page.get_by_role("checkbox", name="Evidence").uncheck()

    assert "ledger.hide=6" in state(page)
    visited.reload()
    shown = page.locator("#ledger thead th").all_inner_texts()
    assert [text.strip() for text in shown] == [name for name in LEDGER if name != "Evidence"]
    page.click("#claims .tools summary")
    page.get_by_role("checkbox", name="Evidence").check()
    assert len(page.locator("#ledger thead th").all()) == len(LEDGER)
    assert "hide" not in state(page)


def test_the_panel_opens_by_click_key_and_address(visited, full_summary, chromium, path):
    """It has quote, verdict, reason and command; Escape closes it, and the focus is where it was."""
    page, dialog = visited.page, visited.page.locator("#evidence")
    entry = next(e for e in full_summary.entries[:PAGE] if e.cell.reason == HOSTILE)
    mark = page.locator(f"#claim-{entry.id} a.mark")
    for act in (mark.click, lambda: mark.press("Enter")):
        act()
        dialog.wait_for()
        text = dialog.inner_text()
        assert HOSTILE in text  # as text: `visit` would notice that it ran
        assert entry.claim.printed in dialog.locator("blockquote").inner_text()
        assert f"--explain {shlex.quote(entry.name)}" in text
        assert f"claim={entry.id}" in state(page)
        assert page.evaluate("document.getElementById('evidence').contains(document.activeElement)")
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
        assert "claim=" not in state(page)
        assert page.evaluate("document.activeElement.dataset.claim") == entry.id
    with visit(chromium, path, f"#overview?claim={entry.id}") as other:
        other.page.locator("#evidence").wait_for()
        assert HOSTILE in other.page.locator("#evidence").inner_text()
        other.page.get_by_role("button", name="Close", exact=True).click()
        other.page.locator("#evidence").wait_for(state="hidden")


def saved(page, name):
    """Click an export of the list of claims; return the file's text."""
    with page.expect_download() as waiting:
        page.get_by_label(f"Save what the table shows as {name}").click()
    return waiting.value.path().read_bytes().decode()


def test_exports_have_what_is_shown(visited, full_summary):
    """Rows that fit the filters, on all pages, in order, without the hidden column; signs are safe."""
    page = visited.page
    page.select_option("select[name=paper]", "sgenet")
    page.click("#claims .tools summary")
    page.get_by_role("checkbox", name="Where").uncheck()
    chosen = [entry for entry in full_summary.entries if entry.paper.key == "sgenet"]
    head, *body = csv.reader(io.StringIO(saved(page, "CSV"), newline=""))
    markdown = saved(page, "Markdown").splitlines()
    tex = saved(page, "LaTeX")
    shown = [[re.sub(r"^. (?=\w)", "", row[0]), *row[1:]] for row in rows(page)]

    assert head == [name for name in LEDGER if name != "Where"]
    assert body[:PAGE] == shown
    assert [row[3] for row in body] == [" ".join(entry.cell.text.split()) for entry in chosen]
    assert len(markdown) == len(chosen) + 2
    unescaped = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in markdown[2:]]
    assert [[cell.replace("\\|", "|") for cell in line] for line in unescaped] == body
    assert HOSTILE in {row[-1] for row in body}
    assert HOSTILE.replace("&", "\\&") in tex
    bare = re.sub(
        r"\\[&%$#_{}]|\\text\w+\{\}|\$[^$]*\$", "", tex.split("\\hline\n", 2)[2].split("\\hline")[0]
    )
    assert not re.search(r"[%$#_{}~^]", bare)
    assert tex.count("\\\\") == len(chosen) + 1


def test_the_theme_changes_and_stays(visited):
    """A button changes light and dark; the next visit remembers it."""
    page = visited.page
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.click("#theme")

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(colour) != light
    visited.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.click("#theme")
    assert page.evaluate(colour) == light


def test_print_has_every_view(visited):
    """The printed page has all views unfolded, without the bar; afterwards one view is shown again."""
    page = visited.page
    page.evaluate(
        "addEventListener('beforeprint', () => { window.printed = "
        "[...document.querySelectorAll('section.view')].filter((view) => !view.hidden && "
        "(view.querySelector(':scope > details')?.open ?? true)).length; })"
    )
    pdf = page.pdf()

    assert page.evaluate("window.printed") == page.locator("section.view").count()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > page.locator("section.view").count() / 2
    assert page.locator("section.view:not([hidden])").count() == 1
    page.emulate_media(media="print")
    assert page.locator("header.bar").is_hidden()


def test_without_scripts_everything_can_be_read(chromium, path, full_summary):
    """Every view is there and unfolds by itself, with printed and measured numbers and reasons."""
    with visit(chromium, path, java_script_enabled=False) as opened:
        page = opened.page
        assert page.locator("section.view[hidden]").count() == 0
        assert page.locator("#overview h2.conclusion").is_visible()
        for paper in PAPERS:
            assert page.locator(f"#paper-{paper.key} > details > summary").is_visible()
        page.locator("#claims > details > summary").click()
        text = " ".join(page.locator("#claims").inner_text().split())
        for entry in full_summary.entries:
            cell = entry.cell
            numbers = [cell.text, cell.ours, cell.authors.text if cell.authors else "", cell.reason]
            assert [part for part in numbers if " ".join(part.split()) not in text] == []
        entry = full_summary.entries[0]
        page.locator(f"#paper-{entry.paper.key} > details > summary").click()
        page.locator(f"#paper-{entry.paper.key} a[data-claim={entry.id}]").click()
        assert page.locator(f"#claim-{entry.id}").is_visible()

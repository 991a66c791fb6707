"""The viewer of test images in a browser: zoom in step, slider, flicker, errors, address, no scripts."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmark.report import page as report_page
from tests import invented_pictures
from tests.invented import CHOSEN, RUNS, psnr
from tests.invented_pictures import HEIGHT, IMAGES, SIDE, WIDTH

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}")
TRAINED = [name for name in CHOSEN if RUNS[name].train]


@pytest.fixture(scope="module")
def browser():
    """Start Chromium, which finds no host."""
    with sync_api.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
        started = driver.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(full_summary, tmp_path_factory):
    """Write the page of the invented results."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_page.render(full_summary), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, file):
    """Return a function that opens the page at an address; no page may complain or ask for anything."""
    problems, contexts = [], []

    def open_page(address="#images", width=1400, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        shown = context.new_page()
        shown.on(
            "console", lambda message: problems.append(message.text) if message.type == "error" else None
        )
        shown.on("pageerror", lambda error: problems.append(str(error)))
        shown.on(
            "request",
            lambda request: (
                problems.append(request.url) if request.url[:5] not in ("file:", "data:") else None
            ),
        )
        shown.goto(file.as_uri() + address)
        return shown

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def layers(shown):
    """Return the transform that each panel's picture has."""
    return shown.evaluate(
        "[...document.querySelectorAll('#viewer .layer')].map((e) => getComputedStyle(e).transform)"
    )


def matrix(shown):
    """Return scale and shift of the panels, which all share them; the shift in widths of a panel."""
    shown.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    found = [np.array(re.findall(r"-?[\d.]+(?:e-?\d+)?", text), float) for text in layers(shown)]
    assert found
    assert np.ptp(found, axis=0).max() < 0.1  # panels differ by a fraction of a pixel in width
    return found[0][0], found[0][4] / shown.locator("#viewer .pane").first.bounding_box()["width"]


def test_panels_show_blurred_the_papers_systems_and_sharp(opened):
    """Six panels, in this order, with the PSNR of the table."""
    shown = opened()
    captions = shown.locator("#viewer figcaption").all_inner_texts()
    papers = sorted(run for run in TRAINED if run in ("bag", "cdgnet", "saphnet", "sgenet"))

    assert [text.split()[0] for text in captions][:: len(captions) - 1] == ["blurred", "sharp"]
    assert sorted(text.split()[0] for text in captions[1:-1]) == papers
    assert f"{psnr('cdgnet', IMAGES[0]):.2f} dB" in next(
        text for text in captions if text.startswith("cdgnet")
    )


def test_wheel_drag_and_keys_move_all_panels_alike(opened):
    """The point below the pointer stays; a drag moves by its length; a key zooms; 0 shows all again."""
    shown = opened()
    box = shown.locator("#viewer .pane").nth(1).bounding_box()
    x, y = box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"]
    shown.mouse.move(x, y)
    shown.mouse.wheel(0, -300)
    scale, shift = matrix(shown)

    assert scale > 1.5
    assert shift + 0.75 * scale == pytest.approx(0.75, abs=1e-3)
    shown.mouse.down()
    shown.mouse.move(x + 0.1 * box["width"], y, steps=4)
    shown.mouse.up()
    assert matrix(shown) == (pytest.approx(scale), pytest.approx(shift + 0.1, abs=2e-3))
    shown.locator("#viewer .stage").focus()
    shown.keyboard.press("+")
    assert matrix(shown)[0] == pytest.approx(1.5 * scale, rel=1e-3)
    before = matrix(shown)[1]
    shown.keyboard.press("ArrowRight")
    assert matrix(shown)[1] == pytest.approx(before - 0.1, abs=2e-3)
    shown.keyboard.press("0")
    assert matrix(shown) == (1, 0)


def test_pinching_zooms(opened):
    """Two fingers that move apart to twice their distance double the size."""
    shown = opened(width=375, height=800, has_touch=True, is_mobile=True)
    shown.locator("#viewer .stage").scroll_into_view_if_needed()
    box = shown.locator("#viewer .pane").first.bounding_box()
    middle, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = shown.context.new_cdp_session(shown)

    def touch(kind, *places):
        points = [{"x": middle + place, "y": y, "id": index} for index, place in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", -20)
    touch("touchStart", -20, 20)
    for apart in (25, 30, 35, 40):
        touch("touchMove", -apart, apart)
    touch("touchEnd")

    assert matrix(shown)[0] == pytest.approx(2, rel=0.05)
    assert shown.evaluate("document.documentElement.scrollWidth") == 375


def test_slider_divides_two_versions(opened):
    """The left picture ends where the divider is, by the mouse and by its control; the address keeps it."""
    shown = opened("#images?mode=slider&a=blurred&b=sharp")
    box = shown.locator("#viewer .pane").bounding_box()
    handle = shown.locator("#viewer .handle").bounding_box()
    shown.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + 20)
    shown.mouse.down()
    shown.mouse.move(box["x"] + 0.25 * box["width"], handle["y"] + 40, steps=3)
    shown.mouse.up()
    control = shown.get_by_label("Divider")

    assert float(control.input_value()) == pytest.approx(25, abs=0.6)
    control.fill("80")
    clip = shown.locator("#viewer .curtain").evaluate("(e) => getComputedStyle(e).clipPath")
    assert clip == "inset(0px 20% 0px 0px)" or "80%" in clip
    assert [image.get_attribute("alt") for image in shown.locator("#viewer .pane img").all()] == [
        "sharp, on the right",
        "blurred, on the left",
    ]


def test_flicker_swaps_in_place(opened):
    """F enters it, then exchanges the two versions."""
    shown = opened()
    shown.locator("#viewer .stage").focus()
    shown.keyboard.press("f")
    first = shown.locator("#viewer figcaption").inner_text()
    shown.keyboard.press("f")
    second = shown.locator("#viewer figcaption").inner_text()
    shown.keyboard.press("f")

    assert first.startswith("A blurred")
    assert second.startswith("B ")
    assert shown.locator("#viewer figcaption").inner_text() == first


@pytest.mark.parametrize(("show", "run"), [("error", "cdgnet"), ("error", "blurred"), ("change", "cdgnet")])
def test_maps_of_the_error_are_those_of_the_pixels(opened, show, run):
    """Where numpy has no, half or the full difference, the map has the colour of that level."""
    shown = opened(f"#images?show={show}&run=blurred,cdgnet,sharp")
    shown.wait_for_function("document.querySelectorAll('#viewer canvas:not([data-ready])').length === 0")
    index = ["blurred", "cdgnet"].index(run) if show == "error" else 0
    assert shown.locator("#viewer canvas").count() == (2 if show == "error" else 1)  # the others are pixels
    drawn = (
        shown.locator("#viewer canvas")
        .nth(index)
        .evaluate("(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]")
    )
    colours = np.array(drawn).reshape(HEIGHT, WIDTH, 4)[..., :3].astype(float)
    mine, blurred, sharp = (
        invented_pictures.pixels(IMAGES[0], key).astype(float) for key in (run, "blurred", "sharp")
    )
    error = np.abs(mine - sharp).mean(-1)
    if show == "error":
        assert (colours[error == error.min()].sum(-1) <= colours.sum(-1).min() + 60).all()
        assert np.allclose(colours[error >= 64], [252, 255, 164], atol=1)
        level = np.clip(error / 64, 0, 1)
        middle = np.isclose(level, 0.5, atol=0.002)
        assert np.allclose(colours[middle], [188, 55, 84], atol=3)
    else:
        change = error - np.abs(blurred - sharp).mean(-1)
        assert np.allclose(colours[change <= -16], [96, 208, 255], atol=1)
        assert np.allclose(colours[change >= 16], [255, 190, 90], atol=1)
        assert np.allclose(colours[np.isclose(change, 0, atol=0.01)], [12, 12, 16], atol=2)


def test_the_address_keeps_what_is_shown(opened):
    """Photograph, system, place and layout come back from it; hostile words in it break nothing."""
    shown = opened()
    shown.get_by_role("button", name="a 1", exact=True).click()
    shown.get_by_label(re.compile(r"^\s*dmphn_1 ")).check()
    shown.get_by_role("button", name=re.compile("Go to place 1")).click()
    shown.get_by_label("Show").select_option("error")
    shown.wait_for_timeout(400)
    address = shown.evaluate("location.hash")
    again = opened(address)

    assert "image=a%2F001" in address
    for name in ("figcaption", ".zoomed"):
        assert (
            again.locator(f"#viewer {name}").all_inner_texts()
            == shown.locator(f"#viewer {name}").all_inner_texts()
        )
    assert matrix(again) == (
        pytest.approx(HEIGHT / SIDE, rel=0.01),
        pytest.approx(matrix(shown)[1], abs=1e-3),
    )
    odd = opened("#images?image=<b>&run=x,y&zoom=NaN&x=-9&mode=wrong&show=%00&a=no&b=no")
    assert odd.locator("#viewer figure").count() == 6
    assert matrix(odd) == (1, 0)


def test_places_lead_to_the_windows(opened):
    """The button centres the window and adds its best and worst system."""
    shown = opened("#images?run=blurred,sharp")
    shown.get_by_role("button", name=re.compile("Go to place 1")).click()
    scale, shift = matrix(shown)

    assert scale == pytest.approx(HEIGHT / SIDE)
    assert shift == pytest.approx(
        0.5 - scale * (4 + SIDE / 2) / WIDTH, abs=0.26
    )  # no panel shows beyond its image
    names = [text.split()[0] for text in shown.locator("#viewer figcaption").all_inner_texts()]
    assert set(TRAINED[:2]) <= set(names)


def test_without_scripts_every_picture_and_number_is_there(opened):
    """The strips are below each photograph's name, and the viewer is not."""
    shown = opened(java_script_enabled=False)
    for fold in shown.locator("#images summary").all():
        if fold.is_visible():
            fold.click()

    assert not shown.locator("#viewer").is_visible()
    assert shown.locator("#images .strip img").first.is_visible()
    for image in IMAGES:
        assert shown.get_by_text(f"{psnr('cdgnet', image):.2f} dB").count() >= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessibility(opened, scheme):
    """axe-core finds nothing in any layout of the viewer."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for mode in ("side", "slider", "flicker"):
        shown = opened(f"#images?mode={mode}&show=error", color_scheme=scheme)
        shown.wait_for_timeout(200)
        found = axe.run(shown, context="#images").response["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []

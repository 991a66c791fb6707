"""Time a frame of synchronised zoom of six panels in Chromium: the report's viewer against Plotly's subplots.

    python -m tests.benchmarks.zoom results/embedded/report.html

Both show the same six pictures and take 60 steps of zoom and pan; a step ends when the browser has painted
it. Plotly moves one pair of axes that the others match, on which the pictures are layout images.
"""

import argparse
import json
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from benchmark.report import packing

CHROMIUM = "/usr/bin/chromium"
STEPS = 60
TIMED = """async (step) => {
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const times = [];
  await painted();
  for (let index = 0; index < STEPS; index++) {
    const begun = performance.now();
    await step(index);
    await painted();
    times.push(performance.now() - begun);
  }
  return times;
}""".replace("STEPS", str(STEPS))
VIEWER = """async () => {
  const pane = document.querySelector("#viewer .pane"), box = pane.getBoundingClientRect();
  const at = { clientX: box.left + box.width * 0.7, clientY: box.top + box.height * 0.4 };
  const wheel = (deltaY) => new WheelEvent("wheel", { ...at, deltaY, bubbles: true, cancelable: true });
  return (TIMED)((index) => { pane.dispatchEvent(wheel(index < 30 ? -40 : 40)); });
}""".replace("TIMED", TIMED)
PLOTLY = """async () => (TIMED)((index) => {
  const side = 1 / (1 + 0.1 * Math.min(index, 60 - index)), x = 0.7 - 0.7 * side, y = 0.4 - 0.4 * side;
  return Plotly.relayout("plot", { "xaxis.range": [x, x + side], "yaxis.range": [y, y + side] });
})""".replace("TIMED", TIMED)


def plotly_page(uris: list[str]) -> str:
    """Write a page with one picture per subplot, whose axes match the first."""
    layout: dict[str, object] = {
        "width": 1050,
        "height": 700,
        "images": [],
        "margin": dict.fromkeys("lrtb", 10),
    }
    layout["grid"] = {"rows": 2, "columns": 3, "pattern": "independent"}
    images, traces = [], []
    for index, uri in enumerate(uris):
        number = "" if index == 0 else str(index + 1)
        axis = {"range": [0, 1], **({"matches": "x"} if index else {})}
        layout[f"xaxis{number}"] = axis
        layout[f"yaxis{number}"] = axis | ({"matches": "y"} if index else {})
        place = {"xref": f"x{number}", "yref": f"y{number}", "x": 0, "y": 1, "sizex": 1, "sizey": 1}
        images.append({"source": uri, "sizing": "stretch", "layer": "below", **place})
        traces.append(
            {"x": [0, 1], "y": [0, 1], "mode": "none", "xaxis": f"x{number}", "yaxis": f"y{number}"}
        )
    layout["images"] = images
    script = packing.shipped(*packing.LIBRARIES["plotly"]).read_text(encoding="utf-8")
    call = f"Plotly.newPlot('plot', {json.dumps(traces)}, {json.dumps(layout)});"
    return f"<!doctype html><div id=plot></div><script>{script}</script><script>{call}</script>"


def summarise(name: str, times: list[float]) -> None:
    """Print median and slowest frame."""
    ordered = sorted(times)
    print(f"{name}: median {median(times):.1f} ms, 95th percentile {ordered[int(0.95 * len(times))]:.1f} ms")


def main() -> None:
    """Open both pages and time them, three rounds in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    report = parser.parse_args().report.resolve().as_uri()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def opened(address: str = "", content: str = "") -> Page:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(address) if address else page.set_content(content)
            page.wait_for_timeout(1500)
            return page

        ours = opened(f"{report}#images")
        uris = ours.evaluate(
            "[...document.querySelectorAll('#viewer .pane img')].slice(0, 6).map((i) => i.src)"
        )
        theirs = opened(content=plotly_page(uris))
        for _ in range(3):
            ours.bring_to_front()
            summarise("transforms", ours.evaluate(VIEWER))
            theirs.bring_to_front()
            summarise("Plotly", theirs.evaluate(PLOTLY))
        browser.close()


if __name__ == "__main__":
    main()

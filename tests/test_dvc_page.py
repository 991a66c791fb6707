"""The page that `dvc plots show` fills opens without a network."""

import re
from configparser import ConfigParser

from dvc_render.html import render_html
from dvc_render.vega import VegaRenderer

from benchmark.report import dvc_page


def test_page_loads_nothing_and_keeps_other_settings(tmp_path, monkeypatch):
    """DVC's plots on the page refer to no address; settings of the clone stay."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config.local").write_text("[core]\n    autostage = true\n")
    points = [{"step": 1, "test": 20.5, "rev": "workspace"}]

    dvc_page.main()
    render_html([VegaRenderer(points, "curves", x="step", y="test")], "index.html", dvc_page.PAGE)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    settings = ConfigParser()
    settings.read(".dvc/config.local")

    assert not re.search(r"<(script|link)[^>]*(src|href)=", page)
    assert "cdn." not in page
    assert "20.5" in page
    assert "vega-lite" in page
    assert settings["core"]["autostage"] == "true"
    assert settings["plots"]["html_template"] == "tmp/plots.html"

"""Let `dvc plots show` write a page that opens offline: `python -m benchmark.report.dvc_page`.

DVC's own page loads Vega from the web. This one holds Vega's scripts, taken from the vl-convert wheel.
"""

from configparser import ConfigParser
from pathlib import Path

import vl_convert

PAGE = Path(".dvc/tmp/plots.html")  # DVC has git ignore all of .dvc/tmp
LOCAL_CONFIG = Path(".dvc/config.local")  # DVC's settings of this clone alone
VEGA_LITE = "5.20"  # templates in .dvc/plots are Vega-Lite 5
HTML = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Plots of deblur-bench</title>
<script type="module">SCRIPT</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def main() -> None:
    """Write the page and name it in DVC's configuration of this clone.

    DVC's plots call the global `vegaEmbed` from plain scripts, which run before a module does; a stand-in
    keeps their calls for the module.
    """
    replay = "for (const call of calls) vegaEmbed(...call);"
    script = vl_convert.javascript_bundle(replay, vl_version=VEGA_LITE)
    page = HTML.replace(
        '<script type="module">SCRIPT</script>',
        "<script>var calls = []; var vegaEmbed = (...call) => calls.push(call);</script>\n"
        f'<script type="module">{script}</script>',
    )
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    config = ConfigParser()
    config.read(LOCAL_CONFIG, encoding="utf-8")
    config["plots"] = {"html_template": PAGE.relative_to(LOCAL_CONFIG.parent).as_posix()}
    with LOCAL_CONFIG.open("w", encoding="utf-8") as file:
        config.write(file)


if __name__ == "__main__":
    main()

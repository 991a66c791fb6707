"""Stage report: `python -m benchmark.report` writes the page and prints its six main findings."""

import argparse
import io
import sys
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from benchmark.report import inputs, live, page, readme, summary

SECONDS = 10  # between two looks at a training


def watch(profile: str, opened: bool) -> int:
    """Write the page again and again while a training runs, with its curves, until all runs are trained."""
    watcher = live.Watch()
    while True:
        tables, progress = watcher.look(inputs.read(profile))
        done = not (progress.running or progress.waiting)
        content = summary.summarise(tables)
        page.write(content, tables.results.report, None if done else progress)
        if opened:
            webbrowser.open(tables.results.report.resolve().as_uri())
            opened = False
        left = "" if progress.left is None else f", about {progress.left / 60:.0f} min left"
        print(
            f"{progress.at} {len(progress.finished)} runs finished, {len(progress.running)} under way{left}",
            flush=True,
        )
        if done:
            print(tables.results.report)
            return 0
        time.sleep(SECONDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write results/<profile>/report.html; the exit status is 2 when an input is malformed."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.report", description=__doc__)
    parser.add_argument("--profile", default="", help="default: the profile that params.yaml names")
    parser.add_argument("--readme", action="store_true", help="also write the findings into README.md")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="again and again while a training runs, with its curves so far",
    )
    parser.add_argument("--ready", action="store_true", help="say where the page is, and no findings")
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack the quotation marks of a finding
    try:
        if options.watch:
            return watch(options.profile, options.open)
        tables = inputs.read(options.profile)
        content = summary.summarise(tables)
        page.write(content, tables.results.report)
        if options.readme:
            readme.write(content, Path("README.md"))
    except (ValueError, OSError) as error:
        print(f"report: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if options.ready:
        print(f"report: {tables.results.report} has the results so far; it is written again at the end")
    else:
        print(tables.results.report)
        for index, headline in enumerate(content.headlines, 1):
            print(f"{index}. {headline.text}")
    if options.open:
        webbrowser.open(tables.results.report.resolve().as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Stage report: `python -m benchmark.report` writes the page and prints its six main findings."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.report import inputs, page, readme, summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Write results/<profile>/report.html; the exit status is 2 when an input is malformed."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.report", description=__doc__)
    parser.add_argument("--profile", default="", help="default: the profile that params.yaml names")
    parser.add_argument("--readme", action="store_true", help="also write the findings into README.md")
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may lack the quotation marks of a finding
    try:
        tables = inputs.read(options.profile)
        content = summary.summarise(tables)
        page.write(content, tables.results.report)
        if options.readme:
            readme.write(content, Path("README.md"))
    except (ValueError, OSError) as error:
        print(f"report: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(tables.results.report)
    for index, headline in enumerate(content.headlines, 1):
        print(f"{index}. {headline.text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

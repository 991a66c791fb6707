"""Stage report: `python -m benchmark.report` writes the page and prints its six main findings."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.report import inputs, page, readme, summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Write results/<profile>/report.html; the exit status is 2 when an input is malformed."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.report", description=__doc__)
    parser.add_argument("--profile", default="", help="default: the one params.yaml names")
    parser.add_argument("--readme", action="store_true", help="also write the findings into README.md")
    chosen = parser.parse_args(arguments)
    try:
        read = inputs.read(chosen.profile)
        made = summary.summarise(read)
        page.write(made, read.results.report)
        if chosen.readme:
            readme.write(made, Path("README.md"))
    except (ValueError, OSError) as error:
        print(f"report: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(read.results.report)
    for index, sentence in enumerate(made.headlines, 1):
        print(f"{index}. {sentence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

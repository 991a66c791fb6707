"""One version: of the package, the citation and the changelog."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_package_citation_and_changelog_have_one_version():
    """The newest heading of CHANGELOG.md with a date is the version of pyproject.toml and CITATION.cff."""
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    heading = re.search(r"^## (\S+) \((\d\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert heading is not None
    assert (package, package) == (citation["version"], heading[1])
    assert str(citation["date-released"]) == heading[2]

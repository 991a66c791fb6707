"""One thread, and the invented results that the tests of the report share."""

import pytest
import torch

from benchmark.report import summary
from tests import browser, people
from tests.invented import fill, read

# Networks this small run no faster on two threads, and many times slower on a busy machine.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """Return a folder with every input of the report."""
    root = tmp_path_factory.mktemp("filled")
    fill(root)
    return root


@pytest.fixture(scope="session")
def full_summary(filled):
    """Return the summary of that folder."""
    return summary.summarise(read(filled))


@pytest.fixture(scope="module")
def chromium():
    """Return a browser; each test opens contexts of its own in it."""
    if not browser.executable():
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with browser.launched() as launched:
        yield launched


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Work in a folder of its own without other data folders, where GoPro_Large has two pairs."""
    from benchmark.data import health
    from benchmark.datasets import gopro
    from pipelines import authors

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEBLUR_DATA", raising=False)
    monkeypatch.setattr(gopro, "SET", people.GOPRO)
    monkeypatch.setattr(health, "real_set", {"gopro": people.GOPRO}.get)
    monkeypatch.setattr(authors, "real_set", {"gopro": people.GOPRO}.get)
    people.write_project(tmp_path)
    return tmp_path


@pytest.fixture
def measured(machine, monkeypatch):
    """Return a function that calls stage authors on that GoPro_Large; it returns the rows by quantity."""
    from benchmark.results import Measurement, read_rows
    from pipelines import authors

    def call():
        monkeypatch.setattr(authors, "paired_datasets", lambda: {"gopro": people.GOPRO})
        assert authors.main() == 0
        return {row.quantity: row for row in read_rows(authors.AUTHORS.measurements, Measurement)}

    return call

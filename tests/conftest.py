"""One thread, and the invented results that the tests of the report share."""

import pytest
import torch

from benchmark.report import summary
from tests import browser
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

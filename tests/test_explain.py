"""The chain behind every claim, and what could make a quality differ, against the committed results."""

import hashlib
import re
from pathlib import Path

import pandas as pd
import pytest

from benchmark import claims
from benchmark.compare import attribution, explain, naming
from benchmark.compare.evidence import gather
from benchmark.compare.findings import claims as listed
from benchmark.compare.findings import findings
from benchmark.compare.verdicts import verdicts
from benchmark.results import AUTHORS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def known():
    """Everything that explanations of the committed results are written from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        evidence = gather(claims.read())
        rows, printed = findings(evidence), listed(evidence)
        yield explain.chain(evidence, printed, rows, verdicts(printed, rows))


def section(text, title):
    """The lines of one section."""
    return re.search(rf"^{title}\n((?:  .*\n?)+)", text, re.MULTILINE)[1]


def test_every_claim_is_explained(known):
    """Each chain quotes the print, names its verdict and hashes every file as sha256 does."""
    for claim in known.claims:
        text = explain.explain(claim, known)
        verdict = known.verdicts[explain.place(claim)]

        assert f"“{claim.printed}”" in section(text, "printed")
        assert section(text, "verdict").split("\n")[0].strip().startswith(verdict.outcome)
        for line in section(text, "files").strip().split("\n"):
            path, digest = line.strip().split("  sha256 ")
            assert hashlib.sha256((ROOT / path).read_bytes()).hexdigest().startswith(digest)
        quality = claim.quantity in ("psnr", "ssim")
        failed = verdict.outcome in ("not reproduced", "undecided", "contested")
        assert ("\nattribution\n" in text) == (quality and failed)


def test_the_rows_are_those_of_the_claim(known):
    """SGENet's 19.5 M rest on its line of complexity.csv, which is quoted with its number."""
    claim = naming.find("sgenet:Table 1:SGENet:Params.", known.claims)
    rows = section(explain.explain(claim, known), "rows")
    number = int(re.search(r"complexity.csv, line (\d+):", rows)[1])

    assert (ROOT / "results" / "complexity.csv").read_text().split("\n")[number - 1].startswith("sgenet,")
    assert "params 19526640" in rows


def test_effects_are_differences_of_measured_means(known):
    """DMPHN under MATLAB's SSIM instead of the per-channel one: the difference of two committed means."""
    claim = naming.find("cdgnet:Table 1:DMPHN 2019 [15]:SSIM", known.claims)
    finding = next(f for f in known.findings[explain.place(claim)] if f.kind == "authors_weights")
    result = attribution.attribute(claim, finding, known.evidence, known.tables)
    rows = pd.read_csv(ROOT / AUTHORS.measurements).set_index(["run", "dataset", "quantity"])["value"]
    by_matlab = next(e for e in result.effects if e.says.startswith("ssim_matlab in place of ssim,"))

    expected = rows["dmphn_1_2_4", "gopro", "ssim_matlab"] - rows["dmphn_1_2_4", "gopro", "ssim"]
    assert by_matlab.change == pytest.approx(expected, abs=2e-6)
    sizes = [abs(effect.change) for effect in result.effects]
    assert sizes == sorted(sizes, reverse=True)
    assert result.gap == pytest.approx(0.898 - rows["dmphn_1_2_4", "gopro", "ssim"])


def test_pooled_squared_errors_become_decibels():
    """Images with mean squared errors of 0.01 and 0.03 have 16.99 dB pooled, 17.61 dB in the mean."""
    images = pd.DataFrame({"psnr": [20.0, 15.2288], "psnr_pooled": [0.01, 0.03]}, index=["a/1", "b/1"])
    (effect,) = attribution.protocols(images, "psnr", "here")

    assert effect.cause == "protocol"
    assert effect.change == pytest.approx(16.9897 - 17.6144, abs=1e-4)


def test_each_cause_is_ranked_or_said_to_be_unmeasured(known):
    """No cause is passed over in silence."""
    for claim in known.claims:
        for finding in known.findings.get(explain.place(claim), []):
            if result := attribution.attribute(claim, finding, known.evidence, known.tables):
                causes = {effect.cause for effect in result.effects} | set(result.unmeasured)
                assert causes == set(attribution.CAUSES)

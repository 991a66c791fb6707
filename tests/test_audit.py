"""An audit of somebody else's paper: the example of docs/audit.md as pasted, and bad input."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.compare import audit

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "audit.md").read_text()
CLAIMS, RESULTS = (
    re.search(rf"^`{name}`\n\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
    for name in ("tiny.yaml", "tiny.csv")
)


@pytest.fixture
def pasted(tmp_path):
    """Write the example into a folder; other text replaces a file."""

    def write(claims=CLAIMS, results=RESULTS):
        (tmp_path / "tiny.yaml").write_text(claims)
        (tmp_path / "tiny.csv").write_text(results)
        return tmp_path / "tiny.yaml", tmp_path / "tiny.csv"

    return write


def outcomes(files):
    """Each kind's outcome by row and quantity, and the verdicts."""
    _, findings, verdicts = audit.audit(*files)
    found = {(row.row, row.quantity, row.kind): row.outcome for row in findings}
    return found, {(row.row, row.quantity): row.outcome for row in verdicts}


def test_the_example_as_pasted(pasted):
    """The page's commands, from a folder outside of the repository, print the page's last line; no torch."""
    claims, _ = pasted()
    command = re.search(r"^python -m (benchmark.compare --results .*)$", PAGE, re.MULTILINE)[1]
    script = (
        "import sys; from benchmark.compare.__main__ import main; "
        f"sys.argv = {command.split()!r}; status = main(); "
        "print('torch' in sys.modules); sys.exit(status)"
    )
    done = subprocess.run(
        (sys.executable, "-c", script),
        cwd=claims.parent,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    *_, last, torch = done.stdout.splitlines()
    assert last == re.search(r"```text\n(.*)\n```", PAGE)[1]
    assert torch == "False"
    assert sorted(path.name for path in claims.parent.iterdir()) == ["tiny.csv", "tiny.yaml"]


def test_each_kind_decides_what_it_can(pasted):
    """Physics, size, MACs, data, the paper and measurements, by arithmetic that can be done by hand."""
    found, verdicts = outcomes(pasted())

    # 812.5 GMAC are 1,625 GFLOP: 46 ms at 35.6 TFLOP/s, and 9 ms at five times that.
    assert verdicts["TinyNet", "seconds"] == "impossible"
    assert found["TinyNet", "params", "size"] == found["TinyNet", "macs_720p", "macs"] == "holds"
    assert found["PSNR of TinyNet", "psnr", "own_paper"] == "contradicted"
    assert found["TinyNet", "psnr", "authors_weights"] == "holds"  # 0.006 dB off
    assert found["TinyNet", "ssim", "authors_weights"] == "not reproduced"  # 0.0048 off
    assert verdicts["test pairs", "data.test_pairs"] == "contradicted"
    assert verdicts["MPRNet", "params"] == "holds"  # 20,127,142 weights, counted here
    assert verdicts["MPRNet", "psnr"] == "undecided"


def test_retrained_networks_and_parts_of_a_set(pasted):
    """0.2 dB lower holds for a network trained anew, not for the paper's weights; ten images do not."""
    row = "run,dataset,quantity,value,n,profile\ntiny,gopro,psnr,31.0,{},{}\n"

    for n, profile, outcome in (
        ("1111", "authors", "not reproduced"),
        ("", "mine", "holds"),
        ("10", "mine", "undecided"),
    ):
        found, _ = outcomes(pasted(results=row.format(n, profile)))
        kind = "authors_weights" if profile == "authors" else "retrained"
        assert found["TinyNet", "psnr", kind] == outcome


def test_a_time_counts_on_the_papers_card(pasted):
    """The same seconds hold on an RTX 3090 and decide nothing elsewhere."""
    row = "run,quantity,value,device\ntiny,seconds,0.0041,{}\n"

    for device, outcome in (("NVIDIA GeForce RTX 3090", "holds"), ("a toaster", "undecided")):
        assert outcomes(pasted(results=row.format(device)))[0]["TinyNet", "seconds", "timed"] == outcome


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("tiny,,params,5236096", "tiny,,params,many"), "tiny.csv, line 4: value 'many'; allowed: numbers"),
        (("tiny,,params,5236096", "tiny,,params,-5"), "params: value -5; allowed: finite numbers"),
        (("tiny,,params,5236096", "tiny,,params,nan"), "value 'nan'; allowed: numbers"),
        (("31.194,1111", "31.194,some"), "tiny.csv, line 2: n 'some'; allowed: whole numbers >= 0"),
        (("quantity,value", "quantity,vale"), "tiny.csv: no column 'value'; its columns: run, dataset"),
        (("tiny,gopro,ssim", "tiny,gopro,psnr"), "tiny, psnr on gopro: has two rows; allowed: one"),
        (("value,n", "value,unit"), "tiny, psnr on gopro: unit '1111'; allowed: 'dB'"),
        (("{quantity: psnr}", "{quantity: pnsr}"), "quantity 'pnsr'; did you mean 'psnr'?"),
        (("card: rtx_3090", "card: rtx_3091"), "card 'rtx_3091'; allowed: a100_sxm4_80gb"),
        (('"32.66", "0.959"', '"32.66"'), "tables[Table 1].rows[MPRNet]: 4 cells; the table has 5 columns"),
        (("about: quality", "abuot: quality"), "unknown key 'abuot'; did you mean 'about'?"),
        (("paper: {", "paper: {{"), "tiny.yaml: cannot be read"),
        (
            ("about: quality", "about: " + "[" * 60 + "]" * 60 + " #"),
            "tiny.yaml, line 4: nested more than 50",
        ),
        (('"PSNR": {', "1: {"), "columns: key 1; allowed: text in quotes"),
        (("scale: 1.0e+6", "scale: .inf"), "scale inf; allowed: finite numbers > 0"),
        (('["31.20"', '["31,20"'), "'31,20'; allowed: commas between thousands"),
        (('["31.20"', '["−31.20"'), "'−31.20' is no number; a minus is '-'"),
        (('["31.20"', '["10^400"'), "'10^400'; allowed: powers from 10^-300 to 10^300"),
        (('row: "TinyNet"', 'row: "MPRNet"'), "Table 1, MPRNet, PSNR, gopro: is there twice"),
        (('printed: "31.25"', 'printed: "31.25", formula: "rank(1, 2)"'), "rank(number, number); allowed"),
        (('printed: "31.25"', 'printed: "31.25", formula: "1 and 2"'), "'1' is no statement"),
        (("value,n", "value,value"), "tiny.csv: 2 columns 'value'; allowed: one"),
        (("tiny,gopro,ssim", ",gopro,ssim"), "tiny.csv: a row without a run or a quantity"),
    ],
)
def test_bad_input_names_its_place(pasted, change, says):
    """The message names the file with line and column, or place, the bad value and what is allowed."""
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        audit.audit(*pasted(CLAIMS.replace(*change), RESULTS.replace(*change)))

    assert "tiny." in str(error.value)
    assert "benchmark/claims" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_size_of_the_results_counts_and_no_images_decide_nothing(pasted):
    """A printed size is held against the results' own size; a mean over no images is none."""
    claims = CLAIMS.replace('"Params (M)": {quantity: params,', '"Size (MB)": {quantity: size,')
    results = RESULTS.replace("ssim,0.9402,1111", "ssim,0.9402,0").replace(",params,5236096", ",size,5200000")
    found, _ = outcomes(pasted(claims, results))

    assert found["TinyNet", "size", "size"] == "holds"
    assert "holds" not in {outcome for (row, quantity, _), outcome in found.items() if quantity == "ssim"}


def test_missing_files(tmp_path, pasted):
    """Each is named."""
    claims, results = pasted()

    with pytest.raises(ValueError, match=r"none\.csv: cannot be read"):
        audit.audit(claims, tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"none\.yaml: cannot be read"):
        audit.audit(tmp_path / "none.yaml", results)

"""What repeats a training and what does not; where text counts, tried on a copy of the code."""

import ast
import json
import re
from dataclasses import replace

import pytest

from benchmark import engine, spec
from benchmark.data import selection
from benchmark.results import finished, provenance
from benchmark.training import fingerprint, versions
from tests.project import ROOT, checkout

PROFILE, RUNS = spec.load(ROOT / "params.yaml", "embedded")
GAN, PLAIN = "deblurganv2_mobilenet", "dmphn_stack2"


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the project."""
    folder = tmp_path_factory.mktemp("copy")
    checkout(folder)
    return folder


@pytest.fixture
def code(copied, monkeypatch):
    """Let hashes of text read a copy of the code, which tests may edit; give the path of its package."""
    monkeypatch.setattr(provenance, "ROOT", copied)
    for module in (fingerprint, versions):
        monkeypatch.setattr(module, "HERE", copied / "benchmark" / "training")
    package = copied / "benchmark"
    before = {path: path.read_bytes() for path in package.rglob("*.py")}
    yield package
    for path in package.rglob("*.py"):
        if path not in before:
            path.unlink()
    for path, text in before.items():
        path.write_bytes(text)


def mark(name, run=None, profile=PROFILE, data="images", pretrained=()):
    """The fingerprint of a run."""
    run = run or RUNS[name]
    return fingerprint.fingerprint(run, profile.at(run), data, pretrained)


def edit(path, old, new):
    """Replace text of a file, once at least."""
    text = path.read_text()
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "concerned"),
    [
        ("nets.py", "torch.manual_seed(seed)", "torch.manual_seed(seed + 1)", {GAN, PLAIN}),
        ("training/trainer.py", "profile.thin, profile.seed", "profile.thin, 1", {GAN, PLAIN}),
        ("training/fit.py", "settings.seed * 1_000_003 + step", "step", {GAN, PLAIN}),
        ("training/validation.py", "CROPS, SIDE = 12, 64", "CROPS, SIDE = 12, 48", {GAN, PLAIN}),
        ("metrics/psnr.py", "return ", "return 0 + ", {GAN, PLAIN}),
        ("training/schedules.py", "epoch // every", "epoch // every + 0", {GAN, PLAIN}),
        ("models/_layers.py", "Callable\n", "Callable, Iterator\n", {GAN, PLAIN}),
        ("losses/__init__.py", "from torch import Tensor", "from torch import Tensor, nn", {GAN, PLAIN}),
        ("models/dmphn.py", "import re", "import re, math", {PLAIN}),
        ("losses/pixel.py", "import torch\n", "import torch, math\n", {PLAIN}),
        ("training/augment/rotate_frame.py", "integers(1, 4)", "integers(0, 4)", {PLAIN}),
        ("training/drawing.py", "number, 1]", "number, 7]", {GAN, PLAIN}),
        ("training/augment/_colours.py", "0.299", "0.3", {GAN, PLAIN}),
        ("losses/perceptual.py", "0.485", "0.5", {GAN}),
        ("adversaries/ragan_ls.py", "import torch\n", "import torch, math\n", {GAN}),
        ("adversaries/_discriminators.py", "Callable\n", "Callable, Iterator\n", {GAN}),
    ],
)
def test_code_that_decides_is_computed_again_for_the_runs_that_use_it(code, file, old, new, concerned):
    """Building, seeding, validation, layers, losses, augmentations: another text counts where it is used."""
    before = {name: versions.text(RUNS[name]) for name in (GAN, PLAIN)}
    edit(code / file, old, new)

    assert {name for name, text in before.items() if versions.text(RUNS[name]) != text} == concerned


def test_code_that_decides_nothing_repeats_nothing(code):
    """Comments, docstrings, blank lines, plumbing and all that is new leave every version as it is."""
    before = {name: versions.text(run) for name, run in RUNS.items()}
    for file in ("nets.py", "models/_layers.py", "training/fit.py", "losses/pixel.py", "training/trainer.py"):
        text = re.sub(r'"""(?=[A-Z])', '"""Reworded. ', (code / file).read_text())
        (code / file).write_text("# A comment.\n" + text.replace("\n\n", "\n\n\n  # Another.\n\n"))
    for kind in ("training/augment", "losses", "adversaries", "metrics", "models", "datasets"):
        (code / kind / "brand_new.py").write_text("x = 1\n")
    for file in ("spec/files.py", "engine/worker.py"):
        (code / file).write_text("x = 1\n")

    assert {name: versions.text(run) for name, run in RUNS.items()} == before


def test_what_code_computes_is_in_the_fingerprint_and_its_text_is_not(monkeypatch):
    """Other numbers repeat a training; another text with the same numbers does not."""
    kept = versions.current(RUNS[PLAIN])
    before = mark(PLAIN)
    monkeypatch.setattr(versions, "text", lambda run: "reworded")
    monkeypatch.setattr(versions, "numbers", lambda run: kept)
    reworded = mark(PLAIN)
    monkeypatch.setattr(versions, "numbers", lambda run: kept | {"loss": [0.0, 0.0, 0.0]})

    assert reworded == before != mark(PLAIN)


@pytest.mark.parametrize(
    ("file", "profile", "pretrained", "counts"),
    [
        ("models/deblurganv2.py", {"amp": "bfloat16"}, (), True),
        ("training/fit.py", {"amp": "bfloat16"}, (), True),
        ("models/deblurganv2.py", {}, ("mobilenetv2_100_ra-b33bc2c4.pth",), True),
        ("losses/perceptual.py", {}, ("vgg19-dcbb9e9d.pth",), True),
        ("losses/perceptual.py", {}, (), False),
    ],
)
def test_text_counts_where_no_short_training_looks(code, monkeypatch, file, profile, pretrained, counts):
    """Under autocast all of it; with pretrained weights that of the model and the loss, which use them."""
    profile, numbers = replace(PROFILE, overrides={}, **profile), versions.current(RUNS[GAN])
    monkeypatch.setattr(versions, "current", lambda run: numbers)
    before = mark(GAN, profile=profile, pretrained=pretrained)
    (code / file).write_text((code / file).read_text() + "\nx = 1\n")

    assert (mark(GAN, profile=profile, pretrained=pretrained) != before) == counts


@pytest.mark.parametrize(
    "key", ["steps", "batch", "crop", "thin", "lr_times", "amp", "parts", "validate", "seed", "data"]
)
def test_whatever_a_profile_cuts_is_in_the_fingerprint(key):
    """Another value of a key that cuts, another fingerprint."""
    values = {"amp": "bfloat16", "data": "other", "batch": 1, "crop": 16, "seed": 5}
    changed = replace(PROFILE, overrides={}, **{key: values.get(key, 7)})

    assert mark(PLAIN, profile=changed) != mark(PLAIN, profile=replace(PROFILE, overrides={}))


def test_settings_of_a_solver_are_in_the_fingerprint_and_the_cut():
    """Another number of iterations is another result, though nothing is trained."""
    plain, shorter = (
        replace(PROFILE, overrides=cuts) for cuts in ({}, {"whyte": {"settings": {"apart": 4}}})
    )
    cuts = [
        finished.cut(spec.Training("whyte", RUNS["whyte"], p.at(RUNS["whyte"]))) for p in (plain, shorter)
    ]

    assert mark("whyte", profile=plain) != mark("whyte", profile=shorter)
    assert cuts[0] != cuts[1]


def test_data_weights_and_device_are_in_the_fingerprint(monkeypatch):
    """Other images, other pretrained weights, another torch or device: trained again."""
    first = mark(GAN)
    others = [mark(GAN, data="others"), mark(GAN, pretrained=["vgg19-dcbb9e9d.pth"])]
    monkeypatch.setattr(engine, "device", lambda: "cuda")
    others.append(mark(GAN))
    monkeypatch.setattr(fingerprint.torch, "__version__", "0.0")
    others.append(mark(GAN))

    assert len({first, *others}) == 5


@pytest.mark.parametrize(
    ("run", "path", "repeats"),
    [
        (PLAIN, "train/leaves/sharp/000001.png", True),
        (PLAIN, "test/coffee/blur/000001.png", True),
        (PLAIN, "train/leaves/level_3/000001.png", False),
        (PLAIN, "train/leaves/motion/000001.npy", False),
        ("mtrnn", "train/leaves/level_3/000001.png", True),
        ("svdn", "train/leaves/motion/000001.npy", True),
        ("xu", "test/coffee/motion/000001.npy", False),
    ],
)
def test_only_images_that_a_run_reads_are_its_images(tmp_path, monkeypatch, run, path, repeats):
    """Other levels or motion beside the same blurred and sharp images train again who reads them."""
    monkeypatch.chdir(tmp_path)
    kinds = ("blur", "sharp", "level_3", "motion")
    pixels = {"test/coffee/blur/000001.png": "b", "test/coffee/motion/000001.npy": "m"}
    pixels |= {f"train/leaves/{k}/000001.{'npy' if k == 'motion' else 'png'}": k for k in kinds}

    def identity(found):
        place = selection.manifest(PROFILE)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps({"recipe": {}, "pixels": found}))
        return selection.identity(PROFILE, RUNS[run])

    assert (identity(pixels) != identity(pixels | {path: "changed"})) == repeats


@pytest.mark.parametrize(
    ("change", "repeats"),
    [
        ({"about": "reworded", "ablates": "x", "weights": "x", "pixel_loss": False}, False),
        ({"test_on": ("gopro", "hide")}, False),
        ({"config": {"stacks": 3}}, True),
        ({"train": replace(RUNS[PLAIN].train, augment=("flip_vertical",))}, True),
        ({"train": replace(RUNS[PLAIN].train, epochs=7)}, True),
    ],
)
def test_what_a_run_is_repeats_it_and_what_it_is_called_does_not(change, repeats):
    """A recipe or config is in the fingerprint; words for the report, and where it is tested, are not."""
    assert (mark(PLAIN, run=replace(RUNS[PLAIN], **change)) != mark(PLAIN)) == repeats


def test_a_profiles_name_and_metrics_do_not_matter():
    """Profiles that cut alike train alike."""
    other = replace(PROFILE, name="x", about="", perceptual=(), timing=1, runs=(PLAIN,), pretrained="leave")

    assert mark(PLAIN, profile=other) == mark(PLAIN)


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in ROOT.glob("benchmark/**/*.py")}), ids=lambda f: f.name
)
def test_bare_code_is_the_same_program(folder):
    """Comments and docstrings removed, a file of this project compiles to the same syntax tree."""
    for path in folder.glob("*.py"):
        source = path.read_text()
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                # A body that is a docstring alone has nothing left to parse.
                node.body = node.body[1:] or [ast.Pass()]
        bare = provenance.bare(source)
        if "Pass()" not in ast.dump(tree):
            assert ast.dump(ast.parse(bare)) == ast.dump(tree), path

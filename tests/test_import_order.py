"""Who may import whom (docs/design.md), as a test."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each part may import only the parts named beside it.
MAY_IMPORT: dict[str, set[str]] = {
    "trouble": set(),
    "spec": set(),
    "engine": {"trouble"},
    "plugins": {"spec"},
    "results": {"spec", "trouble"},
    "claims": {"results", "spec"},
    "metrics": {"data", "spec"},
    "deconvolution": {"datasets"},  # only to fit its mixture
    "models": {"deconvolution", "weights"},  # weights.names alone
    "data": {"plugins", "results", "spec", "trouble"},
    "weights": {"data", "plugins", "spec", "trouble"},
    "datasets": {"data"},
    "losses": {"metrics", "models", "spec", "weights"},
    "adversaries": {"losses", "models"},
    "nets": {"plugins", "spec", "weights"},
    "timing": {"claims", "results", "spec", "trouble"},
    "training": {"data", "engine", "losses", "metrics", "nets", "plugins", "results", "spec", "trouble"},
    "measure": {
        "data",
        "losses",
        "metrics",
        "nets",
        "plugins",
        "results",
        "spec",
        "timing",
        "training",
        "trouble",
        "weights",
    },
    "compare": {"claims", "data", "plugins", "results", "spec", "timing", "trouble"},
    "report": {"claims", "compare", "data", "metrics", "plugins", "results", "spec", "timing", "trouble"},
    "__init__": set(),
}
NO_TORCH = {
    "trouble",
    "spec",
    "plugins",
    "results",
    "claims",
    "data",
    "timing",
    "compare",
    "report",
    "datasets",
}


def imports(path: Path) -> set[str]:
    """Dotted names a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmark").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT))
)
def test_imports_point_down(path):
    """A file imports only its own part and the parts below it; the right half runs without torch."""
    part = path.relative_to(ROOT / "benchmark").parts[0].removesuffix(".py")
    names = imports(path)
    used = {name.split(".")[1] for name in names if name.startswith("benchmark.")}

    assert used - {part} <= MAY_IMPORT[part]
    assert not (part in NO_TORCH and any(name.split(".")[0] in ("torch", "torchvision") for name in names))
    assert not any(name.split(".")[0] == "pipelines" for name in names)


# A paper that says it takes a block of another system imports it from there.
MODELS = sorted((ROOT / "benchmark" / "models").glob("*.py"))
TAKES_FROM = {
    "bag": "deblurgan",
    "hamd": "srn",
    "hyun_kim": "xu",
    "mprnet": "dmphn",
    "pssnsc": "srn",
    "saphnet": "dmphn",
    "sgenet": "mprnet",
}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models_import_only_what_their_papers_take(path):
    """A model file imports _layers.py, weights/names.py, solvers, its own parts, and what its paper takes."""
    used = {".".join(name.split(".")[1:3]) for name in imports(path) if name.startswith("benchmark.")}
    own = f"models._{path.stem.lstrip('_').split('_')[0]}"  # _whyte_edges.py is a part of whyte.py
    used = {name for name in used if not name.startswith(("deconvolution", own))}
    taken = {f"models.{TAKES_FROM[path.stem]}"} if path.stem in TAKES_FROM else set()

    assert used <= {"models._layers", "weights.names"} | taken


def test_names_of_weights_need_no_network():
    """weights/names.py, which every model with published weights imports, imports no part and no torch.nn."""
    used = imports(ROOT / "benchmark" / "weights" / "names.py")

    assert not any(name.startswith(("benchmark", "torch.nn")) for name in used)

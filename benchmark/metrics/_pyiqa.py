"""Perceptual metrics, all of them pyiqa's: which are offered, what each needs, and why one is not available.

pyiqa is imported when a metric is loaded, and nothing else here needs it or torch. Its licence (PolyForm
Noncommercial 1.0.0) allows less than this project's, so it is a dependency group of its own, and none of its
code is here.
docs/perceptual.md says more about both.
"""

import io
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmark.data import fetch
from benchmark.data.fetch import File
from benchmark.data.web import one_line
from benchmark.spec import Quantity, nearest

FOLDER = Path("data/pretrained")
HUB = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main"
RELEASE = "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights"
LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"
DISTS = "https://raw.githubusercontent.com/dingkeyan93/DISTS/master/DISTS_pytorch"
TORCHVISION = "https://download.pytorch.org/models"

# While a network is built, no hub is reached and no file of weights can run code.
SWITCHES = {"HF_HUB_OFFLINE": "1", "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"}


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("lpips", "1", "lower", "LPIPS 0.1 on AlexNet"),
        Quantity("lpips-vgg", "1", "lower", "LPIPS 0.1 on VGG16"),
        Quantity("dists", "1", "lower", "DISTS on VGG16"),
        Quantity("ms_ssim", "1", "higher", "SSIM at five scales, Y of YIQ, rounded"),
        Quantity("cw_ssim", "1", "higher", "SSIM of a steerable pyramid (Sampat et al. 2009), Y of YIQ"),
        Quantity("fsim", "1", "higher", "feature similarity with colour (Zhang et al. 2011)"),
        Quantity("vif", "1", "higher", "visual information fidelity (Sheikh and Bovik 2006), Y of YIQ"),
        Quantity("gmsd", "1", "lower", "gradient magnitude deviation (Xue et al. 2014), Y of YIQ"),
        Quantity("niqe", "1", "lower", "NIQE with its authors' model (Mittal et al. 2013)"),
        Quantity("ilniqe", "1", "lower", "IL-NIQE with its authors' model (Zhang et al. 2015)"),
        Quantity("brisque", "1", "lower", "BRISQUE with its authors' model (Mittal et al. 2012)"),
        Quantity("musiq", "1", "higher", "MUSIQ trained on KonIQ-10k (Ke et al. 2021)"),
        Quantity("piqe", "1", "lower", "PIQE (Venkatanath et al. 2015)"),
    )
}
BLIND = ("niqe", "ilniqe", "brisque", "musiq", "piqe")  # judge the restored image without the sharp one


def own(name: str, *first: str, size: int = 0) -> File:
    """Describe a metric's own file: pyiqa's author hosts it twice, its authors at `first`."""
    return fetch.named(*first, f"{HUB}/{name}", f"{RELEASE}/{name}", size=size)


# The digits in a file's name are its published sum; the first download of a file without is trusted.
ALEXNET = fetch.named(f"{TORCHVISION}/alexnet-owt-7be5be79.pth")
VGG16 = fetch.named(f"{TORCHVISION}/vgg16-397923af.pth")
# The metric's own file, then the classifier whose features it compares.
FILES: dict[str, tuple[File, ...]] = {
    "lpips": (own("LPIPS_v0.1_alex-df73285e.pth", f"{LPIPS}/alex.pth", size=6009), ALEXNET),
    "lpips-vgg": (own("LPIPS_v0.1_vgg-a78928a0.pth", f"{LPIPS}/vgg.pth", size=7289), VGG16),
    "dists": (own("DISTS_weights-f5e65c96.pth", f"{DISTS}/weights.pt", size=12288), VGG16),
    "niqe": (own("niqe_modelparameters.mat"),),
    "ilniqe": (own("ILNIQE_templateModel.mat"),),
    "brisque": (own("brisque_svm_weights.pth"),),
    "musiq": (own("musiq_koniq_ckpt-e95806b9.pth"),),
}
LICENCES = {
    "lpips": "BSD-2-Clause; AlexNet BSD-3-Clause",
    "lpips-vgg": "BSD-2-Clause; VGG16 BSD-3-Clause",
    "dists": "MIT; VGG16 BSD-3-Clause",
    "niqe": "any purpose, with notice and citation (University of Texas at Austin)",
    "ilniqe": "none stated",
    "brisque": "any purpose, with notice and citation (University of Texas at Austin)",
    "musiq": "Apache-2.0",
}


class Metric:
    """A loaded metric; its interface is that of a file in metrics/: QUANTITY and `measure`."""

    def __init__(self, name: str, net: Any, device: str) -> None:
        self.QUANTITY, self.net, self.device = quantity(name), net, device

    def measure(self, restored: Any, sharp: Any) -> Any:
        """Measure tensors (B, 3, H, W), (B, 3, H, W) in [0, 1] -> (B,), in float32, as pyiqa is calibrated.

        Raises:
            ValueError: pyiqa rejects the images; most metrics reject small ones.
        """
        images = (restored,) if self.QUANTITY.name in BLIND else (restored, sharp)
        with warnings.catch_warnings(action="ignore"):
            try:
                values = self.net(*(image.float().to(self.device) for image in images))
            except RuntimeError as error:
                size, reason = "x".join(map(str, restored.shape[-2:])), one_line(error)
                raise ValueError(f"{self.QUANTITY.name}: pyiqa does not measure {size}: {reason}") from None
        return values.reshape(len(restored)).to(restored)


def quantity(name: str) -> Quantity:
    """Return the quantity of a metric.

    Raises:
        ValueError: there is none of this name; the message has the nearest name, or all of them.

    >>> quantity("lpip")
    Traceback (most recent call last):
    ValueError: perceptual: no 'lpip'; did you mean 'lpips'?
    """
    if name not in QUANTITIES:
        raise ValueError(f"perceptual: no {name!r}; {nearest(name, QUANTITIES)}")
    return QUANTITIES[name]


def prepare(metrics: Iterable[str], folder: Path = FOLDER) -> None:
    """Download the metrics' weights, or print why not: see `fetch.prepare`."""
    names = [quantity(name).name for name in metrics]
    files = [(name, file) for name in names for file in FILES.get(name, ())]
    fetch.prepare([(name, file, f"without it there is no {name}") for name, file in files], folder)


def find_files(name: str, folder: Path) -> list[Path]:
    """Return the files of a metric, see `load`."""
    files = FILES.get(name, ())
    if find_spec("pyiqa") is None:
        raise ValueError(f"{name}: pyiqa is not installed")
    by_name = {file.name: fetch.find_weights(file, folder) for file in files}
    if missing := [name for name, path in by_name.items() if path is None]:
        raise ValueError(f"{name}: weights not at hand: {', '.join(missing)}")
    paths = [path for path in by_name.values() if path]
    for path, file in zip(paths, files, strict=True):
        fetch.check(path, file.sha256)
    return paths


def load(name: str, folder: Path = FOLDER, device: str = "cpu") -> Metric:
    """Load a metric with its weights. Nothing is downloaded; `prepare` does that.

    Raises:
        ValueError: the metric is not available; the reason, in one line.
    """
    files = find_files(name, folder)
    options = {"pretrained_model_path": str(files[0])} if files else {}
    with confined(files[1:]):
        try:
            import pyiqa

            net = pyiqa.create_metric(name, device=device, **options)
        except Exception as error:  # any error of pyiqa, torch or the file
            raise ValueError(f"{name}: pyiqa cannot load it: {one_line(error)}") from None
    return Metric(name, net, device)


def available(
    requested: Iterable[str], folder: Path = FOLDER, device: str = "cpu"
) -> tuple[dict[str, Metric], dict[str, str]]:
    """Load the available metrics; return them, and the reasons why the others are not available."""
    metrics, reasons = dict[str, Metric](), dict[str, str]()
    for name in [quantity(name).name for name in requested]:
        try:
            metrics[name] = load(name, folder, device)
        except ValueError as error:
            reasons[name] = str(error)
    return metrics, reasons


@contextmanager
def confined(classifiers: list[Path]) -> Iterator[None]:
    """Restrict pyiqa: torch.hub has these files alone, SWITCHES are set, nothing is printed."""
    with TemporaryDirectory() as home:
        checkpoints = Path(home, "hub", "checkpoints")
        checkpoints.mkdir(parents=True)
        for path in classifiers:
            (checkpoints / path.name).symlink_to(path.resolve())
        switches = SWITCHES | {"TORCH_HOME": home}
        before = {key: os.environ[key] for key in switches if key in os.environ}
        os.environ |= switches
        try:
            with warnings.catch_warnings(action="ignore"), redirect_stdout(io.StringIO()):
                yield
        finally:
            for key in switches:
                del os.environ[key]
            os.environ |= before

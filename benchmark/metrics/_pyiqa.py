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
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Entry:
    """A metric that is offered, under pyiqa's name for it."""

    quantity: Quantity
    reference: str  # full: compares with the sharp image; none: judges the restored one alone
    files: tuple[File, ...] = ()  # the metric's own, then the classifier whose features it compares
    licence: str = ""  # of these files


def own(name: str, sha256: str = "", first: str = "", size: int = 0) -> File:
    """Describe a metric's own file: pyiqa's author hosts it twice, its authors at `first`."""
    return File((*filter(None, [first]), f"{HUB}/{name}", f"{RELEASE}/{name}"), name, size, sha256)


# The digits in a file's name are its published sum; the first download of a file without is trusted.
ALEXNET = File((f"{TORCHVISION}/alexnet-owt-7be5be79.pth",), "alexnet-owt-7be5be79.pth", sha256="7be5be79")
VGG16 = File((f"{TORCHVISION}/vgg16-397923af.pth",), "vgg16-397923af.pth", sha256="397923af")
ENTRIES = (
    Entry(
        Quantity("lpips", "1", "lower", "LPIPS 0.1 on AlexNet"),
        "full",
        (own("LPIPS_v0.1_alex-df73285e.pth", "df73285e", f"{LPIPS}/alex.pth", 6009), ALEXNET),
        "BSD-2-Clause; AlexNet BSD-3-Clause",
    ),
    Entry(
        Quantity("lpips-vgg", "1", "lower", "LPIPS 0.1 on VGG16"),
        "full",
        (own("LPIPS_v0.1_vgg-a78928a0.pth", "a78928a0", f"{LPIPS}/vgg.pth", 7289), VGG16),
        "BSD-2-Clause; VGG16 BSD-3-Clause",
    ),
    Entry(
        Quantity("dists", "1", "lower", "DISTS on VGG16"),
        "full",
        (own("DISTS_weights-f5e65c96.pth", "f5e65c96", f"{DISTS}/weights.pt", 12288), VGG16),
        "MIT; VGG16 BSD-3-Clause",
    ),
    Entry(Quantity("ms_ssim", "1", "higher", "SSIM at five scales, Y of YIQ, rounded"), "full"),
    Entry(
        Quantity("cw_ssim", "1", "higher", "SSIM of a steerable pyramid (Sampat et al. 2009), Y of YIQ"),
        "full",
    ),
    Entry(Quantity("fsim", "1", "higher", "feature similarity with colour (Zhang et al. 2011)"), "full"),
    Entry(
        Quantity("vif", "1", "higher", "visual information fidelity (Sheikh and Bovik 2006), Y of YIQ"),
        "full",
    ),
    Entry(Quantity("gmsd", "1", "lower", "gradient magnitude deviation (Xue et al. 2014), Y of YIQ"), "full"),
    Entry(
        Quantity("niqe", "1", "lower", "NIQE with its authors' model (Mittal et al. 2013)"),
        "none",
        (own("niqe_modelparameters.mat"),),
        "any purpose, with notice and citation (University of Texas at Austin)",
    ),
    Entry(
        Quantity("ilniqe", "1", "lower", "IL-NIQE with its authors' model (Zhang et al. 2015)"),
        "none",
        (own("ILNIQE_templateModel.mat"),),
        "none stated",
    ),
    Entry(
        Quantity("brisque", "1", "lower", "BRISQUE with its authors' model (Mittal et al. 2012)"),
        "none",
        (own("brisque_svm_weights.pth"),),
        "any purpose, with notice and citation (University of Texas at Austin)",
    ),
    Entry(
        Quantity("musiq", "1", "higher", "MUSIQ trained on KonIQ-10k (Ke et al. 2021)"),
        "none",
        (own("musiq_koniq_ckpt-e95806b9.pth", "e95806b9"),),
        "Apache-2.0",
    ),
    Entry(Quantity("piqe", "1", "lower", "PIQE (Venkatanath et al. 2015)"), "none"),
)


class Metric:
    """A loaded metric; its interface is that of a file in metrics/: QUANTITY and `measure`."""

    def __init__(self, metric: Entry, net: Any, device: str) -> None:
        self.QUANTITY = metric.quantity
        self.reference, self.net, self.device = metric.reference, net, device

    def measure(self, restored: Any, sharp: Any) -> Any:
        """Measure tensors (B, 3, H, W), (B, 3, H, W) in [0, 1] -> (B,), in float32, as pyiqa is calibrated.

        Raises:
            ValueError: pyiqa rejects the images; most metrics reject small ones.
        """
        images = (restored, sharp) if self.reference == "full" else (restored,)
        with warnings.catch_warnings(action="ignore"):
            try:
                values = self.net(*(image.float().to(self.device) for image in images))
            except RuntimeError as error:
                size, reason = "x".join(map(str, restored.shape[-2:])), one_line(error)
                raise ValueError(f"{self.QUANTITY.name}: pyiqa does not measure {size}: {reason}") from None
        return values.reshape(len(restored)).to(restored)


def names() -> list[str]:
    """List the metrics offered.

    >>> names()[:3]
    ['lpips', 'lpips-vgg', 'dists']
    """
    return [metric.quantity.name for metric in ENTRIES]


def entry(name: str) -> Entry:
    """Return the metric of a name.

    Raises:
        ValueError: there is none; the message has the nearest name, or all of them.

    >>> entry("lpip")
    Traceback (most recent call last):
    ValueError: perceptual: no 'lpip'; did you mean 'lpips'?
    """
    by_name = {metric.quantity.name: metric for metric in ENTRIES}
    if name not in by_name:
        raise ValueError(f"perceptual: no {name!r}; {nearest(name, list(by_name))}")
    return by_name[name]


def prepare(metrics: Iterable[str], folder: Path = FOLDER) -> None:
    """Download the available weights, and print a line for each file. A silent server gets one request."""
    silent_hosts: set[str] = set()
    for name in metrics:
        for file in entry(name).files:
            try:
                print(f"{name}: {find_file(file, folder) or fetch.download(file, folder, silent_hosts)}")
            except ValueError as error:
                print(f"{name}: {error}; without it there is no {name}")


def find_file(file: File, folder: Path) -> Path | None:
    """Return a file of weights from the folder or a data folder; None if it is in neither.

    Raises:
        ValueError: its checksum is not the one in its name.
    """
    path = folder / file.name
    existing = path if path.is_file() else fetch.find(file.name)
    if existing and not (digest := fetch.digest(existing)).startswith(file.sha256):
        raise ValueError(f"{existing}: its sha256 starts {digest[:8]}, not {file.sha256}; remove it")
    return existing


def paths(name: str, folder: Path = FOLDER) -> list[Path]:
    """Return the files of a metric.

    Raises:
        ValueError: the metric is not available; the reason, in one line.
    """
    files = entry(name).files
    if find_spec("pyiqa") is None:
        raise ValueError(f"{name}: pyiqa is not installed")
    by_name = {file.name: find_file(file, folder) for file in files}
    if missing := [name for name, path in by_name.items() if path is None]:
        raise ValueError(f"{name}: weights not at hand: {', '.join(missing)}")
    return [path for path in by_name.values() if path]


def load(name: str, folder: Path = FOLDER, device: str = "cpu") -> Metric:
    """Load a metric with its weights. Nothing is downloaded; `prepare` does that.

    Raises:
        ValueError: the metric is not available; the reason, in one line.
    """
    files = paths(name, folder)
    options = {"pretrained_model_path": str(files[0])} if files else {}
    with confined(files[1:]):
        try:
            import pyiqa

            net = pyiqa.create_metric(name, device=device, **options)
        except Exception as error:  # any error of pyiqa, torch or the file
            raise ValueError(f"{name}: pyiqa cannot load it: {one_line(error)}") from None
    return Metric(entry(name), net, device)


def available(
    requested: Iterable[str], folder: Path = FOLDER, device: str = "cpu"
) -> tuple[dict[str, Metric], dict[str, str]]:
    """Load the available metrics; return them, and the reasons why the others are not available.

    Raises:
        ValueError: a name that is not offered.
    """
    metrics, reasons = dict[str, Metric](), dict[str, str]()
    for name in [entry(name).quantity.name for name in requested]:
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

"""Every network whose authors published code, against figures of that code; what `convert` refuses."""

import pytest
import torch

from benchmark import nets, plugins, spec
from benchmark.adversaries._discriminators import PatchGAN
from benchmark.adversaries.gan import Discriminator
from benchmark.weights import published
from tests import golden

RUNS = spec.load()[1]
# Case in tests/golden -> the run with this network; other cases have the run's name.
RENAMED = {"srn_lstm": "srn"}
NETWORKS = (
    "dbgan",
    "deblurgan",
    "deblurganv2_inception",
    "deblurganv2_mobilenet",
    "dmphn_1_2_4",
    "mimo_unet",
)
NETWORKS += (
    "mimo_unet_plus",
    "mprnet",
    "mscnn",
    "mtrnn",
    "pssnsc",
    "srn_lstm",
    "srn_gray",
    "srn_color",
    "svrnn",
)


def load(case):
    """Return a case, its run, how its files are read, and `convert` with the settings of published.yaml."""
    run = RUNS[RENAMED.get(case, case)]
    entry = published.load()[run.weights]
    convert = plugins.load("models", run.model).convert
    return golden.case(case), run, entry.reads, lambda weights: convert(weights, **entry.convert)


@pytest.mark.parametrize("case", NETWORKS)
def test_it_is_the_authors_network(case):
    """With the same weights our network gives the output of the authors' network."""
    entry, run, reads, convert = load(case)
    with torch.device("meta"):
        net = nets.build(run)
    net.load_state_dict(convert(golden.authors_weights(entry, reads)), assign=True)

    assert entry["difference"] <= 1e-5
    golden.check(entry, net, run.train.normalise)


@pytest.mark.parametrize("case", NETWORKS)
def test_convert_names_what_is_wrong(case):
    """A missing weight and an unexpected one are named as the authors name them."""
    entry, _, reads, convert = load(case)
    names = [name for name, shape in entry["shapes"].items() if len(shape) == 4 and "enc0" not in name]
    dropped = names[len(names) // 2]
    few = golden.authors_weights(
        {**entry, "shapes": {k: v for k, v in entry["shapes"].items() if k != dropped}}, reads
    )
    many = golden.authors_weights(
        {**entry, "shapes": entry["shapes"] | {surplus(dropped): [1, 1, 1, 1]}}, reads
    )

    layer = flat(dropped).rpartition(".")[0]  # Caffe's arrays have no names: without a weight the bias is one
    with pytest.raises(ValueError, match=rf"^missing weight: {layer}\.(weight|bias)$"):
        convert(few)
    with pytest.raises(ValueError, match=f"^unexpected weight: {flat(surplus(dropped))}$"):
        convert(many)


def surplus(name):
    """A weight that the network does not have, in the layer of one that it has."""
    layer, mark, kind = name.rpartition("/" if name.endswith("weights") else ".")
    return f"{layer}_surplus{mark}{kind}"


def flat(name):
    """A name as `convert` reports it: PyTorch's endings, the file's name before that of the weight."""
    return (
        name.removesuffix("s").replace("/weight", ".weight")
        if name.endswith("weights")
        else name.replace("/", ".")
    )


@pytest.mark.parametrize(
    ("case", "discriminator", "names", "scores"),
    [
        ("deblurgan_critic", PatchGAN, {"model": "body"}, lambda net, x: net(x * 2 - 1)),
        (
            "mscnn_discriminator",
            Discriminator,
            {"conv_layers": "layers", "dense": "last"},
            lambda net, x: net(x),
        ),
    ],
)
def test_it_is_the_authors_discriminator(case, discriminator, names, scores):
    """With the same weights it gives the scores of NLayerDiscriminator and of MS-CNN's discriminator."""
    entry, net = golden.case(case), discriminator().eval()
    state = golden.authors_weights(entry)
    for theirs, ours in names.items():
        state = {name.replace(theirs, ours): value for name, value in state.items()}
    net.load_state_dict(state)

    golden.check(entry, golden.AsNetwork(lambda image: scores(net, image)))

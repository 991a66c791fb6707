"""Authors' weights under our names: layers, nested layers, and the forms of TensorFlow and Caffe."""

import numpy as np
import pytest
import torch

from benchmark.weights.names import from_caffe, from_tensorflow, rename

OURS = ["first.weight", "body.0.weight", "body.0.bias", "body.1.weight", "same.bias"]
LAYERS = {"conv1": "first", "net": "body", "net.last": "body.1"}


NAMES = ("net.last.weight", "net.0.weight", "net.0.bias", "conv1.weight", "same.bias")
THEIRS = {name: torch.tensor(float(number)) for number, name in enumerate(NAMES)}


def test_layers_are_renamed_with_all_that_is_in_them():
    """The innermost layer decides, and a weight in no layer keeps its name; the order is ours."""
    state = rename(THEIRS, LAYERS, OURS)

    assert list(state) == OURS
    assert [int(value) for value in state.values()] == [3, 1, 2, 0, 4]


def test_what_does_not_fit_is_named_as_the_authors_name_it():
    """A weight too few or too many."""
    with pytest.raises(ValueError, match=r"^missing weight: net\.last\.weight$"):
        rename({k: v for k, v in THEIRS.items() if "last" not in k}, LAYERS, OURS)
    with pytest.raises(ValueError, match=r"^unexpected weight: net\.2\.bias$"):
        rename(THEIRS | {"net.2.bias": torch.zeros(())}, LAYERS, OURS)


def test_tensorflows_variables_become_pytorchs():
    """Filters (H, W, in, out) become (out, in, H, W); Adam's state and the step count are no weights."""
    filters = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    adam = ("Variable", "beta1_power", "beta2_power", "net/a/weights/Adam", "net/a/biases/Adam_1")

    state = from_tensorflow(
        {"net/a/weights": filters, "net/a/biases": np.ones(4)} | dict.fromkeys(adam, filters)
    )

    assert list(state) == ["net/a.weight", "net/a.bias"]
    assert state["net/a.weight"].shape == (4, 3, 1, 2)
    assert state["net/a.weight"][3, 2, 0, 1] == filters[0, 1, 2, 3]


def test_caffes_arrays_are_weight_and_bias():
    """In this order; a layer with a weight alone has no bias."""
    state = from_caffe({"conv": [np.ones((2, 1, 3, 3)), np.zeros(2)], "scale": [np.ones(2)]})

    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "conv.weight": (2, 1, 3, 3),
        "conv.bias": (2,),
        "scale.weight": (2,),
    }

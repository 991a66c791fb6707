"""The linear filter: SciPy's correlation, and learning a filter that is known."""

import numpy as np
import torch
from scipy.ndimage import correlate
from torch.nn.functional import mse_loss

from benchmark.models.linear_filter import Config, Net


def test_the_filter_is_scipys_correlation():
    """Each colour alone, the same weights, the last pixel continued beyond the border."""
    torch.manual_seed(0)
    net = Net(Config(side=5))
    torch.nn.init.normal_(net.filter.weight)
    torch.nn.init.normal_(net.filter.bias)
    blurry = torch.rand(2, 3, 20, 24)

    restored = net(blurry)[-1].detach().numpy()

    weights = net.filter.weight.detach().numpy()
    expected = correlate(blurry.numpy(), weights, mode="nearest") + net.filter.bias.item()
    np.testing.assert_allclose(restored, expected, atol=1e-5)


def test_training_finds_the_filter_that_made_the_images():
    """White noise determines every weight."""
    torch.manual_seed(0)
    net, truth = Net(Config(side=5)), Net(Config(side=5))
    torch.nn.init.normal_(truth.filter.weight)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)

    for _ in range(300):
        blurry = torch.rand(2, 3, 24, 24) - 0.5
        loss = mse_loss(net(blurry)[-1], truth(blurry)[-1].detach())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    torch.testing.assert_close(net.filter.weight, truth.filter.weight, atol=0.02, rtol=0)

"""RAFT with weights of any kind: sizes, threads' lock and absence. Its accuracy is torchvision's."""

import numpy as np
import torch
from torchvision.models.optical_flow import raft_large

from benchmark.weights import pretrained, raft


def test_flow_has_the_size_of_the_images(tmp_path, monkeypatch):
    """Images whose sides are no multiple of eight, and smaller than RAFT allows, are padded and cropped."""
    torch.manual_seed(0)
    torch.save(raft_large().state_dict(), tmp_path / "raft.pth")
    monkeypatch.setattr(pretrained, "path", lambda name: tmp_path / "raft.pth")
    estimate = raft.estimator("cpu")
    images = np.random.default_rng(0).integers(0, 256, (2, 61, 130, 3), np.uint8)
    flow = estimate(*images)

    assert flow.shape == (61, 130, 2)
    assert flow.dtype == np.float32
    assert np.isfinite(flow).all()


def test_without_weights_there_is_no_estimator(monkeypatch):
    """The caller falls back to DIS."""
    monkeypatch.setattr(pretrained, "path", lambda name: None)

    assert raft.estimator("cpu") is None

"""Choose a motion for each pixel of a grid: probable ones, and alike between neighbours.

Source    J. Sun et al., CVPR 2015 (see models/sun.py): immaxproduct.m of the authors' code
"""

import torch
from torch import Tensor

BLOCK = 2**18  # values of a table of costs between neighbours, at a time: 1 MB, which stays in the cache


def energy(labels: Tensor, costs: Tensor, points: Tensor) -> float:
    """Sum the costs of the chosen candidates and the squared distances between neighbours: (H, W) -> number.

    Args:
        labels: (H, W), the chosen candidate of each pixel.
        costs: (H, W, K), of each candidate.
        points: (H, W, K, 2), where each candidate is.
    """
    chosen = costs.gather(2, labels[..., None]).double().sum()
    at = points.gather(2, labels[..., None, None].expand(-1, -1, 1, 2)).double()
    return float(chosen + at.diff(dim=0).square().sum() + at.diff(dim=1).square().sum())


def cheapest(senders: Tensor, sent: Tensor, receivers: Tensor) -> Tensor:
    """Minimise over the sender's candidates its cost and the squared distance to each of the receiver's.

    Args:
        senders: (N, K, 2), points of the candidates of N pixels.
        sent: (N, K), their costs.
        receivers: (N, K, 2), points of the candidates of a neighbour of each.

    Returns:
        (N, K), the least of each row made zero, which changes no choice and keeps small costs exact.
    """
    count = senders.shape[1]
    rows = max(1, BLOCK // count**2)
    messages = torch.empty_like(sent)
    for start in range(0, len(sent), rows):
        part = slice(start, start + rows)
        table = sent[part, :, None].expand(-1, -1, count)
        for axis in (0, 1):
            apart = senders[part, :, None, axis] - receivers[part, None, :, axis]
            table = torch.addcmul(table, apart, apart)
        messages[part] = table.amin(dim=1)
    return messages - messages.amin(dim=1, keepdim=True)


def min_sum(costs: Tensor, points: Tensor, iterations: int, damping: float) -> Tensor:
    """Choose candidates of low energy by loopy belief propagation, all messages at once.

    Args:
        costs: (H, W, K), of each candidate of each pixel.
        points: (H, W, K, 2), where it is; neighbours pay the squared distance of theirs.
        iterations: times that every message is sent.
        damping: share of the new messages; the rest is the last ones.

    Returns:
        (H, W), of all that the iterations gave and of the start, the cheapest candidate of each pixel by
        itself, the choice with the lowest energy. The authors take the last.
    """
    count = costs.shape[2]
    first, last = (slice(None, -1), slice(1, None))
    whole = slice(None)
    # From a pixel's neighbour above, below, on the left and on the right: senders and receivers.
    ways = {
        "above": ((first, whole), (last, whole)),
        "below": ((last, whole), (first, whole)),
        "left": ((whole, first), (whole, last)),
        "right": ((whole, last), (whole, first)),
    }
    back = {"above": "below", "below": "above", "left": "right", "right": "left"}
    messages = {way: torch.zeros_like(costs) for way in ways}
    best = costs.argmin(dim=2)
    lowest = energy(best, costs, points)
    for _ in range(iterations):
        belief = costs + sum(messages.values())
        new = {}
        for way, (senders, receivers) in ways.items():
            # What the receiver itself has said is left out.
            sent = (belief - messages[back[way]])[senders]
            if sent.numel():
                flat = cheapest(
                    points[senders].reshape(-1, count, 2),
                    sent.reshape(-1, count),
                    points[receivers].reshape(-1, count, 2),
                )
                new[way] = flat.view(sent.shape)
        for way, message in new.items():
            part = messages[way][ways[way][1]]
            part.copy_(damping * message + (1 - damping) * part)
        labels = (costs + sum(messages.values())).argmin(dim=2)
        found = energy(labels, costs, points)
        if found < lowest:
            best, lowest = labels, found
    return best

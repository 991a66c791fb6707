"""One loss per file: `loss(outputs, batch, *, settings)` over a network's outputs, the answer last."""

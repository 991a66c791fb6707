"""One adversary per file: `Adversary` has the networks that learn beside the restoring one, and turns."""

"""One adversary of a GAN per file; the file name is the adversary's name.

`Adversary` is a dataclass of settings. `networks(thin)` builds the networks that train beside the restoring
one; `objective` yields (network name, loss) in the order in which training/fit.py updates the networks.
"""

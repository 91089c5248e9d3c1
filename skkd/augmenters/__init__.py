"""Augmenters: make synthetic rows, which the teacher then labels."""

from ._augmenter import AUGMENTERS, Augmenter, make_augmenter
from ._images import ShiftFlipCrop
from ._neighbors import have_distances as have_distances  # which the choice of an augmenter asks
from ._numbers import GaussianJitter, MixUp
from ._swaps import NeighborSwap, RandomSwap

__all__ = [
    "AUGMENTERS",
    "Augmenter",
    "GaussianJitter",
    "MixUp",
    "NeighborSwap",
    "RandomSwap",
    "ShiftFlipCrop",
    "make_augmenter",
]

AUGMENTERS.update(
    {
        "neighbor_swap": NeighborSwap,
        "random_swap": RandomSwap,
        "gaussian_jitter": GaussianJitter,
        "mix_up": MixUp,
        "shift_flip_crop": ShiftFlipCrop,
    }
)

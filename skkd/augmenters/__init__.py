"""Augmenters: new rows for the teacher to label."""

from ._base import Augmenter
from ._images import ShiftFlipCrop
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
]

AUGMENTERS: dict[str, type[Augmenter]] = {
    "neighbor_swap": NeighborSwap,
    "random_swap": RandomSwap,
    "gaussian_jitter": GaussianJitter,
    "mix_up": MixUp,
    "shift_flip_crop": ShiftFlipCrop,
}

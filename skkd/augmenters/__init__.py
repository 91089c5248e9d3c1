"""Augmenters: new rows for the teacher to label."""

from ._augmenter import Augmenter
from ._images import ShiftFlipCrop
from ._make_augmenter import AUGMENTERS
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

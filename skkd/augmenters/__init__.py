"""Augmenters: new rows for the teacher to label."""

from ._base import Augmenter
from ._images import ShiftFlipCrop
from ._numbers import GaussianJitter, MixUp
from ._registry import AUGMENTERS
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

"""Augmenters by name."""

from sklearn.base import clone

from ._augmenter import Augmenter
from ._images import ShiftFlipCrop
from ._numbers import GaussianJitter, MixUp
from ._swaps import NeighborSwap, RandomSwap

AUGMENTERS: dict[str, type[Augmenter]] = {
    "neighbor_swap": NeighborSwap,
    "random_swap": RandomSwap,
    "gaussian_jitter": GaussianJitter,
    "mix_up": MixUp,
    "shift_flip_crop": ShiftFlipCrop,
}


def make_augmenter(augmenter) -> Augmenter:
    """A fresh augmenter from a name or an instance, which is not changed."""
    if isinstance(augmenter, str):
        if augmenter not in AUGMENTERS:
            raise ValueError(
                f"augmenter={augmenter!r} is not known; choose 'auto' or one of "
                f"{', '.join(map(repr, AUGMENTERS))}, or give an instance of "
                "skkd.augmenters.Augmenter."
            )
        return AUGMENTERS[augmenter]()
    if not isinstance(augmenter, Augmenter):
        raise TypeError(
            "augmenter must be None, a name or an instance of skkd.augmenters.Augmenter; got "
            f"{augmenter!r}."
        )
    fresh = clone(augmenter)
    fresh.validate()
    return fresh

"""The training of a student, and the short trainings that decide how it goes."""

from .batches import are_plain
from .choose_augmenter import choose_augmenter
from .history import joined
from .loop import Patience, Recipe, train
from .pilot import run_pilot
from .processes import check_accelerator
from .synthetic import unlabeled_sources

__all__ = [
    "Patience",
    "Recipe",
    "are_plain",
    "check_accelerator",
    "choose_augmenter",
    "joined",
    "run_pilot",
    "train",
    "unlabeled_sources",
]

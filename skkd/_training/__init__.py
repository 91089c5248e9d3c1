"""The training of a student, and the short trainings that decide how it goes."""

from .choose_augmenter import choose_augmenter
from .history import joined
from .loop import Patience, Recipe, train
from .pilot import run_pilot
from .sources import check_plan, unlabeled_sources

__all__ = [
    "Patience",
    "Recipe",
    "check_plan",
    "choose_augmenter",
    "joined",
    "run_pilot",
    "train",
    "unlabeled_sources",
]

"""The task of classification: what is particular to it stands here."""

from .answers import align, check_proba, protected, raw_proba, read_proba, short
from .calibration import METHODS, Calibration
from .objective import Objective
from .task import Classification, check_classes, columns_of, label_column, read_targets

__all__ = [
    "METHODS",
    "Calibration",
    "Classification",
    "Objective",
    "align",
    "check_classes",
    "check_proba",
    "columns_of",
    "label_column",
    "protected",
    "raw_proba",
    "read_proba",
    "read_targets",
    "short",
]

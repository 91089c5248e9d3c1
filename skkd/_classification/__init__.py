"""The task of classification: what is particular to it stands here."""

from .calibration import METHODS, Calibration
from .labels import check_classes, columns_of, label_column, read_targets
from .objective import Objective
from .task import Classification, call_with_protected, check_proba, raw_proba, short

__all__ = [
    "METHODS",
    "Calibration",
    "Classification",
    "Objective",
    "call_with_protected",
    "check_classes",
    "check_proba",
    "columns_of",
    "label_column",
    "raw_proba",
    "read_targets",
    "short",
]

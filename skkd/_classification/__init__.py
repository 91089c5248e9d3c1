"""The task of classification: what is particular to it stands here."""

from .calibration import METHODS, Calibration
from .folds import short
from .labels import check_classes, columns_of, label_column, read_targets
from .task import Classification, raw_proba

__all__ = [
    "METHODS",
    "Calibration",
    "Classification",
    "check_classes",
    "columns_of",
    "label_column",
    "raw_proba",
    "read_targets",
    "short",
]

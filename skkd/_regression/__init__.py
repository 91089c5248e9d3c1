"""The task of regression: what is particular to it stands here."""

from .numeric_targets import read_numbers_of_rows
from .regression import Regression, check_values
from .regression_losses import LOG_LINK, REGRESSION_LOSSES, loss_at
from .target_scaling import TargetScaling

__all__ = [
    "LOG_LINK",
    "REGRESSION_LOSSES",
    "Regression",
    "TargetScaling",
    "check_values",
    "loss_at",
    "read_numbers_of_rows",
]

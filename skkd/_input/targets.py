"""What a fit is to learn of each row, and what the row weighs."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_consistent_length

from .._sklearn_private import _check_sample_weight


class Targets(NamedTuple):
    """Labels and weights of the rows that count.

    Attributes
    ----------
    task : Classification or Regression
    labels : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Columns of the right classes, or numbers as the user gave them.
    sample_weight, kept : ndarray of shape (n_rows,) or None
        Positive weights, and indices of the given rows with one.
    """

    task: Any
    labels: np.ndarray
    sample_weight: np.ndarray | None
    kept: np.ndarray | None

    @classmethod
    def of(cls, task, labels: np.ndarray, weight: np.ndarray | None) -> "Targets":
        """Leave out rows of weight zero."""
        if weight is None or (weight > 0).all():
            return cls(task, labels, weight, None)
        index = np.flatnonzero(weight > 0)
        return cls(task, labels[index], weight[index], index)


def check_rows_of_targets(X, y: np.ndarray, sample_weight) -> None:
    """Raise a ValueError unless there is a target, and a weight if any, for each row of X."""
    check_consistent_length(X, y)
    if not len(y):
        raise ValueError("Found array with 0 sample(s) in X and y; a minimum of 1 is required.")
    if sample_weight is not None and np.ndim(given := np.asarray(sample_weight)):
        if len(given) != len(y):
            raise ValueError(f"sample_weight has {len(given)} entries for {len(y)} rows of X.")


def read_weight(sample_weight, n_rows: int, hint: str = "") -> np.ndarray:
    """Return sample weights; raise for negative ones, or where all are zero."""
    if isinstance(sample_weight, str):
        raise TypeError(
            f"sample_weight={sample_weight!r} must be an array of one number a row.{hint}"
        )
    weight = _check_sample_weight(
        sample_weight, np.empty((n_rows, 1)), dtype=np.float64, ensure_non_negative=True
    )
    if not (weight > 0).any():
        raise ValueError("sample_weight is zero for all rows; at least one must be positive.")
    return weight


def check_total(weight: np.ndarray) -> np.ndarray:
    """Return weights; raise a ValueError if their sum overflows."""
    if not np.isfinite(weight.sum()):
        raise ValueError(
            f"sample_weight has entries up to {weight.max():.3g}, whose sum overflows. Divide them "
            "by their mean."
        )
    return weight

"""What a fit learns from: rows, and the label, weight and teacher's answer of each."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_consistent_length

from .._sklearn_private import _check_sample_weight
from .containers import LazyRows, take


@dataclass(frozen=True)
class Rows:
    """Rows to train on or to validate on.

    Attributes
    ----------
    X, raw : array, frame or CSR matrix of shape (n_rows, ...)
        Input of the student's net, and of the teacher.
    labels, sample_weight : ndarray of shape (n_rows,)
        Columns of the right classes; weights may be None.
    answers : ndarray of shape (n_rows, n_outputs) or None
        The teacher's answers. None before it is asked.
    folds : int ndarray of shape (n_rows,) or None
        The fold of each row in cross-fitting; -1 for a row that no fold tests. Its answer is a
        place holder that nothing learns from.
    numbers : int ndarray of shape (n_rows,) or None
        Indices among the user's rows. None: all.
    """

    X: Any
    raw: Any
    labels: np.ndarray
    sample_weight: np.ndarray | None = None
    answers: Any = None
    folds: np.ndarray | None = None
    numbers: np.ndarray | None = None

    @property
    def answered(self) -> np.ndarray | slice:
        """The rows that the teacher answered."""
        return slice(None) if self.folds is None or self.folds.min() >= 0 else self.folds >= 0

    @property
    def loss_weight(self) -> np.ndarray | None:
        """Weights of the rows, of shape (2, n_rows) if they differ between both losses."""
        if isinstance(self.answered, slice):
            return self.sample_weight
        weight = np.ones(len(self.labels)) if self.sample_weight is None else self.sample_weight
        return np.stack([weight, weight * self.answered])

    def of_teacher(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return answers, labels and weights of the rows that the teacher answered."""
        known, weight = self.answered, self.sample_weight
        return self.answers[known], self.labels[known], None if weight is None else weight[known]

    def take(self, index: np.ndarray) -> "Rows":
        """Return the rows of an index array."""
        X = take(self.X, index)
        shares = self.raw is self.X and not isinstance(X, LazyRows)
        return Rows(
            X,
            X if shares else take(self.raw, index),
            self.labels[index],
            take(self.sample_weight, index),
            None if self.answers is None else self.answers[index],
            take(self.folds, index),
            index if self.numbers is None else self.numbers[index],
        )


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

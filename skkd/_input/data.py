"""Rows with all that belongs to each of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

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

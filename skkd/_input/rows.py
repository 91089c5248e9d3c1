"""Rows, with all that belongs to each of them: as they are given, and as they are trained on."""

from dataclasses import dataclass

import numpy as np

from .._sklearn_private import _safe_indexing
from .chunks import LazyRows, some_rows


@dataclass
class GivenRows:
    """All rows that an estimator is given, before its teacher is asked.

    Attributes
    ----------
    X : array, frame or CSR matrix of shape (n_given, ...)
        As the teacher sees them.
    y : ndarray of shape (n_given,)
    weight : ndarray of shape (n_given,) or None
    kept : int ndarray of shape (n_rows,) or None
        Those of positive weight; None: all. The others are left out of what follows.
    inputs : array or CSR matrix of shape (n_rows, ...)
        As the student's net sees them.
    labels : int ndarray of shape (n_rows,)
    """

    X: object
    y: np.ndarray
    weight: np.ndarray | None
    kept: np.ndarray | None
    inputs: object
    labels: np.ndarray


@dataclass
class Rows:
    """Rows to train on or to hold out, as the student's net sees them.

    Attributes
    ----------
    X : array or CSR matrix of shape (n_rows, ...)
    labels : int ndarray of shape (n_rows,)
    proba : ndarray of shape (n_rows, n_classes)
        The teacher's probabilities.
    sample_weight : ndarray of shape (n_rows,) or None
    raw : array, frame or None
        The same rows as the teacher sees them, where an augmenter needs them.
    folds : int ndarray of shape (n_rows,) or None
        Rows of one number were kept from the teacher together when it gave their probabilities.
    """

    X: object
    labels: np.ndarray
    proba: np.ndarray
    sample_weight: np.ndarray | None = None
    raw: object = None
    folds: np.ndarray | None = None

    def take(self, index: np.ndarray) -> "Rows":
        """The rows of an index array."""
        X = some_rows(self.X, index)
        weight = None if self.sample_weight is None else self.sample_weight[index]
        raw = self.raw
        if raw is not None:
            is_taken = raw is self.X and not isinstance(X, LazyRows)
            raw = X if is_taken else _safe_indexing(raw, index)
        folds = None if self.folds is None else self.folds[index]
        return Rows(X, self.labels[index], self.proba[index], weight, raw, folds)


def take(values, index: np.ndarray | None):
    """Some rows of an array, frame or matrix; all of them, or none, where there is no choice."""
    if values is None or index is None:
        return values
    return values.take(index) if isinstance(values, LazyRows) else _safe_indexing(values, index)

"""Whether an exported student answers as the student does."""

from collections.abc import Callable

import numpy as np

from .._sklearn_private import _num_samples, _safe_indexing
from ..exceptions import ExportError

TOLERANCE = 1e-5

# Rows that are asked about at once.
_ROWS_AT_ONCE = 8192


def check_parity(answer: Callable, clf, X, tolerance: float) -> tuple[int, float]:
    """Compare with ``predict_proba`` on all rows of X together and on the first one by itself.

    Parameters
    ----------
    answer : callable
        Gives probabilities, and labels or None, for some rows of X.
    clf : fitted DistilledClassifier or StudentOnly
    X : array, frame or CSR matrix
    tolerance : float

    Returns
    -------
    n_rows : int
        How many rows were compared.
    difference : float
        The largest between two probabilities.

    Raises
    ------
    ExportError
        If that is above ``tolerance``, or a label is another one although there is no tie.
    """
    n_rows, worst = _num_samples(X), 0.0
    starts = range(0, n_rows, _ROWS_AT_ONCE)
    # One row as well, for a module may have been traced for another number of rows.
    for rows in [slice(0, 1), *(slice(start, start + _ROWS_AT_ONCE) for start in starts)]:
        part = _safe_indexing(X, rows)
        expected = clf.predict_proba(part)
        proba, labels = answer(part)
        if proba.shape != expected.shape:
            raise ExportError(
                f"What was exported gives probabilities of shape {proba.shape} where predict_proba "
                f"gives {expected.shape}."
            )
        apart = np.abs(proba.astype(np.float64) - expected).max()
        worst = max(worst, np.inf if np.isnan(apart) else float(apart))
        if worst > tolerance:
            break
        if labels is not None:
            _check_labels(labels, clf.classes_, expected, tolerance)
    if worst > tolerance:
        raise ExportError(
            f"What was exported gives probabilities that differ from predict_proba by {worst:.2g}, "
            f"and tolerance={tolerance:.2g} is allowed."
        )
    return n_rows, worst


def _check_labels(labels, classes: np.ndarray, proba: np.ndarray, tolerance: float) -> None:
    second, first = np.partition(proba, -2, axis=1)[:, -2:].T
    clear = first - second > 2 * tolerance
    expected = classes[proba.argmax(axis=1)]
    if (labels[clear] != expected[clear]).any():
        raise ExportError("What was exported gives other labels than predict.")

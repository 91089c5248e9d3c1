"""Check that an exported student answers as the student does."""

from collections.abc import Callable

import numpy as np

from .._sklearn_private import _num_samples, _safe_indexing
from ..exceptions import ExportError

TOLERANCE = 1e-5

# Rows of one call.
_ROWS_AT_ONCE = 8192


def check_parity(answer: Callable, clf, X, tolerance: float) -> tuple[int, float]:
    """Compare with ``predict_proba``, or ``predict``, on all rows of X, and on one row alone.

    Parameters
    ----------
    answer : callable
        Returns probabilities, and labels or None, for some rows of X; numbers for a regressor.
    clf : fitted estimator
    X : array, frame or CSR matrix
    tolerance : float

    Returns
    -------
    n_rows : int
        Number of rows compared.
    difference : float
        The largest one. That of numbers is relative to the larger one of the number and the
        standard deviation of y.

    Raises
    ------
    ExportError
        If the difference is above ``tolerance``, or a label differs without a tie.
    """
    n_rows, worst = _num_samples(X), 0.0
    scaling = getattr(clf, "target_scaling_", None)
    method = "predict_proba" if scaling is None else "predict"
    starts = range(0, n_rows, _ROWS_AT_ONCE)
    # One row as well, because tracing may have fixed the number of rows.
    for rows in [slice(0, 1), *(slice(start, start + _ROWS_AT_ONCE) for start in starts)]:
        part = _safe_indexing(X, rows)
        expected = getattr(clf, method)(part)
        found, labels = answer(part)
        if found.shape != expected.shape:
            raise ExportError(
                f"The export gives answers of shape {found.shape}; {method} gives {expected.shape}."
            )
        differences = np.abs(found.astype(np.float64) - expected)
        if scaling is not None:
            differences /= np.maximum(np.abs(expected), scaling.scale)
        apart = differences.max()
        worst = max(worst, np.inf if np.isnan(apart) else float(apart))
        if worst > tolerance:
            break
        if labels is not None:
            _check_labels(labels, clf.classes_, expected, tolerance)
    if worst > tolerance:
        raise ExportError(
            f"The export's answers differ from {method} by {worst:.2g}; "
            f"tolerance={tolerance:.2g} is allowed."
        )
    return n_rows, worst


def _check_labels(labels, classes: np.ndarray, proba: np.ndarray, tolerance: float) -> None:
    second, first = np.partition(proba, -2, axis=1)[:, -2:].T
    clear = first - second > 2 * tolerance
    expected = classes[proba.argmax(axis=1)]
    if (labels[clear] != expected[clear]).any():
        raise ExportError("The export gives other labels than predict.")


def as_labels(classes: np.ndarray) -> np.ndarray:
    """Return the classes in a dtype that ONNX has: str, int64, bool or float64."""
    values = np.array(classes.tolist()) if classes.dtype == object else classes
    if values.dtype.kind in "UT":
        return values.astype(object)
    if values.dtype.kind in "iu" and values.max() <= np.iinfo(np.int64).max:
        return values.astype(np.int64)
    if values.dtype.kind in "bf":
        return values.astype(bool if values.dtype.kind == "b" else np.float64)
    raise ExportError(
        f"Labels such as {classes.tolist()[0]!r} have no counterpart in ONNX. Encode y as text or "
        "whole numbers before fit."
    )

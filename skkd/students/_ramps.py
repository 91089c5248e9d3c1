"""Piecewise linear encoding: ramps beside a number, so that a net can bend where trees would split.

A perceptron on standardised numbers is slow to learn what jumps or hides in a corner of a skewed
column. Ramps between the quantiles of a column give it as much room for the thousandth next to zero
as for the tail. They are the "piecewise linear encoding" of Gorishniy, Rubachev and Babenko, "On
Embeddings for Numerical Features in Tabular Deep Learning" (arXiv 2203.05556, section 3.2), with
two differences: the number itself stays beside them, and a value that is a quantile several times
gets a ramp from itself to the next value, instead of none.
"""

import math

import numpy as np

from ._standardised import dense

# Rows to go by, and entries, which are few enough to be held a second time.
_N_ROWS, _N_ENTRIES = 2**13, 2**22
# Columns of fewer values are grades or counts, whose steps alike are worth more than their ranks.
_LEAST_VALUES = 33
# More columns than this are not encoded: they would make the first layer several times as large.
_MOST_COLUMNS = 64
# In standard deviations; steeper ramps would tell numbers apart by their rounding errors.
_LEAST_WIDTH = 1e-3


def rows_to_encode_by(X) -> np.ndarray:
    """Indices of some rows of X, an array or CSR matrix of shape (n_rows, ...)."""
    size = min(X.shape[0], _N_ROWS, max(1, _N_ENTRIES // math.prod(X.shape[1:])))
    return np.sort(np.random.default_rng(0).choice(X.shape[0], size, replace=False, shuffle=False))


def columns_to_encode(X) -> tuple[int, ...]:
    """The columns of X, as for a perceptron, that are worth ramps; none where they are many."""
    rows = dense(X[rows_to_encode_by(X)])
    rows.sort(axis=0)
    n_values = 1 + (rows[1:] != rows[:-1]).sum(axis=0)
    columns = np.flatnonzero(n_values >= _LEAST_VALUES)
    return tuple(columns.tolist()) if len(columns) <= _MOST_COLUMNS else ()


def ramps(
    values: np.ndarray, weight: np.ndarray, n_bins: int, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where the ramps of a column begin, and one over their widths.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
    weight : ndarray of shape (n_rows,)
    n_bins : int
    scale : float
        One over the column's standard deviation.

    Returns
    -------
    low, slope : ndarrays of shape (n_bins,)
        A ramp that says nothing that another doesn't say has a slope of 0.
    """
    present = weight > 0
    if not present.any():  # as may be, where they are a few of many rows
        return np.zeros(n_bins), np.zeros(n_bins)
    distinct, index = np.unique(values[present], return_inverse=True)
    share = np.cumsum(np.bincount(index, weight[present]))
    levels = np.linspace(0, 1, n_bins + 1) * share[-1]
    edges = np.minimum(np.searchsorted(share, levels), len(distinct) - 1)
    low, high = edges[:-1], edges[1:]
    high = np.minimum(np.where(high > low, high, low + 1), len(distinct) - 1)
    again = np.append(False, (np.diff(low) == 0) & (np.diff(high) == 0))
    width = np.maximum(distinct[high] - distinct[low], _LEAST_WIDTH / scale)
    return distinct[low], np.where((high > low) & ~again, 1.0 / width, 0.0)

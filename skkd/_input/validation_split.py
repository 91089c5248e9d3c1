"""Validation rows, chosen by their content.

A hash of each row decides, so equal rows fall on one side. Nothing leaks between the sides, an
integer weight stays the same as a repeated row, and the order of the rows does not matter.
"""

import math

import numpy as np
from scipy import sparse

from .containers import row_slices
from .data import Rows

# Entries that are mixed at a time; they fit into the processor's cache.
_CHUNK = 2**18


def split_rows(rows: Rows, strata: np.ndarray, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Return training and validation rows; raise a ValueError where rows are too few for both."""
    train, validation = split_validation_rows(rows.X, strata, fraction, seed)
    if not len(validation):
        raise ValueError(
            f"early_stopping, or a callback of the student, needs validation rows, and "
            f"{len(strata)} rows are too few: at least 3 distinct rows, of one class, are needed. "
            "Set early_stopping=False, or give more rows."
        )
    return rows.take(train), rows.take(validation)


def split_validation_rows(
    X, labels: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into training and validation rows, stratified by label.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_rows, ...)
    labels : int ndarray of shape (n_rows,)
    fraction : float
        Share of each label's distinct rows. Rounded up if at least two rows remain.
    seed : int

    Returns
    -------
    train, validation : int ndarrays, ascending
        ``validation`` is empty where no label has enough distinct rows.
    """
    hashes = hash_rows(X, seed)
    distinct, group = np.unique(hashes, return_inverse=True)
    # Equal rows can carry different labels: their smallest one stands for all of them.
    label_of = np.full(len(distinct), np.iinfo(labels.dtype).max, dtype=labels.dtype)
    np.minimum.at(label_of, group, labels)

    chosen = np.zeros(len(distinct), dtype=bool)
    for label in np.unique(label_of):
        members = np.flatnonzero(label_of == label)  # ascending hashes: a random order
        n_chosen = min(math.ceil(fraction * len(members)), len(members) - 2)
        chosen[members[: max(n_chosen, 0)]] = True
    in_validation = chosen[group]
    return np.flatnonzero(~in_validation), np.flatnonzero(in_validation)


def hash_rows(X, seed: int) -> np.ndarray:
    """Return a 64-bit hash of the content of each row.

    The hash is the sum over the row's entries of a number mixed from value and column.
    """
    hashes = np.empty(X.shape[0], dtype=np.uint64)
    for rows in row_slices(X, _CHUNK):
        chunk = X[rows]
        chunk = chunk.toarray() if sparse.issparse(chunk) else np.asarray(chunk)
        values = chunk.reshape(len(chunk), -1).astype(np.float64)  # a copy to write on
        values[values == 0] = 0.0  # minus zero is zero
        values[np.isnan(values)] = np.nan  # one bit pattern
        columns = np.arange(1, values.shape[1] + 1, dtype=np.uint64)
        salt = _mixed(columns * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed))
        hashes[rows] = _mixed(values.view(np.uint64) ^ salt).sum(axis=1)
    return _mixed(hashes)


def _mixed(bits: np.ndarray) -> np.ndarray:
    """Mix bits by the finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))

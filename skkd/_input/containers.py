"""Rows in any container: arrays, frames, sparse matrices, and rows that are read when needed."""

import math
import mmap
from collections.abc import Iterator

import numpy as np

from .._sklearn_private import _safe_indexing

# From this size on in bytes, X is never copied as a whole, and its rows are shuffled by blocks. The
# size alone decides, so a memory-mapped X gives the same student as one in memory.
LARGE = 2**30

# More soft targets than this (134 MB in float64) are not kept in several forms.
MANY_TARGETS = 2**24

# Entries in a chunk: large enough for numpy, small against memory even as float64.
_ENTRIES = 2**20


class LazyRows:
    """Rows that are copied, or made, when they are asked for.

    Indexed by a slice or an int array, they give an ndarray. ``take`` gives lazy rows again.

    Attributes
    ----------
    shape : tuple
        (n_rows, ...)
    dtype : numpy dtype
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows) -> np.ndarray:
        raise NotImplementedError

    def take(self, index: np.ndarray) -> "LazyRows":
        """Return some of these rows."""
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """Bytes of a copy of all of them."""
        return math.prod(self.shape) * self.dtype.itemsize


class SomeRows(LazyRows):
    """Rows of a large array by their index, in a floating dtype.

    Parameters
    ----------
    X : array of shape (n_rows, ...)
    index : int ndarray, ascending, or None for all rows
    dtype : numpy dtype or None
        None: that of X.
    """

    def __init__(self, X, index: np.ndarray | None, dtype=None):
        self.X, self.index = X, index
        self.shape = (len(X) if index is None else len(index), *X.shape[1:])
        self.dtype = np.dtype(X.dtype if dtype is None else dtype)

    def __getitem__(self, rows) -> np.ndarray:
        chosen = self.X[rows if self.index is None else self.index[rows]]
        return chosen.astype(self.dtype, copy=False)

    def take(self, index: np.ndarray) -> "SomeRows":
        """Return some of these rows."""
        return SomeRows(self.X, index if self.index is None else self.index[index], self.dtype)


def is_frame(X) -> bool:
    """Whether X is a table with named columns (pandas, polars, ...)."""
    return hasattr(X, "columns") and hasattr(X, "dtypes")


def is_large(X, dtype=None) -> bool:
    """Whether X is dense, and in a dtype (None: its own) too large to be copied as a whole."""
    if dtype is not None and isinstance(X, np.ndarray):
        return X.size * np.dtype(dtype).itemsize >= LARGE
    return isinstance(X, (np.ndarray, LazyRows)) and X.nbytes >= LARGE


def take(values, index: np.ndarray | None):
    """Return some rows of any container; all of them where ``index`` is None.

    Rows of a large array that are large themselves are not copied.
    """
    if values is None or index is None:
        return values
    if not isinstance(values, LazyRows) and not is_large(values):
        return _safe_indexing(values, index)
    chosen = values.take(index) if isinstance(values, LazyRows) else SomeRows(values, index)
    return chosen if chosen.nbytes >= LARGE else materialized(chosen)


def materialized(X):
    """Return lazy rows as an array, copied in chunks; anything else as it is."""
    if not isinstance(X, LazyRows):
        return X
    copied = np.empty(X.shape, X.dtype)
    for rows in row_slices(X):
        copied[rows] = X[rows]
    return copied


def row_slices(X, n_entries: int = _ENTRIES) -> Iterator[slice]:
    """Yield slices over all rows in chunks of about ``n_entries``; free mapped pages in between.

    Parameters
    ----------
    X : array, frame or sparse matrix of shape (n_rows, ...)
    n_entries : int
    """
    n_rows = X.shape[0]
    step = max(n_entries // max(math.prod(X.shape[1:]), 1), 1)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))
        release(X)


def release(X) -> None:
    """Unmap the pages of a memory-mapped X that were read; they stay in the system's cache.

    Otherwise all pages that were ever read count as resident until the system needs the memory.
    """
    X = X.X if isinstance(X, SomeRows) else X
    while isinstance(X, np.ndarray):
        # Not in mode "c", whose writes go to private pages that would be lost.
        if isinstance(X, np.memmap) and X.mode != "c" and isinstance(X.base, mmap.mmap):
            if hasattr(mmap, "MADV_DONTNEED"):
                X.base.madvise(mmap.MADV_DONTNEED)
            return
        X = X.base

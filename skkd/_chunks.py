"""An X that may be larger than memory: read in chunks of rows, of which none is kept."""

import math
import mmap
from collections.abc import Iterator

import numpy as np

# From this size on in bytes, X is never copied as a whole, and its rows are shuffled by blocks. The
# size alone decides, so that a memory-mapped X gives the same student as one in memory.
LARGE = 2**30

# More soft targets than this (134 MB in float64) are not kept in several forms.
MANY_TARGETS = 2**24

# Entries in a chunk: large enough for numpy, small against memory even where they become float64.
_ENTRIES = 2**20


class SomeRows:
    """Rows of a large X by their index, copied only when a part of them is asked for.

    Parameters
    ----------
    X : array of shape (n_rows, ...)
    index : int ndarray, ascending
    """

    def __init__(self, X, index: np.ndarray):
        self.X, self.index = X, index
        self.shape, self.dtype = (len(index), *X.shape[1:]), X.dtype

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows) -> np.ndarray:
        return self.X[self.index[rows]]


def is_large(X) -> bool:
    """Whether X is a dense array, or some rows of one, of at least ``LARGE`` bytes."""
    if not isinstance(X, (np.ndarray, SomeRows)):
        return False
    return math.prod(X.shape) * X.dtype.itemsize >= LARGE


def some_rows(X, index: np.ndarray):
    """Rows of X; not yet copied where they are large themselves."""
    if not is_large(X):
        return X[index]
    chosen = SomeRows(X, index)
    if is_large(chosen):
        return chosen
    copied = np.empty(chosen.shape, chosen.dtype)
    for rows in row_slices(chosen):
        copied[rows] = chosen[rows]
    return copied


def row_slices(X, n_entries: int = _ENTRIES) -> Iterator[slice]:
    """Slices over all rows, in chunks of about ``n_entries``; frees mapped pages in between.

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

    Otherwise all that was ever read counts as resident, until the system needs the memory.
    """
    X = X.X if isinstance(X, SomeRows) else X
    while isinstance(X, np.ndarray):
        # Not where writing goes to private pages (mode "c"), which would be lost.
        if isinstance(X, np.memmap) and X.mode != "c" and isinstance(X.base, mmap.mmap):
            if hasattr(mmap, "MADV_DONTNEED"):
                X.base.madvise(mmap.MADV_DONTNEED)
            return
        X = X.base

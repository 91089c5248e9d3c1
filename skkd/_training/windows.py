"""Rows of a large X in an order that is random, and still read in long runs.

Blocks of neighbouring rows come in random order; as many of them as make a window are copied, and
their rows are shuffled in it. A disk is then read half a megabyte at a time and not row by row, and
a file whose rows are sorted by class still gives windows of all classes, from some 256 places.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from .._input import release

_WINDOW_BYTES = 2**27
_BLOCK_BYTES = 2**19


def windows(
    X, sizes: Sequence[int], generator: torch.Generator | None
) -> Iterator[tuple[np.ndarray, np.ndarray, list[int]]]:
    """Windows of whole batches; the batches take their rows one after the other.

    Parameters
    ----------
    X : array-like of shape (n_rows, ...), which can be sliced
    sizes : sequence of int
        Rows of each batch of the epoch; together not more than there are.
    generator : torch.Generator or None
        What the order of the blocks is drawn from; None keeps that of X. The rows of a window are
        not shuffled here.

    Yields
    ------
    rows : ndarray of shape (n_window, ...)
        Only good until the next window.
    numbers : int64 ndarray of shape (n_window,)
        Their places in X.
    sizes : list of int
        Rows of each batch of the window.
    """
    row_bytes = max(math.prod(X.shape[1:]) * X.dtype.itemsize, 1)
    batches_a_window = max(_WINDOW_BYTES // (row_bytes * max(sizes)), 1)
    parts = [
        list(sizes[start : start + batches_a_window])
        for start in range(0, len(sizes), batches_a_window)
    ]
    runs = _Runs(X.shape[0], max(_BLOCK_BYTES // row_bytes, 1), generator)
    buffer = np.empty((max(map(sum, parts)), *X.shape[1:]), dtype=X.dtype)
    numbers = np.empty(len(buffer), dtype=np.int64)
    for part in parts:
        filled = 0
        for start, stop in runs.take(sum(part)):
            here = slice(filled, filled + stop - start)
            buffer[here], numbers[here] = X[start:stop], np.arange(start, stop)
            filled = here.stop
            release(X)
        yield buffer[:filled], numbers[:filled], part


class _Runs:
    """Runs of neighbouring rows, block by block in random order."""

    def __init__(self, n_rows: int, block: int, generator: torch.Generator | None):
        n_blocks = -(-n_rows // block)
        order: Sequence[int] = range(n_blocks)
        if generator is not None:
            order = torch.randperm(n_blocks, generator=generator).tolist()
        self.blocks = ((i * block, min((i + 1) * block, n_rows)) for i in order)
        self.rest = (0, 0)

    def take(self, n_rows: int) -> Iterator[tuple[int, int]]:
        """Starts and stops of the next runs, of so many rows together."""
        while n_rows:
            start, stop = self.rest if self.rest[0] < self.rest[1] else next(self.blocks)
            middle = min(stop, start + n_rows)
            self.rest = (middle, stop)
            n_rows -= middle - start
            yield start, middle

"""Read rows of a large X in random order, and still in long runs.

Blocks of neighboring rows come in random order. As many as make a window are copied, and their rows
are shuffled in it. A disk is read half a megabyte at a time, not row by row. A file whose rows are
sorted by class still gives windows of all classes: a window's rows come from about 256 places.
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
    """Yield windows of whole batches; batches take their rows one after the other.

    Parameters
    ----------
    X : array-like of shape (n_rows, ...)
        Must support slices.
    sizes : sequence of int
        Rows of each batch of the epoch. They sum to at most the rows of X.
    generator : torch.Generator or None
        Draws the order of the blocks. None: the order of X. The rows of a window are not shuffled
        here.

    Yields
    ------
    rows, numbers : ndarray of shape (n_window, ...) and (n_window,)
        Valid until the next window, and their indices in X.
    sizes : list of int
        Rows of each batch.
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
    """Take runs of neighboring rows, block by block in random order."""

    def __init__(self, n_rows: int, block: int, generator: torch.Generator | None):
        n_blocks = -(-n_rows // block)
        order: Sequence[int] = range(n_blocks)
        if generator is not None:
            order = torch.randperm(n_blocks, generator=generator).tolist()
        self.blocks = ((i * block, min((i + 1) * block, n_rows)) for i in order)
        self.rest = (0, 0)

    def take(self, n_rows: int) -> Iterator[tuple[int, int]]:
        """Return starts and stops of the next runs, which have so many rows together."""
        while n_rows:
            start, stop = self.rest if self.rest[0] < self.rest[1] else next(self.blocks)
            middle = min(stop, start + n_rows)
            self.rest = (middle, stop)
            n_rows -= middle - start
            yield start, middle

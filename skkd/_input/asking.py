"""Ask a teacher about rows: it must not change them, and large ones are asked about in parts."""

import copy
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from .containers import MANY_TARGETS, LazyRows, is_large, row_slices, take

# Entries of X that the teacher is asked about at once.
_ENTRIES_AT_ONCE = 2**23


def asked_in_parts(ask: Callable[[Any], np.ndarray], X, n_outputs: int) -> np.ndarray:
    """Return answers about X, of shape (n_rows, n_outputs).

    An X so large that the teacher's own temporary arrays might not fit into memory is asked
    about in parts, each row once. Many answers to float32 are kept in float32.
    """
    if sparse.issparse(X) or math.prod(X.shape) <= _ENTRIES_AT_ONCE:
        return ask(X[:] if isinstance(X, LazyRows) else X)
    shape = (X.shape[0], n_outputs)
    is_single = math.prod(shape) > MANY_TARGETS and getattr(X, "dtype", None) == np.float32
    parts = np.empty(shape, dtype=np.float32 if is_single else np.float64)
    for rows in row_slices(X, _ENTRIES_AT_ONCE):
        is_view = isinstance(X, LazyRows) or type(X) is np.ndarray  # not a copy, as of a file
        part = X[rows] if is_view else take(X, np.arange(rows.start, rows.stop))
        parts[rows] = ask(part)
    return parts


def call_with_protected(function: Callable[[Any], Any], X) -> Any:
    """Call a function of a teacher such that it can't change the user's rows.

    A function that needs memory it can write to, as some compiled ones do, gets a copy.
    """
    if hasattr(X, "iloc"):
        return function(X.copy(deep=not _copies_on_write()))
    if sparse.issparse(X) and X.format == "dok":  # a dict, which can't be made read-only
        return function(X.copy())
    if not isinstance(X, np.ndarray) and not sparse.issparse(X):
        return function(X)
    try:
        return function(_read_only(X))
    except ValueError as error:
        if "read-only" not in str(error) or is_large(X):
            raise
    return function(X.copy())


def _copies_on_write() -> bool:
    """Whether a shallow copy of a pandas frame protects the frame: from pandas 3 on it does."""
    pandas = sys.modules["pandas"]
    is_new = int(pandas.__version__.partition(".")[0]) >= 3
    return is_new or pandas.get_option("mode.copy_on_write") is True


def _read_only(X):
    """Return an array or CSR matrix over the same memory that can't be written."""
    if sparse.issparse(X):
        X = copy.copy(X)
        X.data = _read_only(X.data)
        return X
    X = X.view()
    X.flags.writeable = False
    return X

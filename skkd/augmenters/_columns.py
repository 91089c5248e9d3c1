"""Synthetic rows put together column by column, in a table of the same kind."""

from typing import Any

import numpy as np

from .._input import column_kinds, dtypes_of, is_frame
from .._sklearn_private import _safe_indexing


def described(X: Any) -> list[str]:
    """What rows must share: names and dtypes of a frame's columns, or an array's dtype."""
    if not is_frame(X):
        return [f"rows of dtype {X.dtype}"]
    dtypes = zip(X.columns, dtypes_of(X), strict=True)
    return [f"a column {name!r} of dtype {dtype!r}" for name, dtype in dtypes]


def copy_rows(X: Any, index: np.ndarray) -> Any:
    """Copy some rows; a pandas frame gets a fresh index."""
    if not is_frame(X):
        return X[index]
    copied = _safe_indexing(X, index)
    return copied.reset_index(drop=True) if hasattr(copied, "iloc") else copied


def numbers(X: Any, column: int) -> np.ndarray:
    """A column of numbers as float64, with NaN for missing values."""
    if not is_frame(X):
        return X[:, column].astype(np.float64)
    if hasattr(X, "iloc"):
        return X.iloc[:, column].to_numpy(dtype=np.float64, na_value=np.nan)
    return X.to_series(column).to_numpy().astype(np.float64)


def overwrite(X: Any, column: int, where: np.ndarray, values: np.ndarray) -> None:
    """Overwrite some numbers of a column in place, in its dtype."""
    if not is_frame(X):
        X[where, column] = values
    elif hasattr(X, "iloc"):
        entries = X.iloc[:, column].array.copy()
        entries[where] = values.astype(entries.dtype.numpy_dtype)
        X.isetitem(column, entries)
    else:
        X.replace_column(column, X.to_series(column).scatter(np.flatnonzero(where), values))


def exchange(X: Any, rows: np.ndarray, donors: np.ndarray, mask: np.ndarray) -> Any:
    """Copy ``rows`` of X, with the entries of ``donors`` where ``mask`` is True.

    Parameters
    ----------
    X : array or frame of shape (n_train_rows, n_columns)
    rows, donors : int ndarrays of shape (n_rows,)
    mask : bool ndarray of shape (n_rows, n_columns)
    """
    new = copy_rows(X, rows)
    if not is_frame(X):
        np.copyto(new, X[donors], where=mask)
        return new
    for column, swapped in enumerate(mask.T):
        entries = np.where(swapped, donors, rows)
        if hasattr(X, "iloc"):
            taken = X.iloc[:, column].take(entries)  # an array would be given another dtype
            new.isetitem(column, taken.reset_index(drop=True))
        else:
            new.replace_column(column, X.to_series(column).gather(entries))
    return new


def fractional_columns(X: Any) -> list[int]:
    """Find the columns of numbers with fractions.

    Whole numbers may be codes or counts, whatever their dtype, so they don't count.
    """
    if is_frame(X):
        dtypes = enumerate(dtypes_of(X))
        candidates = [i for i, dtype in dtypes if str(dtype).lower().startswith("float")]
    elif X.dtype.kind == "O":
        candidates = column_kinds(X)["numeric"]
    else:
        candidates = list(range(X.shape[1])) if X.dtype.kind == "f" else []
    return [column for column in candidates if not _is_whole(numbers(X, column))]


def _is_whole(values: np.ndarray) -> bool:
    finite = values[np.isfinite(values)]
    return bool((finite == np.floor(finite)).all())

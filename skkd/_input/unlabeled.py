"""Rows without labels, as ``fit`` is given them beside X."""

from scipy import sparse
from torch import Tensor

from .containers import is_frame
from .datasets import DatasetRows, as_rows
from .kinds import dtypes_of, kind_of_dtype
from .read import read_container


def read_unlabeled(X_unlabeled, X):
    """Return ``X_unlabeled``; raise a ValueError unless its rows are like those of X.

    Numbers of any dtype are alike. Other columns must have the same dtype.

    Parameters
    ----------
    X_unlabeled : array, frame or sparse matrix, a list of one of them, or None
        In a list, it may have as many rows as X. Without one it may not: scikit-learn's
        cross-validation cuts whatever has one entry for each row of X.
    X : array, frame or sparse matrix
    """
    if X_unlabeled is None:
        return None
    if isinstance(X_unlabeled, (list, tuple)) and len(X_unlabeled) == 1 and _is_table(*X_unlabeled):
        (X_unlabeled,) = X_unlabeled
    elif hasattr(X_unlabeled, "shape") and X_unlabeled.shape[:1] == X.shape[:1]:
        raise ValueError(
            f"X_unlabeled has {X.shape[0]} rows, as many as X. A cross-validation would cut it to "
            "the rows of its folds. Give it in a list, X_unlabeled=[rows], which is never cut."
        )
    if isinstance(X, DatasetRows) or as_rows(X_unlabeled) is not X_unlabeled:
        raise ValueError("X_unlabeled and X can't be torch Datasets; give their rows as arrays.")
    if isinstance(X_unlabeled, (list, tuple, Tensor)) or sparse.issparse(X_unlabeled):
        X_unlabeled = read_container(X_unlabeled)
    if not hasattr(X_unlabeled, "shape") or len(X_unlabeled.shape) < 2:
        raise TypeError(
            f"X_unlabeled must be rows like those of X: an array, frame or sparse matrix; got "
            f"{type(X_unlabeled).__name__}."
        )
    if _container(X_unlabeled) != _container(X):
        raise ValueError(
            f"X_unlabeled is {_container(X_unlabeled)} and X is {_container(X)}; give both alike."
        )
    _check_columns(X_unlabeled, X)
    if X_unlabeled.shape[0] == 0:
        raise ValueError("X_unlabeled has no rows; give at least one, or None.")
    return X_unlabeled


def _check_columns(X_unlabeled, X) -> None:
    names = ["X_unlabeled"]
    if is_frame(X):
        names = [f"Column {name!r} of X_unlabeled" for name in X.columns]
        given, expected = list(X_unlabeled.columns), list(X.columns)
        if given != expected:
            raise ValueError(
                f"X_unlabeled must have the columns of X in their order; missing are "
                f"{[name for name in expected if name not in given]}, and unknown "
                f"{[name for name in given if name not in expected]}."
            )
    elif X_unlabeled.shape[1:] != X.shape[1:]:
        raise ValueError(
            f"X_unlabeled has rows of shape {X_unlabeled.shape[1:]}, and X of {X.shape[1:]}."
        )
    for name, *dtypes in zip(names, dtypes_of(X_unlabeled), dtypes_of(X), strict=True):
        kinds = {kind_of_dtype(dtype) for dtype in dtypes}
        if kinds != {"numeric"} and len(set(map(str, dtypes))) > 1:
            raise ValueError(f"{name} has dtype {dtypes[0]}, but {dtypes[1]} in X; convert it.")


def _is_table(X) -> bool:
    return len(getattr(X, "shape", ())) > 1


def _container(X) -> str:
    return "a frame" if is_frame(X) else "sparse" if sparse.issparse(X) else "an array"

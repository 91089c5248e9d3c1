"""What the columns of a table hold: numbers, categories, dates, or what nobody can encode."""

import sys
from typing import Any

import numpy as np

from .containers import is_frame

_NUMERIC = (
    *("int", "uint", "float", "bool", "decimal", "sparse", "double", "halffloat"),
    *("timedelta", "duration"),
)
_CATEGORICAL = ("object", "str", "category", "categorical", "enum", "large_string", "dictionary")
_DATES = ("date", "timestamp")

# What pandas finds in a column of Python objects.
_KIND_OF_OBJECTS = {
    **dict.fromkeys(("integer", "floating", "decimal", "mixed-integer-float"), "numeric"),
    **dict.fromkeys(("boolean", "timedelta"), "numeric"),
    **dict.fromkeys(("datetime", "date"), "date"),
}


def column_kinds(X) -> dict[str, list]:
    """Return the columns of a frame or of an object array by kind: numeric, categorical, date.

    Columns are given by name, or by position where they have no name or a number for one. Numbers
    in a column of Python objects, as databases give them, are numbers. So are durations.

    Raises
    ------
    ValueError
        If columns are none of these, such as lists; it names all of them.
    """
    kinds: dict[str, list] = {"numeric": [], "categorical": [], "date": []}
    if not is_frame(X):
        mixed = X.dtype.kind in "OUST"
        for column in range(X.shape[1]):
            categorical = mixed and any(isinstance(value, str) for value in X[:, column])
            kinds["categorical" if categorical else "numeric"].append(column)
        return kinds
    unknown = []
    for position, (name, dtype) in enumerate(zip(X.columns, dtypes_of(X), strict=True)):
        kind = _kind_of_objects(X, position, dtype) or kind_of_dtype(dtype)
        kind = None if _holds_containers(X, position, dtype) else kind
        if kind is None:
            unknown.append(f"{name!r} ({dtype})")
        else:
            # scikit-learn takes a number for a position, whatever the columns are called.
            kinds[kind].append(name if isinstance(name, str) else position)
    if unknown:
        raise ValueError(
            f"The default student can't encode these columns of X: {', '.join(unknown)}. Turn them "
            "into numbers, categories or dates first, or give student=Pipeline([('encode', ...), "
            "('net', ...)]) with an encoder of your own."
        )
    return kinds


def _kind_of_objects(X, position: int, dtype) -> str | None:
    """Return the kind of a column of Python objects that are all alike; None for others."""
    if str(dtype) != "object" or not hasattr(X, "iloc"):
        return None
    found = sys.modules["pandas"].api.types.infer_dtype(X.iloc[:, position])
    return _KIND_OF_OBJECTS.get(found)


def _holds_containers(X, position: int, dtype) -> bool:
    """Whether the first value of a column of Python objects is a list, a dict or the like."""
    if str(dtype) != "object" or not hasattr(X, "iloc"):
        return False
    first = X.iloc[:, position].first_valid_index()
    return isinstance(X.iloc[:, position].get(first), (list, tuple, dict, set, np.ndarray))


def needs_encoder(X) -> bool:
    """Whether X is a table with a column that must be encoded before it is numbers."""
    if not is_frame(X):
        if not (isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "OUST"):
            return False
        return bool(column_kinds(X)["categorical"])
    kinds = column_kinds(X)
    return bool(kinds["categorical"] or kinds["date"]) or not has_plain_numbers(X)


def has_plain_numbers(X) -> bool:
    """Whether scikit-learn reads all numbers of X: none is an object, of pyarrow or a duration."""
    if not is_frame(X):
        return X.dtype.kind in "biuf"
    names = [str(dtype).lower() for dtype in dtypes_of(X)]
    return not any(
        name == "object" or "pyarrow" in name or name.startswith(("timedelta", "duration"))
        for name in names
    )


def dtypes_of(X) -> list[Any]:
    """Return the dtype of each column of a frame, or the only one of an array."""
    if not is_frame(X):
        return [X.dtype]
    # A pandas column may be called "schema".
    if hasattr(X, "iloc") or not hasattr(X, "schema"):
        return list(X.dtypes)
    return [X.schema[name] for name in X.columns]


def kind_of_dtype(dtype) -> str | None:
    """Return the kind of a pandas or polars dtype by its name; neither must be installed."""
    name = str(dtype).lower()
    if name.startswith(_NUMERIC) and not name.startswith("interval"):
        return "numeric"
    if name.startswith(_DATES):
        return "date"
    return "categorical" if name.startswith(_CATEGORICAL) else None

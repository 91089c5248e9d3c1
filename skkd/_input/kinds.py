"""What the columns of a table hold: numbers, categories, or what the default student can't read."""

import sys
from typing import Any

import numpy as np

from .containers import is_frame

_NUMERIC = ("int", "uint", "float", "bool", "decimal", "sparse", "double", "halffloat")
_CATEGORICAL = ("object", "str", "category", "categorical", "enum", "large_string", "dictionary")

# What pandas finds in a column of Python objects that are all numbers.
_NUMBERS = {"integer", "floating", "decimal", "mixed-integer-float", "boolean"}


def column_kinds(X) -> dict[str, list]:
    """Return the columns of a frame or of an object array by kind: numeric, categorical.

    Columns are given by name, or by position where they have no name or a number for one. Numbers
    in a column of Python objects, as databases give them, are numbers.

    Raises
    ------
    ValueError
        If columns are neither, such as dates; it names all of them.
    """
    kinds: dict[str, list] = {"numeric": [], "categorical": []}
    if not is_frame(X):
        mixed = X.dtype.kind in "OUST"
        for column in range(X.shape[1]):
            categorical = mixed and any(isinstance(value, str) for value in X[:, column])
            kinds["categorical" if categorical else "numeric"].append(column)
        return kinds
    unknown = []
    for position, (name, dtype) in enumerate(zip(X.columns, dtypes_of(X), strict=True)):
        kind = "numeric" if _holds_numbers(X, position, dtype) else kind_of_dtype(dtype)
        if kind is None:
            unknown.append(f"{name!r} ({dtype})")
        else:
            # scikit-learn takes a number for a position, whatever the columns are called.
            kinds[kind].append(name if isinstance(name, str) else position)
    if unknown:
        raise ValueError(
            f"The default student can't encode these columns of X: {', '.join(unknown)}. Turn them "
            "into numbers or categories first, or give student=Pipeline([('encode', ...), ('net', "
            "...)]) with an encoder of your own."
        )
    return kinds


def _holds_numbers(X, position: int, dtype) -> bool:
    """Whether a column of Python objects holds nothing but numbers and missing values."""
    if str(dtype) != "object" or not hasattr(X, "iloc"):
        return False
    return sys.modules["pandas"].api.types.infer_dtype(X.iloc[:, position]) in _NUMBERS


def needs_encoder(X) -> bool:
    """Whether X is a table with a column that must be encoded before it is numbers."""
    if not is_frame(X):
        if not (isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "OUST"):
            return False
        return bool(column_kinds(X)["categorical"])
    return bool(column_kinds(X)["categorical"]) or has_objects(X)


def has_objects(X) -> bool:
    """Whether a frame has columns of Python objects or of pyarrow's types."""
    return any(str(dtype) == "object" or "pyarrow" in str(dtype) for dtype in dtypes_of(X))


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
    if name.startswith(_NUMERIC):
        return "numeric"
    return "categorical" if name.startswith(_CATEGORICAL) else None

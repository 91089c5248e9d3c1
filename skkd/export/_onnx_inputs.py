"""The inputs of an exported file: their names, and how rows of X are fed to them."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .._input import dtypes_of, is_frame, kind_of_dtype
from ..exceptions import ExportError

#: Stands for a missing text, because ONNX has no missing values.
MISSING_TEXT = ""


@dataclass(frozen=True)
class Inputs:
    """Inputs of a file, and how to feed them.

    Attributes
    ----------
    names : tuple of str
        One name for each column that is used, or only ``"X"``.
    dtypes : tuple of dtype
        float64, float32, or object for text.
    shape : tuple
        Of one input, with None for the number of rows.
    places : tuple of int or None
        The column of X that each input is; None for one input with all of X.
    """

    names: tuple[str, ...]
    dtypes: tuple[np.dtype, ...]
    shape: tuple
    places: tuple[int, ...] | None = None

    def described(self) -> dict[str, tuple[str, tuple]]:
        """Return dtype and shape of each input."""
        return {
            name: (dtype_name(dtype), self.shape)
            for name, dtype in zip(self.names, self.dtypes, strict=True)
        }

    def feed(self, X) -> dict[str, np.ndarray]:
        """Return the rows of X as onnxruntime takes them."""
        if self.places is None:
            return {self.names[0]: _as_array(X, self.dtypes[0])}
        return {
            name: _as_array(_column(X, place), dtype).reshape(-1, 1)
            for name, dtype, place in zip(self.names, self.dtypes, self.places, strict=True)
        }


def inputs_of_array(dtype, row_shape: tuple[int, ...]) -> Inputs:
    """Return one input ``"X"``, for arrays of numbers or of text."""
    return Inputs(("X",), (np.dtype(dtype),), (None, *row_shape))


def inputs_of_columns(names: list[str], are_text: dict[int, bool]) -> Inputs:
    """Return an input for each used column of a table, of float64 or text.

    Parameters
    ----------
    names : list of str
        Of all columns.
    are_text : dict
        For the place of each column that is used, whether it is text.
    """
    names = [names[place] for place in are_text]
    if len(set(names)) < len(names) or "" in names:
        raise ExportError(
            f"Each column becomes an input, and these names are not distinct: {names}. Rename the "
            "columns before fit."
        )
    dtypes = (np.dtype(object if is_text else np.float64) for is_text in are_text.values())
    return Inputs(tuple(names), tuple(dtypes), (None, 1), tuple(are_text))


def inputs_like(X, names=None) -> Inputs:
    """Return the inputs for rows like X.

    Parameters
    ----------
    X : array, frame or CSR matrix
    names : array of str or None
        Names of the columns, if there are any.
    """
    if is_frame(X):
        texts = [
            kind_of_dtype(dtype) != "numeric" and holds_text(_column(X, place))
            for place, dtype in enumerate(dtypes_of(X))
        ]
        return inputs_of_columns([str(name) for name in X.columns], dict(enumerate(texts)))
    if X.dtype.kind in "OUST" and not sparse.issparse(X):
        if X.ndim == 1:
            return inputs_of_array(object, (1,))
        texts = [holds_text(X[:, place]) for place in range(X.shape[1])]
        if all(texts):
            return inputs_of_array(object, X.shape[1:])
        return inputs_of_columns(names_of(names, X.shape[1]), dict(enumerate(texts)))
    return inputs_of_array(np.float32 if X.dtype == np.float32 else np.float64, X.shape[1:])


def names_of(names, n_features: int) -> list[str]:
    """Return the names of the columns: ``x0``, ``x1``, ... if they have none."""
    return [f"x{place}" for place in range(n_features)] if names is None else list(map(str, names))


def holds_text(column) -> bool:
    """Whether the first value is a text, apart from missing ones."""
    values, missing = _objects(column)
    known = values[~missing]
    return bool(len(known)) and isinstance(known[0], str)


def as_labels(classes: np.ndarray) -> np.ndarray:
    """Return the classes in a dtype that ONNX has: str, int64, bool or float64."""
    values = np.array(classes.tolist()) if classes.dtype == object else classes
    if values.dtype.kind in "UT":
        return values.astype(object)
    if values.dtype.kind in "iu" and values.max() <= np.iinfo(np.int64).max:
        return values.astype(np.int64)
    if values.dtype.kind in "bf":
        return values.astype(bool if values.dtype.kind == "b" else np.float64)
    raise ExportError(
        f"Labels such as {classes.tolist()[0]!r} have no counterpart in ONNX. Encode y as text or "
        "whole numbers before fit."
    )


def dtype_name(dtype: np.dtype) -> str:
    """Return the name of a dtype for people."""
    return "str" if dtype.kind == "O" else dtype.name


def is_missing(value) -> bool:
    """Whether a single value is None, NaN or pandas' NA."""
    return value is None or type(value).__name__ == "NAType" or value != value


def _column(X, place: int):
    if hasattr(X, "iloc"):
        return X.iloc[:, place]
    return X[X.columns[place]] if is_frame(X) else X[:, place]


def _as_array(X, dtype: np.dtype) -> np.ndarray:
    """Return numbers with NaN for missing ones, or texts with MISSING_TEXT."""
    if sparse.issparse(X):
        X = X.toarray()
    if dtype.kind == "O":
        values, missing = _objects(X)
        values = np.where(missing, MISSING_TEXT, values)
        return values.reshape(-1, 1) if values.ndim == 1 else values
    if hasattr(X, "array") and hasattr(X, "isna"):
        return X.to_numpy(dtype=dtype, na_value=np.nan)  # works for pandas' nullable columns too
    X = np.asarray(X)
    return np.ascontiguousarray(X.astype(dtype, copy=False))


def _objects(values) -> tuple[np.ndarray, np.ndarray]:
    """Return the values as objects, and which of them are missing."""
    if hasattr(values, "isna"):
        return values.astype(object).to_numpy(), values.isna().to_numpy()
    values = np.asarray(values).astype(object)
    none = np.array(None, dtype=object)
    return values, np.equal(values, none) | (values != values)

"""Which inputs the file of a fitted student has."""

from collections.abc import Mapping
from types import MappingProxyType
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline

from .._input import dtypes_of, is_frame, kind_of_dtype
from .._student import net_dtype, net_of
from ..exceptions import ExportError
from ._check_rows import encoded_columns
from ._onnx_inputs import Inputs, column_at, objects_of


def inputs_of(clf, X, grouped: bool) -> Inputs:
    """Return the inputs that the student's file will have.

    Parameters
    ----------
    clf : fitted estimator
    X : array, frame or CSR matrix
        Gives the types of the inputs, if the student's preprocessing is the user's own.
    grouped : bool
        Whether one input takes all numbers and another one all texts.
    """
    names = getattr(clf, "feature_names_in_", None)
    columns = encoded_columns(clf.student_)
    if columns is None and isinstance(clf.student_, Pipeline):
        return inputs_like(X, names, grouped)
    n_features = clf.n_features_in_
    number = np.dtype(np.float64)
    dtypes = dict.fromkeys(range(n_features), number) if columns is None else columns.dtypes()
    if names is None and len(dtypes) == n_features and set(dtypes.values()) == {number}:
        row_shape = clf._row_shape if columns is None else (n_features,)
        return _one_input(net_dtype(net_of(clf.student_)), row_shape)
    zones = {} if columns is None else columns.dates
    return _inputs_of_columns(_names_of(names, n_features), dtypes, grouped, zones)


def inputs_like(X, names, grouped: bool) -> Inputs:
    """Return the inputs for rows like X, whose columns may have names."""
    if is_frame(X):
        texts = [
            kind_of_dtype(dtype) != "numeric" and _holds_text(column_at(X, place))
            for place, dtype in enumerate(dtypes_of(X))
        ]
        return _inputs_of_columns([str(name) for name in X.columns], _dtypes(texts), grouped)
    if X.dtype.kind in "OUST" and not sparse.issparse(X):
        if X.ndim == 1:
            return _one_input(object, (1,))
        texts = [_holds_text(X[:, place]) for place in range(X.shape[1])]
        if all(texts):
            return _one_input(object, X.shape[1:])
        return _inputs_of_columns(_names_of(names, X.shape[1]), _dtypes(texts), grouped)
    return _one_input(np.float32 if X.dtype == np.float32 else np.float64, X.shape[1:])


def _one_input(dtype, row_shape: tuple[int, ...]) -> Inputs:
    return Inputs(("X",), (np.dtype(dtype),), (None, *row_shape))


def _dtypes(are_text: list[bool]) -> dict[int, np.dtype]:
    return {at: np.dtype(object if is_text else float) for at, is_text in enumerate(are_text)}


def _inputs_of_columns(
    features: list[str],
    dtypes: dict[int, np.dtype],
    grouped: bool,
    zones: Mapping[int, str | None] = MappingProxyType({}),
) -> Inputs:
    """Return the inputs for the used columns of a table."""
    names = [features[place] for place in dtypes]
    if len(set(names)) < len(names) or "" in names:
        raise ExportError(
            f"Columns are fed by their names, and these are not distinct: {names}. Rename the "
            "columns before fit."
        )
    kinds = tuple(dtypes.values())
    of_names = {features[place]: zone for place, zone in zones.items() if zone is not None}
    for name, zone in of_names.items():
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ExportError(
                f"Column {name!r} has the time zone {zone}, which zoneinfo does not know. Before "
                "fit, convert it to a named zone: dt.tz_convert in pandas, dt.convert_time_zone in "
                "polars."
            ) from None
    return Inputs(tuple(names), kinds, (None, 1), tuple(dtypes), tuple(features), grouped, of_names)


def _names_of(names, n_features: int) -> list[str]:
    """Return the names of the columns: ``x0``, ``x1``, ... if they have none."""
    return [f"x{place}" for place in range(n_features)] if names is None else list(map(str, names))


def _holds_text(column) -> bool:
    """Whether the first value is a text, apart from missing ones."""
    values, missing = objects_of(column)
    known = values[~missing]
    return bool(len(known)) and isinstance(known[0], str)

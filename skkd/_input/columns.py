"""Read single columns of any container as numbers."""

import sys
from typing import Any

import numpy as np

from .._seconds import seconds_of
from .containers import is_frame


def columns_of(X) -> list[Any]:
    """Return the columns of a frame or of a 2-D array."""
    if hasattr(X, "iloc"):
        return [X.iloc[:, place] for place in range(X.shape[1])]
    return X.get_columns() if is_frame(X) else list(X.T)


def numbers_in(column) -> np.ndarray:
    """Return a column of numbers as float64: NaN where one is missing, durations in seconds.

    Raises
    ------
    ValueError
        If a column of pandas holds anything else.
    """
    if not hasattr(column, "iloc"):
        values = column.to_numpy() if hasattr(column, "to_numpy") else column
        return seconds_of(values) if values.dtype.kind == "m" else np.asarray(values, np.float64)
    try:
        if column.dtype.kind in "Mc":
            raise TypeError(f"its dtype is {column.dtype}")
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
            return column.to_numpy().astype(np.float64, copy=False)
        if sys.modules["pandas"].api.types.infer_dtype(column) in ("timedelta", "timedelta64"):
            return seconds_of(sys.modules["pandas"].to_timedelta(column).to_numpy("m8[us]"))
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Column {column.name!r} of X must hold numbers: {error}.") from error


def zone_of(column) -> str | None:
    """Return the time zone of a column of dates; None where it has none."""
    if hasattr(column, "iloc"):
        zone = getattr(getattr(sys.modules["pandas"].to_datetime(column), "dt", None), "tz", None)
        return None if zone is None else str(zone)
    return getattr(getattr(column, "dtype", None), "time_zone", None)


def seconds_in(column, zone: str | None) -> np.ndarray:
    """Return dates as seconds since 1970 on the clock of a zone; NaN where one is missing."""
    if hasattr(column, "iloc"):
        column = sys.modules["pandas"].to_datetime(column)
        if zone is not None:
            column = column.dt.tz_convert(zone).dt.tz_localize(None)
        return seconds_of(column.to_numpy("datetime64[us]"))
    if zone is not None:
        column = column.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return seconds_of(np.asarray(column))

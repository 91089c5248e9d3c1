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


def is_duration(column) -> bool:
    """Whether a column holds durations."""
    if hasattr(column, "iloc"):
        found = sys.modules["pandas"].api.types.infer_dtype(column)
        return found in ("timedelta", "timedelta64")
    return str(getattr(column, "dtype", "")).lower().startswith("duration")


def numbers_in(column, duration: bool = False) -> np.ndarray:
    """Return numbers, or the seconds of durations, as float64: NaN where one is missing.

    Raises
    ------
    ValueError
        If the column holds anything else.
    """
    try:
        is_pandas = hasattr(column, "iloc")
        values = column if is_pandas or not hasattr(column, "to_numpy") else column.to_numpy()
        kind = values.dtype.kind
        if kind in "Mc" or (kind in "biuf" if duration else kind == "m"):
            raise TypeError(f"its dtype is {column.dtype}")
        if not is_pandas:
            return seconds_of(values) if duration else np.asarray(values, np.float64)
        if duration:
            return seconds_of(sys.modules["pandas"].to_timedelta(column).to_numpy("m8[us]"))
        if isinstance(column.dtype, np.dtype) and kind in "biuf":
            return column.to_numpy().astype(np.float64, copy=False)
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        name, wanted = getattr(column, "name", ""), "durations" if duration else "numbers"
        raise ValueError(f"Column {name!r} of X must hold {wanted}: {error}.") from error


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

"""Encode dates by the parts of the calendar that people think in."""

import math
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import TransformerMixin

from .._estimator import BaseEstimator
from .columns import columns_of, seconds_in, zone_of
from .kinds import kind_of_dtype

_CIRCLES = "year_sin year_cos week_sin week_cos day_sin day_cos"
_PARTS = f"year month day weekday hour {_CIRCLES}".split()


class DateEncoder(TransformerMixin, BaseEstimator):
    """Encode dates by year, month, day, weekday, hour, and places on circles.

    The circles are the year, the week and the day, so that December is beside January. Parts that
    are the same in all rows are left out. A missing date becomes the median of each part, and is
    marked where ``fit`` saw one.

    Attributes
    ----------
    zones_ : list of str or None
        The time zone of each column. Parts are those of its clock.
    medians_ : ndarray of shape (n_columns * n_parts,)
    kept_, marked_ : int ndarrays
        Parts that vary, and columns that had missing dates.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn time zones, medians, and which parts vary."""
        columns = columns_of(X)
        self.names_ = list(map(str, getattr(X, "columns", [f"x{i}" for i in range(len(columns))])))
        self.zones_ = [zone_of(column) for column in columns]
        seconds, parts = self._read(X)
        missing = np.isnan(parts)
        self.medians_ = np.zeros(parts.shape[1])
        known = ~missing.all(axis=0)
        self.medians_[known] = np.nanmedian(parts[:, known], axis=0)
        filled = np.where(missing, self.medians_, parts)
        self.kept_ = np.flatnonzero(np.ptp(filled, axis=0) > 0)
        self.marked_ = np.flatnonzero(np.isnan(seconds).any(axis=0))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return parts and marks of missing dates, of shape (n_rows, n_outputs)."""
        seconds, parts = self._read(X)
        filled = np.where(np.isnan(parts), self.medians_, parts)[:, self.kept_]
        return np.hstack([filled, np.isnan(seconds[:, self.marked_])])

    def _read(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Return dates as seconds since 1970 on the clocks of ``fit``, and their parts."""
        read = []
        for name, column, zone in zip(self.names_, columns_of(X), self.zones_, strict=True):
            if kind_of_dtype(column.dtype) == "numeric":
                raise ValueError(f"Column {name!r} of X must hold dates, not {column.dtype}.")
            if (zone_of(column) is None) != (zone is None):
                raise ValueError(
                    f"The dates of column {name!r} are in time zone {zone_of(column)}, and were in "
                    f"{zone} in fit. Give them a time zone in both or in neither "
                    "(dt.tz_localize in pandas, dt.replace_time_zone in polars)."
                )
            read.append(seconds_in(column, zone))
        seconds = np.stack(read, axis=1)
        parts = np.stack(date_parts(seconds, np.floor, np.sin), axis=2)
        return seconds, parts.reshape(len(seconds), -1)

    def parts_of(self, column: int) -> list[str]:
        """Return the names of a column's parts that vary."""
        return [_PARTS[at % len(_PARTS)] for at in self.kept_ if at // len(_PARTS) == column]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return names such as ``when_month``."""
        parts = [f"{name}_{part}" for name in self.names_ for part in _PARTS]
        marks = [f"{self.names_[at]}_missing" for at in self.marked_]
        return np.array([*np.array(parts, dtype=object)[self.kept_], *marks], dtype=object)


def date_parts(seconds: Any, floor: Callable, sin: Callable) -> list:
    """Return year, month, day, weekday, hour, and sines and cosines of places on circles.

    Seconds since 1970 are an array, or another type for which ``floor`` and ``sin`` work. Month and
    day are found in years that begin in March (Hinnant, "chrono-compatible low-level date
    algorithms").
    """
    days = floor(seconds / 86400.0)
    hour = (seconds - days * 86400.0) / 3600.0
    weekday = days + 3.0 - floor((days + 3.0) / 7.0) * 7.0
    since_march = days + 719468.0
    era = floor(since_march / 146097.0)
    of_era = since_march - era * 146097.0
    leap_days = floor(of_era / 1460.0) - floor(of_era / 36524.0) + floor(of_era / 146096.0)
    year_of_era = floor((of_era - leap_days) / 365.0)
    before = year_of_era * 365.0 + floor(year_of_era / 4.0) - floor(year_of_era / 100.0)
    of_year = of_era - before
    from_march = floor((of_year * 5.0 + 2.0) / 153.0)
    day = of_year - floor((from_march * 153.0 + 2.0) / 5.0) + 1.0
    month = from_march + 3.0 - floor(from_march / 10.0) * 12.0
    turns = [of_year / 365.25, (weekday + hour / 24.0) / 7.0, hour / 24.0]
    circles = [sin(turn * math.tau + shift) for turn in turns for shift in (0.0, math.pi / 2)]
    # Whole and broken years in one number: a trend, and its steps by bins.
    year = seconds / 31556952.0 + 1970.0
    return [year, month, day, weekday, hour, *circles]

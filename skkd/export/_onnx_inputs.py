"""Feed rows to the inputs of an exported file, by numpy only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from .._seconds import seconds_of

#: Stands for a missing text, because ONNX has no missing values.
MISSING_TEXT = ""

#: The inputs of a file that takes columns in groups, and whether they are texts.
GROUPS = {"numbers": False, "texts": True}

_PLAIN = {True: (str,), False: (float, int, bool)}


@dataclass(frozen=True)
class InputTensor:
    """Describe one input: its shape, None being the number of rows, and names of its columns."""

    name: str
    dtype: np.dtype
    shape: tuple
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Inputs:
    """Keep the inputs of a file, and feed them.

    Attributes
    ----------
    names, dtypes : tuple
        Of each used column, or only ``"X"``. Texts are objects, dates datetime64.
    shape : tuple
        The shape of X, or of one column. None is the number of rows.
    places : tuple of int or None
        The place of each column. None: one input takes all of X.
    features : tuple of str
        Names of all columns of X. Empty if ``places`` is None.
    grouped : bool
        Whether one input takes all numbers and another one all texts.
    zones : dict
        Time zones by name, of dates that have one. Their seconds are those of its clock.
    """

    names: tuple[str, ...]
    dtypes: tuple[np.dtype, ...]
    shape: tuple
    places: tuple[int, ...] | None = None
    features: tuple[str, ...] = ()
    grouped: bool = False
    zones: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def tensors(self) -> list[InputTensor]:
        """The inputs in their order."""
        columns = list(zip(self.names, self.dtypes, strict=True))
        if not self.grouped:
            return [
                InputTensor(name, fed_as(dtype), self.shape, () if self.places is None else (name,))
                for name, dtype in columns
            ]
        found = []
        for tensor, is_text in GROUPS.items():
            names = tuple(name for name, dtype in columns if (dtype.kind == "O") == is_text)
            if names:
                dtype = np.dtype(object if is_text else np.float64)
                found.append(InputTensor(tensor, dtype, (None, len(names)), names))
        return found

    def described(self) -> dict[str, tuple[str, tuple]]:
        """Return dtype and shape of each input."""
        return {one.name: (dtype_name(one.dtype), one.shape) for one in self.tensors}

    def feed(self, rows) -> dict[str, np.ndarray]:
        """Return rows as onnxruntime takes them.

        Parameters
        ----------
        rows : frame, array, sparse matrix, dict, list of dicts or list of lists
            A dict is one row, or holds columns. Columns that a frame or a dict lacks are missing.
        """
        if hasattr(rows, "toarray"):  # first, for a sparse matrix by keys is a Mapping as well
            rows = rows.toarray()
        if self.places is None:
            X = _as_array(_without_names(rows), self.dtypes[0], "X")
            if X.ndim != len(self.shape) or X.shape[1:] != self.shape[1:]:
                expected = str(self.shape).replace("None", "n_rows")
                raise ValueError(f"The rows have shape {X.shape}; expected {expected}.")
            return {self.names[0]: X}
        row = rows if type(rows) is dict else _single_row(rows)
        if row is not None and (feed := self._feed_of_row(row)) is not None:
            return feed
        columns, n_rows = self._columns(rows)
        fed = {
            name: _as_array(columns[name], dtype, name, self.zones.get(name)).reshape(-1, 1)
            if name in columns
            else np.full((n_rows, 1), MISSING_TEXT if dtype.kind == "O" else np.nan, fed_as(dtype))
            for name, dtype in zip(self.names, self.dtypes, strict=True)
        }
        return {
            one.name: np.concatenate([fed[name] for name in one.columns], axis=1)
            for one in self.tensors
        }

    @cached_property
    def _plan(self) -> list[tuple[str, int, tuple[type, ...], object]]:
        """The input, the plain types and the missing value of each column, to feed one row."""
        plan: list[tuple[str, int, tuple[type, ...], object]] = []
        for name, dtype in zip(self.names, self.dtypes, strict=True):
            is_text = dtype.kind == "O"
            types = () if dtype.kind == "M" else _PLAIN[is_text]
            (at,) = [i for i, one in enumerate(self.tensors) if name in one.columns]
            plan.append((name, at, types, MISSING_TEXT if is_text else np.nan))
        return plan

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.features)

    def _feed_of_row(self, row: dict) -> dict[str, np.ndarray] | None:
        """Return the feed of one row of Python's own values, sooner; None for any other values."""
        if not self._known.issuperset(row):
            return None
        values: list[list] = [[] for _ in self.tensors]
        for name, at, types, missing in self._plan:
            value = row.get(name)
            if type(value) not in types:
                if value is not None and not (type(value) is float and value != value):
                    return None
                value = missing
            values[at].append(value)
        return {
            one.name: np.array([fed], one.dtype)
            for one, fed in zip(self.tensors, values, strict=True)
        }

    def _columns(self, rows) -> tuple[dict[str, Any], int]:
        """Return columns by name, and the number of rows."""
        if isinstance(rows, Mapping):
            columns: dict[str, Any] = dict(rows)
            if not any(map(_is_column, columns.values())):
                columns = {name: [value] for name, value in columns.items()}
            elif scalars := [name for name, value in columns.items() if not _is_column(value)]:
                raise ValueError(f"The columns {scalars} have one value; give a list of values.")
            lengths = {len(column) for column in columns.values()} or {1}
            if len(lengths) > 1:
                raise ValueError(f"The columns have {sorted(lengths)} rows; give equally many.")
            (n_rows,) = lengths
        elif hasattr(rows, "columns") and all(isinstance(name, str) for name in rows.columns):
            names = map(str, rows.columns)
            columns = {name: column_at(rows, place) for place, name in enumerate(names)}
            n_rows = len(rows)
        elif isinstance(rows, list) and rows and isinstance(rows[0], Mapping):
            given = dict.fromkeys(name for row in rows for name in row)
            columns = {name: [row.get(name) for row in rows] for name in given}
            n_rows = len(rows)
        else:  # without names, or with numbers as names, which scikit-learn ignores
            X = rows if hasattr(rows, "shape") else np.array(rows, dtype=object)
            if len(X.shape) != 2 or X.shape[1] != len(self.features):
                raise ValueError(
                    f"The rows have shape {X.shape}; expected (n_rows, {len(self.features)}), one "
                    f"column for each of {list(self.features)}."
                )
            columns = {name: column_at(X, place) for place, name in enumerate(self.features)}
            n_rows = X.shape[0]
        if unknown := columns.keys() - set(self.features):
            raise ValueError(
                f"The columns {sorted(unknown)} are unknown; the student knows "
                f"{list(self.features)}."
            )
        return columns, n_rows


def _single_row(rows) -> dict | None:
    """Return the row of a pandas frame that has one, by names, as Python's own values."""
    if not hasattr(rows, "iloc") or len(rows) != 1:
        return None
    names = rows.columns.tolist()
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return None
    values = rows.iloc[0].tolist()  # the fastest way to all of them
    values = [one.item() if isinstance(one, np.generic) else one for one in values]
    return dict(zip(names, values, strict=True))


def _is_column(value) -> bool:
    return type(value) is list or bool(getattr(value, "shape", ()))


def column_at(X, place: int):
    """Return a column of a frame or an array by its place."""
    if hasattr(X, "iloc"):
        return X.iloc[:, place]
    return X[X.columns[place]] if hasattr(X, "columns") else X[:, place]


def dtype_name(dtype: np.dtype) -> str:
    """Return the name of a dtype for people."""
    return "str" if dtype.kind == "O" else fed_as(dtype).name


def fed_as(dtype: np.dtype) -> np.dtype:
    """Return the dtype in which ONNX takes an input: dates are seconds."""
    return np.dtype(np.float64) if dtype.kind == "M" else dtype


def is_missing(value) -> bool:
    """Whether a single value is None, NaN or pandas' NA."""
    return value is None or type(value).__name__ == "NAType" or value != value


def objects_of(values) -> tuple[np.ndarray, np.ndarray]:
    """Return the values as objects, and which of them are missing."""
    if hasattr(values, "isna"):
        return values.astype(object).to_numpy(), values.isna().to_numpy()
    values = np.asarray(values)
    if values.dtype.kind == "M":
        values = values.astype("datetime64[us]")  # as an object, a nanosecond is a number
    values = values.astype(object)
    none = np.array(None, dtype=object)
    return values, np.equal(values, none) | (values != values)


def _without_names(rows):
    if isinstance(rows, Mapping) or (isinstance(rows, list) and isinstance(rows[0], Mapping)):
        raise TypeError(
            "The student was fitted on an array, so its columns have no names. Give an array of "
            "rows instead of a dict."
        )
    return rows


def _as_array(values, dtype: np.dtype, name: str, zone: str | None = None) -> np.ndarray:
    """Return numbers with NaN for missing ones, or texts with MISSING_TEXT."""
    if dtype.kind == "M":
        return _seconds(values, name, zone)
    if dtype.kind == "O":
        values, missing = objects_of(values)
        texts = np.where(missing, MISSING_TEXT, values)
        for value in texts.flat:
            if not isinstance(value, str):
                raise ValueError(f"Column {name!r} takes text; got {value!r}. Convert it with str.")
        return texts.reshape(-1, 1) if texts.ndim == 1 else texts
    if hasattr(values, "array") and hasattr(values, "isna") and values.dtype.kind not in "mO":
        return values.to_numpy(dtype=dtype, na_value=np.nan)  # works for pandas' nullable columns
    array = np.asarray(values.detach() if hasattr(values, "detach") else values)  # a tensor
    if array.dtype.kind == "m":
        return seconds_of(array)
    if array.dtype.kind in "OUS":
        numbers = [_number(value, name) for value in array.astype(object).flat]
        array = np.array(numbers, dtype=np.float64).reshape(array.shape)
    return np.ascontiguousarray(array.astype(dtype, copy=False))


def _number(value, name: str) -> float:
    if is_missing(value):
        return np.nan
    if isinstance(value, (str, bytes)):
        raise ValueError(f"Column {name!r} takes numbers; got the text {value!r}.")
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def _seconds(values, name: str, zone: str | None) -> np.ndarray:
    """Return dates, or ISO texts of dates, as seconds since 1970 on the clock of a time zone."""
    if zone is not None and hasattr(values, "to_list"):
        values = np.array(values.to_list(), dtype=object)  # as an array, polars loses the zone
    dates, missing = objects_of(values)
    dates = dates.copy()
    dates[missing] = None
    for i in np.flatnonzero(~missing):
        if isinstance(dates[i], str):
            dates[i] = datetime.fromisoformat(dates[i])
        own = getattr(dates[i], "tzinfo", None)
        if not isinstance(dates[i], date) or (own is None) != (zone is None):
            takes = "without a time zone" if zone is None else f"with a time zone, such as {zone}"
            raise ValueError(f"Column {name!r} takes dates {takes}; got {dates[i]!r}.")
        if zone is not None:
            dates[i] = dates[i].astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return seconds_of(dates.astype("datetime64[us]"))

"""Encode single rows fast, by a fitted encoder, read out once.

scikit-learn's ColumnTransformer spends most of a small frame's time on checks and copies. A row of
14 columns takes several milliseconds, as long as a boosted teacher needs for its answer. Here each
column is read once, and each distinct category is looked up. Categories of a categorical dtype are
looked up once for all frames that have it. The encoder keeps the ColumnTransformer: exports and
saved files contain that.
"""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.compose import ColumnTransformer

from .columns import numbers_in

_encoders: WeakKeyDictionary = WeakKeyDictionary()

# Of these, only NaN differs from itself.
_PLAIN = (str, int, float, np.number, np.bool_, type(None))


def encoded_frame(transformer: ColumnTransformer, X) -> np.ndarray | None:
    """Return what a fitted encoder makes of a pandas frame, fast.

    None for others, and where something in the frame is not as in ``fit``: scikit-learn then says
    what is wrong with it.
    """
    is_pandas = type(X).__module__.partition(".")[0] == "pandas"
    if not is_pandas or not hasattr(transformer, "feature_names_in_"):
        return None
    encoder = _encoders.get(transformer)
    if encoder is None:
        encoder = _encoders[transformer] = FrameEncoder(transformer)
    return encoder.transform(X)


class FrameEncoder:
    """Encode frames by the medians and categories of a fitted encoder.

    Parameters
    ----------
    transformer : ColumnTransformer
        Of ``table_encoder``, fitted on a frame.
    """

    def __init__(self, transformer: ColumnTransformer):
        self.columns = list(transformer.feature_names_in_)
        self.slices = transformer.output_indices_
        self.n_outputs = max(part.stop for part in self.slices.values())
        self._last_columns = None
        self.numeric: list[int] = []
        self.durations: list[bool] = []
        self.categorical: list[tuple[int, Places]] = []
        self.others: list[tuple[slice, Any, list[int]]] = []
        for name, step, columns in transformer.transformers_:
            if name == "numeric":
                self.numeric = self._positions(columns)
                self.durations, imputer = step[0].kw_args["durations"], step[-1]
                self.medians = imputer.statistics_
                self.indicated = imputer.indicator_.features_
            elif name == "categorical":
                self._learn_categories(step["one_hot"], self._positions(columns))
            elif name != "remainder":
                self.others.append((self.slices[name], step, self._positions(columns)))

    def _positions(self, columns: list) -> list[int]:
        return [self.columns.index(c) if isinstance(c, str) else c for c in columns]

    def _learn_categories(self, one_hot, positions: list[int]) -> None:
        """Learn where each column's categories go, and all others: -1 for nowhere."""
        start = self.slices["categorical"].start
        for position, known, rare in zip(
            positions, one_hot.categories_, one_hot.infrequent_categories_, strict=True
        ):
            frequent = known if rare is None else known[~np.isin(known, rare)]
            places = {category: start + i for i, category in enumerate(frequent)}
            start += len(frequent)
            elsewhere = -1
            if rare is not None:
                elsewhere, start = start, start + 1
            self.categorical.append((position, Places(places, elsewhere)))

    def transform(self, X) -> np.ndarray | None:
        """Return the encoded rows, or None where scikit-learn should have a look."""
        if not self._knows_columns(X):
            return None
        encoded = np.zeros((len(X), self.n_outputs))
        is_plain = len(X) == 1 and not self.others and not any(self.durations)
        values = _plain_values(X) if is_plain else None
        try:
            if values is None:
                self._encode_columns([series for _, series in X.items()], encoded)
            else:
                self._encode_row(values, encoded)
        except (TypeError, ValueError):
            return None
        for outputs, step, positions in self.others:
            encoded[:, outputs] = step.transform(X.iloc[:, positions])
        return None if np.isinf(encoded).any() else encoded

    def _knows_columns(self, X) -> bool:
        """Whether the columns are those of ``fit``."""
        if self._last_columns is None or not X.columns.is_(self._last_columns):
            if list(X.columns) != self.columns:
                return False
            self._last_columns = X.columns
        return True

    def _encode_columns(self, columns: list, out: np.ndarray) -> None:
        if self.numeric:
            both = zip(self.numeric, self.durations, strict=True)
            numbers = [numbers_in(columns[position], one) for position, one in both]
            self._impute(np.stack(numbers, axis=1), out[:, self.slices["numeric"]])
        for position, places in self.categorical:
            target = places.of_rows(columns[position])
            (marked,) = np.nonzero(target >= 0)
            out[marked, target[marked]] = 1

    def _encode_row(self, values: list, out: np.ndarray) -> None:
        """Encode a single row by its values, in half of the time."""
        if self.numeric:
            numbers = np.array([[values[position] for position in self.numeric]], dtype=np.float64)
            self._impute(numbers, out[:, self.slices["numeric"]])
        for position, places in self.categorical:
            target = places.of_value(values[position])
            if target >= 0:
                out[0, target] = 1

    def _impute(self, numbers: np.ndarray, out: np.ndarray) -> None:
        missing = np.isnan(numbers)
        width = numbers.shape[1]
        out[:, :width] = np.where(missing, self.medians, numbers)
        out[:, width:] = missing[:, self.indicated]


class Places:
    """Look up the outputs of the categories of one column.

    Parameters
    ----------
    places : dict
        The output that each category marks; a missing value is None.
    elsewhere : int
        That of all others; -1 for none.
    """

    def __init__(self, places: dict, elsewhere: int):
        self.places, self.elsewhere = places, elsewhere
        self._last: tuple = (None, None)

    def of_rows(self, column) -> np.ndarray:
        """Return the output that each row of a pandas column marks, -1 for none."""
        dtype = column.dtype
        if not hasattr(dtype, "categories"):
            codes, levels = column.factorize()
            return self._of([*levels, None])[codes]  # -1 is for missing ones, and the last
        known, of_categories = self._last
        if dtype is not known:  # which single rows of one table share
            of_categories = self._of([*dtype.categories, None])
            self._last = dtype, of_categories
        return of_categories[column.array.codes]

    def of_value(self, value) -> int:
        """Return the output that a value marks, -1 for none. Missing is None."""
        return self.places.get(value, self.elsewhere)

    def _of(self, levels: list) -> np.ndarray:
        return np.array([self.of_value(level) for level in levels])


def _plain_values(row) -> list | None:
    """Return the values of a one-row frame; None if only pandas can tell them."""
    series = row.iloc[0]
    if series.dtype.kind != "O":  # numbers of the type that all columns share, which may be rounded
        return None
    values = series.tolist()
    if not all(isinstance(value, _PLAIN) for value in values):
        return None
    return [None if value != value else value for value in values]

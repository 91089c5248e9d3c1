"""Draw rows to check an exported student on, from what it knows of its data."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline

from .._input import read_container
from .._sklearn_private import _num_samples
from .._student import has_own_encoder, is_default, net_dtype, net_of, student_input
from ..exceptions import ExportError
from ..students import ResidualConvNet
from ._onnx_inputs import is_missing

N_DRAWN = 1000

# Shares of drawn values that are missing, or a category never seen.
_MISSING_SHARE = 0.05
_UNKNOWN_SHARE = 0.05


@dataclass(frozen=True)
class EncodedColumns:
    """Keep where the columns of a table go in the default student's encoder.

    Attributes
    ----------
    numeric : list of (place in the table, place in the net's input)
    categories, frequent : dict of int to list
        By place in the table. The categories that the encoder knows, and those it tells apart.
    dates : dict of int to str or None
        Places of dates in the table, and their time zones.
    """

    numeric: list[tuple[int, int]]
    categories: dict[int, list]
    frequent: dict[int, list]
    dates: dict[int, str | None]

    def dtypes(self) -> dict[int, np.dtype]:
        """Return the dtype of a file's input, for each column that is used."""
        kinds: dict[int, type | str] = {place: np.float64 for place, _ in self.numeric}
        for place, known in self.categories.items():
            kinds[place] = object if _are_text(known) else np.float64
        kinds |= dict.fromkeys(self.dates, "datetime64[us]")
        return {place: np.dtype(kind) for place, kind in sorted(kinds.items())}


def rows_to_check(clf, X_sample):
    """Return the rows given, or drawn rows for None."""
    if X_sample is None:
        return draw_rows(clf)
    X_sample = read_container(X_sample)
    if _num_samples(X_sample) == 0:
        raise ValueError("X_sample has no rows; give at least one, or None.")
    return X_sample


def net_input(clf, X) -> np.ndarray:
    """Return rows of X as they go into the student's net."""
    X = student_input(clf, X)
    return X.toarray() if sparse.issparse(X) else X


def draw_rows(clf, n_rows: int = N_DRAWN, seed: int = 0):
    """Draw rows like the training rows, as ``predict_proba`` takes them.

    Numbers are normal, with the mean and deviation of the training rows where the student knows
    them. Categories are known ones and one unknown one. Some values are missing.
    """
    rng = np.random.default_rng(seed)
    net, columns = net_of(clf.student_), encoded_columns(clf.student_)
    if isinstance(clf.student_, Pipeline) and (columns is None or columns.dates):
        raise ExportError(
            "X_sample=None needs a student without preprocessing of your own, dates and wide "
            "sparse rows. Give some rows as X_sample, as predict_proba takes them."
        )
    if columns is None:
        X = rng.standard_normal((n_rows, *clf._row_shape))
        return _named(clf, _scaled(X, net).astype(net_dtype(net)))
    values: list = [None] * clf.n_features_in_
    for place, at in columns.numeric:
        drawn = rng.standard_normal(n_rows)
        drawn = drawn / float(net.module_.scale[at]) + float(net.module_.mean[at])
        values[place] = np.where(rng.random(n_rows) < _MISSING_SHARE, np.nan, drawn)
    for place, known in columns.categories.items():
        values[place] = _drawn_categories(known, n_rows, rng)
    if hasattr(clf, "feature_names_in_"):
        return _frame(dict(zip(clf.feature_names_in_, values, strict=True)))
    dtype = object if columns.categories else net_dtype(net)
    X = np.empty((n_rows, len(values)), dtype=dtype)
    for place, column in enumerate(values):
        X[:, place] = column
    return X


def encoded_columns(student) -> EncodedColumns | None:
    """Return what the default student's encoder knows; None without it."""
    if not has_own_encoder(student):
        return None
    encoder = student.steps[0][1].transformer_
    names = list(getattr(encoder, "feature_names_in_", ()))
    numeric, categories, frequent = [], {}, {}
    dates: dict[int, str | None] = {}
    for name, part, columns in encoder.transformers_:
        places = [names.index(one) if isinstance(one, str) else one for one in columns]
        if name == "numeric":
            numeric = [(place, at) for at, place in enumerate(places)]
        elif name == "categorical":
            one_hot = part.named_steps["one_hot"]
            known = zip(one_hot.categories_, one_hot.infrequent_categories_, strict=True)
            for place, (levels, rare) in zip(places, known, strict=True):
                categories[place] = levels.tolist()
                rare_ones = set() if rare is None else set(rare.tolist())
                frequent[place] = [level for level in categories[place] if level not in rare_ones]
        elif name == "date":
            dates = dict(zip(places, part.zones_, strict=True))
    return EncodedColumns(numeric, categories, frequent, dates)


def _are_text(categories: list) -> bool:
    known = [value for value in categories if not is_missing(value)]
    return not known or isinstance(known[0], str)


def _drawn_categories(known: list, n_rows: int, rng) -> np.ndarray:
    plain = [value for value in known if not is_missing(value)]
    unknown = "a category never seen" if _are_text(known) else max(plain) + 1
    values = np.array([*plain, unknown, None], dtype=object)
    rest = 1 - _MISSING_SHARE - _UNKNOWN_SHARE
    shares = [*[rest / max(len(plain), 1)] * len(plain), _UNKNOWN_SHARE, _MISSING_SHARE]
    return values[rng.choice(len(values), n_rows, p=np.array(shares) / sum(shares))]


def _scaled(X: np.ndarray, net) -> np.ndarray:
    if not is_default(net) and net.module is not ResidualConvNet:
        return X
    scale, mean = (part.cpu().numpy() for part in (net.module_.scale, net.module_.mean))
    if net.module is ResidualConvNet:  # one number for each channel
        return X / scale + mean
    flat = X.reshape(len(X), -1) / scale + mean
    return flat.reshape(X.shape)


def _named(clf, X: np.ndarray):
    """Return a frame if the student was fitted on one, to avoid a warning."""
    if not hasattr(clf, "feature_names_in_"):
        return X
    return _frame(dict(zip(clf.feature_names_in_, X.T, strict=True)))


def _frame(columns: dict):
    """Return a frame of pandas, or of polars if pandas is not installed."""
    try:
        import pandas
    except ImportError:
        import polars

        return polars.DataFrame(columns)
    return pandas.DataFrame(columns)

"""From a table of mixed columns to numbers, by scikit-learn's own transformers."""

from itertools import zip_longest
from typing import Any, Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from .._estimator import BaseEstimator
from .._sklearn_private import _check_feature_names, _check_n_features
from .._warnings import warn
from .columns import columns_of, is_duration, numbers_in
from .containers import is_frame
from .dates import DateEncoder
from .describe import described
from .frame_encoder import encoded_frame
from .kinds import column_kinds
from .rare_levels import forget_rare_levels
from .read import read_container

# A level in fewer rows than this shares a column with all other rare levels.
_RARE_LEVEL = 10


class TableEncoder(TransformerMixin, BaseEstimator):
    """Encode a table of mixed columns as numbers, as the default student does.

    =====================  ========================================================================
    number, boolean        the number; a missing one becomes the median and is marked
    duration               its seconds
    category               one output a level; rare and unknown levels share one
    date                   year, month, day, weekday and hour, and sine and cosine of the place in
                           year, week and day, on the clock of the column's time zone
    names, texts           left out with a warning, for no level is frequent
    =====================  ========================================================================

    A level is frequent in 10 rows, or in every fiftieth where that is less, but at least in 2.
    Others are forgotten, because they may be names of people.

    Attributes
    ----------
    transformer_ : ColumnTransformer
        The fitted encoders of scikit-learn.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of shape (n_columns,)
        Their names, where X was a frame.

    Examples
    --------
    >>> import pandas as pd
    >>> from skkd.students import TableEncoder
    >>> X = pd.DataFrame(
    ...     {
    ...         "age": [31, 25, None] * 20,
    ...         "work": ["private", "state", "self"] * 20,
    ...         "since": pd.date_range("2024-01-05", periods=60, freq="MS"),
    ...     }
    ... )
    >>> encoder = TableEncoder().fit(X)
    >>> encoder.transform(X).shape
    (60, 12)
    >>> encoder.get_feature_names_out()[:4].tolist()
    ['age', 'missingindicator_age', 'work_private', 'work_self']
    """

    transformer_: ColumnTransformer
    n_features_in_: int
    feature_names_in_: np.ndarray

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn levels, medians and time zones.

        Parameters
        ----------
        X : frame or array of shape (n_rows, n_columns)
        y : object
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a column holds something else, such as lists, or if no column can be used.
        """
        X = self._read(X, reset=True)
        self.transformer_ = table_encoder(X, drops=True).fit(X)
        forget_rare_levels(self.transformer_)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Encode rows.

        Parameters
        ----------
        X : frame or array of shape (n_rows, n_columns)

        Returns
        -------
        encoded : float64 ndarray of shape (n_rows, n_outputs)
        """
        if not hasattr(self, "transformer_"):  # the check itself takes long, for one row
            check_is_fitted(self)
        encoded = encoded_frame(self.transformer_, X)
        if encoded is None:
            X = self._read(X, reset=False)
            encoded = np.asarray(self.transformer_.transform(X), dtype=np.float64)
        return encoded

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the outputs.

        Parameters
        ----------
        input_features : array of str, default=None
            Names of columns that have none.
        """
        check_is_fitted(self)
        return self.transformer_.get_feature_names_out(input_features)

    def describe_columns(self) -> Any:
        """Return column, kind, use, encoding, and the reason where a column is not used.

        Returns
        -------
        columns : DataFrame, or list of dict where pandas is not installed
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)])
        return described(names, self.transformer_, "text", "")

    def _read(self, X, *, reset: bool):
        """Return X as a frame or array, whose columns were checked."""
        if is_frame(X):
            _check_feature_names(self, X, reset=reset)
            _check_n_features(self, X, reset=reset)
            return X
        X = read_container(X) if isinstance(X, Tensor) else X
        return validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def table_encoder(X, *, drops: bool = False) -> ColumnTransformer:
    """Return an unfitted encoder: categories one-hot, numbers imputed with missing indicators.

    Rare levels share one column. Unknown levels fall into it as well.

    Parameters
    ----------
    X : frame or array of shape (n_rows, n_columns)
    drops : bool, default=False
        Leave out columns whose levels are all rare, such as names or identifiers, with a warning.
    """
    kinds = column_kinds(X)
    values, names = columns_of(X), list(getattr(X, "columns", ()))
    places = [names.index(one) if isinstance(one, str) else one for one in kinds["numeric"]]
    durations = {"durations": [is_duration(values[place]) for place in places]}
    number = FunctionTransformer(to_float, kw_args=durations, feature_names_out="one-to-one")
    impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    numeric = Pipeline([("number", number), ("impute", impute)])
    least = min(_RARE_LEVEL, max(2, X.shape[0] // 50))
    if drops:
        kinds["categorical"] = _with_frequent_levels(X, kinds["categorical"], least)
        if not any(kinds.values()):
            raise ValueError(
                "X has no column that the student can use: all levels of all columns are rare. "
                "Group the levels, or give a student with an encoder of your own."
            )
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=least, sparse_output=False
    )
    missing = FunctionTransformer(with_plain_missing, feature_names_out="one-to-one")
    categorical = Pipeline([("missing", missing), ("one_hot", one_hot)])
    steps = [
        ("numeric", numeric, kinds["numeric"]),
        ("categorical", categorical, kinds["categorical"]),
        ("date", DateEncoder(), kinds["date"]),
    ]
    encoder = ColumnTransformer(
        [step for step in steps if step[2]], verbose_feature_names_out=False
    )
    return encoder.set_output(transform="default")  # whatever the user's configuration is


def _with_frequent_levels(X, columns: list, least: int) -> list:
    """Return the columns that have a level in enough rows; warn of the others."""
    kept: list = []
    dropped: list = []
    for column in columns:
        if hasattr(X, "iloc"):
            position = column if isinstance(column, int) else list(X.columns).index(column)
            most = X.iloc[:, position].value_counts(dropna=False).max()
        else:
            values = X[column] if isinstance(column, str) else X[:, column]
            most = np.unique(np.asarray(values, dtype=str), return_counts=True)[1].max()
        (kept if most >= least else dropped).append(column)
    if dropped:
        warn(
            f"The student leaves out {dropped}: no level of these columns is in {least} rows or "
            "more. Names and identifiers teach nothing; group the levels if they should count. For "
            "free text, give student=make_pipeline(make_column_transformer((TfidfVectorizer(), "
            "'text'), (TableEncoder(), other_columns)), make_student('mlp'))."
        )
    return kept


def with_plain_missing(X):
    """Return a pandas frame with None for missing values: scikit-learn does not know pd.NA."""
    if not hasattr(X, "notna"):
        return X
    values = X.astype(object).where(X.notna(), None)
    # Numbers as names are no names for scikit-learn, but its one-hot encoder keeps them.
    return values if all(isinstance(name, str) for name in X.columns) else values.to_numpy()


def to_float(X, durations=()) -> np.ndarray:
    """Return a table of numbers and durations of any kind as float64."""
    both = zip_longest(columns_of(X), durations, fillvalue=False)
    return np.stack([numbers_in(*one) for one in both], axis=1)

"""From a table of mixed columns to numbers, by scikit-learn's own transformers."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from .._warnings import warn
from .containers import is_frame
from .kinds import column_kinds, has_objects

# A level in fewer rows than this shares a column with all other rare levels.
_RARE_LEVEL = 10


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
    numeric = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    if not is_frame(X) or has_objects(X):
        numeric = Pipeline([("number", FunctionTransformer(to_float)), ("impute", numeric)])
    least = min(_RARE_LEVEL, max(2, X.shape[0] // 50))
    if drops:
        kinds["categorical"] = _with_frequent_levels(X, kinds["categorical"], least)
        if not kinds["numeric"] and not kinds["categorical"]:
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
    ]
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


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
            "more. Names and identifiers teach nothing; group the levels if they should count."
        )
    return kept


def with_plain_missing(X):
    """Return a pandas frame with None for missing values: scikit-learn does not know pd.NA."""
    return X.astype(object).where(X.notna(), None) if hasattr(X, "notna") else X


def to_float(X) -> np.ndarray:
    """Return a table of numbers of any kind, Decimal and pyarrow's included, as float64."""
    if not hasattr(X, "iloc"):
        return np.asarray(X, dtype=np.float64)
    return np.stack([column_to_float(column) for _, column in X.items()], axis=1)


def column_to_float(column) -> np.ndarray:
    """Return a pandas column of numbers as float64; raise a ValueError for any other."""
    try:
        if column.dtype.kind in "mMc":
            raise TypeError(f"its dtype is {column.dtype}")
        if isinstance(column.dtype, np.dtype) and column.dtype != object:
            return column.to_numpy().astype(np.float64, copy=False)
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Column {column.name!r} of X must hold numbers: {error}.") from error

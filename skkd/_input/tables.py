"""From a table of mixed columns to numbers, by scikit-learn's own transformers."""

import numpy as np
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from .containers import is_frame

# A level in fewer rows than this shares a column with all other rare levels.
RARE_LEVEL = 10


def column_kinds(X) -> dict[str, list]:
    """Return the columns of a frame or of an object array by kind: numeric, categorical.

    Columns are given by name, or by position where they have no name or a number for one.

    Raises
    ------
    ValueError
        If a column is neither, such as dates.
    """
    kinds: dict[str, list] = {"numeric": [], "categorical": []}
    if not is_frame(X):
        mixed = X.dtype.kind in "OUST"
        for column in range(X.shape[1]):
            categorical = mixed and any(isinstance(value, str) for value in X[:, column])
            kinds["categorical" if categorical else "numeric"].append(column)
        return kinds
    for position, (name, dtype) in enumerate(zip(X.columns, dtypes_of(X), strict=True)):
        kind = kind_of_dtype(dtype)
        if kind is None:
            raise ValueError(
                f"Column {name!r} of X has dtype {dtype}, which the default student can't encode. "
                "Turn it into numbers or categories first, or give "
                "student=Pipeline([('encode', ...), ('net', ...)]) with an encoder of your own."
            )
        # scikit-learn takes a number for a position, whatever the columns are called.
        kinds[kind].append(name if isinstance(name, str) else position)
    return kinds


def has_categories(X) -> bool:
    """Whether X is a table with a column that must be encoded before it is numbers."""
    if is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "OUST"):
        return bool(column_kinds(X)["categorical"])
    return False


def table_encoder(X) -> ColumnTransformer:
    """Return an unfitted encoder: categories one-hot, numbers imputed with missing indicators.

    Levels in fewer than RARE_LEVEL rows share one column. Unknown levels fall into it as well.
    """
    kinds = column_kinds(X)
    numeric = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    if not is_frame(X):
        numeric = Pipeline([("number", FunctionTransformer(to_float)), ("impute", numeric)])
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=RARE_LEVEL, sparse_output=False
    )
    missing = FunctionTransformer(with_plain_missing, feature_names_out="one-to-one")
    categorical = Pipeline([("missing", missing), ("one_hot", one_hot)])
    steps = [
        ("numeric", numeric, kinds["numeric"]),
        ("categorical", categorical, kinds["categorical"]),
    ]
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


def dtypes_of(X) -> list:
    """Return the dtype of each column of a frame, or the only one of an array."""
    if not is_frame(X):
        return [X.dtype]
    return [X.schema[name] for name in X.columns] if hasattr(X, "schema") else list(X.dtypes)


def kind_of_dtype(dtype) -> str | None:
    """Return the kind of a pandas or polars dtype by its name; neither must be installed."""
    name = str(dtype).lower()
    if name.startswith(("int", "uint", "float", "bool", "decimal", "sparse")):
        return "numeric"
    if name.startswith(("object", "str", "category", "categorical", "enum")):
        return "categorical"
    return None


def with_plain_missing(X):
    """Return a pandas frame with None for missing values: scikit-learn does not know pd.NA."""
    return X.astype(object).where(X.notna(), None) if hasattr(X, "notna") else X


def to_float(X) -> np.ndarray:
    return np.asarray(X, dtype=np.float64)


def forget_rare_levels(step) -> None:
    """Remove the rare levels that a fitted transformer keeps but cannot tell apart.

    A OneHotEncoder with ``handle_unknown="infrequent_if_exist"`` keeps every text of the training
    rows, names and e-mail addresses included. One placeholder takes the place of a column's rare
    levels. ``transform`` gives the same result for all rows.

    Parameters
    ----------
    step : transformer
        Fitted; changed in place. A Pipeline, ColumnTransformer or FeatureUnion is searched.
    """
    if isinstance(step, Pipeline):
        parts = [part for _, part in step.steps]
    elif isinstance(step, FeatureUnion):
        parts = [part for _, part in step.transformer_list]
    elif isinstance(step, ColumnTransformer):
        parts = [part for _, part, _ in step.transformers_]
    else:
        parts = []
        if isinstance(step, OneHotEncoder) and _has_idle_levels(step):
            _learn_frequent_levels(step)
    for part in parts:
        forget_rare_levels(part)


def _has_idle_levels(encoder: OneHotEncoder) -> bool:
    """Whether an encoder knows texts that it treats as unknown ones."""
    return (
        encoder.handle_unknown == "infrequent_if_exist"
        and encoder.drop is None
        and (encoder.min_frequency is not None or encoder.max_categories is not None)
        and all(known.dtype.kind in "OU" for known in encoder.categories_)
    )


def _learn_frequent_levels(encoder: OneHotEncoder) -> None:
    """Fit an encoder again, on its frequent levels and a placeholder that occurs in no row."""
    frequent, levels = [], []
    for known, rare in zip(encoder.categories_, encoder.infrequent_categories_, strict=True):
        rare_ones = set(map(_comparable, [] if rare is None else rare.tolist()))
        kept = [level for level in known.tolist() if _comparable(level) not in rare_ones]
        missing = [level for level in kept if level is None or level != level]
        plain = kept[: len(kept) - len(missing)]  # scikit-learn sorts missing values last
        placeholder = [] if rare is None else [_placeholder(known.tolist(), plain)]
        frequent.append(kept)
        levels.append([*plain, *placeholder, *missing])
    X = np.full((max(1, *map(len, frequent)), len(levels)), None, dtype=object)
    for place, kept in enumerate(frequent):
        X[: len(kept), place] = kept
    fitted = clone(encoder).set_params(categories=levels, min_frequency=1, max_categories=None)
    params = encoder.get_params(deep=False)
    learned = {name: value for name, value in vars(fitted.fit(X)).items() if name not in params}
    vars(encoder).update(learned)


def _comparable(level):
    """Return a value that equals only itself, even for NaN."""
    return ("NaN",) if level != level else level


def _placeholder(known: list, frequent: list):
    """Return a level that is not frequent: scikit-learn's word for rare ones, or a number."""
    if any(isinstance(level, (int, float)) for level in known if level == level):
        return next(number for number in range(len(frequent) + 1) if number not in frequent)
    names = ("infrequent_sklearn" + "_" * length for length in range(len(frequent) + 1))
    return next(name for name in names if name not in frequent)

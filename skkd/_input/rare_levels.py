"""Categories that a student can't tell apart, and that must not leave the machine with it."""

import numpy as np
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder


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

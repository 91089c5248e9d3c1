"""Find the classifier in an estimator, and ask it and its teacher.

Displays and reports import from here what they need of the teacher's code.
"""

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from .._classification import (
    Classification,
    label_column,
    raw_proba,
    short,
)
from .._classifier import DistilledClassifier
from .._input import read_container
from .._probabilities import check_proba
from .._teacher import ask_teacher, is_fitted

__all__ = [
    "as_seen_by",
    "check_proba",
    "distilled_in",
    "fitted_in",
    "is_fitted",
    "is_search",
    "label_columns",
    "proba_of",
    "short",
    "teacher_proba_of",
]


def is_search(estimator: Any) -> bool:
    """Whether it is a search over parameters: only these have an ``error_score``."""
    return hasattr(estimator, "estimator") and hasattr(estimator, "error_score")


def distilled_in(
    estimator: Any, name: str = "estimator", kinds: tuple[type, ...] = (DistilledClassifier,)
) -> Any:
    """Return the distilled estimator that an estimator is or, as a Pipeline, ends in."""
    last = estimator
    while isinstance(last, Pipeline):
        last = last.steps[-1][1]
    if isinstance(last, kinds):
        return last
    kind = "a Pipeline that ends in " if last is not estimator else ""
    raise TypeError(
        f"{name} must be a {' or '.join(one.__name__ for one in kinds)}, a Pipeline that ends in "
        f"one or a search over "
        f"either; got {kind}{last.__name__ if isinstance(last, type) else type(last).__name__}."
    )


def fitted_in(
    estimator: Any, name: str = "estimator", kinds: tuple[type, ...] = (DistilledClassifier,)
) -> Any:
    """Return the fitted distilled estimator in an estimator; of a search, the best one."""
    if is_search(estimator):
        check_is_fitted(estimator, "cv_results_")
        if not hasattr(estimator, "best_estimator_"):
            raise ValueError(
                f"{name} is a search with refit={estimator.refit!r}, which keeps no fitted "
                "estimator; search with refit=True."
            )
        estimator = estimator.best_estimator_
    clf = distilled_in(estimator, name, kinds)
    check_is_fitted(clf)
    return clf


def as_seen_by(estimator: Any, X: Any) -> Any:
    """Return X as the distilled estimator in an estimator sees it, after a Pipeline's steps."""
    X = read_container(X)
    estimator = estimator.best_estimator_ if is_search(estimator) else estimator
    while isinstance(estimator, Pipeline):
        X = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
        estimator = estimator.steps[-1][1]
    return read_container(X)


def label_columns(y: Any, X: Any, classes: np.ndarray, name: str) -> np.ndarray:
    """Return the column of each label, for classes in any order."""
    y = label_column(y, name)
    check_consistent_length(X, y)
    if not len(y):
        raise ValueError(f"{name} has no labels; at least one row is needed.")
    column_of = {label: column for column, label in enumerate(classes.tolist())}
    found, of_row = np.unique(y, return_inverse=True)
    if unknown := [label for label in found.tolist() if label not in column_of]:
        raise ValueError(
            f"{name} has the label{'s' * (len(unknown) > 1)} {short(unknown)}, and the classes are "
            f"{short(classes)}. Leave out the rows of other classes."
        )
    return np.array([column_of[label] for label in found.tolist()], dtype=np.intp)[of_row]


def proba_of(model: Any, X: Any, classes: np.ndarray) -> np.ndarray:
    """Return a model's probabilities in float64, in the order of ``classes``."""
    return Classification(classes).align(*raw_proba(model, X))


def teacher_proba_of(clf: DistilledClassifier, X: Any, given: Any = None) -> np.ndarray | None:
    """Return the teacher's probabilities; None without a teacher to ask and without ``given``."""
    if given is not None:
        proba = Classification(clf.classes_).read_answers(given, X.shape[0])
        proba = proba.astype(np.float64, copy=False)
        return proba / proba.sum(axis=1, keepdims=True)
    if getattr(clf, "teacher_", None) is None:
        return None
    task = Classification(clf.classes_)
    proba = ask_teacher(clf._shelved_teacher, X, task, clf.memory)
    return proba.astype(np.float64, copy=False)

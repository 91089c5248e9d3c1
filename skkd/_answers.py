"""What a classifier and its teacher say of some rows, for reports and displays."""

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_consistent_length

from ._classifier import DistilledClassifier
from ._input.labels import label_column
from ._plots.balance import is_search
from ._teacher import asking as _teacher
from ._teacher.cache import Cache


def indexable(X):
    """X as something that has a shape, and rows to take."""
    if isinstance(X, (list, tuple)):
        return np.asarray(X)
    return X.tocsr() if sparse.issparse(X) else X


def as_seen_by(estimator, X):
    """X as the DistilledClassifier in an estimator sees it, behind the steps of a Pipeline."""
    X = indexable(X)
    estimator = estimator.best_estimator_ if is_search(estimator) else estimator
    while isinstance(estimator, Pipeline):
        X = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
        estimator = estimator.steps[-1][1]
    return indexable(X)


def columns_of(y, X, classes: np.ndarray, name: str) -> np.ndarray:
    """Labels as columns of the probabilities."""
    y = label_column(y, name)
    check_consistent_length(X, y)
    if not len(y):
        raise ValueError(f"{name} has no labels; at least one row is needed.")
    column_of = {label: column for column, label in enumerate(classes.tolist())}
    found, of_row = np.unique(y, return_inverse=True)
    if unknown := [label for label in found.tolist() if label not in column_of]:
        raise ValueError(
            f"{name} has the label{'s' * (len(unknown) > 1)} {_teacher.short(unknown)}, and the "
            f"classes are {_teacher.short(classes)}. Leave the rows of other classes out."
        )
    return np.array([column_of[label] for label in found.tolist()], dtype=np.intp)[of_row]


def proba_of(model, X, classes: np.ndarray) -> np.ndarray:
    """A model's probabilities in float64, in the order of ``classes``; rows sum to one."""
    known, proba = _teacher.raw_proba(model, X)
    return _teacher.align(proba.astype(np.float64, copy=False), known, classes)


def teacher_proba_of(clf: DistilledClassifier, X, given=None) -> np.ndarray | None:
    """The teacher's probabilities, given or asked for; None if it is not there to be asked."""
    if given is not None:
        proba = _teacher.read_proba(given, X.shape[0], clf.classes_)
        proba = proba.astype(np.float64, copy=False)
        return proba / proba.sum(axis=1, keepdims=True)
    if getattr(clf, "teacher_", None) is None:
        return None
    proba = _teacher.ask(clf._fitted_teacher, X, clf.classes_, Cache(clf.memory))
    return proba.astype(np.float64, copy=False)

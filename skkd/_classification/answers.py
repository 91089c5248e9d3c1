"""A teacher's probabilities, one row for each row of X, aligned with the classes of y."""

import math
import warnings

import numpy as np
import torch
from scipy import sparse
from scipy.special import gammaincc
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from .._input import MANY_TARGETS, LazyRows, is_frame, row_slices, take
from .._warnings import warn

# Entries of X that the teacher is asked about at once.
_ENTRIES_AT_ONCE = 2**23

# Off by so much from zero or one, probabilities are taken to be rounded.
_NEGATIVE, _SUM = 1e-6, 0.02

# A teacher that misses a larger share of the labels is not looked at, and of many rows only some.
_SUSPICIOUS, _LOOKED_AT = 0.02, 3000
# By how much an unseen teacher may be better than others, and how rarely that may be chance.
_TENTH, _ACCIDENT, _FOLDS = 0.1, 1e-4, 3


def ask(teacher, X, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a fitted teacher's classes, and its probabilities in the order of ``classes``.

    An X so large that the teacher's own temporary arrays might not fit into memory is asked about
    in parts, each row once. Many answers to float32 are kept in float32.
    """
    n_rows = X.shape[0]
    if sparse.issparse(X) or math.prod(X.shape) <= _ENTRIES_AT_ONCE:
        known, proba = raw_proba(teacher, X[:] if isinstance(X, LazyRows) else X)
        return known, align(proba, known, classes)
    shape = (n_rows, len(classes))
    is_single = math.prod(shape) > MANY_TARGETS and getattr(X, "dtype", None) == np.float32
    parts = np.empty(shape, dtype=np.float32 if is_single else np.float64)
    for rows in row_slices(X, _ENTRIES_AT_ONCE):
        part = X[rows] if isinstance(X, LazyRows) else take(X, np.arange(rows.start, rows.stop))
        known, proba = raw_proba(teacher, part)
        parts[rows] = align(proba, known, classes)
    return known, parts


def raw_proba(teacher, X) -> tuple[np.ndarray, np.ndarray]:
    """Return a fitted teacher's classes, and its probabilities for X in their order."""
    if not hasattr(teacher, "classes_"):
        raise ValueError(
            f"The teacher {type(teacher).__name__} has no classes_, so that the columns of its "
            "predict_proba can't be told apart. Set classes_ to the labels in their order."
        )
    known = np.asarray(teacher.classes_)
    proba = _as_array(teacher.predict_proba(protected(X)))
    return known, _checked(proba, X.shape[0], len(known), f"{type(teacher).__name__}.predict_proba")


def protected(X):
    """Return X such that a teacher that works in place can't change the user's rows."""
    if isinstance(X, np.ndarray):
        X = X.view()
        X.flags.writeable = False
        return X
    return X.copy(deep=False) if hasattr(X, "iloc") else X


def _as_array(proba) -> np.ndarray:
    if isinstance(proba, torch.Tensor):
        proba = proba.detach().cpu()
        proba = proba.float() if proba.dtype == torch.bfloat16 else proba
    return np.asarray(proba)


def check_proba(proba, n_rows: int, n_classes: int, source: str) -> np.ndarray:
    """Return ``proba`` as one distribution over the classes a row; raise a ValueError if it is not.

    What is negative, or does not sum to one, by rounding only is mended.
    """
    return _checked(_as_array(proba), n_rows, n_classes, source)


def _checked(proba: np.ndarray, n_rows: int, n_classes: int, source: str) -> np.ndarray:
    if proba.ndim != 2 or proba.shape != (n_rows, n_classes):
        raise ValueError(
            f"{source} has shape {proba.shape}; expected {(n_rows, n_classes)}: one row for each "
            "row of X, one column for each class."
        )
    if proba.dtype.kind not in "fiub":
        raise ValueError(f"{source} has dtype {proba.dtype}; expected numbers.")
    if not np.isfinite(proba).all():
        raise ValueError(f"{source} contains NaN or infinity.")
    if (smallest := proba.min(initial=0.0)) < 0:
        if smallest < -_NEGATIVE:
            raise ValueError(f"{source} contains negative values, down to {smallest:.3g}.")
        proba = np.maximum(proba, 0)
    worst = np.abs(proba.sum(axis=1, dtype=np.float64) - 1).max(initial=0.0)
    if worst > _SUM:
        raise ValueError(
            f"The rows of {source} must sum to one; they are off by up to {worst:.3g}. Divide "
            "each row by its sum if these are unnormalized probabilities."
        )
    return proba


def read_proba(teacher_proba, n_rows: int, classes: np.ndarray) -> np.ndarray:
    """Return ``teacher_proba`` in the order of ``classes``; a frame's columns go by their names."""
    if not is_frame(teacher_proba):
        proba = np.ascontiguousarray(_as_array(teacher_proba))
        return _divided(_checked(proba, n_rows, len(classes), "teacher_proba"))
    known = np.asarray(teacher_proba.columns)
    proba = _checked(np.asarray(teacher_proba), n_rows, len(known), "teacher_proba")
    if not set(known.tolist()) & set(classes.tolist()):
        # Labels are numbers, but a file or polars made text of the columns' names.
        label_of = {str(label): label for label in classes.tolist()}
        known = np.array([label_of.get(name, name) for name in known.tolist()], dtype=object)
    if not set(known.tolist()) & set(classes.tolist()):
        raise ValueError(
            f"The columns of teacher_proba {short(known)} and the classes of y "
            f"{short(classes)} have none in common; name the columns by the labels."
        )
    warn_of_other_classes(known, classes)
    return align(proba, known, classes)


def _divided(proba: np.ndarray) -> np.ndarray:
    """Return probabilities whose rows sum to one, without a copy where they do so already."""
    if proba.dtype.kind != "f" or proba.dtype.itemsize < 4:
        proba = proba.astype(np.float32)
    total = proba.sum(axis=1, keepdims=True, dtype=np.float64)
    if np.abs(total - 1).max(initial=0.0) < 1e-5:
        return proba
    return (proba / total).astype(proba.dtype)


def align(proba: np.ndarray, known: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Reorder columns from the teacher's classes to ``classes``, by value.

    A class that the teacher does not know gets probability 0. A class that is not in ``classes`` is
    dropped, and rows are divided by their sum. A row with nothing left becomes uniform.
    """
    column_of = dict(zip(known.tolist(), range(len(known)), strict=True))
    columns = np.full(len(classes), -1)
    for i, label in enumerate(classes.tolist()):
        columns[i] = column_of.get(label, -1)
    if (columns < 0).all():
        raise ValueError(
            f"The teacher's classes {short(known)} and the classes of y {short(classes)} have "
            "none in common. Give y the labels that the teacher was fitted on. (VotingClassifier, "
            "StackingClassifier and BaggingClassifier encode labels as 0, 1, ...: inside of them, "
            "fit the teacher on encoded labels as well.)"
        )
    # In float64, for in float32 rows sum to one to seven digits.
    aligned = np.where(columns >= 0, proba[:, columns].astype(np.float64), 0.0)
    total = aligned.sum(axis=1, keepdims=True)
    return np.where(total > 0, aligned / np.where(total > 0, total, 1), 1 / len(classes))


def warn_of_other_classes(known: np.ndarray, classes: np.ndarray) -> None:
    """Warn if the teacher's classes are not those of y."""
    if np.array_equal(known, classes):
        return
    in_both = set(known.tolist()) & set(classes.tolist())
    missing = [label for label in classes.tolist() if label not in in_both]
    unused = [label for label in known.tolist() if label not in in_both]
    if in_both and (missing or unused):
        warn(
            "The teacher and y have different classes: "
            + "; ".join(
                [f"the teacher does not know {short(missing)}"] * bool(missing)
                + [f"y does not have {short(unused)}"] * bool(unused)
            )
            + ". The former get probability 0, the latter are dropped."
        )


def warn_if_trained_on(X, proba: np.ndarray, labels: np.ndarray) -> None:
    """Warn if a fitted teacher answers as only a model that was trained on these rows does.

    Such a teacher misses nearly no label, also where labels are noisy. How many labels a model that
    has not seen them misses is measured by a forest, out of bag, and by a cross-validated linear
    model. A teacher with less than a tenth of the errors of both was trained on the rows.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_rows, n_features)
        As the student's net takes it.
    proba : ndarray of shape (n_rows, n_classes)
    labels : int ndarray of shape (n_rows,)
    """
    misses = proba.argmax(axis=1) != labels
    if misses.mean() > _SUSPICIOUS or len(X.shape) != 2:
        return
    index = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), _LOOKED_AT), dtype=int))
    misses = misses[index]
    expected = _TENTH * len(index) * _unseen_error(take(X, index), labels[index])
    # Misses of an unseen teacher are about Poisson: so few are no accident.
    if gammaincc(misses.sum() + 1, expected) < _ACCIDENT:
        warn(
            f"The teacher misses {misses.sum()} of {len(index)} labels, and models that do not "
            f"know these rows miss {expected / _TENTH:.0f}: it was trained on them, and its "
            "answers add little to the labels. Give an unfitted teacher, clone(teacher), which "
            "is cross-fitted in five folds, or distill on rows that the teacher has not seen."
        )


def _unseen_error(X, labels: np.ndarray) -> float:
    """Return the error rate on labels that a model did not see, of the better of two models."""
    forest = ExtraTreesClassifier(50, bootstrap=True, oob_score=True, random_state=0)
    linear = make_pipeline(MaxAbsScaler(), LogisticRegression(max_iter=200))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        votes = forest.fit(X, labels).oob_decision_function_
        hits = [forest.classes_[np.nan_to_num(votes).argmax(axis=1)] == labels]
        if np.bincount(labels).max() > _FOLDS:
            hits.append(cross_val_predict(linear, X, labels, cv=KFold(_FOLDS)) == labels)
    return 1 - float(max(map(np.mean, hits)))


def short(labels) -> str:
    """Return the first labels as a user would write them."""
    labels = np.asarray(labels).tolist()
    shown = ", ".join(map(repr, labels[:6]))
    return f"[{shown}{', ...' if len(labels) > 6 else ''}]"

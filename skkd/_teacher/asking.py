"""The teacher's signal: one row of probabilities for each row of X, aligned with the classes of y.

A fitted teacher is asked as it is. How an unfitted one is fitted first is in ``_cross_fitting.py``.
"""

import math
import warnings
from collections.abc import Iterable
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._input.chunks import MANY_TARGETS, LazyRows, row_slices
from .._input.tables import is_frame
from .._input.validation_split import hash_rows
from .._sklearn_private import _safe_indexing
from .cache import Cache, Shelved

# Entries of X that the teacher is asked about at once.
_ENTRIES_AT_ONCE = 2**23

# A target this sure says nothing that the label does not say.
_ONE_HOT = 1 - 1e-3


def is_fitted(teacher) -> bool:
    """Whether a teacher can be asked as it is. Objects without ``fit`` can."""
    if not hasattr(teacher, "fit") or isinstance(teacher, FrozenEstimator):
        return True
    try:
        check_is_fitted(teacher)
    except NotFittedError:
        return False
    except TypeError:  # not one of scikit-learn's: nothing says that it is unfitted
        return hasattr(teacher, "classes_")
    return True


def check_teacher(teacher, cv) -> None:
    """Raise unless the teacher can give probabilities, as it is or by ``cv``."""
    if teacher is None:
        raise ValueError(
            "teacher=None needs teacher_proba=... in fit: the teacher's probabilities, one row for "
            "each row of X and one column for each class."
        )
    if isinstance(teacher, type):
        raise TypeError(f"teacher must be an instance; got the class {teacher.__name__}.")
    if not _gives_proba(teacher):
        raise TypeError(
            f"teacher must have predict_proba; {type(teacher).__name__} has not. Wrap it in "
            "sklearn.calibration.CalibratedClassifierCV, or give teacher_proba=... to fit."
        )
    is_number = isinstance(cv, Integral) and int(cv) >= 2
    splits = hasattr(cv, "split") or isinstance(cv, Iterable)
    if not (cv is None or is_number or (cv == "oob" if isinstance(cv, str) else splits)):
        raise ValueError(
            f"cv={cv!r} is not allowed; give None, an int of at least 2, a splitter or 'oob'."
        )
    if cv is None and not is_fitted(teacher):
        raise NotFittedError(
            f"This {type(teacher).__name__} teacher is not fitted, and cv=None leaves it as it is. "
            "Either fit it first (and where scikit-learn clones it, as in the values of a "
            "parameter grid, wrap it: teacher=FrozenEstimator(teacher)), or let it be cross-fitted "
            "by cv=5, or cv='oob' for a bagged teacher."
        )
    if cv is not None and is_fitted(teacher):
        raise ValueError(
            f"This {type(teacher).__name__} teacher is fitted, and cv={cv!r} would fit it again. "
            "Use cv=None to distill it as it is, or teacher=clone(teacher) to cross-fit it."
        )


def _gives_proba(teacher) -> bool:
    """Whether a teacher has ``predict_proba``, or will once it is fitted.

    A stack with the default final estimator, which has it, does not know that before.
    """
    if hasattr(teacher, "predict_proba"):
        return True
    if isinstance(teacher, Pipeline):
        return _gives_proba(teacher.steps[-1][1])
    if isinstance(teacher, (GridSearchCV, RandomizedSearchCV)):
        return _gives_proba(teacher.estimator)
    return isinstance(teacher, StackingClassifier) and teacher.final_estimator is None


def ask(teacher: Shelved, X, classes: np.ndarray, cache: Cache) -> np.ndarray:
    """A fitted teacher's probabilities for X, in the order of ``classes``.

    Parameters
    ----------
    teacher : Shelved
        It is not read from the cache where its answer is there as well.
    X : array, frame or CSR matrix
    classes : ndarray of shape (n_classes,)
    cache : Cache

    Returns
    -------
    proba : ndarray of shape (n_rows, n_classes)
    """
    key = None
    if teacher.key is not None:
        content = hash_rows(X, seed=0) if isinstance(X, LazyRows) else X
        key = cache.key("ask", teacher.key, content, classes)
    known, proba = cache.get(
        key,
        lambda: _aligned_proba(teacher.get(), X, classes),
        mapped=X.shape[0] * len(classes) > MANY_TARGETS,
    )
    warn_of_other_classes(known, classes)
    return proba


def _aligned_proba(teacher, X, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A fitted teacher's classes, and its probabilities for X in the order of ``classes``.

    An X so large that the teacher's own temporary arrays might not fit into memory is asked about
    in parts, each row once. Many answers to float32 are kept in float32.
    """
    chunks = [slice(0, X.shape[0])] if sparse.issparse(X) else row_slices(X, _ENTRIES_AT_ONCE)
    parts: np.ndarray = np.empty(0)
    for rows in chunks:
        is_all = rows.stop - rows.start == X.shape[0]
        if isinstance(X, LazyRows):
            part = X[rows]
        else:
            part = X if is_all else _safe_indexing(X, rows)
        known, answer = raw_proba(teacher, part)
        answer = align(answer, known, classes)
        if is_all:
            return known, answer
        if not len(parts):
            shape = (X.shape[0], len(classes))
            many = math.prod(shape) > MANY_TARGETS and getattr(X, "dtype", None) == np.float32
            parts = np.empty(shape, dtype=np.float32 if many else answer.dtype)
        parts[rows] = answer
    return known, parts


def raw_proba(teacher, X) -> tuple[np.ndarray, np.ndarray]:
    """A fitted teacher's classes, and its probabilities for X in their order."""
    if not hasattr(teacher, "classes_"):
        raise ValueError(
            f"The teacher {type(teacher).__name__} has no classes_, so that the columns of its "
            "predict_proba can't be told apart. Set classes_ to the labels in their order."
        )
    proba = np.asarray(teacher.predict_proba(X))
    known = np.asarray(teacher.classes_)
    check_proba(proba, X.shape[0], len(known), f"{type(teacher).__name__}.predict_proba")
    return known, proba


def check_proba(proba: np.ndarray, n_rows: int, n_classes: int, source: str) -> None:
    """Raise a ValueError unless ``proba`` holds one distribution over the classes a row."""
    if proba.ndim != 2 or proba.shape != (n_rows, n_classes):
        raise ValueError(
            f"{source} has shape {proba.shape}; expected {(n_rows, n_classes)}: one row for each "
            "row of X, one column for each class."
        )
    if proba.dtype.kind not in "fiub":
        raise ValueError(f"{source} has dtype {proba.dtype}; expected numbers.")
    if not np.isfinite(proba).all():
        raise ValueError(f"{source} contains NaN or infinity.")
    if (proba < 0).any():
        raise ValueError(f"{source} contains negative values, down to {proba.min():.3g}.")
    worst = np.abs(proba.sum(axis=1) - 1).max()
    if worst > 1e-3:
        raise ValueError(
            f"The rows of {source} must sum to one; they are off by up to {worst:.3g}. Divide "
            "each row by its sum if these are unnormalised probabilities."
        )


def read_proba(teacher_proba, n_rows: int, classes: np.ndarray) -> np.ndarray:
    """``teacher_proba`` in the order of ``classes``; a frame's columns are found by their names."""
    if is_frame(teacher_proba):
        known = np.asarray(teacher_proba.columns)
        proba = np.asarray(teacher_proba)
        check_proba(proba, n_rows, len(known), "teacher_proba")
        if not set(known.tolist()) & set(classes.tolist()):
            # Labels are numbers, but a file or polars made text of the names of their columns.
            label_of = {str(label): label for label in classes.tolist()}
            known = np.array([label_of.get(name, name) for name in known.tolist()], dtype=object)
        if not set(known.tolist()) & set(classes.tolist()):
            raise ValueError(
                f"The columns of teacher_proba {short(known)} and the classes of y "
                f"{short(classes)} have none in common; name the columns by the labels."
            )
        warn_of_other_classes(known, classes)
        return align(proba, known, classes)
    proba = np.ascontiguousarray(teacher_proba)
    check_proba(proba, n_rows, len(classes), "teacher_proba")
    return proba


def align(proba: np.ndarray, known: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Reorder columns from the teacher's classes to ``classes``, by value.

    A class that the teacher does not know gets probability 0; one that is not in ``classes`` is
    dropped, and rows are divided by their sum. A row with nothing left becomes uniform.
    """
    column_of = {label: column for column, label in enumerate(known.tolist())}
    columns = np.array([column_of.get(label, -1) for label in classes.tolist()])
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
    """Warn where the teacher's classes are not those of y."""
    in_both = set(known.tolist()) & set(classes.tolist())
    missing = [label for label in classes.tolist() if label not in in_both]
    unused = [label for label in known.tolist() if label not in in_both]
    if in_both and (missing or unused):
        warnings.warn(
            "The teacher and y have different classes: "
            + "; ".join(
                [f"the teacher does not know {short(missing)}"] * bool(missing)
                + [f"y does not have {short(unused)}"] * bool(unused)
            )
            + ". The former get probability 0, the latter are dropped.",
            stacklevel=2,
        )


def warn_if_one_hot(proba: np.ndarray, labels: np.ndarray) -> None:
    """Warn of targets that only repeat the labels."""
    sure = proba.max(axis=1) > _ONE_HOT
    if sure.mean() > 0.99 and np.array_equal(proba.argmax(axis=1)[sure], labels[sure]):
        warnings.warn(
            "The teacher's probabilities are the labels themselves, one-hot: it was probably "
            "fitted on these rows, and they add nothing to y. Give an unfitted teacher and cv=5 "
            "(or cv='oob' for a bagged one), or distill on rows that it has not seen.",
            stacklevel=2,
        )


def short(labels) -> str:
    """The first labels, as a user would write them."""
    labels = np.asarray(labels).tolist()
    shown = ", ".join(map(repr, labels[:6]))
    return f"[{shown}{', ...' if len(labels) > 6 else ''}]"

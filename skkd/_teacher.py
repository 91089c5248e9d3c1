"""The teacher's signal: one row of probabilities for each row of X, aligned with the classes of y.

A fitted teacher is asked as it is. An unfitted one is cross-fitted, so that no row's target comes
from a model which saw its label.
"""

import warnings
from numbers import Integral

import numpy as np
from joblib import Parallel, delayed
from sklearn import get_config
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from ._sklearn_private import _safe_indexing
from ._tables import is_frame

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
    if not hasattr(teacher, "predict_proba"):
        raise TypeError(
            f"teacher must have predict_proba; {type(teacher).__name__} has not. Wrap it in "
            "sklearn.calibration.CalibratedClassifierCV, or give teacher_proba=... to fit."
        )
    if (isinstance(cv, str) and cv != "oob") or (isinstance(cv, Integral) and cv < 2):
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


def ask(teacher, X, classes: np.ndarray) -> np.ndarray:
    """A fitted teacher's probabilities for X, in the order of ``classes``.

    Returns
    -------
    proba : ndarray of shape (n_rows, n_classes)
    """
    if not hasattr(teacher, "classes_"):
        raise ValueError(
            f"The teacher {type(teacher).__name__} has no classes_, so that the columns of its "
            "predict_proba can't be told apart. Set classes_ to the labels in their order."
        )
    proba = np.asarray(teacher.predict_proba(X))
    known = np.asarray(teacher.classes_)
    check_proba(proba, X.shape[0], len(known), f"{type(teacher).__name__}.predict_proba")
    return align(proba, known, classes)


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
                f"The columns of teacher_proba {_short(known)} and the classes of y "
                f"{_short(classes)} have none in common; name the columns by the labels."
            )
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
            f"The teacher's classes {_short(known)} and the classes of y {_short(classes)} have "
            "none in common. VotingClassifier, StackingClassifier and BaggingClassifier encode "
            "labels as 0, 1, ...: inside of them, fit the teacher on encoded labels as well."
        )
    missing = classes[columns < 0]
    unused = [label for label in known.tolist() if label not in set(classes.tolist())]
    if len(missing) or unused:
        warnings.warn(
            "The teacher and y have different classes: "
            + "; ".join(
                [f"the teacher does not know {_short(missing)}"] * bool(len(missing))
                + [f"y does not have {_short(np.array(unused))}"] * bool(unused)
            )
            + ". The former get probability 0, the latter are dropped.",
            stacklevel=2,
        )
    aligned = np.where(columns >= 0, proba[:, columns], 0.0)
    total = aligned.sum(axis=1, keepdims=True)
    return np.where(total > 0, aligned / np.where(total > 0, total, 1), 1 / len(classes))


def cross_fit(teacher, X, y, sample_weight, classes: np.ndarray, *, cv, n_jobs) -> np.ndarray:
    """Out-of-fold probabilities of clones of the teacher.

    Rows of weight zero take part in no fit. Where a splitter tests a row more than once, its
    targets are averaged.

    Returns
    -------
    proba : ndarray of shape (n_rows, n_classes)
    """
    splits = _splits(X, y, classes, cv)
    results = Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_ask)(teacher, X, y, sample_weight, train, test, classes)
        for train, test in splits
    )
    total = np.zeros((len(y), len(classes)))
    count = np.zeros(len(y))
    for (_, test), proba in zip(splits, results, strict=True):
        np.add.at(total, test, proba)
        np.add.at(count, test, 1)
    if (count == 0).any():
        raise ValueError(
            f"cv={cv!r} leaves {int((count == 0).sum())} rows in no test fold, so that they have "
            "no out-of-fold target. Use a splitter that tests every row, such as StratifiedKFold."
        )
    return total / count[:, np.newaxis]


def _splits(X, y, classes, cv) -> list[tuple[np.ndarray, np.ndarray]]:
    if isinstance(cv, (int, np.integer)):
        counts = [int((y == label).sum()) for label in classes]
        rarest = int(np.argmin(counts))
        if counts[rarest] < cv:
            raise ValueError(
                f"cv={cv} needs at least {cv} rows of every class, and class "
                f"{classes.tolist()[rarest]!r} of y has {counts[rarest]}. Lower cv, drop the "
                "class, or give a splitter (with it a class may be missing in a fold)."
            )
    return list(check_cv(cv, y, classifier=True).split(X, y))


def _fit_and_ask(teacher, X, y, sample_weight, train, test, classes) -> np.ndarray:
    weight = None if sample_weight is None else sample_weight[train]
    fitted = fit_teacher(teacher, _safe_indexing(X, train), y[train], weight)
    return ask(fitted, _safe_indexing(X, test), classes)


def fit_teacher(teacher, X, y, sample_weight):
    """A clone of the teacher fitted on the rows, with their weights where it takes any.

    Rows of weight zero take no part.
    """
    if sample_weight is not None and (sample_weight == 0).any():
        kept = np.flatnonzero(sample_weight > 0)
        X, y, sample_weight = _safe_indexing(X, kept), y[kept], sample_weight[kept]
    return clone(teacher).fit(X, y, **_weight_argument(teacher, sample_weight))


def fit_oob(teacher, X, y, sample_weight, classes: np.ndarray):
    """A bagged teacher fitted on all rows, and what its members say of rows they did not see.

    Returns
    -------
    teacher : estimator
        The fitted clone.
    proba : ndarray of shape (n_rows, n_classes)
    """
    params = teacher.get_params(deep=False)
    if "oob_score" not in params:
        raise ValueError(
            f"cv='oob' needs a bagged teacher with an oob_score parameter, such as a random "
            f"forest; {type(teacher).__name__} has none. Use cv=5."
        )
    bagged = {"oob_score": True} | ({"bootstrap": True} if "bootstrap" in params else {})
    fitted = fit_teacher(clone(teacher).set_params(**bagged), X, y, sample_weight)
    votes = np.asarray(fitted.oob_decision_function_)
    # A row that every member saw has no vote (zeros or NaN), nor has one of weight zero, which was
    # not there: their targets become uniform.
    proba = np.zeros((len(y), votes.shape[1]))
    present = slice(None) if sample_weight is None else sample_weight > 0
    proba[present] = np.where(np.isfinite(votes), votes, 0.0)
    return fitted, align(proba, np.asarray(fitted.classes_), classes)


def _weight_argument(teacher, sample_weight) -> dict:
    """``sample_weight`` under the name that the teacher's ``fit`` knows it by."""
    if sample_weight is None:
        return {}
    if get_config()["enable_metadata_routing"]:  # then every estimator routes by this name
        return {"sample_weight": sample_weight}
    name = _name_of_weight(teacher)
    if name is not None:
        return {name: sample_weight}
    warnings.warn(
        f"The teacher {type(teacher).__name__} takes no sample_weight; the weights act in the "
        "student's losses only.",
        stacklevel=2,
    )
    return {}


def _name_of_weight(estimator) -> str | None:
    if isinstance(estimator, Pipeline):
        step, last = estimator.steps[-1]
        name = _name_of_weight(last)
        return None if name is None else f"{step}__{name}"
    if isinstance(estimator, (GridSearchCV, RandomizedSearchCV)):
        return _name_of_weight(estimator.estimator)
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


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


def _short(labels: np.ndarray) -> str:
    shown = ", ".join(map(repr, labels[:6].tolist()))
    return f"[{shown}{', ...' if len(labels) > 6 else ''}]"

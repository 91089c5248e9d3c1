"""An unfitted teacher, fitted such that no row's target comes from a model that saw its label."""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from .._input import Rows, call_with_protected, materialized
from .._progress import SILENT, Phase, Progress
from .._sklearn_private import _check_method_params, _safe_indexing
from .._warnings import warn
from .cache import Cache, Shelved
from .cost import Cost, timed

#: Folds where ``cv`` is None, as in scikit-learn's CalibratedClassifierCV and StackingClassifier.
DEFAULT_FOLDS = 5

# What errors about the input say.
_ABOUT_INPUT = re.compile(r"convert|NaN|missing|infinit|dtype|categor|non-numeric", re.IGNORECASE)

# A splitter that tests a smaller share of the rows is probably meant for something else.
_FEW_TESTED = 0.5

# Rows that a bagged teacher is asked about, to know how long it takes.
_TIMED_ROWS = 256


@dataclass(frozen=True)
class UnfittedTeacher:
    """A teacher, and what it is to be fitted on.

    Attributes
    ----------
    estimator : estimator
        The teacher, which is cloned before each fit.
    X : array, frame or CSR matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
        Labels as the user gave them.
    sample_weight : ndarray of shape (n_rows,) or None
    task : Classification or Regression
    cv : int, splitter, iterable of splits, "oob" or None
    fit_params, split_params : dict
        Metadata for the teacher's ``fit`` and for the splitter.
    n_jobs : int or None
    cache : Cache
    key : str or None
        What rows, labels and metadata are found by in the cache.
    """

    estimator: Any
    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None
    task: Any
    cv: Any
    fit_params: dict
    split_params: dict
    n_jobs: int | None
    cache: Cache
    key: str | None

    @classmethod
    def of(
        cls, estimator, rows: Rows, task, cv, fit_params, split_params, n_jobs, cache
    ) -> "UnfittedTeacher":
        """Return a teacher to be fitted on rows; ``fit_params`` None: their sample weights."""
        if fit_params is None:
            fit_params = weight_argument(estimator, rows.sample_weight)
            if rows.sample_weight is not None and not fit_params:
                warn(
                    f"The teacher {type(estimator).__name__} takes no sample_weight; the weights "
                    "act in the student's losses only."
                )
        X, y = materialized(rows.raw), task.given(rows.labels)
        key = cache.key(X, y, fit_params)
        cv = DEFAULT_FOLDS if cv is None else cv
        params = (fit_params, split_params or {})
        return cls(estimator, X, y, rows.sample_weight, task, cv, *params, n_jobs, cache, key)

    def fit(self) -> Shelved:
        """Return a clone of the teacher, fitted on all rows."""
        return self.cache.shelve(
            self.key_of("fit"),
            lambda: fit_clone(
                self.estimator, self.X, self.y, self.fit_params, self.task.note_on_fit
            ),
        )

    def key_of(self, work: str, *parts) -> str | None:
        """Return the key of some work of this teacher on these rows."""
        if self.key is None:
            return None
        return self.cache.key(work, self.key, *parts, unfitted=self.estimator)


def cross_fit(
    teacher: UnfittedTeacher, progress: Progress = SILENT
) -> tuple[np.ndarray, np.ndarray, Cost]:
    """Return out-of-fold answers by clones of the teacher.

    Where a splitter tests a row more than once, its answers are averaged. A row that it never
    tests, as the first of a time series, gets the mean of all answers, and the fold -1.

    Parameters
    ----------
    teacher : UnfittedTeacher
    progress : Progress

    Returns
    -------
    answers : ndarray of shape (n_rows, n_outputs)
    folds : ndarray of shape (n_rows,)
        The fold in which a row was tested first; -1 for none.
    cost : Cost
    """
    X, y, task = teacher.X, teacher.y, teacher.task
    splits = _splits(teacher)
    if not splits:
        raise ValueError(
            f"cv={teacher.cv!r} splits these rows into no folds; give a splitter, or pairs of "
            "index arrays with at least one row to test."
        )
    with progress.phase("teacher's folds", len(splits)) as phase:
        results = teacher.cache.get(
            teacher.key_of("cross_fit", splits),
            lambda: _Folds(phase, teacher.n_jobs)(
                delayed(_fit_and_ask)(teacher.estimator, X, y, teacher.fit_params, task, *split)
                for split in splits
            ),
        )
    total, count = np.zeros((len(y), task.n_outputs)), np.zeros(len(y))
    folds = np.full(len(y), -1)
    raw = [(answers, known) for answers, known, _ in results]
    of_folds = task.fold_answers(raw, y, teacher.sample_weight)
    for fold, ((_, test), answers) in enumerate(zip(splits, of_folds, strict=True)):
        np.add.at(total, test, answers)
        np.add.at(count, test, 1)
        folds[test] = np.where(folds[test] < 0, fold, folds[test])
    of_fits, of_answers = np.sum([seconds for *_, seconds in results], axis=0)
    cost = Cost(float(of_fits + of_answers), float(of_answers / count.sum()))
    tested = count > 0
    answers = total / np.maximum(count, 1)[:, np.newaxis]
    answers[~tested] = answers[tested].mean(axis=0)
    if tested.mean() < _FEW_TESTED:
        warn(
            f"cv={teacher.cv!r} leaves {int((~tested).sum())} of {len(y)} rows in no test fold. "
            "Only their labels teach. Use a splitter that tests more rows, such as StratifiedKFold."
        )
    return answers, folds, cost


class _Folds(Parallel):
    """Joblib's processes, which tell a phase how many folds are done."""

    def __init__(self, phase: Phase, n_jobs: int | None):
        super().__init__(n_jobs=n_jobs)
        self.phase = phase

    def print_progress(self) -> None:
        self.phase.reach(self.n_completed_tasks)


def _splits(teacher: UnfittedTeacher) -> list[tuple[np.ndarray, np.ndarray]]:
    cv, params = teacher.cv, teacher.split_params
    if isinstance(cv, list):  # pairs of indices
        return cv
    if params.get("groups") is None and hasattr(cv, "split") and _needs_groups(cv):
        raise ValueError(
            f"cv={cv!r} splits by groups, and got none. Give fit(..., groups=...); inside of "
            "scikit-learn's searches, set_config(enable_metadata_routing=True) lets them through."
        )
    splitter = check_cv(cv, teacher.y, classifier=teacher.task.name == "classification")
    with warnings.catch_warnings():
        # scikit-learn's warning of rare classes; ours names them and says what follows.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return list(splitter.split(teacher.X, teacher.y, **params))


def splits_of_part(
    splits, index: np.ndarray | None, n_all: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return splits by the numbers of all rows as splits of some of the rows.

    Parameters
    ----------
    splits : iterable of (train, test)
    index : int ndarray or None
        The rows that are left; None: all.
    n_all : int
    """
    position = np.full(n_all, -1)
    index = np.arange(n_all) if index is None else index
    position[index] = np.arange(len(index))
    mapped = []
    for train, test in splits:
        train, test = position[np.asarray(train)], position[np.asarray(test)]
        if (test >= 0).any():
            mapped.append((train[train >= 0], test[test >= 0]))
    return mapped


def _needs_groups(cv) -> bool:
    return bool(get_routing_for_object(cv).consumes("split", {"groups"}))


def _fit_and_ask(teacher, X, y, fit_params, task, train, test) -> tuple:
    """Fit a teacher on ``train``, ask it about ``test``; return raw answers and seconds."""
    params = _check_method_params(X, fit_params, indices=train)
    X_train, X_test = _safe_indexing(X, train), _safe_indexing(X, test)
    fitted, of_fit = timed(lambda: fit_clone(teacher, X_train, y[train], params, task.note_on_fit))
    answers, of_answers = timed(lambda: task.raw_answers(fitted, X_test))
    return *answers, (of_fit, of_answers)


def fit_clone(teacher, X, y, fit_params: dict, note_on_fit: Callable[[np.ndarray, str], str]):
    """Return a fitted clone. An error that the teacher raises says so, and what may help."""
    try:
        return call_with_protected(lambda X: clone(teacher).fit(X, y, **fit_params), X)
    except Exception as error:
        note = f"Raised by the teacher {type(teacher).__name__}, as it was cloned and fitted."
        message = str(error)
        if about_labels := note_on_fit(y, message):
            note += about_labels
        elif _ABOUT_INPUT.search(message):
            note += (
                " The teacher gets X as it is. If it needs numbers without gaps, put an encoder or "
                "imputer before it: make_pipeline(encoder, teacher)."
            )
        if "Cannot clone" in message:
            note += " A parameter of which it makes a copy can be a tuple instead of a list."
        error.add_note(note)
        raise


def fitted_out_of_fold(
    unfitted: UnfittedTeacher, rows: Rows, progress: Progress
) -> tuple[Shelved, Rows, Cost]:
    """Fit a teacher on all rows, and return it, the rows with out-of-fold answers and the cost."""
    fitting = progress.phase(f"teacher's fit on {len(rows.labels):,} rows")
    if isinstance(unfitted.cv, str):  # "oob"
        with fitting:
            fitted, answers, cost = fit_oob(unfitted)
        return fitted, replace(rows, answers=answers, folds=None), cost
    answers, folds, cost = cross_fit(unfitted, progress)
    with fitting:
        return unfitted.fit(), replace(rows, answers=answers, folds=folds), cost


def fit_oob(teacher: UnfittedTeacher) -> tuple[Shelved, np.ndarray, Cost]:
    """Fit a bagged teacher on all rows, and ask its members about rows they did not see.

    Returns
    -------
    teacher : Shelved
        The fitted clone.
    answers : ndarray of shape (n_rows, n_outputs)
        Uniform, or the mean, for a row that every member saw.
    cost : Cost
        Without the fit.
    """
    params = teacher.estimator.get_params(deep=False)
    if "oob_score" not in params:
        raise ValueError(
            f"cv='oob' needs a bagged teacher with an oob_score parameter, such as a random "
            f"forest; {type(teacher.estimator).__name__} has none. Use cv=5."
        )
    extra = {"oob_score": True} | ({"bootstrap": True} if "bootstrap" in params else {})
    teacher = replace(teacher, estimator=clone(teacher.estimator).set_params(**extra))
    fitted = teacher.fit()

    task = teacher.task

    def votes():
        known, some = fitted.get(), np.arange(min(_TIMED_ROWS, len(teacher.y)))
        _, seconds = timed(lambda: task.raw_answers(known, _safe_indexing(teacher.X, some)))
        return *task.raw_oob_answers(known), seconds / len(some)

    answers, known, row_seconds = teacher.cache.get(teacher.key_of("oob"), votes)
    answers = task.oob_answers(answers, known, teacher.y)
    return fitted, answers, Cost(row_seconds=row_seconds)


def weight_argument(teacher, sample_weight) -> dict:
    """Return ``sample_weight`` under the name that the teacher's ``fit`` knows it by, if any."""
    name = None if sample_weight is None else _name_of_weight(teacher)
    return {} if name is None else {name: sample_weight}


def _name_of_weight(estimator) -> str | None:
    if isinstance(estimator, Pipeline):
        if any(hasattr(step, "fit_resample") for _, step in estimator.steps):
            return None  # of imbalanced-learn: the last step has other rows
        step, last = estimator.steps[-1]
        name = _name_of_weight(last)
        return None if name is None else f"{step}__{name}"
    if isinstance(estimator, (GridSearchCV, RandomizedSearchCV)):
        return _name_of_weight(estimator.estimator)
    if isinstance(
        estimator, (StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor)
    ):
        parts = [part for _, part in estimator.estimators if part != "drop"]
        final = getattr(estimator, "final_estimator", None)
        parts += [] if final is None else [final]
        takes_all = all(_name_of_weight(part) == "sample_weight" for part in parts)
        return "sample_weight" if takes_all else None
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None

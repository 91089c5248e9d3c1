"""Several teachers as one: the weighted mean of their probabilities."""

from dataclasses import astuple, replace
from typing import Any, Self

import numpy as np
from sklearn.utils import get_tags

from .._classification import Classification
from .._estimator import BaseEstimator, ClassifierMixin
from .._input import Rows
from .._progress import Progress
from .._sklearn_private import _BaseComposition, _name_estimators
from .cache import Shelved
from .checks import check_teacher, is_fitted
from .cost import Cost
from .cross_fitting import UnfittedTeacher, fit_clone, fitted_out_of_fold, weight_argument


class TeacherAverage(ClassifierMixin, _BaseComposition):
    """Average the probabilities of several classifiers.

    Parameters
    ----------
    estimators : list of (str, estimator)
        All fitted, or all unfitted.
    weights : array of shape (n_estimators,) or None
        They sum to one. None: equal weights.
    """

    # Each of them gets the weights, if it takes any.
    __metadata_request__fit = {"sample_weight": True}  # noqa: RUF012

    def __init__(self, estimators: list, weights: np.ndarray | None = None):
        self.estimators = estimators
        self.weights = weights

    def get_params(self, deep: bool = True) -> dict:
        """Return the parameters, also those of each estimator by its name."""
        return self._get_params("estimators", deep=deep)

    def set_params(self, **params) -> Self:
        """Set parameters, also those of each estimator by its name."""
        return self._set_params("estimators", **params)

    def fit(self, X, y, sample_weight=None) -> Self:
        """Fit a clone of each estimator."""
        self.estimators_ = [
            fit_clone(
                estimator,
                X,
                y,
                weight_argument(estimator, sample_weight),
                Classification.note_on_fit,
            )
            for _, estimator in self.estimators
        ]
        return self

    @property
    def members(self) -> list:
        """The estimators to be asked."""
        return vars(self).get("estimators_", [estimator for _, estimator in self.estimators])

    @property
    def classes_(self) -> np.ndarray:
        """All labels that any of them knows."""
        return np.unique(np.concatenate([member.classes_ for member in self.members]))

    @property
    def named_weights(self) -> dict[str, float]:
        """The weight of each estimator."""
        names = [name for name, _ in self.estimators]
        weights = np.full(len(names), 1 / len(names)) if self.weights is None else self.weights
        return dict(zip(names, np.asarray(weights).tolist(), strict=True))

    def member_proba(self, X) -> list[np.ndarray]:
        """Return the probabilities of each estimator, in the order of ``classes_``."""
        task = Classification(self.classes_)
        return [task.ask(member, X) for member in self.members]

    def weighted(self, rows: Rows, task) -> "TeacherAverage":
        """Return the same fitted estimators, with weights learned on rows new to them."""
        answers = [task.ask(member, rows.raw) for member in self.members]
        return TeacherAverage(self.estimators, task.mixture_weights(answers, rows))

    def predict_proba(self, X) -> np.ndarray:
        """Return the mean of their probabilities."""
        return np.average(self.member_proba(X), axis=0, weights=self.weights)

    def predict(self, X) -> np.ndarray:
        """Return the most probable labels."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def __sklearn_is_fitted__(self) -> bool:
        return all(map(is_fitted, self.members))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        known = [get_tags(one).input_tags for one in self.members if isinstance(one, BaseEstimator)]
        tags.input_tags.sparse = all(of_one.sparse for of_one in known)
        tags.input_tags.allow_nan = all(of_one.allow_nan for of_one in known)
        return tags


def as_teacher(teacher) -> Any:
    """Return several teachers, by name or not, as one; any other teacher as it is."""
    if not isinstance(teacher, (list, tuple)):
        return teacher
    named = all(isinstance(one, tuple) and len(one) == 2 for one in teacher)
    return TeacherAverage(list(teacher) if named else _name_estimators(teacher))


def check_teachers(teacher, cv, answers: str) -> None:
    """Raise unless a teacher, or each of several, can be asked."""
    if not isinstance(teacher, TeacherAverage):
        check_teacher(teacher, cv, answers)
        return
    if answers != "teacher_proba":
        raise TypeError(
            "A list of teachers is for classifiers. Average regressors by "
            "sklearn.ensemble.VotingRegressor."
        )
    names = [name for name, _ in teacher.estimators]
    if not names:
        raise ValueError("teacher=[] has no teacher in it; give one or more classifiers.")
    teacher._validate_names(names)
    for member in teacher.members:
        check_teacher(member, cv, answers)
    if len({is_fitted(member) for member in teacher.members}) > 1:
        raise ValueError(
            "Of several teachers all must be fitted, or none. Give clone(teacher) for those that "
            "are fitted, or fit the others on other rows."
        )


def average_out_of_fold(
    teacher: TeacherAverage, rows: Rows, task, cv, split_params, n_jobs, cache, progress: Progress
) -> tuple[Shelved, Rows, Cost]:
    """Cross-fit each teacher, weigh them by the log-loss of their mean, and return it as one.

    Returns
    -------
    teacher, rows, cost
        As :func:`fitted_out_of_fold` returns them.
    """
    params = split_params, n_jobs, cache
    fitted, found, costs = [], [], []
    for name, estimator in teacher.estimators:
        progress.say(f"teacher {name!r}")
        unfitted = UnfittedTeacher.of(estimator, rows, task, cv, None, *params)
        shelved, rows, cost = fitted_out_of_fold(unfitted, rows, progress)
        fitted.append((name, shelved.get()))
        found.append(rows.answers)
        costs.append(cost)
    weights = task.mixture_weights(found, rows)
    average = TeacherAverage(fitted, weights)
    progress.say(f"teachers' weights: {average.named_weights}")
    cost = Cost(*(sum(of_one) for of_one in zip(*map(astuple, costs), strict=True)))
    answers = np.average(found, axis=0, weights=weights)
    return Shelved(average), replace(rows, answers=answers), cost

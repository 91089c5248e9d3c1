"""The scores that the verdict is by: the report's own measures, or any scorer of scikit-learn."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer

from .._input import read_container
from .._sklearn_private import _num_samples, _safe_indexing
from ._measures import MEASURES

Scorer = str | Callable[..., float]
Scoring = Scorer | Sequence[Scorer] | Mapping[str, Scorer] | None

# Scorers that the report's own measures stand for; these need no further pass over the rows.
_OWN = {
    **{name: name for name in ("accuracy", "balanced_accuracy", "average_precision", "roc_auc")},
    "roc_auc_ovr": "roc_auc",
    "neg_log_loss": "log_loss",
    "neg_brier_score": "brier_score",
}


def read_scoring(scoring: Scoring) -> dict[str, Callable[..., float] | None]:
    """Return a scorer by the name of each score, or None for the report's own measures."""
    if scoring is None:
        return {}
    if isinstance(scoring, Mapping):
        named = list(scoring.items())
    else:
        several = [scoring] if isinstance(scoring, str) or callable(scoring) else list(scoring)
        named = [(one if isinstance(one, str) else _name_of(one), one) for one in several]
    found: dict[str, Callable[..., float] | None] = {}
    for name, scorer in named:
        if isinstance(scorer, str) and scorer in _OWN:
            found[_OWN[scorer]] = None
            continue
        if not (isinstance(scorer, str) or callable(scorer)):
            raise TypeError(
                f"scoring has the entry {scorer!r}; give a name of "
                "sklearn.metrics.get_scorer_names(), or a callable of (estimator, X, y)."
            )
        if name in MEASURES or name in found:
            raise ValueError(
                f"scoring has two scores of the name {name!r}; give others, as "
                f"{{'my {name}': scorer}}."
            )
        found[name] = get_scorer(scorer) if isinstance(scorer, str) else scorer
    if not found:
        raise ValueError("scoring is empty; give at least one score, or None for the default.")
    return found


def _name_of(scorer: Any) -> str:
    return getattr(scorer, "__name__", "score")


def default_scores(class_rows: np.ndarray) -> list[str]:
    """Return the scores of the verdict if the user names none."""
    return ["average_precision", "balanced_accuracy"] if rare(class_rows).any() else ["accuracy"]


def rare(class_rows: np.ndarray) -> np.ndarray:
    """Whether each class is rare: it has test rows, but under a fifth of an equal share."""
    shares = class_rows / class_rows.sum()
    return (shares > 0) & (shares < 0.2 / len(shares))


class GivenScores:
    """A user's scorers on resamples of a model's answers.

    Parameters
    ----------
    scorers : dict of callables
    X : array, frame or CSR matrix
        Test rows. Some scorers read them.
    y : ndarray of shape (n_rows,)
        The user's labels.
    classes : ndarray of shape (n_classes,)
    proba : ndarray of shape (n_rows, n_classes)
    weight : ndarray of shape (n_rows,) or None
    """

    def __init__(self, scorers, X, y, classes, proba, weight):
        self._scorers = {name: scorer for name, scorer in scorers.items() if scorer is not None}
        self._X, self._y, self._classes = read_container(X), y, classes
        self._proba, self._weight = proba, weight
        for name, scorer in self._scorers.items():
            try:
                self._score(scorer, np.arange(len(y)))
            except Exception as error:
                raise ValueError(f"The scorer {name!r} failed on the test rows: {error}") from error

    def measures(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Scores for each column of ``counts``, of shape (n_rows, n_resamples)."""
        found = {name: np.full(counts.shape[1], np.nan) for name in self._scorers}
        if found:
            for i, times in enumerate(counts.T.astype(int)):
                rows = np.repeat(np.arange(len(times)), times)
                for name, scorer in self._scorers.items():
                    try:
                        found[name][i] = self._score(scorer, rows)
                    except ValueError:  # a resample that lacks a class has no score
                        pass
        return found

    def _score(self, scorer, rows: np.ndarray) -> float:
        answers = _Answers(self._classes, self._proba[rows])
        weight = {} if self._weight is None else {"sample_weight": self._weight[rows]}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes that a resample lacks
            return float(scorer(answers, _safe_indexing(self._X, rows), self._y[rows], **weight))


class _Answers(ClassifierMixin, BaseEstimator):
    """Stands for a model that was asked already, so that scorers don't ask it again."""

    def __init__(self, classes, proba):
        self.classes_ = classes
        self._proba = proba

    def predict_proba(self, X):
        if _num_samples(X) != len(self._proba):
            raise ValueError("it asked the model about other rows than it was given")
        return self._proba

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

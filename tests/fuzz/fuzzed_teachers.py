"""Teachers of every kind, and what may happen to their answers on the way."""

import contextlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .rows import plain_numbers


class Reader(ClassifierMixin, BaseEstimator):
    """Reads any container as numbers; a plain model does the rest."""

    def fit(self, X, y, sample_weight=None):
        self.classes_, codes = np.unique(np.asarray(y).ravel(), return_inverse=True)
        self.model_ = make_pipeline(StandardScaler(), GaussianNB(var_smoothing=0.1))
        self.model_.fit(plain_numbers(X), codes)
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(plain_numbers(X))

    def predict(self, X):
        return self.classes_[self.model_.predict(plain_numbers(X))]


class Asked:
    """An object that only answers, as a service does.

    Its answers depend on the row alone. ``change`` is what happens to them on the way.
    """

    def __init__(self, reader, change="nothing"):
        self.reader = reader
        self.change = change
        self.classes_ = reader.classes_

    def predict_proba(self, X):
        return CHANGES[self.change](self.reader.predict_proba(X))


class InPlace(Reader):
    """Overwrites the rows that it is asked about."""

    def predict_proba(self, X):
        answers = super().predict_proba(X)
        with contextlib.suppress(Exception):  # rows of this kind can't be changed
            X *= 0
        return answers


def _off_by_rounding(proba):
    proba = proba.copy()
    proba[:, -1] = 1 - proba[:, :-1].sum(axis=1)
    proba[::3, -1] -= 1e-17
    return proba


def _one_hot(proba):
    return np.eye(proba.shape[1])[proba.argmax(1)]


CHANGES: dict[str, Callable] = {
    "nothing": lambda proba: proba,
    "float32": lambda proba: proba.astype(np.float32),
    "float16": lambda proba: proba.astype(np.float16),
    "two digits": lambda proba: proba.round(2),
    "off by rounding": _off_by_rounding,
    "one-hot": _one_hot,
    "fortran": np.asfortranarray,
    "read-only": lambda proba: np.broadcast_to(proba[:1], proba.shape),
    "list": lambda proba: proba.tolist(),
    "tensor": lambda proba: torch.tensor(proba, requires_grad=True),
    "frame": lambda proba: pd.DataFrame(proba),
    "nan": lambda proba: np.where(np.arange(len(proba))[:, None] == 3, np.nan, proba),
    "above one": lambda proba: proba * 1.5,
    "negative": lambda proba: proba - 0.2,
    "logits": lambda proba: np.log(proba + 1e-9),
    "one column": lambda proba: proba[:, :1],
    "too few rows": lambda proba: proba[:-1],
    "texts": lambda proba: proba.astype(str),
    "zero rows": lambda proba: np.where(np.arange(len(proba))[:, None] == 3, 0.0, proba),
}
FINE = [name for name in CHANGES if list(CHANGES).index(name) < 11]


def _as_array(y) -> np.ndarray:
    return np.asarray(y).ravel()


def draw_teacher(rng, fits_plain: bool) -> tuple[Callable, str, bool]:
    """Return a maker of a teacher, what it is, and whether it comes fitted."""
    change = str(rng.choice(FINE if rng.random() < 0.9 else list(CHANGES)))
    any_kind: dict[str, Callable] = {
        "reader": lambda X, y, labels: Reader().fit(X, y),
        "frozen": lambda X, y, labels: FrozenEstimator(Reader().fit(X, y)),
        f"asked ({change})": lambda X, y, labels: Asked(Reader().fit(X, y), change),
        "in_place": lambda X, y, labels: InPlace().fit(X, y),
        "more_classes": lambda X, y, labels: _with_more_classes(X, y),
        "fewer_classes": lambda X, y, labels: _with_fewer_classes(X, y),
        "unfitted reader": lambda X, y, labels: Reader(),
    }
    plain: dict[str, Callable] = {
        "logistic": lambda X, y, labels: LogisticRegression(max_iter=20).fit(X, _as_array(y)),
        "boosting": lambda X, y, labels: HistGradientBoostingClassifier(
            max_iter=2, early_stopping=False
        ).fit(X, _as_array(y)),
        "pipeline in place": lambda X, y, labels: make_pipeline(
            StandardScaler(copy=False), GaussianNB()
        ).fit(np.array(X), _as_array(y)),
        "unfitted bayes": lambda X, y, labels: GaussianNB(),
        "unfitted pipeline": lambda X, y, labels: make_pipeline(
            StandardScaler(copy=False), LogisticRegression(max_iter=20)
        ),
        "unfitted forest": lambda X, y, labels: RandomForestClassifier(
            5, bootstrap=True, random_state=0
        ),
    }
    makers = any_kind | (plain if fits_plain else {})
    name = str(rng.choice(list(makers)))
    return makers[name], name, not name.startswith("unfitted")


def _with_more_classes(X, y):
    y = _as_array(y)
    y = y.astype(int if y.dtype.kind == "b" else object)
    is_text = isinstance(y[0], str)
    y[: max(len(y) // 20, 2)] = "~" if is_text else max(y) + 1  # each is the last of all
    return Reader().fit(X, np.array(y.tolist()))


def _with_fewer_classes(X, y):
    y = _as_array(y)
    least = np.unique(y)[0]
    return Reader().fit(X, np.where(y == least, np.unique(y)[-1], y)) if len(np.unique(y)) > 2 \
        else Reader().fit(X, y)  # fmt: skip

"""The teachers: one for each set, and what it says of the rows, computed once and shared.

``python -m benchmarks.teachers`` prints the comparison that the table ``TEACHERS`` was chosen by.
"""

import argparse
import time
from dataclasses import dataclass

import joblib
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from .datasets import NAMES, cache_dir
from .protocol import cost, one_thread, split

N_TREES = 300


def _boosting(seed: int, **options) -> ClassifierMixin:
    # Early stopping would cost rows, and how many trees there are would differ from fold to fold.
    return HistGradientBoostingClassifier(
        early_stopping=False, l2_regularization=1.0, random_state=seed, **options
    )


def _on_numbers(forest: ClassifierMixin) -> ClassifierMixin:
    """A forest behind an encoder that lets numbers pass: scikit-learn's forests take no frames."""
    categories = make_column_selector(dtype_include="category")
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    encoder = make_column_transformer((one_hot, categories), remainder="passthrough")
    return make_pipeline(encoder, forest)


CANDIDATES = {
    "boosting": lambda seed: _boosting(seed, learning_rate=0.1, max_iter=200),
    "slow boosting": lambda seed: _boosting(
        seed, learning_rate=0.05, max_iter=300, max_leaf_nodes=15
    ),
    "extra trees": lambda seed: ExtraTreesClassifier(N_TREES, random_state=seed),
    "forest": lambda seed: RandomForestClassifier(N_TREES, random_state=seed),
}


# For each set the candidate of the best accuracy on a split that the study has not; of the best
# log-loss where accuracies are within .3 points. Forests alone for images: boosting takes minutes a
# fit there, and was less accurate (mnist_5k .9413, extra trees .9427).
TEACHERS = {
    "covertype": "extra trees",
    "electricity": "forest",
    "adult": "slow boosting",
    "letter": "extra trees",
    "satimage": "extra trees",
    "penbased": "slow boosting",
    "spambase": "boosting",
    "magic": "slow boosting",
    "kr_vs_k": "boosting",
    "fars": "slow boosting",
    "fashion_mnist": "extra trees",
    "mnist": "extra trees",
    "phoneme": "extra trees",
    "mnist_5k": "extra trees",
    "digits": "extra trees",
    "breast_cancer": "boosting",
}


def make_teacher(kind: str, X, seed: int) -> ClassifierMixin:
    """An unfitted teacher of one of the ``CANDIDATES`` that takes an X of this kind."""
    teacher = CANDIDATES[kind](seed)
    if isinstance(X, np.ndarray) or isinstance(teacher, HistGradientBoostingClassifier):
        return teacher
    return _on_numbers(teacher)


@dataclass
class Signals:
    """What a teacher says, in the order of ``classes``.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    targets : dict of ndarrays of shape (n_training_rows, n_classes)
        ``insample``: of the teacher fitted on these very rows. ``oof``: out of five folds, each
        predicted by a teacher fitted on the other four. ``calibrated``: these at the temperature
        of the least log-loss on the training labels.
    test : ndarray of shape (n_test_rows, n_classes)
        Of the teacher fitted on all training rows.
    calibrated_test : ndarray of shape (n_test_rows, n_classes)
        The same at the temperature.
    temperature : float
    cost : dict of float
        As :func:`benchmarks.protocol.cost` gives it.
    fit_seconds, oof_seconds : float
        The fit on all rows, and the out-of-fold part on top of it.
    """

    classes: np.ndarray
    targets: dict
    test: np.ndarray
    calibrated_test: np.ndarray
    temperature: float
    cost: dict
    fit_seconds: float
    oof_seconds: float


def signals(name: str, seed: int, max_rows: int) -> Signals:
    """The teacher's signals for a set and seed: computed once, then read from the cache."""
    memory = joblib.Memory(cache_dir() / "teachers", verbose=0)
    return memory.cache(_signals)(TEACHERS[name], name, seed, max_rows)


def _signals(kind: str, name: str, seed: int, max_rows: int) -> Signals:
    rows = split(name, seed, max_rows)
    teacher = make_teacher(kind, rows.X, seed)
    with one_thread():
        start = time.process_time()
        oof = cross_val_predict(teacher, rows.X, rows.y, cv=5, method="predict_proba")
        oof_seconds = time.process_time() - start
        start = time.process_time()
        teacher.fit(rows.X, rows.y)
        fit_seconds = time.process_time() - start
        test = teacher.predict_proba(rows.X_test)
        temperature = fit_temperature(oof, np.searchsorted(teacher.classes_, rows.y))
        return Signals(
            classes=teacher.classes_,
            targets={
                "insample": teacher.predict_proba(rows.X),
                "oof": oof,
                "calibrated": at_temperature(oof, temperature),
            },
            test=test,
            calibrated_test=at_temperature(test, temperature),
            temperature=temperature,
            cost=cost(teacher, rows.X_test),
            fit_seconds=fit_seconds,
            oof_seconds=oof_seconds,
        )


def fit_temperature(proba: np.ndarray, columns: np.ndarray) -> float:
    """The temperature at which probabilities have the least log-loss.

    Parameters
    ----------
    proba : ndarray of shape (n_rows, n_classes)
        Of rows that their teacher has not seen.
    columns : int ndarray of shape (n_rows,)
        The column of each row's label.
    """
    rows = np.arange(len(columns))

    def loss(log_temperature: float) -> float:
        softened = at_temperature(proba, np.exp(log_temperature))
        return -np.log(softened[rows, columns]).mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


class TemperedTeacher:
    """A fitted teacher at a temperature."""

    def __init__(self, teacher: ClassifierMixin, temperature: float):
        self.teacher = teacher
        self.temperature = temperature

    @property
    def classes_(self) -> np.ndarray:
        return self.teacher.classes_

    def predict_proba(self, X) -> np.ndarray:
        proba = self.teacher.predict_proba(X)
        return proba if self.temperature == 1 else at_temperature(proba, self.temperature)


def at_temperature(proba: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities whose logits are divided by a temperature; zeros are floored at 1e-6."""
    return softmax(np.log(np.maximum(proba, 1e-6)) / temperature, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the teachers that could be chosen.")
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--teachers", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--max-rows", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=100, help="a split that the study has not")
    options = parser.parse_args()
    print(f"{'set':15}{'teacher':15}{'accuracy':>9}{'log-loss':>10}{'seconds':>9}")
    for name in options.names:
        rows = split(name, options.seed, options.max_rows)
        for kind in options.teachers:
            with one_thread():
                start = time.process_time()
                teacher = make_teacher(kind, rows.X, options.seed).fit(rows.X, rows.y)
                seconds = time.process_time() - start
                proba = teacher.predict_proba(rows.X_test)
            accuracy = (teacher.classes_[proba.argmax(axis=1)] == rows.y_test).mean()
            loss = log_loss(rows.y_test, proba, labels=teacher.classes_)
            print(f"{name:15}{kind:15}{accuracy:9.4f}{loss:10.3f}{seconds:9.1f}", flush=True)


if __name__ == "__main__":
    main()

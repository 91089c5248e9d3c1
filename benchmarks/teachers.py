"""The teachers: one for each set, and what it says of the rows, computed once and shared.

``python -m benchmarks.teachers`` prints the comparison that the table ``TEACHERS`` was chosen by.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import joblib
import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skkd._classification.calibration import calibrate

from .datasets import NAMES, cache_dir
from .protocol import cost, one_thread, split

N_TREES = 300

# On more rows a forest has fewer trees: 300 of all of covertype would weigh 8.5 GB.
_MANY_ROWS, _FEWER_TREES = 20_000, 100


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
    "flights": "slow boosting",
    "mpls_stops": "slow boosting",
    "movies": "forest",
    "banana": "slow boosting",
    "bank": "slow boosting",
    "german": "boosting",
    "marketing": "slow boosting",
    "nursery": "boosting",
    "optdigits": "extra trees",
    "page_blocks": "forest",
    "ring": "extra trees",
    "segment": "extra trees",
    "splice": "slow boosting",
    "vowel": "extra trees",
    "weather": "slow boosting",
}


def make_teacher(kind: str, X, seed: int) -> ClassifierMixin:
    """An unfitted teacher of one of the ``CANDIDATES`` that takes an X of this kind."""
    teacher = CANDIDATES[kind](seed)
    if len(X) > _MANY_ROWS and "n_estimators" in teacher.get_params():
        teacher.set_params(n_estimators=_FEWER_TREES)
    if isinstance(X, np.ndarray) or isinstance(teacher, HistGradientBoostingClassifier):
        return teacher
    return _on_numbers(teacher)


@dataclass
class Answers:
    """What a teacher says, in the order of ``classes``, and what that costs.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    insample : ndarray of shape (n_training_rows, n_classes)
        Of the teacher fitted on these very rows.
    oof : ndarray of shape (n_training_rows, n_classes)
        Out of five folds, each predicted by a teacher fitted on the other four.
    folds : int ndarray of shape (n_training_rows,)
        The fold of each row.
    test : ndarray of shape (n_test_rows, n_classes)
        Of the teacher fitted on all training rows.
    cost : dict of float
        As :func:`benchmarks.protocol.cost` gives it, with the seconds of the fit on all rows, and
        of the out-of-fold part on top of it.
    """

    classes: np.ndarray
    insample: np.ndarray
    oof: np.ndarray
    folds: np.ndarray
    test: np.ndarray
    cost: dict


class Signals:
    """Soft targets of three kinds from a teacher's answers.

    Attributes
    ----------
    targets : dict of ndarrays of shape (n_training_rows, n_classes)
        ``insample``, ``oof``, and ``calibrated``: the latter, calibrated by skkd on the labels.
    calibrated_test : ndarray of shape (n_test_rows, n_classes)
    """

    def __init__(self, answers: Answers, y: np.ndarray):
        self.answers = answers
        columns = np.searchsorted(answers.classes, y)
        self.calibration = calibrate("auto", answers.oof, columns, folds=answers.folds)
        self.targets = {
            "insample": answers.insample,
            "oof": answers.oof,
            "calibrated": self._calibrated(answers.oof),
        }
        self.calibrated_test = self._calibrated(answers.test)

    def _calibrated(self, proba: np.ndarray) -> np.ndarray:
        return proba if self.calibration is None else self.calibration.apply(proba)

    def asked_for(self, targets: str, teacher: ClassifierMixin):
        """The teacher to ask about new rows, where the training rows have targets of a kind."""
        if targets != "calibrated" or self.calibration is None:
            return FrozenEstimator(teacher)
        return CalibratedTeacher(teacher, self._calibrated)


class CalibratedTeacher:
    """A fitted teacher whose probabilities are calibrated."""

    def __init__(self, teacher: ClassifierMixin, calibrated: Callable[[np.ndarray], np.ndarray]):
        self.teacher = teacher
        self.calibrated = calibrated
        self.classes_ = teacher.classes_

    def predict_proba(self, X) -> np.ndarray:
        return self.calibrated(self.teacher.predict_proba(X))


def ask_teacher(name: str, seed: int, max_rows: int) -> Answers:
    """The teacher's answers for a set and seed: computed once, then read from the cache."""
    memory = joblib.Memory(cache_dir() / "teachers", verbose=0)
    return memory.cache(_ask_teacher)(TEACHERS[name], name, seed, max_rows)


def _ask_teacher(kind: str, name: str, seed: int, max_rows: int) -> Answers:
    rows = split(name, seed, max_rows)
    teacher = make_teacher(kind, rows.X, seed)
    splits = list(StratifiedKFold(5).split(rows.X, rows.y))
    folds = np.empty(len(rows.y), dtype=int)
    for fold, (_, test) in enumerate(splits):
        folds[test] = fold
    with one_thread():
        start = time.process_time()
        oof = cross_val_predict(teacher, rows.X, rows.y, cv=splits, method="predict_proba")
        oof_seconds = time.process_time() - start
        start = time.process_time()
        teacher.fit(rows.X, rows.y)
        fit_seconds = time.process_time() - start
        return Answers(
            classes=teacher.classes_,
            insample=teacher.predict_proba(rows.X),
            oof=oof,
            folds=folds,
            test=teacher.predict_proba(rows.X_test),
            cost=cost(teacher, rows.X_test)
            | {"fit_seconds": fit_seconds, "oof_seconds": oof_seconds},
        )


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

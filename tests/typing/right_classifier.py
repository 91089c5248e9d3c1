"""Calls of the classifier and of the exports that mypy must accept. Nothing here runs."""

from pathlib import Path

import numpy as np

import skkd
from skkd import DistilledClassifier
from skkd.augmenters import NeighborSwap
from skkd.balancers import FixedBalance
from skkd.export import Exported, load, save, to_onnx
from skkd.losses import dkd
from skkd.schedules import TemperatureSchedule

X = np.zeros((6, 2))
Y = np.array(["a", "b"] * 3)


def classifiers(teacher: object) -> list[DistilledClassifier]:
    return [
        DistilledClassifier(teacher),
        DistilledClassifier(None, balancer="fixed", augmenter=None),
        DistilledClassifier(teacher, balancer=FixedBalance(0.5), augmenter=NeighborSwap()),
        DistilledClassifier(teacher, temperature="teacher_entropy", random_state=0),
        DistilledClassifier(teacher, temperature=TemperatureSchedule(), distillation_loss=dkd),
        DistilledClassifier(teacher, cv=5, calibrate=None, n_jobs=-1, early_stopping=True),
        DistilledClassifier(teacher, class_weight={"a": 2.0, "b": 1.0}, memory="cache"),
    ]


def use(clf: DistilledClassifier) -> tuple[np.ndarray, float, Exported]:
    fitted = clf.fit(X, Y, sample_weight=np.ones(6), teacher_proba=np.full((6, 2), 0.5))
    save(fitted, "student.skkd", teacher=False)
    load(Path("student.skkd"), trusted=["my.module.Net"])
    skkd.BalanceDisplay.from_estimator(fitted)
    exported = to_onnx(fitted, "student.onnx", X, dtype="float32")
    return fitted.predict_proba(X), fitted.score(X, Y), exported

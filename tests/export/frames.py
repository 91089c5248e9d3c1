"""Frames of mixed columns, and quick students of them, that the export's tests share."""

import numpy as np
import pandas as pd

from skkd import DistilledClassifier

WORK = np.array(["private", "state", "self", "never"], dtype=object)
SCHOOL = np.array(["none", "school", "college", "doctor"], dtype=object)


def people(n_rows, seed=0):
    """People, some of whose columns have missing values and rare levels, and who earns much."""
    rng = np.random.default_rng(seed)
    age = rng.integers(17, 90, n_rows)
    school = rng.choice(4, n_rows, p=[0.1, 0.5, 0.395, 0.005])
    hours = rng.normal(40, 10, n_rows).round(1)
    gain = np.where(rng.random(n_rows) < 0.1, rng.lognormal(8, 1, n_rows), 0.0)
    work = rng.choice(4, n_rows, p=[0.7, 0.2, 0.098, 0.002])
    member = rng.random(n_rows) < 0.5
    logit = 0.03 * (age - 40) + school - 1.5 + 0.05 * (hours - 40) + gain / 5000 - 0.5 * work
    y = np.where(logit + rng.logistic(size=n_rows) > 0, ">50K", "<=50K")
    frame = pd.DataFrame(
        {
            "age": age,
            "hours per week": np.where(rng.random(n_rows) < 0.1, np.nan, hours),
            "gain": gain,
            "member": member,
            "work": np.where(rng.random(n_rows) < 0.05, None, WORK[work]),
            "school": pd.Categorical(SCHOOL[school], categories=SCHOOL),
        }
    )
    return frame, y


def quick_student(X, y, *, student=None, proba=None, **params):
    """A classifier trained for one epoch on the labels and given targets."""
    clf = DistilledClassifier(None, student, random_state=0)
    if student is None:
        clf.set_params(student__max_epochs=1, student__module__hidden=(16,))
    classes = np.unique(y)
    if proba is None:
        proba = np.full((len(y), len(classes)), 1 / len(classes))
    return clf.set_params(**params).fit(X, y, teacher_proba=proba)

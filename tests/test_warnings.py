"""Warnings have skkd's own category, and point at the user's line."""

import inspect
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from skkd.exceptions import DistillationWarning
from tests.helpers import FailingNet, Memory, Says, fitted_teacher, make_data, quick, quick_net

X, Y = make_data()
MANY = make_data(600)
INTERRUPTED = quick_net(
    FailingNet, module__failure=KeyboardInterrupt(), module__good_steps=5, batch_size=20
)


class NotPickled(LogisticRegression):
    def __reduce__(self):
        raise TypeError("no pickle of this one")


# name: (what warns, the message)
WARN = {
    "other classes": (
        lambda path: quick(Says([1, 2, 9], [0.2, 0.3, 0.5])).fit(X, Y),
        "The teacher and y have different classes",
    ),
    "names of columns": (
        lambda path: quick(None).fit(X, Y + 1, teacher_proba=_frame([0, 1, 2])),
        "The teacher and y have different classes",
    ),
    "no weights": (
        lambda path: quick(KNeighborsClassifier(), cv=3).fit(X, Y, np.linspace(1, 2, 60)),
        "takes no sample_weight",
    ),
    "rare classes": (
        lambda path: quick(LogisticRegression(), cv=KFold(3)).fit(X, np.sort(Y)),
        "could not learn",
    ),
    "trained on the rows": (
        lambda path: quick(Memory().fit(*MANY)).fit(*MANY),
        "it was probably trained on them",
    ),
    "interrupted": (
        lambda path: quick(fitted_teacher(X, Y), student=INTERRUPTED).fit(X, Y),
        "Training was interrupted",
    ),
    "not cached": (
        lambda path: quick(NotPickled(), cv=3, memory=path).fit(X, Y),
        "The teacher's work is not cached",
    ),
    "partial fit": (
        lambda path: quick(Says([1, 2, 9], [0.2, 0.3, 0.5])).partial_fit(X, Y),
        "The teacher and y have different classes",
    ),
}


def _frame(columns):
    import pandas as pd

    return pd.DataFrame(fitted_teacher(X, Y).predict_proba(X), columns=columns)


@pytest.mark.parametrize("case", WARN)
def test_category_and_line(case, tmp_path):
    does, message = WARN[case]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        does(tmp_path)
    assert caught
    assert {warning.category for warning in caught} == {DistillationWarning}
    assert {warning.filename for warning in caught} == {__file__}
    first, n_lines = inspect.getsourcelines(does)[1], len(inspect.getsourcelines(does)[0])
    assert all(first <= warning.lineno < first + n_lines for warning in caught)
    assert any(message in str(warning.message) for warning in caught)


def test_line_of_a_search_is_that_of_its_fit():
    clf = quick(KNeighborsClassifier(), cv=2)
    weight = np.linspace(1, 2, 60)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        GridSearchCV(clf, {"temperature": [1.0, 2.0]}, cv=2).fit(X, Y, sample_weight=weight)
        cross_val_score(clf, X, Y, cv=2, params={"sample_weight": weight})
    ours = [warning for warning in caught if "takes no sample_weight" in str(warning.message)]
    assert len(ours) == 5 + 2
    assert {warning.filename for warning in ours} == {__file__}
    assert len({warning.lineno for warning in ours}) == 2


def test_one_filter_silences_all(tmp_path):
    for does, _ in WARN.values():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", DistillationWarning)
            does(tmp_path)


def test_nothing_to_warn_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(DecisionTreeClassifier(max_depth=2)).fit(X, Y).predict(X)

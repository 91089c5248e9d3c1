"""Training chunk by chunk."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skkd import DistilledClassifier
from skkd.students import default_student
from tests.helpers import DropoutNet, fitted_teacher, make_data, quick, quick_net

X, Y = make_data(n_rows=90)
TEACHER = fitted_teacher(X, Y)
CHUNKS = [slice(0, 30), slice(30, 60), slice(60, 90)]


def in_chunks(clf, rounds=1):
    for _ in range(rounds):
        for rows in CHUNKS:
            clf.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
    return clf


@pytest.mark.parametrize(
    "student",
    [
        default_student(),
        quick_net(batch_size=10),
        quick_net(DropoutNet, batch_size=10),
        Pipeline([("scale", StandardScaler()), ("net", quick_net())]),
    ],
    ids=["default", "net", "dropout", "pipeline"],
)
@pytest.mark.parametrize("wrap", [lambda teacher: teacher, FrozenEstimator])
def test_learns_from_chunks(student, wrap):
    clf = in_chunks(quick(wrap(TEACHER), student=student), rounds=15)
    assert clf.n_iter_ == 45
    assert all(len(values) == 45 for values in clf.history_.values())
    np.testing.assert_array_equal(clf.history_["epoch"], np.arange(1, 46))
    loss = clf.history_["loss"]
    assert loss[-3:].mean() < loss[:3].mean()
    assert clf.score(X, Y) > 0.6


def test_same_random_state_same_result():
    results = [
        in_chunks(quick(TEACHER, student=quick_net(DropoutNet, batch_size=10))) for _ in "ab"
    ]
    np.testing.assert_array_equal(*(clf.predict_proba(X) for clf in results))


def test_pickled_in_between():
    straight = in_chunks(quick(TEACHER), rounds=2)
    paused = pickle.loads(pickle.dumps(in_chunks(quick(TEACHER))))
    np.testing.assert_array_equal(in_chunks(paused).predict_proba(X), straight.predict_proba(X))


def test_goes_on_after_fit():
    clf = quick(TEACHER).fit(X, Y)
    start = clf.history_["loss"][-1]
    clf.partial_fit(X, Y)
    assert clf.n_iter_ == 16
    assert clf.history_["loss"][-1] < 1.1 * start
    assert clf.history_["loss"][-1] < clf.history_["loss"][0]


def test_fit_starts_afresh():
    expected = quick(TEACHER).fit(X, Y).predict_proba(X)
    clf = in_chunks(quick(TEACHER)).fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
    assert clf.n_iter_ == 15


def test_learning_rate_stays():
    clf = in_chunks(DistilledClassifier(TEACHER, random_state=0), rounds=2)
    np.testing.assert_array_equal(clf.history_["lr"], default_student().lr)


def test_balance_moves_on():
    clf = in_chunks(quick(TEACHER, balancer="scheduled"), rounds=3)
    weight = clf.history_["weight"]
    assert (np.diff(weight) > 0).all() or (np.diff(weight) < 0).all()


def test_classes_are_those_of_the_first_call():
    clf = quick(TEACHER)
    two = np.flatnonzero(Y != 2)
    clf.partial_fit(X[two], Y[two], classes=[0, 1, 2])
    assert clf.predict_proba(X).shape == (90, 3)
    clf.partial_fit(X, Y)
    np.testing.assert_array_equal(clf.classes_, [0, 1, 2])


def test_chunk_of_one_class():
    clf = quick(TEACHER).partial_fit(X, Y)
    one = np.flatnonzero(Y == 1)
    clf.partial_fit(X[one], Y[one])
    clf.partial_fit(X[one[:1]], Y[one[:1]])
    assert clf.n_iter_ == 3


def test_labels_that_were_not_announced():
    clf = quick(TEACHER)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the teacher is not asked before
        with pytest.raises(ValueError, match=r"label 2.*\[0, 1\].*classes="):
            clf.partial_fit(X, Y, classes=[0, 1])
    assert not hasattr(clf, "classes_")
    in_chunks(clf)
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match=r"label 7.*classes="):
        clf.partial_fit(X, np.where(Y == 2, 7, Y))
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_other_classes_in_a_later_call():
    clf = quick(TEACHER).partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="classes"):
        clf.partial_fit(X, Y, classes=[0, 1, 2, 3])


def test_given_probabilities():
    proba = TEACHER.predict_proba(X)
    expected = in_chunks(quick(TEACHER)).predict_proba(X)
    clf = quick(None)
    for rows in CHUNKS:
        clf.partial_fit(X[rows], Y[rows], classes=[0, 1, 2], teacher_proba=proba[rows])
    np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-10)
    with pytest.raises(ValueError, match="teacher_proba"):
        clf.partial_fit(X, Y)


def test_weights():
    weight = np.where(Y == 0, 0.0, 1.0)
    clf = quick(TEACHER).partial_fit(X, Y, sample_weight=weight)
    kept = np.flatnonzero(weight)
    removed = quick(TEACHER).partial_fit(X[kept], Y[kept], classes=[0, 1, 2])
    np.testing.assert_allclose(clf.predict_proba(X), removed.predict_proba(X), rtol=1e-12)


def test_frames():
    frame = pd.DataFrame({"a": X[:, 0], "kind": np.array(["x", "y", "z"])[Y]})
    clf = DistilledClassifier(None, random_state=0)
    proba = np.eye(3)[Y] * 0.7 + 0.1
    for rows in CHUNKS * 20:
        clf.partial_fit(frame[rows], Y[rows], classes=[0, 1, 2], teacher_proba=proba[rows])
    assert clf.score(frame, Y) > 0.9
    with pytest.raises(ValueError, match="feature names"):
        clf.partial_fit(frame[["kind", "a"]], Y, teacher_proba=proba)


@pytest.mark.parametrize("cv", [None, 3])
def test_not_there_for_a_teacher_that_must_be_fitted(cv):
    clf = quick(LogisticRegression(), cv=cv)
    assert not hasattr(clf, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        clf.partial_fit(X, Y)
    assert hasattr(quick(TEACHER), "partial_fit")
    assert hasattr(clone(quick(TEACHER)), "partial_fit")


def test_width_is_that_of_the_first_call():
    clf = quick(TEACHER).partial_fit(X, Y)
    with pytest.raises(ValueError, match="4 features.*5 features"):
        clf.partial_fit(X[:, :4], Y)


def test_unfitted_before_the_first_call():
    with pytest.raises(NotFittedError):
        quick(TEACHER).predict(X)


def test_failure_in_a_later_chunk_keeps_what_was_learned():
    clf = in_chunks(quick(TEACHER))
    before, n_epochs = clf.predict_proba(X), clf.n_iter_
    bad = X.copy()
    bad[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        clf.partial_fit(bad, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert clf.n_iter_ == n_epochs

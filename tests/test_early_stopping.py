"""Early stopping on validation rows, as scikit-learn's MLPClassifier knows it."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from skorch.callbacks import EarlyStopping

from skkd._input.validation_split import split_validation_rows
from skkd._random import draw_seeds
from tests.helpers import FitForbidden, Net, fitted_teacher, make_data, quick, quick_net

X, Y = make_data(n_rows=100)
TEACHER = fitted_teacher(X, Y)


def overfitting(**params):
    """A student that soon gets worse on rows it does not see."""
    student = quick_net(module__hidden=64, lr=0.05, max_epochs=200, batch_size=20)
    return quick(TEACHER, student=student, early_stopping=True, **params)


@pytest.mark.parametrize("n_iter_no_change", [1, 4])
def test_stops_after_epochs_without_change(n_iter_no_change):
    clf = overfitting(n_iter_no_change=n_iter_no_change).fit(X, Y)
    score = clf.history_["valid_score"]
    assert clf.n_iter_ == len(score) < 200
    assert clf.n_iter_ == 1 + score.argmax() + n_iter_no_change


def test_keeps_the_best_weights():
    clf = overfitting(n_iter_no_change=5).fit(X, Y)
    validation = validation_rows(clf)
    loss = log_loss(Y[validation], clf.predict_proba(X[validation]), labels=clf.classes_)
    assert loss == pytest.approx(-clf.history_["valid_score"].max(), rel=1e-9)
    best = clf.history_["valid_score"].argmax()
    accuracy = clf.score(X[validation], Y[validation])
    assert accuracy == pytest.approx(clf.history_["valid_accuracy"][best])


def validation_rows(clf):
    seed = draw_seeds(clf.random_state, 3)[2]
    return split_validation_rows(X, Y, clf.validation_fraction, seed)[1]


def test_without_it_all_rows_are_used():
    clf = overfitting().set_params(early_stopping=False, student__max_epochs=3).fit(X, Y)
    assert clf.n_iter_ == 3
    assert "valid_score" not in clf.history_


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_fraction_of_validation_rows(fraction):
    validation = validation_rows(overfitting(validation_fraction=fraction))
    assert len(validation) == pytest.approx(fraction * len(X), abs=3)
    assert set(Y[validation]) == set(Y)


def test_validation_rows_do_not_reach_the_student():
    clf = overfitting().set_params(student__max_epochs=4, n_iter_no_change=10)
    proba = TEACHER.predict_proba(X)
    other = proba.copy()
    other[validation_rows(clf)] = np.roll(proba[validation_rows(clf)], 1, axis=1)
    losses = [clf.fit(X, Y, teacher_proba=given).history_["loss"] for given in (proba, other)]
    np.testing.assert_array_equal(*losses)


def test_repeated_rows_do_not_leak():
    twice, labels = np.vstack([X, X]), np.hstack([Y, Y])
    seed = draw_seeds(0, 3)[2]
    train, validation = split_validation_rows(twice, labels, 0.2, seed)
    assert not {tuple(row) for row in twice[train]} & {tuple(row) for row in twice[validation]}


@pytest.mark.parametrize("n_rows", [6, 12])
def test_few_rows(n_rows):
    few = np.hstack([np.flatnonzero(Y == label)[: n_rows // 3] for label in range(3)])
    clf = overfitting(n_iter_no_change=2)
    if n_rows // 3 < 3:
        with pytest.raises(ValueError, match=r"early_stopping.*6 rows.*early_stopping=False"):
            clf.fit(X[few], Y[few])
    else:
        assert "valid_score" in clf.fit(X[few], Y[few]).history_


def test_too_few_rows_are_found_before_the_teacher_works():
    few = np.hstack([np.flatnonzero(Y == label)[:2] for label in range(3)])
    clf = overfitting().set_params(teacher=FitForbidden(), cv=2)
    with pytest.raises(ValueError, match="early_stopping"):
        clf.fit(X[few], Y[few])


def test_with_a_cross_fitted_teacher_and_weights():
    weight = np.random.default_rng(0).uniform(0.1, 2, len(X))
    clf = overfitting(n_iter_no_change=2).set_params(teacher=LogisticRegression(), cv=3)
    clf.fit(X, Y, sample_weight=weight)
    validation = validation_rows(clf)
    loss = log_loss(
        Y[validation], clf.predict_proba(X[validation]), sample_weight=weight[validation]
    )
    assert loss == pytest.approx(-clf.history_["valid_score"].max(), rel=1e-9)


def test_module_with_other_layers_is_restored_whole():
    clf = overfitting(n_iter_no_change=3).set_params(student__module=Net).fit(X, Y)
    assert not clf.student_.module_.training
    assert clf.predict_proba(X).shape == (100, 3)


class Watched(LogisticRegression):
    """A teacher that tells which rows it was fitted on, and which it was asked about."""

    fitted: list = []
    asked: list = []

    def fit(self, X, y, sample_weight=None):
        self.fitted.append(X)
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        self.asked.append(X)
        return super().predict_proba(X)


def as_set(X):
    return {row.tobytes() for row in X}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "params",
    [{"early_stopping": True}, {"student": quick_net(callbacks=[EarlyStopping("valid_loss")])}],
    ids=["early stopping", "callback"],
)
def test_rows_held_out_are_held_out_from_the_teacher(monkeypatch, params, weighted):
    # A teacher that saw them would leak their labels in its answers about their neighbors.
    monkeypatch.setattr(Watched, "fitted", [])
    monkeypatch.setattr(Watched, "asked", [])
    weight = np.ones(len(X))
    if weighted:
        weight[::7] = 0
    clf = quick(Watched(), cv=3, **params).fit(X, Y, weight if weighted else None)
    counts = np.flatnonzero(weight)
    seed = draw_seeds(clf.random_state, 3)[2]
    validation = counts[
        split_validation_rows(X[counts], Y[counts], clf.validation_fraction, seed)[1]
    ]
    known = as_set(X[np.setdiff1d(counts, validation)])
    assert len(validation) >= 8
    assert len(Watched.fitted) == 3 + 1
    assert as_set(np.concatenate(Watched.fitted)) == known == as_set(Watched.fitted[-1])
    assert as_set(Watched.asked[-1]) == as_set(X[validation])
    assert sum(map(len, Watched.asked)) == len(counts)


def test_rows_held_out_are_held_out_from_a_bagged_teacher():
    forest = RandomForestClassifier(20, random_state=0)
    clf = overfitting().set_params(teacher=forest, cv="oob").fit(X, Y)
    kept = np.setdiff1d(np.arange(len(X)), validation_rows(clf))
    alone = clone(forest).set_params(oob_score=True).fit(X[kept], Y[kept])
    np.testing.assert_array_equal(clf.teacher_.predict_proba(X), alone.predict_proba(X))


def test_labels_held_out_say_nothing_to_calibration_and_student():
    clf = overfitting().set_params(teacher=LogisticRegression(), cv=3)
    clf.set_params(student__max_epochs=4, calibrate="temperature")
    fits = [clone(clf).fit(X, Y)]
    validation = validation_rows(fits[0])
    other = Y.copy()
    other[validation[:2]] = other[validation[1::-1]]
    assert (other != Y).any()
    fits.append(clone(clf).fit(X, other))
    assert fits[0].calibration_.temperature == fits[1].calibration_.temperature
    np.testing.assert_array_equal(fits[0].history_["loss"], fits[1].history_["loss"])
    assert (fits[0].history_["valid_score"] != fits[1].history_["valid_score"]).all()

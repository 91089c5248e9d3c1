"""Calibration: the optimum it claims, what it must not depend on, and when it is kept."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize
from scipy.special import expit, softmax
from scipy.stats import entropy
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

import skkd._classification.calibration
from skkd._classification.calibration import Calibration, _objective, calibrate
from skkd.losses import kl
from tests.helpers import (
    Says,
    SoftTargets,
    fitted_teacher,
    make_data,
    quick,
    quick_net,
    targets_seen,
)

METHODS = ["temperature", "vector"]


def sample(n_rows=400, n_classes=3, scale=1.0, bias=0.0, seed=0):
    """Probabilities of a teacher, and labels drawn from softmax(scale * log p + bias)."""
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(n_classes), n_rows)
    true = softmax(scale * np.log(proba) + bias, axis=1)
    labels = (rng.random((n_rows, 1)) > true.cumsum(axis=1)).sum(axis=1)
    return proba, labels


def parameters(calibration):
    return np.hstack([calibration.scale, calibration.bias, calibration.floor])


# The formula


def test_no_calibration_is_the_identity():
    proba, _ = sample()
    same = Calibration("temperature", 1.0, np.zeros(3), 0.0, 1.0, 1.0, kept=True)
    np.testing.assert_allclose(same.apply(proba), proba, rtol=1e-14)


@given(st.floats(0.1, 10), st.floats(0, 0.5), st.integers(2, 6))
def test_formula(scale, floor, n_classes):
    proba, _ = sample(20, n_classes)
    bias = np.linspace(-1, 1, n_classes)
    calibration = Calibration("vector", np.full(n_classes, scale), bias, floor, 1.0, 1.0, True)
    powers = proba**scale * np.exp(bias)
    expected = (1 - floor) * powers / powers.sum(axis=1, keepdims=True) + floor / n_classes
    np.testing.assert_allclose(calibration.apply(proba), expected, rtol=1e-10)


def test_rows_sum_to_one_and_none_is_zero():
    proba, labels = sample()
    proba[:50] = np.eye(3)[labels[:50]]
    for method in METHODS:
        calibrated = calibrate(method, proba, labels).apply(proba)
        np.testing.assert_allclose(calibrated.sum(axis=1), 1, rtol=1e-14)
        assert (calibrated > 0).all()


def test_one_temperature_keeps_the_order_within_a_row():
    proba, labels = sample(scale=0.3)
    calibrated = calibrate("temperature", proba, labels).apply(proba)
    np.testing.assert_array_equal(calibrated.argsort(axis=1), proba.argsort(axis=1))


def test_float32_gives_float64():
    proba, labels = sample()
    calibration = calibrate("temperature", proba.astype(np.float32), labels)
    assert calibration.apply(proba.astype(np.float32)).dtype == np.float64


# The fit


def penalised_loss(theta, proba, labels, weight):
    """The objective, written down naively. ``theta``: log scales, biases, log-odds of the floor."""
    n_classes = proba.shape[1]
    one = len(theta) == 2
    scale = np.exp(theta[:1] if one else theta[:n_classes])
    bias = np.zeros(n_classes) if one else theta[n_classes:-1]
    floor = expit(theta[-1])
    q = (1 - floor) * softmax(scale * np.log(proba) + bias, axis=1) + floor / n_classes
    loss = -np.average(np.log(q[np.arange(len(q)), labels]), weights=weight)
    return loss + 1e-3 / 2 * (theta[:-1] ** 2).sum() - 1e-4 * np.log(floor)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_no_optimizer_finds_a_lower_loss(method, scale):
    proba, labels = sample(scale=scale)
    weight = np.random.default_rng(1).uniform(0.1, 2, len(labels))
    found = calibrate(method, proba, labels, weight)
    start = np.zeros(2 if method == "temperature" else 7)
    start[-1] = -3.0
    other = minimize(penalised_loss, start, args=(proba, labels, weight), tol=1e-10)
    theta = np.hstack([np.log(found.scale), found.bias, np.log(found.floor / (1 - found.floor))])
    if method == "temperature":
        theta = theta[[0, -1]]
    ours = penalised_loss(theta, proba, labels, weight)
    assert ours <= other.fun + 1e-12
    np.testing.assert_allclose(ours, other.fun, atol=1e-7)
    gradient = approx_fprime(theta, penalised_loss, 1e-6, proba, labels, weight)
    np.testing.assert_allclose(gradient, 0, atol=1e-5)


@pytest.mark.parametrize("size", [2, 9], ids=METHODS)
@pytest.mark.parametrize("chunk", [8192, 30])
def test_derivatives(size, chunk, monkeypatch):
    monkeypatch.setattr(skkd._classification.calibration, "_CHUNK", chunk)
    proba, labels = sample(100, 4)
    share = np.random.default_rng(1).dirichlet(np.ones(100))
    theta = np.random.default_rng(2).normal(scale=0.5, size=size)

    def evaluated(theta):
        return _objective(theta, np.log(proba), labels, share)

    value, gradient, hessian = evaluated(theta)
    np.testing.assert_allclose(value, penalised_loss(theta, proba, labels, share), rtol=1e-12)
    step = 1e-6
    for i, row in enumerate(np.eye(size) * step):
        up, down = evaluated(theta + row), evaluated(theta - row)
        np.testing.assert_allclose(gradient[i], (up[0] - down[0]) / (2 * step), atol=1e-8)
        np.testing.assert_allclose(hessian[i], (up[1] - down[1]) / (2 * step), atol=1e-8)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.6])
def test_finds_the_temperature_that_labels_were_drawn_with(scale):
    proba, labels = sample(20_000, scale=scale)
    found = calibrate("temperature", proba, labels)
    assert found.temperature == 1 / found.scale
    if scale >= 1:  # below, it and the floor have much the same effect
        assert found.scale == pytest.approx(scale, rel=0.06)
        assert found.floor < 0.01
    true = softmax(scale * np.log(proba), axis=1)
    assert entropy(true, found.apply(proba), axis=1).mean() < 1e-3


def test_finds_scales_and_biases_that_labels_were_drawn_with():
    scale, bias = np.array([0.5, 1.0, 2.0]), np.array([0.4, -0.4, 0.0])
    proba, labels = sample(50_000, scale=scale, bias=bias)
    found = calibrate("auto", proba, labels)
    assert found.method == "vector"
    np.testing.assert_allclose(found.scale, scale, atol=0.12)
    np.testing.assert_allclose(found.bias - found.bias[2], bias, atol=0.12)


def test_finds_the_share_of_labels_that_are_random():
    rng = np.random.default_rng(0)
    proba, labels = sample(20_000, scale=3.0)
    random = rng.random(len(labels)) < 0.2
    labels[random] = rng.integers(0, 3, random.sum())
    found = calibrate("temperature", proba, labels)
    assert found.floor == pytest.approx(0.2, abs=0.02)
    assert found.scale == pytest.approx(3.0, rel=0.06)


def test_few_labels_of_probability_zero_do_not_decide_on_the_temperature():
    proba, labels = sample(2000, scale=2.0)
    without = calibrate("temperature", proba, labels)
    proba[:4], labels[:4] = [1.0, 0.0, 0.0], 1
    found = calibrate("temperature", proba, labels)
    assert found.scale == pytest.approx(without.scale, rel=0.1)
    assert log_loss(labels, found.apply(proba)) < 1


@pytest.mark.parametrize("method", METHODS)
def test_a_teacher_that_is_always_right_gets_finite_parameters(method):
    labels = np.arange(300) % 3
    found = calibrate(method, 0.7 * np.eye(3)[labels] + 0.1, labels)
    assert np.isfinite(parameters(found)).all()
    assert (found.apply(0.7 * np.eye(3) + 0.1).max(axis=1) < 0.9999).all()
    one_hot = calibrate(method, np.eye(3)[labels], labels)
    assert np.isfinite(parameters(one_hot)).all()
    np.testing.assert_allclose(one_hot.apply(np.eye(3)), np.eye(3), atol=1e-3)


@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize("seed", range(6))
def test_a_teacher_that_knows_less_than_nothing_gets_finite_parameters(seed, method):
    """Neighbours on a checkerboard are of the other colour: nothing but the floor is left."""
    X = np.random.default_rng(seed).uniform(-2, 2, (400, 2))
    labels = (np.floor(2 * X).sum(axis=1) % 2).astype(int)
    proba = cross_val_predict(KNeighborsClassifier(20), X, labels, cv=3, method="predict_proba")
    with np.errstate(all="raise", under="ignore"):
        found = calibrate(method, proba, labels)
    assert np.isfinite(parameters(found)).all()
    assert log_loss(labels, found.apply(proba)) < np.log(2) + 1e-4


# What it must not depend on


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_whole_weights_are_repeated_rows(method):
    proba, labels = sample(500, scale=2.0)
    times = np.random.default_rng(1).integers(1, 4, len(labels))
    folds = np.arange(len(labels)) % 4
    weighted = calibrate(method, proba, labels, times.astype(float), folds)
    repeated = calibrate(
        method, np.repeat(proba, times, axis=0), labels.repeat(times), None, folds.repeat(times)
    )
    assert weighted.method == repeated.method and weighted.kept == repeated.kept
    np.testing.assert_allclose(parameters(weighted), parameters(repeated), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(weighted.log_loss_after, repeated.log_loss_after, rtol=1e-10)


def test_the_scale_of_weights_does_not_matter():
    proba, labels = sample(500, scale=2.0)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(labels))
    for factor in (1e-4, 1e4):
        one, other = (calibrate("auto", proba, labels, w) for w in (weight, factor * weight))
        assert one.method == other.method and one.kept is other.kept is True
        np.testing.assert_allclose(parameters(one), parameters(other), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_rows_does_not_matter(method):
    proba, labels = sample(scale=2.0)
    order = np.random.default_rng(1).permutation(len(labels))
    folds = np.arange(len(labels)) % 5
    one = calibrate(method, proba, labels, None, folds)
    other = calibrate(method, proba[order], labels[order], None, folds[order])
    np.testing.assert_allclose(parameters(one), parameters(other), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.log_loss_after, other.log_loss_after, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_classes_does_not_matter(method):
    proba, labels = sample(scale=2.0)
    order = np.array([2, 0, 1])
    one = calibrate(method, proba, labels).apply(proba)
    other = calibrate(method, proba[:, order], np.argsort(order)[labels]).apply(proba[:, order])
    np.testing.assert_allclose(one[:, order], other, rtol=1e-8)


# Whether it is kept


@pytest.mark.parametrize("scale", [0.4, 2.5])
def test_auto_keeps_what_helps(scale):
    proba, labels = sample(scale=scale)
    fitted = calibrate("auto", proba, labels)
    assert fitted.kept and fitted.log_loss_after < fitted.log_loss_before
    new, new_labels = sample(scale=scale, seed=1)
    assert log_loss(new_labels, fitted.apply(new)) < log_loss(new_labels, new)


@pytest.mark.parametrize("seed", range(5))
def test_auto_leaves_a_calibrated_teacher_alone(seed):
    proba, labels = sample(300, seed=seed)
    fitted = calibrate("auto", proba, labels)
    assert not fitted.kept
    assert fitted.apply(proba) is proba
    assert "not kept" in fitted.summary()


def test_log_losses_are_those_of_scikit_learn():
    proba, labels = sample(scale=2.5)
    proba[:20] = np.eye(3)[labels[:20]]
    folds = np.arange(len(labels)) % 5
    weight = np.random.default_rng(1).uniform(0.5, 2, len(labels))
    fitted = calibrate("temperature", proba, labels, weight, folds)
    assert fitted.log_loss_before == pytest.approx(log_loss(labels, proba, sample_weight=weight))
    calibrated = np.empty_like(proba)
    for fold in range(5):
        rest = folds != fold
        other = calibrate("temperature", proba[rest], labels[rest], weight[rest])
        calibrated[~rest] = other.apply(proba[~rest])
    expected = log_loss(labels, calibrated, sample_weight=weight)
    assert fitted.log_loss_after == pytest.approx(expected, rel=1e-9)


def test_auto_wants_enough_rows():
    proba, labels = sample(400, scale=2.5)
    assert calibrate("auto", proba[:49], labels[:49]) is None
    assert calibrate("auto", proba[:50], labels[:50]).method == "temperature"
    assert calibrate("temperature", proba[:5], labels[:5]).kept
    assert calibrate("vector", proba[:5], labels[:5]).kept


def test_many_small_folds():
    proba, labels = sample(60, scale=2.5)
    fitted = calibrate("auto", proba, labels, None, np.arange(60))  # leave one out
    assert np.isfinite(fitted.log_loss_after)


# In the estimator

X, Y = make_data()


class Boastful(LogisticRegression):
    """A teacher that is far too sure of itself."""

    def predict_proba(self, X):
        return softmax(6 * self.decision_function(X), axis=1)


@pytest.mark.parametrize("calibration", ["auto", *METHODS])
def test_targets_are_calibrated_out_of_fold_probabilities(calibration):
    raw, clf = targets_seen(Boastful(), X, Y, cv=5)
    assert clf.calibration_ is None
    targets, clf = targets_seen(Boastful(), X, Y, cv=5, calibrate=calibration)
    folds = np.empty(len(Y), dtype=int)
    for fold, (_, test) in enumerate(StratifiedKFold(5).split(X, Y)):
        folds[test] = fold
    expected = calibrate(calibration, raw, Y, None, folds)
    assert expected.kept
    np.testing.assert_allclose(targets, expected.apply(raw), rtol=1e-10)
    np.testing.assert_allclose(parameters(clf.calibration_), parameters(expected), rtol=1e-10)


def test_out_of_bag_probabilities_are_calibrated():
    forest = RandomForestClassifier(12, random_state=0)
    raw, _ = targets_seen(forest, X, Y, cv="oob")
    targets, clf = targets_seen(forest, X, Y, cv="oob", calibrate="auto")
    assert clf.calibration_.kept
    np.testing.assert_allclose(targets, clf.calibration_.apply(raw), rtol=1e-10)


def test_rows_of_weight_zero_do_not_count():
    more, labels = np.vstack([X, X[:20]]), np.hstack([Y, (Y[:20] + 1) % 3])
    weight = np.r_[np.ones(60), np.zeros(20)]
    params = {"cv": 5, "calibrate": "auto"}
    _, clf = targets_seen(Boastful(), more, labels, fit_params={"sample_weight": weight}, **params)
    _, without = targets_seen(Boastful(), X, Y, **params)
    ours, expected = parameters(clf.calibration_), parameters(without.calibration_)
    np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_auto_leaves_answers_alone_that_may_not_be_honest():
    teacher = fitted_teacher(X, Y)
    _, clf = targets_seen(teacher, X, Y, calibrate="auto")
    assert clf.calibration_ is None
    proba = teacher.predict_proba(X)
    _, clf = targets_seen(
        LogisticRegression(), X, Y, cv=5, calibrate="auto", fit_params={"teacher_proba": proba}
    )
    assert clf.calibration_ is None


@pytest.mark.parametrize("given", [True, False], ids=["teacher_proba", "fitted"])
def test_by_name_it_calibrates_whatever_it_gets(given):
    proba, _ = sample(len(Y))
    teacher = None if given else Says([0, 1, 2], proba)
    params = {"teacher_proba": proba} if given else {}
    targets, clf = targets_seen(
        teacher, X, Y, calibrate="temperature", fit_params=params, random_state=0
    )
    np.testing.assert_allclose(targets, calibrate("temperature", proba, Y).apply(proba))
    assert clf.calibration_.kept


def test_answers_about_synthetic_rows_are_calibrated():
    seen = {}

    def loss(student_logits, soft_targets, temperature):
        seen[len(soft_targets)] = soft_targets.numpy().copy()
        return kl(student_logits, soft_targets, temperature)

    new = make_data(30, seed=1)[0]
    clf = quick(Boastful(), cv=5, distillation_loss=loss).fit(X, Y, X_unlabeled=new)
    answers = clf.calibration_.apply(clf.teacher_.predict_proba(new))
    assert clf.calibration_.kept
    np.testing.assert_allclose(sorted(seen[30][:, 0]), sorted(answers[:, 0]), rtol=1e-6)


def test_later_chunks_are_calibrated_like_the_first():
    proba, _ = sample(len(Y))
    loss = SoftTargets()
    clf = quick(None, calibrate="temperature", distillation_loss=loss)
    clf.partial_fit(X, Y, teacher_proba=proba)
    first = clf.calibration_
    clf.partial_fit(X[:20], Y[:20], teacher_proba=proba[:20])
    assert clf.calibration_ is first
    np.testing.assert_allclose(loss.seen, first.apply(proba[:20]), rtol=1e-6)


def test_says_what_it_did_where_that_is_asked_for(capsys):
    params = {"cv": 3, "student": quick_net(max_epochs=1)}
    quick(Boastful(), verbose=1, **params).fit(X, Y)
    assert "calibration: temperature " in capsys.readouterr().out
    quick(LogisticRegression(), verbose=1, **params).fit(X[:45], Y[:45])
    assert "calibration: none, too few rows" in capsys.readouterr().out
    quick(LogisticRegression(), **params).fit(X, Y)
    assert not capsys.readouterr().out


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method in METHODS:
            proba, labels = sample(100)
            proba[:30] = np.eye(3)[(labels[:30] + 1) % 3]
            calibrate(method, proba, labels).apply(proba)

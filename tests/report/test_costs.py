"""Sizes against pickles and hand counts; times as ratios only."""

import math
import pickle
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skkd import _timing
from skkd.report import _costs
from skkd.report._costs import COSTS, costs_of, deployed, n_bytes, n_parameters, time_predictions
from tests.helpers import fitted_teacher, make_data, quick, quick_net

X, Y = make_data()
TEACHER = fitted_teacher(X, Y)


class Sleeps:
    """Takes some milliseconds a call, and some a row."""

    def __init__(self, a_call=0.0, a_row=0.0):
        self.a_call, self.a_row = a_call, a_row
        self.asked = []

    def predict_proba(self, X):
        self.asked.append(X)
        time.sleep((self.a_call + self.a_row * len(X)) / 1e3)


def timed(X, **models):
    done = []
    costs = time_predictions({name: (model, X) for name, model in models.items()}, done.append)
    assert sum(done) == 3
    return costs


def test_parameters_are_counted():
    clf = quick(TEACHER).fit(X, Y)
    assert n_parameters(clf) == 5 * 8 + 8 + 8 * 3 + 3
    assert n_parameters(clf.student_) == n_parameters(clf)
    student = Pipeline([("scale", StandardScaler()), ("net", quick_net())])
    assert n_parameters(quick(TEACHER, student=student).fit(X, Y)) == n_parameters(clf)
    assert math.isnan(n_parameters(TEACHER))


def test_bytes_are_those_of_a_pickle():
    forest = RandomForestClassifier(20, random_state=0).fit(X, Y)
    assert n_bytes(forest) == len(pickle.dumps(forest, pickle.HIGHEST_PROTOCOL))


@pytest.mark.parametrize("steps", [[], [("scale", StandardScaler())]], ids=["net", "pipeline"])
def test_bytes_of_a_student_leave_its_training_out(steps):
    def trained(n_epochs):
        net = quick_net(max_epochs=n_epochs)
        student = Pipeline([*steps, ("net", net)]) if steps else net
        return quick(TEACHER, student=student).fit(X, Y)

    short, long = trained(1), trained(60)
    assert abs(n_bytes(long) - n_bytes(short)) < 20  # numbers of other length
    assert n_bytes(long) < len(pickle.dumps(long.student_)) < len(pickle.dumps(long))
    net = long.student_.steps[-1][1] if steps else long.student_
    assert len(net.history) == 60, "the student itself keeps its record"
    proba = pickle.loads(pickle.dumps(deployed(long))).predict_proba(X.astype(np.float64))
    np.testing.assert_allclose(proba, long.predict_proba(X))


def test_size_of_what_cannot_be_pickled_is_unknown():
    TEACHER_WITH_LAMBDA = RandomForestClassifier(2).fit(X, Y)
    TEACHER_WITH_LAMBDA.secret = lambda: None
    assert math.isnan(n_bytes(TEACHER_WITH_LAMBDA))


def test_times_are_in_their_order():
    costs = timed(X, slow=Sleeps(4.0), fast=Sleeps(0.4))
    for cost in costs.values():
        assert 0 < cost["milliseconds"] <= cost["milliseconds_p99"]
    assert costs["slow"]["milliseconds"] >= 4.0  # no sleep is shorter than asked for
    assert costs["slow"]["milliseconds"] > 2 * costs["fast"]["milliseconds"]
    for size in (1000, 10_000):
        name = f"rows_per_second_{size}"
        assert costs["slow"][name] < costs["fast"][name]
    assert costs["slow"]["rows_per_second_1000"] <= 1000 / 4e-3
    assert costs["slow"]["rows_per_second_10000"] > 2 * costs["slow"]["rows_per_second_1000"]


@pytest.mark.parametrize("wrap", [np.asarray, pd.DataFrame], ids=["array", "frame"])
@pytest.mark.parametrize("n_rows", [1, 60])
def test_models_are_asked_about_rows_as_they_are(wrap, n_rows):
    model = Sleeps()
    rows = wrap(X[:n_rows])
    timed(rows, model=model)
    assert {type(asked) for asked in model.asked} == {type(rows)}
    assert {len(asked) for asked in model.asked} == {1, 1000, 10_000}
    singles = {tuple(np.asarray(asked)[0]) for asked in model.asked if len(asked) == 1}
    assert singles <= {tuple(row) for row in X[:n_rows]} and len(singles) >= min(n_rows, 10)
    [batch, *_] = [np.asarray(asked) for asked in model.asked if len(asked) == 1000]
    np.testing.assert_array_equal(batch, X[np.arange(1000) % n_rows])


def test_slow_models_are_asked_less(monkeypatch):
    monkeypatch.setattr(_timing, "_SECONDS", 0.05)
    slow, fast = Sleeps(6.0), Sleeps()
    timed(X, slow=slow, fast=fast)
    n_slow = sum(len(asked) == 1 for asked in slow.asked)
    assert 10 < n_slow < 25 < sum(len(asked) == 1 for asked in fast.asked)


def test_batches_that_take_too_long_are_left_out(monkeypatch):
    monkeypatch.setattr(_costs, "_PATIENCE", 0.1)
    costs = timed(X, slow=Sleeps(a_row=0.02), fast=Sleeps(0.1))
    assert math.isnan(costs["slow"]["rows_per_second_10000"])
    assert costs["slow"]["rows_per_second_1000"] > 0
    assert costs["fast"]["rows_per_second_10000"] > 0


def test_batches_that_are_too_large_are_left_out(monkeypatch):
    monkeypatch.setattr(_costs, "_ENTRIES", 1000 * X.shape[1])
    costs = timed(X, model=Sleeps())["model"]
    assert costs["rows_per_second_1000"] > 0
    assert math.isnan(costs["rows_per_second_10000"])


def test_costs_have_the_keys_that_are_shown():
    models = {"student": (quick(TEACHER).fit(X, Y), X)}
    assert list(costs_of(models, True, lambda done: None)["student"]) == list(COSTS)
    assert list(costs_of(models, False, lambda done: None)["student"]) == ["parameters", "bytes"]

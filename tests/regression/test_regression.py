"""The task of regression: what it makes of a teacher's answers and of validation rows."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from skkd._input.data import Rows
from skkd._regression import Regression, TargetScaling, loss_at
from skkd.augmenters import RandomSwap
from skkd.balancers import FixedBalance
from tests.regression.regressors import BOTH, X, Y, linear_net, quick

RNG = np.random.default_rng(0)


def task_of(y, loss="squared_error"):
    link = "log" if loss in ("poisson", "gamma") else "identity"
    return Regression(TargetScaling.of(y, None, link, is_flat=False), loss_at(loss, 0.5))


def rows_of(y, answers, weight=None):
    return Rows(X[: len(y)], X[: len(y)], y, weight, answers=answers)


@pytest.mark.parametrize("weight", [None, RNG.random(200) + 0.1], ids=["equal", "weighted"])
def test_knowledge_is_the_gain_over_the_mean(weight):
    y = RNG.normal(size=(200, 1))
    answers = y + 0.5 * RNG.normal(size=(200, 1))
    knowledge = task_of(y).knowledge(rows_of(y, answers, weight))
    losses = (answers - y)[:, 0] ** 2 / y.var()
    mean = np.average(y[:, 0], weights=weight)
    assert knowledge.loss == pytest.approx(np.average(losses, weights=weight))
    expected = np.average((y[:, 0] - mean) ** 2 / y.var() - losses, weights=weight)
    assert knowledge.gain == pytest.approx(expected)
    assert knowledge.is_any
    nothing = task_of(y).knowledge(rows_of(y, np.full_like(y, mean), weight))
    assert not nothing.is_any


def test_stacking_weight_is_that_of_least_squares():
    y = RNG.normal(size=(500, 1))
    teacher, student = (y + scale * RNG.normal(size=y.shape) for scale in (0.5, 0.8))
    task = task_of(y)
    share = task.stacking_weight(task.scaling.outputs(student), rows_of(y, teacher))
    # y - s = share * (t - s)
    expected = LinearRegression(fit_intercept=False).fit(teacher - student, y - student).coef_[0, 0]
    assert share == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("loss", ["squared_error", "gamma"])
def test_stacking_weight_goes_to_the_one_who_knows(loss):
    y = RNG.gamma(2.0, size=(300, 2))
    task = task_of(y, loss)
    chance = np.broadcast_to(y.mean(axis=0), y.shape)
    rows = rows_of(y, 1.01 * y)
    assert task.stacking_weight(task.scaling.outputs(chance), rows) == pytest.approx(1, abs=0.05)
    rows = rows_of(y, chance)
    assert task.stacking_weight(task.scaling.outputs(y), rows) == pytest.approx(0, abs=0.05)


def test_unlabeled_and_synthetic_rows_are_labeled_by_the_teacher():
    teacher = Ridge().fit(X, BOTH)
    reg = quick(teacher, cv=None).fit(X, BOTH, X_unlabeled=[X + 0.1])
    assert np.isfinite(reg.history_["synthetic_loss"]).all()
    reg = quick(teacher, cv=None, augmenter=RandomSwap()).fit(X, BOTH)
    assert np.isfinite(reg.history_["synthetic_loss"]).all()


def test_rows_that_no_fold_tests_carry_task_loss_only():
    # Half of the rows have no answer: with λ = 1 they count for nothing.
    tested = np.arange(120)
    splits = [(np.arange(120, 240), tested)]
    reg = quick(Ridge(), linear_net(), cv=splits, balancer=FixedBalance(1.0)).fit(X, Y)
    answers = Ridge().fit(X[120:], Y[120:]).predict(X[tested])
    expected = LinearRegression().fit(X[tested], answers).predict(X)
    np.testing.assert_allclose(reg.predict(X), expected, atol=1e-3 * Y.std())


def test_memory_asks_the_teacher_once(tmp_path):
    class Counted(Ridge):
        n_fits = 0

        def fit(self, X, y, sample_weight=None):
            Counted.n_fits += 1
            return super().fit(X, y, sample_weight)

    Counted.__module__, Counted.__qualname__ = __name__, "Counted"
    globals()["Counted"] = Counted
    reg = quick(Counted(), cv=3, memory=tmp_path).fit(X, Y)
    again = quick(Counted(), cv=3, memory=tmp_path).fit(X, Y)
    assert Counted.n_fits == 4
    assert np.array_equal(reg.predict(X), again.predict(X))


def test_numbers_whose_squares_overflow():
    with pytest.raises(ValueError, match="squares overflow"):
        quick().fit(X, 1e200 * Y)


def test_a_teacher_keeps_some_weight_where_rows_are_few():
    floor = Regression.weight_floor
    assert floor(0.5, 500) == floor(1.0, 4000) == 0.25
    assert floor(0.5, 64_000) == pytest.approx(0.0625)  # the noise of the labels matters less
    assert floor(0.2, 4000) == pytest.approx(0.1)
    assert floor(0.0, 4000) == 0.0  # a teacher with no share in the best mixture

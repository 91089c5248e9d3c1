"""Reports on regressors against scikit-learn's measures, and models whose ranks are known."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import make_friedman1
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skkd import BalanceDisplay, DistilledRegressor
from skkd.balancers import FixedBalance
from skkd.report import regression_report
from skkd.students import make_student

X_ALL, Y_ALL = make_friedman1(900, 5, noise=0.5, random_state=0)
X, Y, X_TEST, Y_TEST = X_ALL[:400], Y_ALL[:400], X_ALL[400:], Y_ALL[400:]
QUICK = {"latency": False, "n_bootstrap": 200, "random_state": 0}


def distilled(teacher, **params):
    student = make_student("mlp", task="regression").set_params(max_epochs=10)
    params = {"augmenter": None, "cv": 3, "random_state": 0} | params
    return DistilledRegressor(teacher, student, **params)


@pytest.fixture(scope="module")
def reg():
    return distilled(Ridge()).fit(X, Y)


@pytest.mark.parametrize("weighted", [False, True])
def test_measures_are_those_of_scikit_learn(reg, weighted):
    weight = np.random.default_rng(0).random(len(Y_TEST)) if weighted else None
    report = regression_report(reg, X_TEST, Y_TEST, baseline=None, sample_weight=weight, **QUICK)
    models = {"student": reg, "teacher": reg.teacher_}
    assert set(report.measures) == set(models)
    for name, model in models.items():
        found = model.predict(X_TEST)
        expected = {
            "r2": metrics.r2_score(Y_TEST, found, sample_weight=weight),
            "rmse": metrics.root_mean_squared_error(Y_TEST, found, sample_weight=weight),
            "mae": metrics.mean_absolute_error(Y_TEST, found, sample_weight=weight),
            "rmse_to_teacher": metrics.root_mean_squared_error(
                reg.teacher_.predict(X_TEST), found, sample_weight=weight
            ),
        }
        assert report.measures[name] == pytest.approx(expected, abs=1e-9)
    assert "rmse_to_teacher" not in report.differences["teacher"]


def test_several_outputs_are_averaged():
    both = np.stack([Y_ALL, X_ALL[:, 0]], axis=1)
    reg = distilled(LinearRegression()).fit(X, both[:400])
    report = regression_report(reg, X_TEST, both[400:], baseline=None, **QUICK)
    found = reg.predict(X_TEST)
    expected = metrics.root_mean_squared_error(both[400:], found)
    assert report.measures["student"]["rmse"] == pytest.approx(expected)
    assert report.measures["student"]["r2"] == pytest.approx(metrics.r2_score(both[400:], found))


def test_labels_only_is_the_student_without_its_teacher(reg):
    report = regression_report(reg, X_TEST, Y_TEST, X_train=X, y_train=Y, **QUICK)
    alone = distilled(Ridge(), balancer=FixedBalance(0.0)).fit(X, Y)
    expected = metrics.mean_absolute_error(Y_TEST, alone.predict(X_TEST))
    assert report.measures["baseline"]["mae"] == pytest.approx(expected)
    assert report.labels["baseline"] == "labels only"
    assert "labels only" in report.verdict.splitlines()[0]
    assert "labels only" in str(report) and "RMSE" in str(report)


def test_a_student_that_knows_nothing_is_worse_and_one_that_learned_is_better(reg):
    nothing = distilled(DummyRegressor(), balancer=FixedBalance(1.0)).fit(X, Y)
    good = LinearRegression().fit(X, Y)
    assert regression_report(nothing, X_TEST, Y_TEST, baseline=good, **QUICK).outcome == "worse"
    bad = DummyRegressor().fit(X, Y)
    report = regression_report(reg, X_TEST, Y_TEST, baseline=bad, **QUICK)
    assert report.outcome == "better"
    difference = report.differences["baseline"]["rmse"]
    assert difference.low <= difference.estimate <= difference.high < 0
    same = regression_report(reg, X_TEST, Y_TEST, baseline=reg, **QUICK)
    assert same.outcome == "no worse"


def test_pipelines_latency_and_displays(reg):
    pipeline = make_pipeline(StandardScaler(), distilled(Ridge())).fit(X, Y)
    options = QUICK | {"latency": True}
    report = regression_report(pipeline, X_TEST, Y_TEST, baseline=reg, **options)
    assert report.costs["student"]["milliseconds"] > 0
    assert report.costs["student"]["parameters"] > 0
    assert BalanceDisplay.from_estimator(reg).axes_ is not None


def test_errors_come_before_the_work(reg):
    with pytest.raises(ValueError, match="needs the rows"):
        regression_report(reg, X_TEST, Y_TEST)
    with pytest.raises(NotFittedError):
        regression_report(reg, X_TEST, Y_TEST, baseline=Ridge())
    with pytest.raises(ValueError, match="y_test has shape"):
        regression_report(reg, X_TEST, Y_TEST[:-1], baseline=None)
    with pytest.raises(TypeError, match="DistilledRegressor"):
        regression_report(Ridge().fit(X, Y), X_TEST, Y_TEST, baseline=None)

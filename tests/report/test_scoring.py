"""Verdicts on problems as users have them: a rare class, a table of mixed columns, own scores."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    cohen_kappa_score,
    f1_score,
    get_scorer,
    make_scorer,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skkd.report import distillation_report
from skkd.report._scores import rare
from tests.helpers import Says, make_data, quick, quick_net

QUICK = {"latency": False, "n_bootstrap": 200, "random_state": 0}


# One row in a hundred is a fraud


def transactions(n_rows, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 4)).astype(np.float32)
    fraud = rng.random(n_rows) < 1 / (1 + np.exp(5.2 - X[:, 0] - X[:, 1]))
    return X, np.where(fraud, "fraud", "fair")


@pytest.fixture(scope="module")
def fraud():
    """A student that ranks rows well but finds none of them more likely fraud than fair."""
    X, y = transactions(4000, seed=0)
    teacher = LogisticRegression().fit(*transactions(4000, seed=2))
    clf = quick(teacher, student=quick_net(max_epochs=4)).fit(X, y)
    X_test, y_test = transactions(6000, seed=1)
    baseline = DummyClassifier().fit(X, y)
    return clf, X_test, y_test, distillation_report(clf, X_test, y_test, baseline=baseline, **QUICK)


def test_class_that_is_never_predicted_is_named_first(fraud):
    clf, X_test, y_test, report = fraud
    assert "fraud" not in clf.predict(X_test)
    n_frauds = (y_test == "fraud").sum()
    assert report.verdict.startswith(
        f"The student never predicts class 'fraud' ({n_frauds} test rows); neither do the teacher "
        "and the baseline.\n"
    )
    assert report.never_predicted == dict.fromkeys(("teacher", "baseline", "student"), ["fraud"])
    assert "Never predicted by the student: ['fraud']" in report.notes[0]
    assert '<div class="alert">Never predicted by the student: [&#39;fraud&#39;]</div>' in (
        report._repr_html_()
    )


def test_student_is_preferred_by_average_precision(fraud):
    clf, X_test, y_test, report = fraud
    area = average_precision_score(y_test == "fraud", clf.predict_proba(X_test)[:, 1])
    assert report.measures["student"]["average_precision"] == pytest.approx(area)
    assert report.scoring == ["average_precision", "balanced_accuracy"]
    assert report.outcome == "better"
    assert report.outcomes["baseline"] == {
        "log_loss": "better",
        "average_precision": "better",
        "balanced_accuracy": "undecided",
    }
    assert "Better than the baseline by log-loss" in report.verdict
    assert "and average precision for class 'fraud' (+0." in report.verdict
    assert "Level with the teacher by" in report.verdict
    assert "No worse" not in report.verdict and "teacher's accuracy" not in report.verdict
    assert "-0.0 " not in report.verdict and "-0.0000" not in str(report)
    [note] = [note for note in report.notes if note.startswith("Rare in the test rows, 1.3 %")]
    assert "['fraud']" in note


def test_rare_class_may_be_the_first(fraud):
    clf, X_test, y_test, report = fraud
    teacher = Says(["a fraud", "fair"], clf.predict_proba(X_test)[:, ::-1])
    y = np.where(y_test == "fraud", "a fraud", "fair")
    swapped = distillation_report(quick(teacher).fit(X_test, y), X_test, y, baseline=None, **QUICK)
    for name in ("average_precision", "roc_auc", "log_loss"):
        assert swapped.measures["teacher"][name] == pytest.approx(
            report.measures["student"][name], rel=1e-6
        )
    assert "average precision for class 'a fraud'" in swapped.verdict


@pytest.mark.parametrize(
    ("class_rows", "expected"),
    [
        ([90, 10], [False, False]),
        ([91, 9], [False, True]),
        ([50, 50, 5, 0], [False, False, True, False]),
        ([10] * 191, [False] * 191),
    ],
)
def test_class_is_rare_below_a_fifth_of_an_equal_share(class_rows, expected):
    np.testing.assert_array_equal(rare(np.array(class_rows, dtype=float)), expected)


# A table of mixed columns


class Overconfident(ClassifierMixin, BaseEstimator):
    """Has the labels of another model, and more extreme probabilities."""

    def __init__(self, model):
        self.model = model
        self.classes_ = model.classes_

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        proba = self.model.predict_proba(X).astype(float) ** 5
        return proba / proba.sum(axis=1, keepdims=True)


def customers(n_rows, seed):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.uniform(18, 90, n_rows),
            "income": rng.lognormal(10, 1, n_rows),
            "job": rng.choice(["clerk", "nurse", "smith"], n_rows),
            "city": rng.choice(list("abcdef"), n_rows),
        }
    )
    score = 2 * np.where(X.job == "nurse", 1, -1) * np.where(X.age > 50, 1, -1)
    score += (X.city == "a") + (X.income > 25_000) / 2
    return X, np.where(rng.random(n_rows) < 1 / (1 + np.exp(-score)), "yes", "no")


@pytest.fixture(scope="module")
def mixed():
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["job", "city"]),
        (StandardScaler(), ["age", "income"]),
    )
    X_teacher, y_teacher = customers(3000, seed=0)
    X, y = customers(100, seed=1)
    teacher = RandomForestClassifier(50, min_samples_leaf=10, random_state=0)
    teacher.fit(encode.fit_transform(X_teacher), y_teacher)
    pipeline = make_pipeline(encode, quick(teacher))
    return pipeline.fit(X, y), *customers(2000, seed=2)


def test_better_by_log_loss_and_level_by_accuracy(mixed):
    clf, X_test, y_test = mixed
    report = distillation_report(clf, X_test, y_test, baseline=Overconfident(clf), **QUICK)
    measured = report.differences["baseline"]
    for name in ("log_loss", "brier_score", "calibration_error"):
        assert measured[name].high < 0
    assert report.outcome == "better"
    assert report.outcomes["baseline"] == {"log_loss": "better", "accuracy": "no worse"}
    [better, below] = report.verdict.splitlines()
    gain = -measured["log_loss"].estimate
    assert better.startswith(f"Better than the baseline by log-loss (-{gain:.3f}, 95 % interval -")
    assert " and level by accuracy (+0.0 percentage points" in better
    loss = 100 * -report.differences["teacher"]["accuracy"].estimate
    assert loss > 1
    assert below.startswith("Worse than the teacher by log-loss (+")
    assert f" and accuracy (-{loss:.1f} percentage points" in below


# Scores of the user's choice


X, Y = make_data(700)
NAMES = np.array(["left", "middle", "right"])[Y]
X_TEST, Y_TEST = X[300:], NAMES[300:]


@pytest.fixture(scope="module")
def clf():
    return quick(LogisticRegression().fit(X[:300], NAMES[:300])).fit(X[:300], NAMES[:300])


def reported(clf, scoring, **params):
    return distillation_report(
        clf, X_TEST, Y_TEST, scoring=scoring, **{"baseline": None, **QUICK, **params}
    )


def test_scorers_of_scikit_learn(clf):
    names = ["f1_macro", "neg_log_loss", "roc_auc_ovo", "accuracy", "matthews_corrcoef"]
    report = reported(clf, names)
    measures = ["f1_macro", "log_loss", "roc_auc_ovo", "accuracy", "matthews_corrcoef"]
    assert report.scoring == measures
    assert set(report.outcomes["teacher"]) == {*measures}
    for name, measure in zip(names, measures, strict=True):
        for model, estimator in [("student", clf), ("teacher", clf.teacher_)]:
            expected = get_scorer(name)(estimator, X_TEST, Y_TEST)
            found = report.measures[model][measure]
            assert found == pytest.approx(-expected if name == "neg_log_loss" else expected)
    low, high = report.differences["teacher"]["f1_macro"][1:]
    assert low < report.differences["teacher"]["f1_macro"].estimate < high
    assert "by log-loss (" in report.verdict and "f1 macro (" in report.verdict
    assert "f1 macro " in str(report) and "f1_macro" in report.to_frame().index


def test_one_scorer_is_enough(clf):
    assert reported(clf, "balanced_accuracy").scoring == ["balanced_accuracy"]
    assert reported(clf, make_scorer(cohen_kappa_score)).scoring == ["score"]


def test_scorer_that_looks_at_the_rows(clf):
    def right_on_large(estimator, X, y):
        large = X[:, 0] > 0
        return float((estimator.predict(X)[large] == y[large]).mean())

    report = reported(clf, {"right on large": right_on_large})
    assert report.scoring == ["right on large"]
    large = X_TEST[:, 0] > 0
    expected = (clf.predict(X_TEST)[large] == Y_TEST[large]).mean()
    assert report.measures["student"]["right on large"] == pytest.approx(expected)
    assert "right on large (" in report.verdict


def test_scorers_get_the_weights(clf):
    weight = np.random.default_rng(0).integers(0, 3, len(Y_TEST))
    report = reported(clf, "f1_macro", sample_weight=weight)
    predicted = clf.predict(X_TEST)
    expected = f1_score(Y_TEST, predicted, average="macro", sample_weight=weight)
    assert report.measures["student"]["f1_macro"] == pytest.approx(expected)


def test_teacher_is_not_asked_by_scorers():
    proba = np.random.default_rng(0).dirichlet(np.ones(3), len(Y_TEST))
    teacher = Says(np.unique(NAMES), proba)
    clf = quick(teacher).fit(X_TEST, Y_TEST)
    teacher.asked.clear()
    reported(clf, ["f1_macro", "roc_auc_ovo"])
    assert len(teacher.asked) == 1


@pytest.mark.parametrize(
    ("scoring", "error", "match"),
    [
        ("f2", ValueError, "'f2' is not a valid scoring value"),
        ([], ValueError, "scoring is empty"),
        ([0.5], TypeError, r"scoring has the entry 0.5; give a name of"),
        ({"accuracy": make_scorer(f1_score)}, ValueError, "two scores of the name 'accuracy'"),
        (make_scorer(f1_score), ValueError, "The scorer 'score' failed on the test rows: "),
        (lambda clf, X, y: clf.predict(X[:3]), ValueError, "other rows than it was given"),
    ],
)
def test_bad_scoring(clf, scoring, error, match):
    with pytest.raises(error, match=match):
        reported(clf, scoring)

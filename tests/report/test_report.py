"""Reports on models whose measures, budgets and answers are known."""

import copy
import inspect
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skkd import DistilledClassifier
from skkd.balancers import FixedBalance
from skkd.report import DistillationReport, distillation_report
from tests.helpers import FitForbidden, Says, fitted_teacher, make_data, quick, quick_net

NAMES = np.array(["left", "middle", "right"])
X_ALL, Y_ALL = make_data(700)
X, Y = X_ALL[:300], NAMES[Y_ALL[:300]]
X_TEST, Y_TEST = X_ALL[300:], NAMES[Y_ALL[300:]]
TEACHER = fitted_teacher(X, Y)
TRAINING = {"X_train": X, "y_train": Y}
QUICK = {"latency": False, "n_bootstrap": 100, "random_state": 0}


@pytest.fixture(scope="module")
def clf():
    return quick(TEACHER).fit(X, Y)


@pytest.fixture(scope="module")
def report(clf):
    return distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **QUICK)


def same(a: DistillationReport, b: DistillationReport) -> bool:
    return a.measures == b.measures and a.differences == b.differences and a.verdict == b.verdict


def assert_measures(found, model, X, y):
    proba = model.predict_proba(X).astype(np.float64)
    predicted = model.classes_[proba.argmax(axis=1)]
    expected = {
        "accuracy": accuracy_score(y, predicted),
        "balanced_accuracy": balanced_accuracy_score(y, predicted),
        "log_loss": log_loss(y, proba / proba.sum(axis=1, keepdims=True)),
        "roc_auc": roc_auc_score(y, proba, multi_class="ovr")
        if proba.shape[1] > 2
        else roc_auc_score(y, proba[:, 1]),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)


# What is compared


def test_teacher_and_student_are_measured(clf, report):
    assert list(report.measures) == ["teacher", "baseline", "student"]
    assert_measures(report.measures["teacher"], TEACHER, X_TEST, Y_TEST)
    assert_measures(report.measures["student"], clf, X_TEST, Y_TEST)
    assert report.n_rows == 400
    np.testing.assert_array_equal(report.classes, NAMES)
    np.testing.assert_array_equal(report.class_rows, [(Y_TEST == name).sum() for name in NAMES])


def test_labels_only_are_the_same_student_without_the_teacher(report):
    supervised = quick(TEACHER, balancer=FixedBalance(0.0)).fit(X, Y)
    assert_measures(report.measures["baseline"], supervised, X_TEST, Y_TEST)
    assert report.labels["baseline"] == "labels only"


@pytest.mark.parametrize(
    "params",
    [
        {"cv": 3, "balancer": "loss_share", "calibrate": "temperature"},
        {"cv": 3, "temperature": "teacher_entropy", "distillation_loss": "dkd"},
        {"cv": 3, "augmenter": "mix_up", "early_stopping": True, "class_weight": "balanced"},
    ],
    ids=["calibrated", "by_entropy", "augmented"],
)
def test_labels_only_need_nothing_of_the_teacher(params):
    class CountsFits(LogisticRegression):
        n_fits = 0

        def fit(self, X, y, sample_weight=None):
            type(self).n_fits += 1
            return super().fit(X, y, sample_weight)

    weight = np.random.default_rng(0).integers(1, 3, len(Y))
    clf = quick(CountsFits(), **params).fit(X, Y, sample_weight=weight)
    n_fits = CountsFits.n_fits
    report = distillation_report(
        clf, X_TEST, Y_TEST, **TRAINING, sample_weight_train=weight, **QUICK
    )
    assert CountsFits.n_fits == n_fits
    kept = {name: params[name] for name in ("early_stopping", "class_weight") if name in params}
    supervised = quick(None, balancer=FixedBalance(0.0), **kept)
    supervised.fit(X, Y, sample_weight=weight, teacher_proba=np.full((len(Y), 3), 1 / 3))
    assert_measures(report.measures["baseline"], supervised, X_TEST, Y_TEST)


def test_labels_only_are_trained_without_a_loss_of_the_user():
    def nan_where_the_teacher_knows_nothing(student_logits, soft_targets, temperature):
        kl = (soft_targets * (soft_targets.log() - student_logits.log_softmax(-1))).sum(-1)
        return kl / (soft_targets.amax(-1) - soft_targets.amin(-1))

    clf = quick(TEACHER, distillation_loss=nan_where_the_teacher_knows_nothing).fit(X, Y)
    report = distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **QUICK)
    assert report.measures["baseline"]["accuracy"] > 0.5


def test_teacher_is_asked_about_the_test_rows_once():
    teacher = Says(NAMES, [0.5, 0.3, 0.2])
    clf = quick(teacher).fit(X, Y)
    teacher.asked.clear()
    distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **QUICK)
    [asked] = teacher.asked
    assert np.shares_memory(asked, X_TEST)
    np.testing.assert_array_equal(asked, X_TEST)


def test_baseline_can_be_any_fitted_classifier(clf):
    baseline = LogisticRegression().fit(X, Y)
    report = distillation_report(clf, X_TEST, Y_TEST, baseline=baseline, **QUICK)
    assert_measures(report.measures["baseline"], baseline, X_TEST, Y_TEST)
    assert report.labels["baseline"] == "baseline"
    assert report.verdict.split(" by ")[0].endswith("the baseline")


def test_differences_are_between_the_measures(report):
    assert list(report.differences) == ["teacher", "baseline"]
    for other, found in report.differences.items():
        for name, (estimate, low, high) in found.items():
            difference = report.measures["student"][name] - report.measures[other][name]
            assert estimate == pytest.approx(difference)
            assert low <= high
    assert "agreement" not in report.differences["teacher"]
    assert "agreement" in report.differences["baseline"]


def test_without_a_baseline_the_verdict_is_about_the_teacher(clf):
    report = distillation_report(clf, X_TEST, Y_TEST, baseline=None, **QUICK)
    assert list(report.differences) == ["teacher"]
    assert list(report.outcomes) == ["teacher"]
    assert report.verdict.split(" by ")[0].endswith("the teacher")


def test_nothing_to_compare_with():
    proba = TEACHER.predict_proba(X)
    clf = quick(None).fit(X, Y, teacher_proba=proba)
    report = distillation_report(clf, X_TEST, Y_TEST, baseline=None, **QUICK)
    assert report.outcome is None
    assert "nothing to compare with" in report.verdict
    assert list(report.measures) == ["student"] and not report.differences
    assert "agreement" not in report.measures["student"]
    assert any("There is no teacher" in note for note in report.notes)
    assert str(report) and report._repr_html_() and len(report.to_frame())


def test_teacher_of_which_only_probabilities_are_known(clf, report):
    proba = TEACHER.predict_proba(X_TEST)
    frame = pd.DataFrame(proba, columns=NAMES)[["right", "left", "middle"]]
    without = quick(None).fit(X, Y, teacher_proba=TEACHER.predict_proba(X))
    for given in (proba, frame, proba * 0.9995):  # a row may sum to nearly one
        found = distillation_report(
            without, X_TEST, Y_TEST, **TRAINING, teacher_proba=given, **QUICK
        )
        assert found.verdict == report.verdict
        for name, measures in report.measures.items():
            assert found.measures[name] == pytest.approx(measures, rel=1e-6)
        assert "teacher" not in found.costs and "teacher" in report.costs


# The verdict


def test_verdict_says_what_is_known():
    X, y = make_data(1600, n_classes=2)
    teacher = LogisticRegression().fit(X[:600], y[:600])
    clf = quick(teacher).fit(X[:600], y[:600])

    def against(baseline, n_rows=1000):
        rows = slice(600, 600 + n_rows)
        return distillation_report(clf, X[rows], y[rows], baseline=baseline, **QUICK)

    ignorant = DummyClassifier().fit(X, y)
    assert against(ignorant).outcome == "better"
    itself = against(clf)
    assert itself.outcome == "no worse"
    assert all(difference == (0, 0, 0) for difference in itself.differences["baseline"].values())
    assert against(clf, n_rows=298).outcome == "undecided"
    knows = Says([0, 1], np.eye(2)[y[600:]])
    assert against(knows).outcome == "worse"
    for found in (against(ignorant), against(knows)):
        assert found.verdict.lower().startswith(found.outcome)
    assert itself.verdict.startswith("Level with the baseline by log-loss (+0.000")
    assert "No worse by accuracy against the baseline" in itself.notes[0]
    assert "Undecided by accuracy" in against(clf, n_rows=298).notes[0]


# What is taken


def test_report_changes_nothing(clf):
    before = pickle.dumps(clf), copy.deepcopy(clf.get_params(deep=False))
    given = X_TEST.copy(), Y_TEST.copy()
    state = np.random.get_state()[1].copy()
    distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **QUICK)
    assert pickle.dumps(clf) == before[0]
    np.testing.assert_array_equal(X_TEST, given[0])
    np.testing.assert_array_equal(Y_TEST, given[1])
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_same_seed_gives_the_same_report(clf, report):
    assert same(distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **QUICK), report)
    other = distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **{**QUICK, "random_state": 1})
    assert other.measures == report.measures
    assert other.differences != report.differences


@pytest.mark.parametrize(
    "wrap",
    [
        lambda X: X.tolist(),
        lambda X: pd.DataFrame(X, columns=list("abcde")),
        sparse.csr_matrix,
        sparse.coo_matrix,
    ],
    ids=["list", "frame", "csr", "coo"],
)
def test_kinds_of_rows(wrap):
    teacher = LogisticRegression().fit(sparse.csr_matrix(X), Y)
    if isinstance(wrap(X), pd.DataFrame):
        teacher = LogisticRegression().fit(wrap(X), Y)
    clf = quick(teacher).fit(wrap(X), Y)
    report = distillation_report(
        clf, wrap(X_TEST), Y_TEST.tolist(), X_train=wrap(X), y_train=Y, **{**QUICK, "latency": True}
    )
    assert_measures(report.measures["student"], clf, wrap(X_TEST), Y_TEST)
    assert all(costs["milliseconds"] > 0 for costs in report.costs.values())
    given = distillation_report(
        clf, wrap(X_TEST), Y_TEST, baseline=teacher, **{**QUICK, "latency": True}
    )
    assert given.measures["baseline"] == report.measures["teacher"]


def test_teacher_on_a_raw_frame():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"word": rng.choice(["a", "b", "c"], 300), "number": rng.normal(size=300)})
    y = np.where((frame["word"].to_numpy() == "a") ^ (frame["number"].to_numpy() > 0), "yes", "no")
    encode = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["word"]), remainder="passthrough"
    )
    teacher = make_pipeline(encode, RandomForestClassifier(20, random_state=0))
    clf = DistilledClassifier(teacher, cv=3, random_state=0).set_params(student__max_epochs=3)
    clf.fit(frame[:200], y[:200])
    report = distillation_report(
        clf, frame[200:], y[200:], X_train=frame[:200], y_train=y[:200], **QUICK
    )
    assert_measures(report.measures["teacher"], clf.teacher_, frame[200:], y[200:])
    assert_measures(report.measures["student"], clf, frame[200:], y[200:])


@pytest.mark.parametrize("searched", [False, True])
def test_pipeline_and_search(searched):
    scaler = StandardScaler().fit(X)
    teacher = fitted_teacher(scaler.transform(X), Y)
    estimator = Pipeline([("scale", StandardScaler()), ("clf", quick(teacher))])
    if searched:
        estimator = GridSearchCV(estimator, {"clf__temperature": [1.0]}, cv=2)
    estimator.fit(X, Y)
    report = distillation_report(estimator, X_TEST, Y_TEST, **TRAINING, **QUICK)
    assert_measures(report.measures["student"], estimator, X_TEST, Y_TEST)
    assert_measures(report.measures["teacher"], teacher, scaler.transform(X_TEST), Y_TEST)
    supervised = make_pipeline(StandardScaler(), quick(teacher, balancer=FixedBalance(0.0))).fit(
        X, Y
    )
    assert_measures(report.measures["baseline"], supervised, X_TEST, Y_TEST)
    given = distillation_report(estimator, X_TEST, Y_TEST, baseline=supervised, **QUICK)
    assert given.measures == report.measures


def test_teacher_of_other_columns():
    other = Says(["right", "left", "middle"], TEACHER.predict_proba(X_TEST)[:, [2, 0, 1]])
    clf = quick(other).fit(X_TEST, Y_TEST)
    report = distillation_report(clf, X_TEST, Y_TEST, baseline=other, **QUICK)
    for name in ("teacher", "baseline"):
        assert_measures(report.measures[name], TEACHER, X_TEST, Y_TEST)


def test_weights_count_as_repeated_rows(clf, report):
    weight = np.random.default_rng(0).integers(0, 3, len(Y_TEST))
    weighted = distillation_report(
        clf, X_TEST, Y_TEST, baseline=None, sample_weight=weight, **QUICK
    )
    rows = np.repeat(np.arange(len(Y_TEST)), weight)
    repeated = distillation_report(clf, X_TEST[rows], Y_TEST[rows], baseline=None, **QUICK)
    for name, found in weighted.measures.items():
        assert found == pytest.approx(repeated.measures[name])
    assert weighted.n_rows == (weight > 0).sum()
    np.testing.assert_allclose(weighted.class_rows, repeated.class_rows)
    np.testing.assert_allclose(weighted.fidelity.counts, repeated.fidelity.counts)


def test_classes_that_the_test_rows_lack(clf):
    kept = Y_TEST != "middle"
    report = distillation_report(clf, X_TEST[kept], Y_TEST[kept], **TRAINING, **QUICK)
    assert [note for note in report.notes if "['middle']" in note]
    assert np.isnan(report.per_class["student"]["recall"][1])
    assert all(np.isfinite(list(found.values())).all() for found in report.measures.values())


def test_one_row_has_measures_but_no_intervals(clf):
    report = distillation_report(
        clf, X_TEST[:1], Y_TEST[:1], **TRAINING, **{**QUICK, "latency": True}
    )
    assert report.n_rows == 1
    assert report.outcome == "undecided"
    for found in report.differences.values():
        assert np.isnan([difference.low for difference in found.values()]).all()
    assert np.isfinite(report.measures["student"]["log_loss"])
    assert np.isnan(report.measures["student"]["roc_auc"])
    assert "nan" not in report.verdict
    assert str(report) and report._repr_html_()


@pytest.mark.filterwarnings("error")
def test_no_warnings(clf):
    distillation_report(clf, X_TEST[:20], Y_TEST[:20], **TRAINING, **QUICK)


# Costs


def test_costs(clf):
    report = distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **{**QUICK, "latency": True})
    assert report.costs["student"]["parameters"] == 5 * 8 + 8 + 8 * 3 + 3
    assert report.costs["student"]["parameters"] == report.costs["baseline"]["parameters"]
    assert np.isnan(report.costs["teacher"]["parameters"])
    for costs in report.costs.values():
        assert costs["rows_per_second_10000"] > 0 and costs["bytes"] > 0
    assert [note for note in report.notes if "PyTorch" in note]


def test_budget_is_told(clf):
    def note_of(clf, **params):
        report = distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **params, **QUICK)
        return next(note for note in report.notes if note.startswith("The model on labels only"))

    assert note_of(clf) == (
        "The model on labels only was trained for 15 epochs, the student for 15 epochs."
    )
    with_new = quick(TEACHER, student=quick_net(max_epochs=1), augmenter="mix_up").fit(X, Y)
    assert note_of(with_new) == (
        "The model on labels only was trained for 1 epoch, the student for 1 epoch with synthetic "
        "rows."
    )


# What is said on the way


def test_silent_by_default(clf, capsys):
    distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **QUICK)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


STAGES = ["teacher's answers", "labels only", "bootstrap", "costs"]


def test_a_line_a_stage(clf, capsys):
    distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **QUICK, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines if line.partition(":")[0] in STAGES] == STAGES
    assert sum(line.startswith("epoch") for line in lines) == 15


def test_labels_only_are_not_calibrated(capsys):
    clf = quick(TEACHER, calibrate="temperature").fit(X, Y)
    distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **QUICK, verbose=1)
    assert "calibration" not in capsys.readouterr().out


def test_a_bar_a_stage(clf, capsys):
    distillation_report(clf, X_TEST, Y_TEST, **TRAINING, **QUICK, verbose=2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(f"{stage}: 100%" in captured.err for stage in STAGES)
    assert "100/100" in captured.err


# What is refused


def refused(clf, error, match, *, X=X_TEST, y=Y_TEST, **params):
    params = {**TRAINING, **QUICK, **params}
    if params.get("baseline", "fit") != "fit":
        del params["X_train"], params["y_train"]
    with pytest.raises(error, match=match):
        distillation_report(clf, X, y, **params)


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"X_train": None}, ValueError, "baseline='fit' .* needs the rows .* X_train=.*, y_train="),
        ({"y_train": None}, ValueError, "baseline='fit' .* needs the rows"),
        ({"baseline": "labels"}, ValueError, "baseline='labels' is not allowed"),
        ({"baseline": LogisticRegression()}, NotFittedError, "baseline LogisticRegression"),
        ({"baseline": LogisticRegression}, TypeError, "got LogisticRegression"),
        ({"baseline": StandardScaler()}, TypeError, "got StandardScaler"),
        ({"baseline": Says([0, 1], [0.5, 0.5])}, ValueError, "same labels"),
        ({"margin": -0.1}, ValueError, "margin=-0.1"),
        ({"margin": "1 %"}, ValueError, "margin='1 %'"),
        ({"confidence_level": 95}, ValueError, "confidence_level=95"),
        ({"n_bootstrap": 10}, ValueError, "n_bootstrap=10"),
        ({"n_bootstrap": 10**30}, ValueError, "100 to 1,000,000"),
        ({"n_bootstrap": 1e3}, ValueError, "n_bootstrap=1000.0"),
        ({"verbose": -1}, ValueError, "verbose=-1"),
        ({"sample_weight": np.zeros(400)}, ValueError, "zero"),
        ({"sample_weight": np.ones(3)}, ValueError, "sample_weight.shape"),
        ({"sample_weight": -np.ones(400)}, ValueError, "[Nn]egative"),
        ({"teacher_proba": np.ones((400, 2)) / 2}, ValueError, r"teacher_proba has shape"),
        ({"y": Y_TEST[:5]}, ValueError, "inconsistent numbers of samples"),
        (
            {"y": np.where(Y_TEST == "left", "up", Y_TEST)},
            ValueError,
            r"y_test has the label \['up'",
        ),
        ({"y_train": np.where(Y == "left", "up", Y)}, ValueError, r"y_train has the label \['up'"),
        ({"X_train": X[Y != "left"], "y_train": Y[Y != "left"]}, ValueError, r"classes \['left'\]"),
        ({"X": X_TEST[:0], "y": Y_TEST[:0]}, ValueError, "y_test has no labels"),
        (
            {"y": np.where(np.arange(400) == 3, None, Y_TEST)},
            ValueError,
            "y_test has no label in 1 of 400 rows.*position 3",
        ),
        ({"X": X_TEST[:, :3]}, ValueError, "3 features"),
    ],
)
def test_bad_input(clf, params, error, match):
    refused(clf, error, match, **params)


def test_training_rows_for_a_baseline_that_is_not_trained(clf):
    with pytest.raises(ValueError, match="X_train and y_train are for baseline='fit'"):
        distillation_report(clf, X_TEST, Y_TEST, baseline=None, **TRAINING)


def test_only_fitted_distilled_classifiers(clf):
    refused(clone(clf), NotFittedError, "not fitted")
    refused(TEACHER, TypeError, "clf must be a DistilledClassifier.*FitForbidden")
    refused(DistilledClassifier, TypeError, "clf must be")


def test_bad_input_is_found_before_any_work(clf, monkeypatch):
    monkeypatch.setattr(FitForbidden, "predict_proba", None)
    refused(clf, ValueError, "margin", margin=2)
    refused(clf, ValueError, "y_test", y=np.full(400, "up"))


def test_defaults_are_those_documented():
    parameters = inspect.signature(distillation_report).parameters
    documented = distillation_report.__doc__
    for name in ("baseline", "latency", "margin", "confidence_level", "n_bootstrap", "verbose"):
        default = parameters[name].default
        shown = f'"{default}"' if isinstance(default, str) else repr(default)
        assert f"    {name} : " in documented and f"default={shown}\n" in documented, name

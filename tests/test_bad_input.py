"""Errors: they name the parameter and the way out, come before training, and change nothing."""

import pickle
import sys
import warnings
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Callback
from torch import nn

import skkd._distiller
from skkd import DistilledClassifier, TrainingDivergedError
from skkd._training import train
from skkd.balancers import (
    BALANCERS,
    DescentShare,
    EqualGradients,
    Famo,
    FixedBalance,
    LossShare,
    MinNorm,
    SampleWise,
    ScheduledBalance,
)
from skkd.schedules import TemperatureSchedule
from tests.helpers import FailingNet, Net, Says, fitted_teacher, make_data, quick, quick_net

X, Y = make_data()
TEACHER = fitted_teacher(X, Y)
PROBA = TEACHER.predict_proba(X)
NAN, INF = float("nan"), float("inf")


def with_entry(value, values=X):
    changed = np.array(values, dtype=float)
    changed[3, 1] = value
    return changed


TEXTS = np.array(["low", "middle", "high"], dtype=object)[Y]
MISSING = r"y has no label in 2 of 60 rows.*position 3.*X_unlabeled"


def with_missing(value, labels=TEXTS):
    changed = labels.astype(labels.dtype if labels.dtype.kind == "f" else object)
    changed[[3, 7]] = value
    return changed


def says(proba):
    return {"teacher": Says([0, 1, 2], proba)}


# name: (parameters, arguments of fit, error, pattern)
PARAMETERS = {
    "teacher_without_proba": (
        {"teacher": LinearSVC().fit(X, Y)},
        TypeError,
        r"LinearSVC has not.*CalibratedClassifierCV.*teacher_proba",
    ),
    "teacher_class": ({"teacher": LogisticRegression}, TypeError, "teacher must be an instance"),
    "teacher_none": ({"teacher": None}, ValueError, "teacher=None needs teacher_proba"),
    "teacher_text": ({"teacher": "forest"}, TypeError, "teacher must have predict_proba"),
    "teacher_fitted_and_cv": ({"cv": 5}, ValueError, "cv=5 would fit it again.*cv=None"),
    "cv_text": (
        {"teacher": LogisticRegression(), "cv": "out"},
        ValueError,
        "cv='out'.*splitter.*or 'oob'",
    ),
    "cv_one": ({"teacher": LogisticRegression(), "cv": 1}, ValueError, r"cv.*1"),
    "cv_negative": ({"teacher": LogisticRegression(), "cv": -3}, ValueError, r"cv.*-3"),
    "cv_needs_groups": (
        {"teacher": LogisticRegression(), "cv": GroupKFold(3)},
        ValueError,
        r"cv=GroupKFold.*groups=\.\.\.",
    ),
    "calibrate": ({"calibrate": "platt"}, ValueError, "'calibrate'.*'platt'"),
    "calibrate_true": ({"calibrate": True}, ValueError, "'calibrate'.*True"),
    "memory": ({"memory": 3}, ValueError, "'memory'.*3"),
    "memory_file": ({"memory": __file__}, ValueError, "memory=.*test_bad_input.py' is a file"),
    "cv_bytes": ({"teacher": LogisticRegression(), "cv": b"5"}, ValueError, "cv=b'5'.*splitter"),
    "cv_dict": ({"teacher": LogisticRegression(), "cv": {}}, ValueError, "cv={}.*splitter"),
    "augmenter_array": (
        {"augmenter": np.array([1, 2])},
        (TypeError, ValueError),
        "augmenter must be",
    ),
    "loss_class": ({"distillation_loss": dict}, ValueError, "distillation_loss=<class 'dict'>"),
    "cv_array": (
        {"teacher": LogisticRegression(), "cv": np.array([1, 2])},
        ValueError,
        r"cv=array\(\[1, 2\]\).*pairs of index arrays",
    ),
    "cv_scalar_array": ({"teacher": LogisticRegression(), "cv": np.array(3)}, ValueError, "cv=arr"),
    "cv_float": ({"teacher": LogisticRegression(), "cv": 2.5}, (TypeError, ValueError), "cv.*2.5"),
    "temperature_zero": ({"temperature": 0.0}, ValueError, r"'temperature'.*0\.0"),
    "temperature_negative": ({"temperature": -1}, ValueError, "'temperature'.*-1"),
    "temperature_tiny": (
        {"temperature": 9e-4},
        ValueError,
        r"'temperature'.*\[0\.001, 1000000\.0\]",
    ),
    "temperature_huge": (
        {"temperature": 2e6},
        ValueError,
        r"'temperature'.*\[0\.001, 1000000\.0\]",
    ),
    "temperature_nan": ({"temperature": NAN}, ValueError, "'temperature'.*nan"),
    "temperature_inf": ({"temperature": INF}, ValueError, "'temperature'.*inf"),
    "temperature_text": (
        {"temperature": "hot"},
        ValueError,
        "'temperature'.*'teacher_entropy'.*'hot'",
    ),
    "temperature_start": (
        {"temperature": TemperatureSchedule(start=-1)},
        ValueError,
        r"'start' parameter of TemperatureSchedule.*\(0\.0, inf\).*-1",
    ),
    "temperature_end": (
        {"temperature": TemperatureSchedule(end=NAN)},
        ValueError,
        r"'end' parameter of TemperatureSchedule.*\(0\.0, inf\).*nan",
    ),
    "temperature_schedule": (
        {"temperature": TemperatureSchedule(schedule="zigzag")},
        ValueError,
        "'schedule' parameter of TemperatureSchedule.*'cosine'.*or a callable.*'zigzag'",
    ),
    "temperature_schedule_overshoots": (
        {"temperature": TemperatureSchedule(schedule=lambda progress: 2 * progress)},
        ValueError,
        r"temperature=TemperatureSchedule.*gives -2\.0 at progress 1\.0.*above 0",
    ),
    "temperature_function_negative": (
        {"temperature": lambda progress: 1 - 2 * progress},
        ValueError,
        r"temperature=.*gives 0\.0 at progress 0\.5.*above 0",
    ),
    "temperature_function_nan": (
        {"temperature": lambda progress: NAN},
        ValueError,
        "temperature=.*gives nan.*above 0",
    ),
    "temperature_function_text": (
        {"temperature": lambda progress: "hot"},
        ValueError,
        "temperature=.*gives 'hot'.*above 0",
    ),
    "temperature_class": (
        {"temperature": TemperatureSchedule},
        ValueError,
        "temperature=.*a class",
    ),
    "weight_above_one": (
        {"balancer": FixedBalance(1.5)},
        ValueError,
        r"'weight' parameter of Fixed.*\[0\.0, 1\.0\].*1\.5",
    ),
    "weight_negative": (
        {"balancer": FixedBalance(-0.1)},
        ValueError,
        r"'weight' parameter of Fixed.*\[0\.0, 1\.0\].*-0\.1",
    ),
    "weight_nan": (
        {"balancer": FixedBalance(NAN)},
        ValueError,
        "'weight' parameter of FixedBalance.*nan",
    ),
    "weight_text": (
        {"balancer": FixedBalance("big")},
        ValueError,
        "'weight' parameter of FixedBalance.*'big'",
    ),
    "bounds_crossed": (
        {"balancer": DescentShare(min_weight=0.9, max_weight=0.1)},
        ValueError,
        r"min_weight=0\.9.*max_weight=0\.1",
    ),
    "max_weight": (
        {"balancer": LossShare(max_weight=2)},
        ValueError,
        r"'max_weight' parameter of LossShare.*\[0\.0, 1\.0\].*2",
    ),
    "ratio_negative": (
        {"balancer": DescentShare(ratio=-1)},
        ValueError,
        "'ratio' parameter of DescentShare.*-1",
    ),
    "ratio_nan": (
        {"balancer": LossShare(ratio=NAN)},
        ValueError,
        "'ratio' parameter of LossShare.*nan",
    ),
    "schedule": (
        {"balancer": ScheduledBalance("zigzag")},
        ValueError,
        "'schedule' parameter of ScheduledBalance.*'cosine'.*or a callable.*'zigzag'",
    ),
    "gradients": (
        {"balancer": DescentShare(gradients="some")},
        ValueError,
        "gradients.*DescentShare.*'(logits|all)'.*'(logits|all)'.*'some'",
    ),
    "balancer_name": (
        {"balancer": "seesaw"},
        ValueError,
        "balancer='seesaw'.*'fixed', 'scheduled', .*'descent_share', .*'sample_wise'.*instance",
    ),
    "ratio_zero": (
        {"balancer": DescentShare(ratio=0)},
        ValueError,
        r"'ratio' parameter of DescentShare.*\(0\.0, inf\).*0",
    ),
    "ratio_of_losses": (
        {"balancer": LossShare(0.0)},
        ValueError,
        r"'ratio' parameter of LossShare.*\(0\.0, inf\).*0\.0",
    ),
    "ratio_of_norms": ({"balancer": EqualGradients(0)}, ValueError, "ratio.*EqualGradients.*0"),
    "min_weight": (
        {"balancer": Famo(min_weight=-0.1)},
        ValueError,
        r"'min_weight' parameter of Famo.*\[0\.0, 1\.0\].*-0\.1",
    ),
    "warmup_and_hold": (
        {"balancer": ScheduledBalance(warmup=0.6, hold=0.6)},
        ValueError,
        r"warmup=0\.6 and hold=0\.6.*at most 1",
    ),
    "normalize": (
        {"balancer": MinNorm("l3")},
        ValueError,
        "'normalize' parameter of MinNorm.*'(l2|log)', '(l2|log)'.*'l3'",
    ),
    "rule_of_rows": (
        {"balancer": SampleWise("best")},
        ValueError,
        "'rule' parameter of SampleWise.*'teacher_correct'.*or a callable.*'best'",
    ),
    "balancer_kind": ({"balancer": 0.5}, TypeError, r"balancer.*0\.5"),
    "balancer_class": ({"balancer": FixedBalance}, TypeError, "balancer.*instance"),
    "loss_name": (
        {"distillation_loss": "huber"},
        ValueError,
        "distillation_loss='huber'.*'kl', 'reverse_kl', 'js', 'logit_mse', 'dkd'",
    ),
    "loss_kind": (
        {"distillation_loss": 3},
        (TypeError, ValueError),
        "distillation_loss=3.*'kl'",
    ),
    "loss_unhashable": (
        {"distillation_loss": ["kl"]},
        (TypeError, ValueError),
        r"distillation_loss=\['kl'\].*'js'",
    ),
    "student_not_skorch": ({"student": MLPClassifier()}, TypeError, "student.*skorch.*MLPClassif"),
    "student_module": ({"student": Net(5, 3)}, TypeError, "student.*skorch NeuralNetClassifier"),
    "student_class": ({"student": NeuralNetClassifier}, TypeError, "student must be.*skorch"),
    "student_regressor": (
        {"student": NeuralNetRegressor(Net)},
        TypeError,
        "student must be a skorch NeuralNetClassifier.*NeuralNetRegressor",
    ),
    "student_pipeline": (
        {"student": make_pipeline(StandardScaler(), LogisticRegression())},
        TypeError,
        "student.*Pipeline that ends in one",
    ),
    "student_criterion": (
        {"student": quick_net(criterion=nn.MSELoss)},
        ValueError,
        "criterion.*cross-entropy",
    ),
    "student_criterion_weight": (
        {"student": quick_net(criterion__reduction="sum")},
        ValueError,
        "criterion__reduction.*class_weight",
    ),
    "no_epochs": ({"student": quick_net(max_epochs=0)}, ValueError, "max_epochs=0 of the student"),
    "epochs_nan": ({"student": quick_net(max_epochs=NAN)}, ValueError, "max_epochs=nan of the st"),
    "no_batch": ({"student": quick_net(batch_size=0)}, ValueError, "batch_size=0.*-1"),
    "batch_negative": ({"student": quick_net(batch_size=-2)}, ValueError, "batch_size=-2.*-1"),
    "device": ({"student": quick_net(device=NAN)}, ValueError, "device=nan of the student"),
    "memory_surrogate": ({"memory": "\ud800"}, ValueError, "memory=.* is no path"),
    "no_device": ({"student": quick_net(device=None)}, ValueError, "device=None of the student"),
    "iterator": ({"student": quick_net(iterator_train=2.5)}, TypeError, "iterator_train=2.5"),
    "early_stopping": ({"early_stopping": "yes"}, ValueError, "'early_stopping'"),
    "fraction": ({"validation_fraction": 1.0}, ValueError, r"'validation_fraction'.*1\.0"),
    "patience": ({"n_iter_no_change": 0}, ValueError, "'n_iter_no_change'.*0"),
    "class_weight": ({"class_weight": "equal"}, ValueError, "class_weight.*'balanced'"),
    "class_weight_negative": ({"class_weight": {0: -1.0}}, ValueError, "class_weight"),
    "random_state": ({"random_state": "x"}, ValueError, "'random_state'"),
    "n_jobs": ({"n_jobs": 1.5}, ValueError, "'n_jobs'"),
    "verbose": ({"verbose": -1}, ValueError, "'verbose'"),
    "budget": ({"teacher_budget": -1}, ValueError, "'teacher_budget'"),
    "budget_word": ({"teacher_budget": "short"}, ValueError, "'teacher_budget'.*'auto'"),
}

DATA = {
    "proba_shape": (says([[0.5, 0.5, 0.0]]), {}, r"Says.predict_proba.*\(1, 3\).*\(60, 3\)"),
    "proba_width": (says([0.5, 0.5]), {}, r"Says.predict_proba.*\(60, 2\).*\(60, 3\)"),
    "proba_1d": (says(PROBA[:, :1].ravel()), {}, r"Says.predict_proba.*expected \(60, 3\)"),
    "proba_nan": (says([NAN, 0.5, 0.5]), {}, "Says.predict_proba contains NaN"),
    "proba_inf": (says([INF, 0.5, 0.5]), {}, "Says.predict_proba contains NaN or inf"),
    "proba_negative": (says([-0.2, 0.7, 0.5]), {}, r"Says.predict_proba.*negative.*-0\.2"),
    "proba_unnormalized": (says([1.0, 2.0, 5.0]), {}, "Says.predict_proba.*sum to one.*7"),
    "proba_no_classes": (
        {"teacher": type("Service", (), {"predict_proba": lambda self, X: PROBA})()},
        {},
        "Service has no classes_",
    ),
    "no_class_in_common": (
        {"teacher": Says(["a", "b"], [0.5, 0.5])},
        {},
        r"\['a', 'b'\].*\[0, 1, 2\].*none in common",
    ),
    "given_width": ({}, {"teacher_proba": PROBA[:, :2]}, r"teacher_proba.*\(60, 2\).*\(60, 3\)"),
    "given_rows": ({}, {"teacher_proba": PROBA[:50]}, r"teacher_proba.*\(50, 3\).*\(60, 3\)"),
    "given_1d": ({}, {"teacher_proba": PROBA[:, 0]}, r"teacher_proba.*\(60,\).*\(60, 3\)"),
    "given_nan": ({}, {"teacher_proba": with_entry(NAN, PROBA)}, "teacher_proba contains NaN"),
    "given_negative": ({}, {"teacher_proba": with_entry(-1, PROBA)}, "teacher_proba.*negative"),
    "given_logits": ({}, {"teacher_proba": 7 + PROBA}, "teacher_proba must sum to one"),
    "given_text": ({}, {"teacher_proba": PROBA.astype(str)}, "teacher_proba.*dtype"),
    "given_labels": ({}, {"teacher_proba": Y}, r"teacher_proba.*\(60,\)"),
    "given_frame": (
        {},
        {"teacher_proba": pd.DataFrame(PROBA, columns=["a", "b", "c"])},
        r"teacher_proba.*\['a', 'b', 'c'\].*\[0, 1, 2\]",
    ),
    "nan_in_x": ({}, {"X": with_entry(NAN)}, "X contains NaN"),
    "inf_in_x": ({}, {"X": with_entry(INF)}, "X contains.*inf"),
    "nan_in_x_for_the_student_only": (
        {"teacher": HistGradientBoostingClassifier(max_iter=2).fit(X, Y)},
        {"X": with_entry(NAN)},
        "NaN.*teacher may accept.*student=None",
    ),
    "nan_behind_the_students_steps": (
        {
            "teacher": HistGradientBoostingClassifier(max_iter=2).fit(X, Y),
            "student": Pipeline([("scale", StandardScaler()), ("net", quick_net())]),
        },
        {"X": with_entry(NAN)},
        "NaN.*teacher may accept.*student=None",
    ),
    "one_class": ({}, {"y": np.zeros(60, int)}, "y has 1 class, 0"),
    "one_class_text": ({}, {"y": np.full(60, "yes")}, "y has 1 class, 'yes'"),
    "empty_x": ({}, {"X": X[:0], "y": Y[:0]}, r"0 sample\(s\)"),
    "x_without_columns": ({}, {"X": X[:, :0]}, r"0 feature\(s\)"),
    "x_1d": ({}, {"X": X[:, 0]}, "Expected 2D array"),
    "lengths": ({}, {"y": Y[:50]}, r"60, 50"),
    "continuous_y": ({}, {"y": X[:, 0]}, "Unknown label type: continuous"),
    "nan_in_y": ({}, {"y": with_missing(NAN, Y.astype(float))}, MISSING),
    "none_in_y": ({}, {"y": with_missing(None)}, MISSING),
    "nan_in_texts": ({}, {"y": with_missing(NAN)}, MISSING),
    "missing_category": ({}, {"y": pd.Categorical(with_missing(NAN))}, MISSING),
    "na_in_y": ({}, {"y": pd.array(with_missing(pd.NA, Y), dtype="Int64")}, MISSING),
    "na_in_texts": ({}, {"y": pd.array(with_missing(pd.NA), dtype="string")}, MISSING),
    "multilabel_y": ({}, {"y": np.eye(3, dtype=int)[Y]}, "y should be a 1d array"),
    "negative_weight": (
        {},
        {"sample_weight": np.linspace(-1, 1, 60)},
        "Negative values in data passed to `sample_weight`",
    ),
    "zero_weight": ({}, {"sample_weight": np.zeros(60)}, r"(?i)sample.weight.*zero"),
    "nan_weight": ({}, {"sample_weight": np.full(60, NAN)}, "sample_weight.*NaN"),
    "weight_length": ({}, {"sample_weight": np.ones(50)}, "sample_weight has 50 entries"),
    "student_of_too_few_outputs": (
        {"student": quick_net(module__n_classes=2)},
        {},
        r"\(8, 2\).*3 classes.*3 outputs",
    ),
    "student_of_one_output": (
        {"student": quick_net(module__n_classes=1), "teacher": Says([0, 1], [0.5, 0.5])},
        {"y": (Y > 0).astype(int)},
        r"\(8, 1\).*2 classes.*Two classes need two outputs",
    ),
}


@pytest.fixture
def no_training(monkeypatch):
    def train(*args, **kwargs):
        raise AssertionError("the student was trained")

    def switch_on():
        monkeypatch.setattr(skkd._distiller, "train", train)

    return switch_on


def shallow(clf):
    return {name: id(value) for name, value in clf.get_params(deep=False).items()}


def assert_refused(params, arguments, error, pattern, no_training):
    """A bad fit after a good one: the error is right, and the good one is still there."""
    clf = quick(TEACHER).fit(X, Y)
    attributes = vars(clf).copy()
    clf.set_params(**params)
    expected = clf.predict_proba(X)
    before = shallow(clf)
    no_training()
    with pytest.raises(error, match=pattern):
        clf.fit(**{"X": X, "y": Y} | arguments)
    assert shallow(clf) == before
    for name in attributes.keys() - before.keys():
        assert vars(clf)[name] is attributes[name]
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


@pytest.mark.parametrize("case", PARAMETERS)
def test_bad_parameter(case, no_training):
    params, error, pattern = PARAMETERS[case]
    assert_refused(params, {}, error, pattern, no_training)


@pytest.mark.parametrize("case", DATA)
def test_bad_data(case, no_training):
    params, arguments, pattern = DATA[case]
    assert_refused(params, arguments, ValueError, pattern, no_training)


def test_labels_without_an_order(no_training):
    mixed = with_missing(1)
    assert_refused({}, {"y": mixed}, TypeError, "types int, str.*astype", no_training)


@pytest.mark.parametrize("case", PARAMETERS)
def test_bad_parameter_of_a_fresh_estimator(case):
    params, error, pattern = PARAMETERS[case]
    clf = DistilledClassifier(**{"teacher": TEACHER, "student": quick_net()} | params)
    given = set(vars(clf))
    with pytest.raises(error, match=pattern):
        clf.fit(X, Y)
    assert set(vars(clf)) == given  # neither classes_ nor n_features_in_


ABOUT_THE_STUDENT = [
    name for name in PARAMETERS if not name.startswith(("teacher", "cv", "class_weight"))
] + [
    "student_of_too_few_outputs",
    "one_class",
    "nan_in_x",
    "negative_weight",
    "zero_weight",
    "empty_x",
]


@pytest.mark.parametrize("case", ABOUT_THE_STUDENT)
def test_nobody_waits_for_a_teacher_before_the_error(case):
    """A teacher may take hours: whatever can be known before it is asked is said before."""
    teacher = Says([0, 1, 2], [0.2, 0.3, 0.5])
    entry = PARAMETERS.get(case) or DATA[case]
    arguments = entry[1] if case in DATA else {}
    clf = quick(teacher, **entry[0])
    with pytest.raises((ValueError, TypeError)):
        clf.fit(**{"X": X, "y": Y} | arguments)
    assert teacher.asked == []


@pytest.mark.parametrize("case", ["temperature_nan", "balancer_name", "student_module"])
def test_partial_fit_refuses_as_well(case, no_training):
    params, error, pattern = PARAMETERS[case]
    clf = quick(TEACHER, **params)
    no_training()
    with pytest.raises(error, match=pattern):
        clf.partial_fit(X, Y)
    assert not hasattr(clf, "classes_")


def test_teacher_of_some_other_classes_gets_a_warning():
    teacher = Says([1, 2, 9], [0.2, 0.3, 0.5])
    with pytest.warns(UserWarning, match=r"does not know \[0\]; y does not have \[9\]"):
        quick(teacher).fit(X, Y)


def test_error_text_of_labels_is_plain():
    """Labels appear as a user would write them, not as np.int64(1) or np.str_('a')."""
    with pytest.raises(ValueError) as raised:
        quick(Says(np.array(["a", "b"]), [0.5, 0.5])).fit(X, Y)
    assert "np." not in str(raised.value)
    clf = quick(TEACHER).partial_fit(X, Y)
    with pytest.raises(ValueError) as raised:
        clf.partial_fit(X, np.where(Y == 0, 7, Y))
    assert "np." not in str(raised.value)


def test_unknown_parameter():
    with pytest.raises(ValueError, match="Invalid parameter 'temprature'"):
        quick(TEACHER).set_params(temprature=2)
    with pytest.raises(ValueError, match="Invalid parameter 'ratio'"):
        quick(TEACHER, balancer=FixedBalance()).set_params(balancer__ratio=2)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function", "score"])
def test_not_fitted(method):
    with pytest.raises(NotFittedError, match="DistilledClassifier"):
        getattr(quick(TEACHER), method)(*((X, Y) if method == "score" else (X,)))


# During training


def failing(failure, good_steps, **params):
    return quick_net(FailingNet, module__failure=failure, module__good_steps=good_steps, **params)


@pytest.mark.parametrize("value", [NAN, INF])
def test_divergence_stops_at_once_and_says_where(value):
    clf = quick(TEACHER).fit(X, Y)
    before = clf.predict_proba(X)
    student, balancer = clf.student_, clf.balancer_
    clf.set_params(student=failing(value, 7, batch_size=20), balancer=FixedBalance(0.25))
    with pytest.raises(TrainingDivergedError) as raised:
        clf.fit(X, Y)
    error = raised.value
    # 3 batches an epoch: step 8 is the second one of epoch 3.
    assert (error.epoch, error.batch) == (3, 2)
    assert not np.isfinite(error.task_loss) and not np.isfinite(error.distillation_loss)
    assert error.weight == 0.25
    for text in ("epoch 3", "batch 2", "task loss", "distillation loss", "0.25", "student__lr"):
        assert text in str(error)
    assert clf.student_ is student and clf.balancer_ is balancer
    np.testing.assert_array_equal(clf.predict_proba(X), before)


@pytest.mark.parametrize("balancer", BALANCERS)
def test_divergence_under_every_balancer(balancer):
    clf = quick(TEACHER, student=failing(NAN, 3), balancer=balancer)
    # A rule that looks back runs the net twice a step.
    where = "epoch 3, batch 1" if balancer == "famo" else "epoch 4, batch 1"
    with pytest.raises(TrainingDivergedError, match=where):
        clf.fit(X, Y)
    assert not hasattr(clf, "student_")


def test_divergence_by_learning_rate():
    class Linear(nn.Module):
        def __init__(self, n_features, n_classes):
            super().__init__()
            self.first = nn.Linear(n_features, 16)
            self.last = nn.Linear(16, n_classes)

        def forward(self, X):
            return self.last(self.first(X))

    student = quick_net(Linear, optimizer=torch.optim.SGD, lr=1e6, max_epochs=50)
    with pytest.raises(TrainingDivergedError, match="student__lr"):
        quick(TEACHER, student=student).fit(X.astype(np.float32), Y)


def test_divergence_of_one_distillation_loss():
    def bad(student_logits, soft_targets, temperature):
        return (student_logits * NAN).sum(-1)

    with pytest.raises(TrainingDivergedError) as raised:
        quick(TEACHER, distillation_loss=bad, balancer=FixedBalance(0.5)).fit(X, Y)
    assert np.isfinite(raised.value.task_loss)
    assert np.isnan(raised.value.distillation_loss)
    assert (raised.value.epoch, raised.value.batch) == (1, 1)


def test_divergence_in_partial_fit_keeps_the_weights():
    """What the chunks before have taught is not lost with the chunk that fails."""
    clf = quick(TEACHER, student=failing(NAN, 2, batch_size=-1)).partial_fit(X, Y)
    before, weights = clf.predict_proba(X), clf.history_["weight"]
    with pytest.raises(TrainingDivergedError):
        clf.set_params(distillation_loss=lambda s, q, t: (s * NAN).sum(-1)).partial_fit(X, Y)
    assert clf.n_iter_ == 1 and clf.history_["weight"] is weights
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_divergence_travels_between_processes():
    error = pickle.loads(pickle.dumps(TrainingDivergedError(3, 7, NAN, 0.5, 0.25)))
    assert (error.epoch, error.batch, error.weight) == (3, 7, 0.25)
    assert "epoch 3, batch 7" in str(error)


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_search_goes_on_after_a_divergence():
    grid = {"student": [failing(NAN, 2), quick_net()]}
    with pytest.warns(
        FitFailedWarning, match="TrainingDivergedError: Training diverged in epoch 3"
    ):
        search = GridSearchCV(quick(TEACHER), grid, cv=2).fit(X, Y)
    assert search.best_params_["student"].module is Net


# Ctrl-C


class PressCtrlC(Callback):
    def __init__(self, hook, after):
        self.hook = hook
        self.after = after

    def _count(self, hook):
        if hook == self.hook:
            self.after -= 1
            if self.after < 0:
                raise KeyboardInterrupt

    def on_batch_begin(self, net, **kwargs):
        self._count("on_batch_begin")

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self._count("on_grad_computed")

    def on_batch_end(self, net, **kwargs):
        self._count("on_batch_end")


INTERRUPTED = {
    "forward": {"student": failing(KeyboardInterrupt(), 7, batch_size=20)},
    **{
        hook: {"student": quick_net(batch_size=20, callbacks=[PressCtrlC(hook, 7)])}
        for hook in ("on_batch_begin", "on_grad_computed", "on_batch_end")
    },
}


@pytest.mark.parametrize("where", INTERRUPTED)
def test_interrupt_keeps_what_was_learned(where):
    clf = quick(TEACHER, **INTERRUPTED[where])
    with pytest.warns(UserWarning, match="interrupted"):
        clf.fit(X, Y)
    assert clf.n_iter_ == 3
    assert all(len(values) == 3 for values in clf.history_.values())
    assert np.isfinite(clf.history_["loss"]).all()
    assert not clf.student_.module_.training
    # Two epochs and a bit: more than nothing, and the same as its own student.
    start = quick(TEACHER, student=quick_net(batch_size=20, max_epochs=1)).fit(X, Y)
    assert clf.history_["loss"][1] < start.history_["loss"][0]
    np.testing.assert_array_equal(clf.predict_proba(X), clf.student_.predict_proba(X))


@pytest.mark.parametrize("where", ["forward", "on_batch_begin"])
def test_interrupt_before_the_first_step_leaves_an_earlier_fit(where):
    clf = quick(TEACHER).fit(X, Y)
    before = clf.predict_proba(X)
    student = {
        "forward": failing(KeyboardInterrupt(), 0),
        "on_batch_begin": quick_net(callbacks=[PressCtrlC("on_batch_begin", 0)]),
    }[where]
    with pytest.raises(KeyboardInterrupt):
        clf.set_params(student=student).fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_interrupt_under_early_stopping():
    student = failing(KeyboardInterrupt(), 5, batch_size=20)
    clf = quick(TEACHER, student=student, early_stopping=True)
    with pytest.warns(UserWarning, match="interrupted"):
        clf.fit(X, Y)
    assert clf.n_iter_ == len(clf.history_["valid_score"])
    assert np.isfinite(clf.predict_proba(X)).all()


def test_interrupt_while_the_teacher_is_fitted():
    class Slow(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            raise KeyboardInterrupt

    clf = quick(TEACHER).fit(X, Y)
    before = clf.predict_proba(X)
    with pytest.raises(KeyboardInterrupt):
        clf.set_params(teacher=Slow(), cv=3).fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_interrupted_estimator_fits_again():
    clf = quick(TEACHER, student=failing(KeyboardInterrupt(), 3))
    with pytest.warns(UserWarning, match="interrupted"):
        clf.fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = clone(clf).set_params(student=quick_net()).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), quick(TEACHER).fit(X, Y).predict_proba(X))


# Before the main training, Ctrl-C ends fit.


class SecondEpoch(Callback):
    """Presses Ctrl-C in the second epoch."""

    def __init__(self, hook):
        self.hook = hook

    def _press(self, net, hook):
        if hook == self.hook and len(net.history) == 2:
            raise KeyboardInterrupt

    def on_batch_begin(self, net, **kwargs):
        self._press(net, "on_batch_begin")

    def on_epoch_end(self, net, **kwargs):
        self._press(net, "on_epoch_end")


@pytest.mark.parametrize("hook", ["on_batch_begin", "on_epoch_end"])
def test_interrupt_in_the_pilot_ends_fit(hook, monkeypatch):
    def interrupted(net, *args, **kwargs):
        net.callbacks_ = [*net.callbacks_, ("ctrl-c", SecondEpoch(hook).initialize())]
        return train(net, *args, **kwargs)

    rows, labels = make_data(400)
    clf = quick(TEACHER, augmenter="auto").fit(rows, labels)
    before, history = clf.predict_proba(rows), clf.history_
    module = sys.modules["skkd._training.pilot"]
    monkeypatch.setattr(module, "train", short := Mock(side_effect=interrupted))
    with pytest.raises(KeyboardInterrupt):
        clf.set_params(random_state=1).fit(rows, labels)
    assert short.call_count == 1
    assert clf.history_ is history
    np.testing.assert_array_equal(clf.predict_proba(rows), before)


def test_interrupt_in_the_pruning_ends_fit(monkeypatch):
    clf = quick(TEACHER).fit(X, Y)
    history = clf.history_
    monkeypatch.setattr(skkd._distiller, "prune", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, Y)
    assert clf.history_ is history


# Weights that are not finite


class SpoilsLastStep(Callback):
    """Makes a weight NaN at the end of an epoch, when no later step would notice."""

    def __init__(self, epoch, value=NAN):
        self.epoch, self.value = epoch, value

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            with torch.no_grad():
                net.module_.layers[0].weight[0, 0] = self.value


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_weights_that_are_not_finite_after_the_last_step(method, value):
    clf = quick(TEACHER, student=quick_net(max_epochs=3)).fit(X, Y)
    before = clf.predict_proba(X)
    last = 3 if method == "fit" else 1
    spoiled = quick_net(max_epochs=3, callbacks=[SpoilsLastStep(last, value)])
    fresh = quick(TEACHER, student=spoiled)
    with pytest.raises(TrainingDivergedError, match=f"in epoch {last}, .*student__lr"):
        getattr(fresh, method)(X, Y)
    assert not hasattr(fresh, "student_")
    if method == "fit":
        with pytest.raises(TrainingDivergedError):
            clf.set_params(student=spoiled).fit(X, Y)
        np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_a_single_step_that_diverges():
    class Linear(nn.Linear):
        def __init__(self, n_features, n_classes):
            super().__init__(n_features, n_classes)

    student = quick_net(Linear, optimizer=torch.optim.SGD, lr=1e38, max_epochs=1, batch_size=-1)
    with pytest.raises(TrainingDivergedError, match="in epoch 1, batch 1"):
        quick(TEACHER, student=student).fit(1e3 * X.astype(np.float32), Y)


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (3, 5), (4,)])
def test_an_array_of_another_shape_than_the_frame_of_fit(shape):
    frame = pd.DataFrame({"a": X[:, 0], "b": pd.Categorical(np.where(Y > 0, "x", "y"))})
    clf = DistilledClassifier(None, random_state=0).set_params(student__max_epochs=1)
    clf.fit(frame, Y, teacher_proba=np.full((len(Y), 3), 1 / 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that the array lacks
        with pytest.raises(ValueError, match="expecting 2 features"):
            clf.predict_proba(np.zeros(shape))

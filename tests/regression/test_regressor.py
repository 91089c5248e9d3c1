"""DistilledRegressor against closed forms, scikit-learn, and itself under changes of unit."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor, StackingRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier

from skkd import DistilledRegressor
from skkd.balancers import BALANCERS, FixedBalance, SampleWise
from skkd.export import OnnxStudent, load, save, to_onnx
from skkd.students import make_student
from tests.fuzz.fits import array_api
from tests.regression.regressors import BOTH, Linear, X, Y, linear_net, quick


@pytest.mark.parametrize("y", [Y, BOTH], ids=["one output", "two outputs"])
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_squared_errors_fit_a_mixture_of_both_targets(y, weight):
    teacher = RandomForestRegressor(10, random_state=0).fit(X, y)
    reg = quick(teacher, linear_net(), cv=None, balancer=FixedBalance(weight)).fit(X, y)
    mixture = (1 - weight) * y + weight * teacher.predict(X)
    expected = LinearRegression().fit(X, mixture).predict(X)
    assert reg.predict(X).shape == y.shape
    np.testing.assert_allclose(reg.predict(X), expected, atol=1e-4 * y.std())


def test_sample_weights_act_in_both_losses():
    weight = np.arange(len(Y)) % 3
    teacher = RandomForestRegressor(10, random_state=0).fit(X, Y)
    reg = quick(teacher, linear_net(), cv=None, balancer=FixedBalance(0.5))
    reg.fit(X, Y, sample_weight=weight)
    mixture = (Y + teacher.predict(X)) / 2
    expected = LinearRegression().fit(X, mixture, sample_weight=weight).predict(X)
    np.testing.assert_allclose(reg.predict(X), expected, atol=1e-4 * Y.std())


def test_an_unfitted_teacher_answers_out_of_fold():
    reg = quick(Ridge(), linear_net(), cv=KFold(4), balancer=FixedBalance(1.0)).fit(X, Y)
    targets = cross_val_predict(Ridge(), X, Y, cv=KFold(4))
    expected = LinearRegression().fit(X, targets).predict(X)
    np.testing.assert_allclose(reg.predict(X), expected, atol=1e-4 * Y.std())
    given = clone(reg).set_params(teacher=None, cv=None).fit(X, Y, teacher_prediction=targets)
    np.testing.assert_allclose(reg.predict(X), given.predict(X), rtol=1e-9)


def test_another_unit_of_y_changes_the_unit_of_predictions_only():
    reg = quick(RandomForestRegressor(10, random_state=0), make_student("mlp", task="regression"))
    reg.set_params(student__max_epochs=10)
    here, there = reg.fit(X, Y).predict(X), clone(reg).fit(X, 1024 * Y).predict(X)
    np.testing.assert_allclose(1024 * here, there, rtol=1e-6)


def test_out_of_bag_answers():
    forest = RandomForestRegressor(30, random_state=0)
    reg = quick(forest, linear_net(), cv="oob", balancer=FixedBalance(1.0)).fit(X, Y)
    oob = clone(forest).set_params(oob_score=True).fit(X, Y).oob_prediction_
    expected = LinearRegression().fit(X, oob).predict(X)
    np.testing.assert_allclose(reg.predict(X), expected, atol=1e-4 * Y.std())


@pytest.mark.parametrize("balancer", sorted(set(BALANCERS) - {"sample_wise"}))
def test_all_rules_work(balancer):
    reg = quick(balancer=balancer).fit(X, Y)
    assert reg.score(X, Y) > 0.3
    assert "temperature" not in reg.history_


def test_sample_wise_needs_a_callable():
    with pytest.raises(ValueError, match="compares probabilities"):
        quick(balancer="sample_wise").fit(X, Y)
    near = SampleWise(lambda rows: ((rows.teacher_proba - rows.labels).abs() < 1).float()[:, 0])
    assert np.isfinite(quick(balancer=near).fit(X, Y).predict(X)).all()


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_deviances_fit_a_log_linear_mean(loss):
    rng = np.random.default_rng(0)
    mean = np.exp(1 + (X[:, 0] - X[:, 1]) / 4)
    y = rng.poisson(mean).astype(float) if loss == "poisson" else rng.gamma(2.0, mean / 2)
    net = linear_net(lr=0.1, max_epochs=500)
    reg = quick(DummyRegressor(), net, loss=loss, balancer=FixedBalance(0.0)).fit(X, y)
    # The score equations of a generalized linear model, with the canonical link for Poisson.
    ratio = y / reg.predict(X)
    residual = y - reg.predict(X) if loss == "poisson" else ratio - 1
    np.testing.assert_allclose(np.c_[np.ones(len(X)), X].T @ residual / len(X), 0, atol=1e-3)


def test_quantile_loss_leaves_the_share_below():
    net = linear_net(lr=0.1, max_epochs=500)
    reg = quick(DummyRegressor(), net, loss="quantile", quantile=0.8, balancer=FixedBalance(0.0))
    assert (reg.fit(X, Y).predict(X) > Y).mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile", "poisson", "gamma"])
def test_all_losses_with_default_student_and_pilot(loss, few_epochs):
    forest = RandomForestRegressor(10, min_samples_leaf=3, random_state=0)
    reg = DistilledRegressor(forest, loss=loss, cv=2, random_state=0)
    y = np.maximum(Y, 0.1)
    assert reg.fit(np.repeat(X, 2, axis=0), np.repeat(y, 2)).score(X, y) > 0.4


@pytest.mark.parametrize(
    ("params", "y", "message"),
    [
        ({"loss": "poisson"}, Y - 20, "at least 0"),
        ({"loss": "gamma"}, np.maximum(Y - 10, 0), "positive"),
        ({"loss": "poisson", "distillation_loss": "huber"}, np.abs(Y), "not comparable"),
        ({"distillation_loss": "kl"}, Y, "'squared_error'"),
        ({"loss": "mse"}, Y, "loss"),
        ({}, Y[:5], "inconsistent numbers of samples"),
        ({}, np.array(["a"] * len(Y)), "dtype|convert"),
    ],
)
def test_errors_say_what_is_allowed(params, y, message):
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(X, y)


def test_a_teacher_must_be_a_regressor():
    with pytest.raises(TypeError, match="regressor"):
        quick(RandomForestClassifier()).fit(X, Y)
    with pytest.raises(ValueError, match="teacher_prediction"):
        DistilledRegressor(None).fit(X, Y)
    with pytest.raises(TypeError, match="NeuralNetRegressor"):
        quick(student=NeuralNetClassifier(Linear)).fit(X, Y)


def test_given_answers_are_checked():
    reg = quick(student=linear_net(), cv=None).set_params(teacher=None)
    for wrong, message in ((Y[:-1], "shape"), (np.full(len(Y), np.nan), "NaN"), (BOTH, "shape")):
        with pytest.raises(ValueError, match=message):
            reg.fit(X, Y, teacher_prediction=wrong)


def test_a_stack_takes_sample_weights():
    stack = StackingRegressor([("ridge", Ridge())], Ridge())
    assert quick(stack).fit(X, Y, sample_weight=np.ones(len(Y))).score(X, Y) > 0.3


def test_early_stopping_and_callbacks_see_validation_rows():
    reg = quick(early_stopping=True, n_iter_no_change=2, student=linear_net(lr=0.3)).fit(X, Y)
    assert reg.n_iter_ < 100
    assert {"valid_score"} < set(reg.history_) and "valid_accuracy" not in reg.history_


def test_partial_fit_keeps_the_scaling():
    teacher = Ridge().fit(X, Y)
    reg = quick(teacher, cv=None).partial_fit(X[:100], Y[:100])
    scaling = reg.target_scaling_
    for _ in range(5):
        reg.partial_fit(X[100:], Y[100:])
    assert np.array_equal(reg.target_scaling_.mean, scaling.mean)
    assert len(reg.history_["loss"]) == 6
    with pytest.raises(ValueError, match="outputs"):
        reg.partial_fit(X, BOTH)


def frame(n_rows=240):
    kinds = np.array(["low", "middle", "high"])[pd.cut(X[:, 4], 3, labels=False)]
    table = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "kind": kinds}).iloc[:n_rows]
    table.loc[3, "a"] = np.nan
    return table


@pytest.fixture(scope="module")
def of_frame():
    rows, rest = pd.concat([frame()] * 2, ignore_index=True), np.tile(Y, 2)
    reg = DistilledRegressor(None, random_state=0).set_params(student__max_epochs=10)
    return reg.fit(rows, rest, teacher_prediction=rest)


def test_frames_are_encoded(of_frame):
    assert of_frame.score(frame(), Y) > 0.3


def test_student_alone_pickles_clones_and_files(of_frame, tmp_path):
    rows, expected = frame(), of_frame.predict(frame())
    alone = of_frame.student_only()
    assert clone(alone) is alone
    save(of_frame, tmp_path / "all.skkd")
    save(alone, tmp_path / "alone.skkd")
    for again in (
        alone,
        pickle.loads(pickle.dumps(of_frame)),
        load(tmp_path / "all.skkd"),
        load(tmp_path / "alone.skkd"),
    ):
        assert np.array_equal(again.predict(rows), expected)
    with pytest.raises(TypeError, match="no teacher"):
        alone.fit(rows, Y)


def test_saved_teachers_stay_behind(tmp_path):
    reg = quick().fit(X, Y)
    save(reg, tmp_path / "ridge.skkd")
    again = load(tmp_path / "ridge.skkd", trusted=[Linear])
    with pytest.raises(RuntimeError, match="saved without its teacher, a Ridge"):
        again.fit(X, Y)


def test_onnx_of_a_frame(of_frame, tmp_path):
    exported = to_onnx(of_frame, tmp_path / "student.onnx", frame())
    assert exported.max_difference < 1e-5
    student = OnnxStudent(exported.path)
    np.testing.assert_allclose(student.predict(frame()), of_frame.predict(frame()), rtol=1e-5)
    assert student.predict({"a": 0.5, "b": 0.5, "kind": "low"}).shape == (1,)
    assert not hasattr(student, "classes_")
    with pytest.raises(AttributeError, match="regressor"):
        student.predict_proba(frame())
    assert "regression" in student.card


@pytest.mark.parametrize("params", [{}, {"loss": "poisson"}], ids=["identity", "log"])
def test_onnx_of_an_array_with_two_outputs(params, tmp_path):
    student = make_student("mlp", task="regression").set_params(max_epochs=5)
    reg = quick(LinearRegression(), student, **params)
    reg.fit(X.astype(np.float32), np.abs(BOTH))
    exported = to_onnx(reg, tmp_path / "student.onnx")
    assert exported.outputs == {"prediction": ("float32", (None, 2))}
    assert OnnxStudent(exported.path).predict(X).shape == (240, 2)


class Service:
    """An object that only predicts, as a client of a service does: no estimator at all."""

    def predict(self, rows):
        return rows @ np.arange(1.0, 6.0)


def test_a_teacher_may_be_any_object_that_predicts():
    reg = quick(Service(), linear_net(), cv=None, balancer=FixedBalance(1.0)).fit(X, Y)
    np.testing.assert_allclose(reg.predict(X), X @ np.arange(1.0, 6.0), atol=1e-3)


@pytest.mark.parametrize("y", [Y * 1e100, Y + 1e9], ids=["too large", "far from 0"])
def test_predictions_are_in_float64_where_float32_is_too_short_for_y(y, tmp_path):
    rows = X.astype(np.float32)
    reg = quick(LinearRegression().fit(X, y), linear_net(), cv=None).fit(rows, y)
    predicted = reg.predict(rows)
    assert predicted.dtype == np.float64
    expected = LinearRegression().fit(X, Y).predict(X)
    in_unit_of_Y = (predicted - y.mean()) * (Y.std() / y.std()) + Y.mean()
    np.testing.assert_allclose(in_unit_of_Y, expected, atol=0.1 * Y.std())
    exported = to_onnx(reg, tmp_path / "student.onnx", rows)
    np.testing.assert_allclose(OnnxStudent(exported.path).predict(rows), predicted, rtol=1e-6)
    ordinary = quick(LinearRegression(), linear_net(), cv=3).fit(rows, Y)
    assert ordinary.predict(rows).dtype == np.float32


def test_y_may_be_a_tensor():
    reg = quick(LinearRegression(), cv=3)
    with array_api():
        given = clone(reg).fit(X, torch.from_numpy(Y).requires_grad_()).predict(X)
    np.testing.assert_array_equal(given, reg.fit(X, Y).predict(X))


def test_grid_search_over_the_task_loss_and_the_student():
    grid = {
        "loss": ["squared_error", "huber"],
        "student__lr": [0.001, 0.1],
        "teacher__alpha": [1.0],
    }
    search = GridSearchCV(quick(), grid, cv=3).fit(X, Y)
    assert search.best_params_["student__lr"] == 0.1
    assert search.score(X, Y) > 0.4


def test_a_pipeline_as_student():
    student = make_pipeline(StandardScaler(), linear_net(max_epochs=50))
    assert quick(student=student).fit(X, Y).score(X, Y) > 0.5


def test_pruning_keeps_the_predictions():
    rows, y = make_friedman1(2500, 5, noise=0.5, random_state=1)
    student = make_student("mlp", task="regression").set_params(max_epochs=15)
    reg = quick(LinearRegression(), student, balancer=FixedBalance(0.0))
    wide = clone(reg).set_params(student__module__pruning=0.0).fit(rows, y)
    reg.fit(rows, y)
    assert sum(p.numel() for p in reg.student_.module_.parameters()) < 0.8 * sum(
        p.numel() for p in wide.student_.module_.parameters()
    )
    residual = y - wide.predict(rows)
    assert np.std(reg.predict(rows) - wide.predict(rows)) < 0.2 * residual.std()


def test_constant_y():
    reg = quick(DummyRegressor()).fit(X, np.full(len(X), 7.0))
    np.testing.assert_allclose(reg.predict(X), 7.0, atol=0.5)

"""Students: the default one on tables, and what users bring along."""

import copy
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from skorch import NeuralNetClassifier
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    LRScheduler,
    WarmRestartLR,
)
from skorch.dataset import Dataset
from torch import nn
from torch.utils.data import DataLoader, WeightedRandomSampler

from skkd import DistilledClassifier
from skkd.balancers import FixedBalance
from skkd.students import default_student
from tests.helpers import (
    ConvNet,
    DropoutNet,
    Net,
    Noise,
    fitted_teacher,
    make_data,
    quick,
    quick_net,
    same_state,
    targets_seen,
)

X, Y = make_data()
TEACHER = fitted_teacher(X, Y)


def default(teacher, **params):
    """The default student, with few epochs."""
    params = {"student__max_epochs": 20, "random_state": 0} | params
    return DistilledClassifier(teacher).set_params(**params)


# The default student on tables


def make_table(n_rows=120, seed=0, missing=True):
    """A frame of numbers and categories in which color decides; y are strings."""
    rng = np.random.default_rng(seed)
    color = rng.choice(["red", "green", "blue"], n_rows)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n_rows),
            "count": rng.integers(0, 5, n_rows),
            "color": pd.Series(color, dtype="category"),
            "city": rng.choice([f"city {i}" for i in range(40)], n_rows),
            "member": rng.random(n_rows) < 0.5,
        }
    )
    if missing:
        frame.loc[rng.random(n_rows) < 0.2, "size"] = np.nan
        frame.loc[rng.random(n_rows) < 0.1, "color"] = np.nan
        frame.loc[rng.random(n_rows) < 0.1, "city"] = None
    flipped = rng.random(n_rows) < 0.1
    return frame, np.where((color == "red") ^ flipped, "yes", "no")


def raw_teacher():
    """A teacher that is a pipeline on raw columns."""
    numbers = make_column_selector(dtype_include=np.number)
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            (OneHotEncoder(handle_unknown="ignore"), ["color", "city"]),
        ),
        LogisticRegression(),
    )


@pytest.mark.parametrize("cv", [None, 3])
def test_default_student_on_the_frame_of_a_pipeline(cv):
    frame, y = make_table()
    teacher = raw_teacher() if cv else raw_teacher().fit(frame, y)
    clf = default(teacher, cv=cv).fit(frame, y)
    assert clf.score(frame, y) > 0.8
    assert list(clf.feature_names_in_) == list(frame.columns)
    assert clf.n_features_in_ == 5
    assert isinstance(clf.student_, Pipeline)


def test_default_student_on_a_frame_for_gradient_boosting():
    frame, y = make_table()
    frame = frame.astype({"city": "category"})
    teacher = HistGradientBoostingClassifier(max_iter=10, categorical_features="from_dtype")
    teacher.fit(frame, y)
    clf = default(teacher).fit(frame, y)
    assert clf.score(frame, y) > 0.8
    assert np.isfinite(clf.predict_proba(frame)).all()


def proba_for(frame, y):
    return np.where(y == "yes", 0.1, 0.9)[:, None] * [1, -1] + [0, 1]


def test_polars_and_pandas_give_the_same():
    frame, y = make_table()
    table = pl.DataFrame(
        {
            name: frame[name].astype(object).where(frame[name].notna(), None).tolist()
            for name in frame
        }
    ).with_columns(pl.col("color").cast(pl.Categorical))
    proba = proba_for(frame, y)
    by_pandas = default(None).fit(frame, y, teacher_proba=proba).predict_proba(frame)
    by_polars = default(None).fit(table, y, teacher_proba=proba).predict_proba(table)
    np.testing.assert_array_equal(by_pandas, by_polars)


@pytest.mark.parametrize("dtype", [object, "category", "str"])
def test_unknown_and_missing_levels_at_predict_time(dtype):
    frame, y = make_table(missing=False)
    frame = frame.astype({"color": dtype, "city": dtype})
    clf = default(None).fit(frame, y, teacher_proba=proba_for(frame, y))
    new = frame.head(4).astype({"color": object, "city": object})
    new["color"] = ["mauve", None, np.nan, "red"]
    new["city"] = ["Atlantis", None, np.nan, "city 1"]
    new.loc[0, "size"] = np.nan
    new = new.astype({"color": dtype, "city": dtype})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        proba = clf.predict_proba(new)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)


def test_rare_levels_share_a_column():
    frame, y = make_table(300)
    # 100 rows in the capital, and two in each of 100 other cities.
    frame["city"] = np.where(
        np.arange(300) < 100, "capital", [f"city {i % 100}" for i in range(300)]
    )
    clf = default(None).fit(frame, y, teacher_proba=proba_for(frame, y))
    names = clf.student_[:-1].get_feature_names_out()
    of_cities = [name for name in names if name.startswith("city")]
    assert of_cities == ["city_capital", "city_infrequent_sklearn"]
    assert len([name for name in names if name.startswith("color")]) == 4  # one of them is missing


def test_encoder_works_alone():
    frame, y = make_table()
    clf = default(None).fit(frame, y, teacher_proba=proba_for(frame, y))
    np.testing.assert_array_equal(clf.student_.predict_proba(frame), clf.predict_proba(frame))
    copied = pickle.loads(pickle.dumps(clf.student_))
    np.testing.assert_array_equal(copied.predict_proba(frame), clf.predict_proba(frame))


def test_missing_is_told_apart_from_the_median():
    # y is known only from which values are missing.
    rng = np.random.default_rng(0)
    values = rng.normal(size=(100, 2))
    y = rng.integers(0, 2, 100)
    values[y == 1, 0] = np.nan
    clf = default(HistGradientBoostingClassifier(max_iter=5), cv=3, student__max_epochs=60)
    clf.fit(values, y)
    assert clf.score(values, y) == 1.0


@pytest.mark.parametrize("make", [np.asarray, pd.DataFrame, lambda a: pl.DataFrame(a)])
def test_nan_in_numbers(make):
    values = X.copy()
    values[::5, 0] = np.nan
    given = make(values)
    teacher = HistGradientBoostingClassifier(max_iter=5).fit(given, Y)
    clf = default(teacher).fit(given, Y)
    assert np.isfinite(clf.predict_proba(given)).all()
    # A student that learned from missing values takes rows without any, and the other way round.
    assert np.isfinite(clf.predict_proba(make(X))).all()


def test_nan_that_was_never_seen_in_training_is_an_error():
    clf = default(HistGradientBoostingClassifier(max_iter=5).fit(X, Y)).fit(X, Y)
    values = X.copy()
    values[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        clf.predict(values)


def test_object_array_of_mixed_columns():
    mixed = np.empty((len(X), 2), dtype=object)
    mixed[:, 0] = X[:, 0]
    mixed[:, 1] = [f"level {label}" for label in Y]
    clf = default(None).fit(mixed, Y, teacher_proba=np.eye(3)[Y] * 0.7 + 0.1)
    assert clf.score(mixed, Y) > 0.9


def test_columns_that_nobody_can_encode_are_refused_by_name():
    frame = pd.DataFrame({"a": X[:, 0], "month": pd.period_range("2020", periods=len(X))})
    frame["range"] = pd.interval_range(0, len(X))
    frame["kind"] = "x"
    with pytest.raises(ValueError, match=r"'month' \(period.*'range' \(interval.*Pipeline"):
        default(None).fit(frame, Y, teacher_proba=np.eye(3)[Y])


def test_column_without_any_value():
    frame = pd.DataFrame({"a": X[:, 0], "empty": np.full(len(X), np.nan)})
    clf = default(None).fit(frame, Y, teacher_proba=np.eye(3)[Y] * 0.7 + 0.1)
    assert np.isfinite(clf.predict_proba(frame)).all()


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "string"])
def test_nullable_pandas_dtypes(dtype):
    values = {"Int64": [1, None], "Float64": [0.5, None], "boolean": [True, None]}
    column = pd.array(values.get(dtype, ["a", None]) * 30, dtype=dtype)
    frame = pd.DataFrame({"a": X[:, 0], "nullable": column})
    clf = default(None).fit(frame, Y, teacher_proba=np.eye(3)[Y] * 0.7 + 0.1)
    assert np.isfinite(clf.predict_proba(frame)).all()


def test_default_student_learns():
    digits, y = load_digits(return_X_y=True)
    train, test = slice(0, 1200), slice(1200, None)
    teacher = HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=8, random_state=0)
    teacher.fit(digits[train], y[train])
    clf = default(teacher, student__max_epochs=20).fit(digits[train], y[train])
    assert clf.score(digits[test], y[test]) > 0.9


# A user's net


def snapshot(student):
    """All that a user could see of a student, with the addresses of objects left out."""

    def text(value):
        return re.sub(r" at 0x[0-9a-f]+", "", repr(value))

    net = student.steps[-1][1] if isinstance(student, Pipeline) else student
    module = net.module.state_dict() if isinstance(net.module, nn.Module) else {}
    return {
        "params": {name: text(value) for name, value in student.get_params().items()},
        "module": {name: values.tolist() for name, values in module.items()},
        "callbacks": [text(sorted(vars(callback).items())) for callback in net.callbacks or []],
        "attributes": sorted(vars(net)),
    }


@pytest.mark.parametrize(
    "student",
    [
        quick_net(module__hidden=6),
        quick_net(Net(5, 3)),
        NeuralNetClassifier(Net(5, 3), callbacks=[EarlyStopping("train_loss"), LRScheduler()]),
        Pipeline([("scale", StandardScaler()), ("net", quick_net(Net(5, 3)))]),
        Pipeline([("nothing", "passthrough"), ("net", quick_net())]),
    ],
    ids=["class", "instance", "callbacks", "pipeline", "passthrough"],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_given_student_is_never_changed(student, method):
    before = snapshot(student)
    clf = quick(TEACHER, student=student)
    getattr(clf, method)(X, Y)
    assert snapshot(student) == before
    assert clf.student is student


@pytest.mark.parametrize("module", [Net, Net(5, 3)], ids=["class", "instance"])
def test_no_weights_are_carried_over(module):
    clf = quick(TEACHER, student=quick_net(module))
    first = clf.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(clf.fit(X, Y).predict_proba(X), first)
    scores = cross_val_score(clf, X, Y, cv=2, error_score="raise")
    np.testing.assert_array_equal(scores, cross_val_score(clf, X, Y, cv=2))


def test_module_instance_starts_from_its_own_weights():
    module = Net(5, 3)
    student = quick_net(module, lr=1e-30, optimizer=torch.optim.SGD)
    clf = quick(TEACHER, student=student).fit(X.astype(np.float32), Y)
    assert same_state(clf.student_.module_.state_dict(), module.state_dict())
    assert clf.student_.module_ is not module


def test_initialised_net_starts_afresh():
    student = quick_net().set_params(module__n_features=5, module__n_classes=3).initialize()
    weights = copy.deepcopy(student.module_.state_dict())
    clf = quick(TEACHER, student=student).fit(X, Y)
    assert same_state(student.module_.state_dict(), weights)
    expected = quick(TEACHER).fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), expected.predict_proba(X))


def test_sizes_given_by_the_user_are_kept():
    student = quick_net(module__n_features=5, module__n_classes=3, module__hidden=4)
    clf = quick(TEACHER, student=student).fit(X, Y)
    assert clf.student_.module_.layers[0].weight.shape == (4, 5)


class MarkedNet(NeuralNetClassifier):
    """A subclass with a way of its own to call the module."""

    def infer(self, x, **fit_params):
        return super().infer(2 * x, **fit_params)


def test_own_infer_is_used():
    net = MarkedNet(Net, max_epochs=5, lr=0.05, batch_size=64, optimizer=torch.optim.Adam)
    clf = quick(TEACHER, student=net).fit(X, Y)
    np.testing.assert_array_equal(clf.student_.predict_proba(X), clf.predict_proba(X))
    with torch.no_grad():
        expected = torch.softmax(clf.student_.module_(torch.from_numpy(2 * X)), -1)
    np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-12)


# A Pipeline as a student


def test_pipeline_student_behind_a_raw_column_teacher():
    frame, y = make_table()
    encoder = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["size", "count"]),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["color"]),
    )
    student = Pipeline([("encode", encoder), ("net", quick_net(max_epochs=40))])
    clf = quick(raw_teacher().fit(frame, y), student=student).fit(frame, y)
    assert clf.score(frame, y) > 0.8
    np.testing.assert_array_equal(clf.student_.predict_proba(frame), clf.predict_proba(frame))
    assert cross_val_score(clf, frame, y, cv=2, error_score="raise").min() > 0.6


def test_pipeline_student_of_sparse_output():
    frame, y = make_table(missing=False)
    encoder = OneHotEncoder(handle_unknown="ignore")
    student = Pipeline([("encode", encoder), ("net", quick_net())])
    clf = quick(None, student=student).fit(frame, y, teacher_proba=proba_for(frame, y))
    alone = clf.student_.predict_proba(frame)
    np.testing.assert_allclose(alone, clf.predict_proba(frame), rtol=1e-9)


def test_labels_reach_supervised_steps():
    student = Pipeline([("best", SelectKBest(k=2)), ("net", quick_net())])
    clf = quick(TEACHER, student=student).fit(X, Y)
    assert clf.student_["net"].module_.layers[0].in_features == 2
    expected = SelectKBest(k=2).fit(X, Y).get_support()
    np.testing.assert_array_equal(clf.student_["best"].get_support(), expected)


def test_nested_names_of_a_pipeline_student():
    student = Pipeline([("scale", StandardScaler()), ("net", quick_net())])
    clf = quick(TEACHER, student=student).set_params(student__net__module__hidden=3).fit(X, Y)
    assert clf.student_["net"].module_.layers[0].out_features == 3


# The student works alone


@pytest.mark.parametrize("labels", [Y, np.array(["ant", "bee", "cat"])[Y]], ids=["int", "str"])
@pytest.mark.parametrize(
    "student",
    [
        None,
        quick_net(),
        quick_net(DropoutNet),
        Pipeline([("scale", StandardScaler()), ("net", quick_net())]),
    ],
    ids=["default", "net", "dropout", "pipeline"],
)
def test_student_alone_gives_the_same(student, labels):
    clf = DistilledClassifier(LogisticRegression(), student, cv=2, random_state=0)
    if student is None:
        clf.set_params(student__max_epochs=3)
    clf.fit(X, labels)
    np.testing.assert_array_equal(clf.student_.predict_proba(X), clf.predict_proba(X))
    copied = pickle.loads(pickle.dumps(clf.student_))
    np.testing.assert_array_equal(copied.predict_proba(X), clf.predict_proba(X))
    net = clf.student_[-1] if isinstance(clf.student_, Pipeline) else clf.student_
    np.testing.assert_array_equal(net.classes_, clf.classes_)
    # skorch's own predict gives columns, whatever the labels.
    np.testing.assert_array_equal(clf.classes_[clf.student_.predict(X)], clf.predict(X))


# What a module ends in


class Probabilities(Net):
    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes, end=nn.Softmax(-1))


class LogProbabilities(Net):
    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes, end=nn.LogSoftmax(-1))


class Pair(Net):
    """Gives a second output, as a net with an auxiliary head does."""

    def forward(self, X):
        logits = super().forward(X)
        return logits, logits.sum()


def outputs(clf):
    return clf.predict_proba(X), clf.predict_log_proba(X), clf.predict(X)


@pytest.mark.parametrize("module", [Probabilities, LogProbabilities, Pair])
@pytest.mark.parametrize("given_as", ["class", "instance"])
@pytest.mark.parametrize("criterion", [nn.NLLLoss, nn.CrossEntropyLoss])
def test_each_ending_trains_the_same(module, given_as, criterion):
    # The same weights at the start, for layers without parameters draw nothing.
    expected = quick(TEACHER, student=quick_net()).fit(X, Y)
    if given_as == "instance":
        with torch.random.fork_rng():
            torch.manual_seed(1)
            plain = Net(5, 3)
            torch.manual_seed(1)
            module = module(5, 3)
        expected = quick(TEACHER, student=quick_net(plain)).fit(X, Y)
    clf = quick(TEACHER, student=quick_net(module, criterion=criterion)).fit(X, Y)
    for got, of_logits in zip(outputs(clf), outputs(expected), strict=True):
        np.testing.assert_allclose(got, of_logits, rtol=1e-9)
    np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(clf.student_.predict_proba(X), clf.predict_proba(X), rtol=1e-12)


@pytest.mark.parametrize("module", [Net, Probabilities, LogProbabilities])
def test_binary_decision_function_is_the_log_odds(module):
    X2, Y2 = make_data(n_classes=2)
    clf = quick(fitted_teacher(X2, Y2), student=quick_net(module)).fit(X2, Y2)
    log_proba = clf.predict_log_proba(X2)
    np.testing.assert_allclose(
        clf.decision_function(X2), log_proba[:, 1] - log_proba[:, 0], rtol=1e-9, atol=1e-12
    )
    np.testing.assert_array_equal(clf.decision_function(X2) > 0, clf.predict(X2) == 1)


def test_decision_function_of_many_classes_is_the_logits():
    clf = quick(TEACHER).fit(X, Y)
    with torch.no_grad():
        expected = clf.student_.module_(torch.from_numpy(X))
    np.testing.assert_array_equal(clf.decision_function(X), expected)


@pytest.mark.parametrize("scale", [1e3, 1e5])
def test_confident_students_are_never_nan(scale):
    clf = quick(TEACHER, student=quick_net(Probabilities)).fit(X.astype(np.float32), Y)
    proba = clf.predict_proba((scale * X).astype(np.float32))
    assert np.isfinite(proba).all()
    assert np.isfinite(clf.predict_log_proba((scale * X).astype(np.float32))).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


# Optimizers, callbacks, iterators


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9, "lr": 0.3, "max_epochs": 40},
        {"optimizer": torch.optim.LBFGS, "lr": 0.5, "max_epochs": 5},
        {"optimizer": torch.optim.AdamW, "optimizer__weight_decay": 0.1, "max_epochs": 40},
        {"optimizer__param_groups": [("layers.0.*", {"lr": 0.0})], "max_epochs": 40},
        {"batch_size": -1, "max_epochs": 40},
        {"batch_size": 16, "iterator_train__shuffle": False},
        {"batch_size": 16, "iterator_train__drop_last": True},
    ],
    ids=["sgd", "lbfgs", "adamw", "param_groups", "full_batch", "in_order", "drop_last"],
)
def test_own_optimizer_and_batches(params):
    clf = quick(TEACHER, student=quick_net(**params)).fit(X, Y)
    loss = clf.history_["loss"]
    assert loss[-1] < 0.9 * loss[0]
    assert type(clf.student_.optimizer_) is params.get("optimizer", torch.optim.Adam)


def test_frozen_parameter_group_stays():
    student = quick_net(Net(5, 3), optimizer__param_groups=[("layers.0.*", {"lr": 0.0})])
    clf = quick(TEACHER, student=student).fit(X.astype(np.float32), Y)
    start, end = student.module.state_dict(), clf.student_.module_.state_dict()
    assert torch.equal(start["layers.0.weight"], end["layers.0.weight"])
    assert not torch.equal(start["layers.2.weight"], end["layers.2.weight"])


class Log(Callback):
    """Counts the hooks and looks at what they get."""

    def initialize(self):
        self.calls_ = []
        return self

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.calls_.append("train_begin")

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        assert len(dataset_train) > 0
        self.calls_.append("epoch_begin")

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        assert training and len(batch) == 2
        self.calls_.append("batch_begin")

    def on_grad_computed(self, net, named_parameters, batch=None, training=False, **kwargs):
        assert all(p.grad is not None for _, p in named_parameters)
        self.calls_.append("grad")

    def on_batch_end(self, net, batch=None, training=False, loss=None, y_pred=None, **kwargs):
        assert np.isfinite(float(loss)) and len(y_pred) == len(batch[0])
        self.calls_.append("batch_end")

    def on_epoch_end(self, net, dataset_train=None, **kwargs):
        self.calls_.append("epoch_end")

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.calls_.append("train_end")


def test_callbacks_are_called_as_by_skorch():
    net = quick_net(max_epochs=2, batch_size=30, callbacks=[("log", Log())])
    clf = quick(TEACHER, student=net).fit(X, Y)
    batch = ["batch_begin", "grad", "batch_end"]
    epoch = ["epoch_begin", *batch, *batch, "epoch_end"]
    calls = dict(clf.student_.callbacks_)["log"].calls_
    assert calls == ["train_begin", *epoch, *epoch, "train_end"]


def test_learning_rate_scheduler():
    policy = LRScheduler("StepLR", step_size=1, gamma=0.5)
    clf = quick(TEACHER, student=quick_net(max_epochs=4, callbacks=[policy])).fit(X, Y)
    # An epoch's rate is the one that its steps were done with.
    np.testing.assert_allclose(clf.history_["lr"], 0.05 * 0.5 ** np.arange(4))


def test_learning_rate_scheduler_by_batch():
    policy = LRScheduler(WarmRestartLR, step_every="batch", min_lr=0.01, max_lr=0.05, base_period=3)
    net = quick_net(max_epochs=3, batch_size=16, callbacks=[policy])
    assert len(set(quick(TEACHER, student=net).fit(X, Y).history_["lr"])) > 1


def test_plateau_scheduler_on_valid_loss():
    policy = LRScheduler("ReduceLROnPlateau", monitor="valid_loss", patience=1, threshold=10.0)
    clf = quick(TEACHER, student=quick_net(max_epochs=8, callbacks=[policy])).fit(X, Y)
    assert clf.history_["lr"][-1] < clf.history_["lr"][0]


@pytest.mark.parametrize("monitor", ["train_loss", "valid_loss"])
def test_early_stopping_callback(monitor):
    stop = EarlyStopping(monitor=monitor, patience=3, threshold=10.0, sink=lambda text: None)
    clf = quick(TEACHER, student=quick_net(max_epochs=50, callbacks=[stop])).fit(X, Y)
    assert clf.n_iter_ == 4  # the first is the best
    assert ("valid_score" in clf.history_) is (monitor == "valid_loss")


def test_early_stopping_callback_restores_the_best():
    stop = EarlyStopping("valid_loss", patience=5, load_best=True, sink=lambda text: None)
    clf = quick(TEACHER, student=quick_net(max_epochs=60, lr=0.3, callbacks=[stop])).fit(X, Y)
    assert clf.n_iter_ < 60
    assert np.isfinite(clf.predict_proba(X)).all()


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
@pytest.mark.parametrize("on_train", [True, False])
@pytest.mark.parametrize("use_caching", [True, False])
def test_epoch_scoring(scoring, on_train, use_caching):
    score = EpochScoring(
        scoring,
        name="valid_mine",
        on_train=on_train,
        use_caching=use_caching,
        lower_is_better=False,
    )
    stop = EarlyStopping("valid_mine", patience=100, lower_is_better=False)
    net = quick_net(max_epochs=4, callbacks=[("score", score), ("stop", stop)])
    clf = quick(TEACHER, student=net).fit(X, Y)
    scores = clf.student_.history[:, "valid_mine"]
    assert len(scores) == 4 and np.isfinite(scores).all()


def test_epoch_scoring_on_the_training_rows_is_right():
    score = EpochScoring("accuracy", name="acc", on_train=True, use_caching=False)
    clf = quick(TEACHER, student=quick_net(callbacks=[("score", score)])).fit(X, Y)
    assert clf.student_.history[-1, "acc"] == clf.score(X, Y)


def test_cached_epoch_scoring_sees_the_labels():
    # With next to no learning rate the score of an epoch is that of the student at its end.
    score = EpochScoring("accuracy", name="acc", on_train=True)
    net = quick_net(lr=1e-30, batch_size=20, max_epochs=2, callbacks=[("score", score)])
    clf = quick(TEACHER, student=net).fit(X, Y)
    assert clf.student_.history[:, "acc"] == [clf.score(X, Y)] * 2


def test_scoring_on_validation_rows_gets_some():
    score = EpochScoring("accuracy", name="mine", lower_is_better=False)  # on_train=False
    clf = quick(TEACHER, student=quick_net(callbacks=[("score", score)])).fit(X, Y)
    assert len(clf.student_.history[:, "mine"]) == 15


def test_gradient_clipping():
    free = quick(TEACHER, student=quick_net(optimizer=torch.optim.SGD, lr=1.0)).fit(X, Y)
    clip = GradientNormClipping(1e-3)
    net = quick_net(optimizer=torch.optim.SGD, lr=1.0, callbacks=[clip])
    clipped = quick(TEACHER, student=net).fit(X, Y)
    fall = [clf.history_["loss"][0] - clf.history_["loss"][-1] for clf in (free, clipped)]
    assert 0 < fall[1] < 0.1 * fall[0]


def test_freezer():
    student = quick_net(Net(5, 3), callbacks=[Freezer("layers.0.*")])
    clf = quick(TEACHER, student=student).fit(X.astype(np.float32), Y)
    start, end = student.module.state_dict(), clf.student_.module_.state_dict()
    assert torch.equal(start["layers.0.weight"], end["layers.0.weight"])
    assert not torch.equal(start["layers.2.weight"], end["layers.2.weight"])


@pytest.mark.parametrize("monitor", ["train_loss_best", "valid_loss_best", None])
def test_checkpoint(monitor, tmp_path):
    checkpoint = Checkpoint(monitor=monitor, dirname=tmp_path, f_params="best.pt", load_best=True)
    clf = quick(TEACHER, student=quick_net(callbacks=[checkpoint])).fit(X, Y)
    assert (tmp_path / "best.pt").exists()
    saved = torch.load(tmp_path / "best.pt", weights_only=True)
    if monitor == "train_loss_best":
        assert same_state(saved, clf.student_.module_.state_dict())


def test_default_callbacks_may_be_switched_off_one_by_one():
    clf = quick(TEACHER, student=quick_net(callbacks__print_log=None)).fit(X, Y)
    assert clf.n_iter_ == 15
    assert quick(TEACHER, student=quick_net(callbacks="disable")).fit(X, Y).n_iter_ == 15


class CountingLoader(DataLoader):
    n_batches = 0

    def __iter__(self):
        for batch in super().__iter__():
            CountingLoader.n_batches += 1
            yield batch


class Doubled(Dataset):
    """A dataset of the user's own."""

    def transform(self, X, y):
        X, y = super().transform(X, y)
        return 2 * X, y


def test_own_collate():
    noisy = quick_net(iterator_train__collate_fn=Noise(), iterator_train__shuffle=True)
    clf = quick(TEACHER, student=noisy).fit(X, Y)
    plain = quick(TEACHER).fit(X, Y)
    difference = np.abs(clf.predict_proba(X) - plain.predict_proba(X)).max()
    assert 0 < difference < 0.2
    np.testing.assert_array_equal(clf.fit(X, Y).predict_proba(X), clf.predict_proba(X))


def test_own_loader_class():
    CountingLoader.n_batches = 0
    net = quick_net(iterator_train=CountingLoader, batch_size=16, max_epochs=3)
    clf = quick(TEACHER, student=net).fit(X, Y)
    assert CountingLoader.n_batches == 3 * 4
    assert clf.n_iter_ == 3


def test_own_loader_trains_like_ours():
    ours = quick(TEACHER, student=quick_net()).fit(X, Y)
    theirs = quick(TEACHER, student=quick_net(iterator_train=CountingLoader)).fit(X, Y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)


def test_own_sampler():
    sampler = WeightedRandomSampler(np.ones(len(X)), 30)
    net = quick_net(iterator_train__sampler=sampler, batch_size=10, max_epochs=2)
    assert quick(TEACHER, student=net).fit(X, Y).n_iter_ == 2


def test_own_dataset():
    clf = quick(TEACHER, student=quick_net(dataset=Doubled, max_epochs=40)).fit(X, Y)
    assert clf.history_["loss"][-1] < clf.history_["loss"][0]


@pytest.mark.parametrize(
    "extra", [nn.BatchNorm1d(8), nn.Dropout(0.3)], ids=["batchnorm", "dropout"]
)
@pytest.mark.parametrize("batch_size", [64, 7])
def test_layers_that_differ_in_training(extra, batch_size):
    net = quick_net(module__extra=extra, batch_size=batch_size)
    clf = quick(TEACHER, student=net).fit(X, Y)
    proba = clf.predict_proba(X)
    np.testing.assert_array_equal(clf.predict_proba(X), proba)
    np.testing.assert_allclose(clf.predict_proba(X[:1]), proba[:1], rtol=1e-9)
    assert not clf.student_.module_.training


def test_batchnorm_never_meets_a_single_row():
    # 57 = 7 * 8 + 1: a last batch of one row would be an error in BatchNorm.
    net = quick_net(module__extra=nn.BatchNorm1d(8), batch_size=8)
    assert quick(TEACHER, student=net).fit(X[:57], Y[:57]).n_iter_ == 15


def test_compiled_options_of_skorch_are_kept():
    net = quick_net(device="cpu", use_caching=False, torch_load_kwargs={"weights_only": True})
    clf = quick(TEACHER, student=net).fit(X, Y)
    assert clf.student_.torch_load_kwargs == {"weights_only": True}


# Images


@pytest.fixture(scope="module")
def images():
    digits, y = load_digits(n_class=4, return_X_y=True)
    digits = (digits[:200] / 16).astype(np.float32)
    return digits.reshape(-1, 1, 8, 8), y[:200]


class FlatTeacher(LogisticRegression):
    """A teacher of images."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(X.reshape(len(X), -1), y, sample_weight)

    def predict_proba(self, X):
        return super().predict_proba(X.reshape(len(X), -1))


@pytest.mark.parametrize("cv", [None, 3])
def test_images(images, cv):
    X, y = images
    teacher = FlatTeacher() if cv else FlatTeacher().fit(X, y)
    clf = quick(teacher, student=quick_net(ConvNet), cv=cv).fit(X, y)
    assert clf.score(X, y) > 0.9
    assert clf.predict_proba(X).dtype == np.float32
    np.testing.assert_allclose(clf.student_.predict_proba(X), clf.predict_proba(X), rtol=1e-5)
    with pytest.raises(ValueError, match=r"\(1, 4, 16\).*\(1, 8, 8\)"):
        clf.predict(X.reshape(-1, 1, 4, 16))


def test_images_for_the_default_student(images):
    X, y = images
    clf = default(FlatTeacher().fit(X, y)).fit(X, y)
    assert clf.score(X, y) > 0.9


def to_images(X):
    return np.asarray(X, np.float32).reshape(-1, 1, 8, 8)


def test_images_inside_a_pipeline(images):
    X, y = images
    flat = X.reshape(len(X), -1)
    outside = make_pipeline(
        StandardScaler(),
        FunctionTransformer(to_images),
        quick(FlatTeacher(), student=quick_net(ConvNet), cv=2),
    )
    assert outside.fit(flat, y).score(flat, y) > 0.9
    inside = Pipeline([("images", FunctionTransformer(to_images)), ("net", quick_net(ConvNet))])
    clf = quick(LogisticRegression().fit(flat, y), student=inside).fit(flat, y)
    assert clf.score(flat, y) > 0.9
    np.testing.assert_array_equal(clf.student_.predict_proba(flat), clf.predict_proba(flat))


# Sparse rows


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array, sparse.coo_array])
@pytest.mark.parametrize("student", [None, quick_net()], ids=["default", "net"])
def test_sparse_rows_train_like_dense_ones(kind, student):
    X0 = np.where(np.abs(X) < 0.5, 0, X)
    teacher = LogisticRegression().fit(X0, Y)
    # No synthetic rows are made of sparse ones.
    params = {"student__max_epochs": 3, "augmenter": None, "random_state": 0}
    fits = [
        DistilledClassifier(teacher, student).set_params(**params).fit(rows, Y)
        for rows in (X0, kind(X0))
    ]
    np.testing.assert_allclose(
        fits[0].predict_proba(X0), fits[1].predict_proba(kind(X0)), rtol=1e-9
    )


def test_sparse_rows_of_many_batches_and_a_cross_fitted_teacher():
    X0 = sparse.csr_array(np.where(np.abs(X) < 0.5, 0, X))
    targets, _ = targets_seen(LogisticRegression(), X0, Y, cv=3)
    assert targets.shape == (len(Y), 3)
    clf = quick(LogisticRegression(), student=quick_net(batch_size=7), cv=3).fit(X0, Y)
    dense = clf.predict_proba(X0.toarray())
    np.testing.assert_array_equal(clf.predict_proba(X0), dense)


# Several limit cases of the loss


def test_fixed_weight_zero_is_plain_training():
    """Distillation that does not count: the teacher does not matter."""
    fits = [
        quick(None, balancer=FixedBalance(0.0)).fit(X, Y, teacher_proba=proba).predict_proba(X)
        for proba in (np.eye(3)[Y], np.full((len(Y), 3), 1 / 3))
    ]
    np.testing.assert_array_equal(*fits)


def test_fixed_weight_one_ignores_the_labels():
    proba = TEACHER.predict_proba(X)
    fits = [
        quick(None, balancer=FixedBalance(1.0)).fit(X, labels, teacher_proba=proba).predict_proba(X)
        for labels in (Y, (Y + 1) % 3)
    ]
    np.testing.assert_array_equal(*fits)


def test_plain_training_is_the_plain_loop():
    """FixedBalance(0) against a loop of plain torch on the same weights."""
    module = Net(5, 3).double()
    clf = quick(TEACHER, student=quick_net(module), balancer=FixedBalance(0.0)).fit(X, Y)
    twin = copy.deepcopy(module)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.05)
    for _ in range(15):
        optimizer.zero_grad()
        nn.functional.cross_entropy(twin(torch.from_numpy(X)), torch.from_numpy(Y)).backward()
        optimizer.step()
    for mine, theirs in zip(clf.student_.module_.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


def test_default_student_is_a_net_one_can_ask_for():
    asked = DistilledClassifier(TEACHER, default_student().set_params(max_epochs=2), random_state=0)
    left = DistilledClassifier(TEACHER, random_state=0).set_params(student__max_epochs=2)
    np.testing.assert_array_equal(asked.fit(X, Y).predict_proba(X), left.fit(X, Y).predict_proba(X))


def test_answers_do_not_depend_on_how_many_rows_are_asked_about_at_once():
    clf = quick(TEACHER).fit(X, Y)
    many = np.random.default_rng(0).normal(size=(2500, X.shape[1]))
    at_once = clf.predict_proba(many)
    parts = [clf.predict_proba(many[start : start + 700]) for start in range(0, 2500, 700)]
    np.testing.assert_allclose(at_once, np.concatenate(parts), rtol=1e-12)


def test_narrow_rows_go_through_the_net_by_a_thousand(monkeypatch):
    clf = quick(TEACHER).fit(X, Y)
    seen, forward = [], clf.student_.module_.forward

    def spy(rows):
        seen.append(len(rows))
        return forward(rows)

    monkeypatch.setattr(clf.student_.module_, "forward", spy)
    clf.predict_proba(np.zeros((2500, X.shape[1])))
    assert seen == [1024, 1024, 452]


@pytest.mark.parametrize(
    "params",
    [
        *({"lr": value} for value in (0, -0.1, True, "fast", np.nan)),
        *({"optimizer__weight_decay": value} for value in (True, -0.1, np.inf, "some", None)),
        *({"device": value} for value in ("gpu 1", 10**30)),
    ],
    ids=str,
)
def test_rates_that_are_not_allowed(params):
    ((name, value),) = params.items()
    clf = default(TEACHER).set_params(**{f"student__{name}": value})
    with pytest.raises(ValueError, match=f"{name}={value!r} of the student is not allowed"):
        clf.fit(X, Y)

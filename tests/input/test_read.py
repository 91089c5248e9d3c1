"""What X and y may be, and what is done to them: as little as possible."""

import copy
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from skkd import DistilledClassifier
from tests.helpers import Net, Says, fitted_teacher, make_data, quick, quick_net

X, Y = make_data(n_classes=2)

LABELS = {
    "str": np.array(["no", "yes"]),
    "object": np.array(["no", "yes"], dtype=object),
    "bool": np.array([False, True]),
    "negative": np.array([-7, -2]),
    "whole_floats": np.array([0.0, 3.0]),
    "int8": np.array([0, 1], dtype=np.int8),
    "not_from_zero": np.array([5, 1000]),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("container", [np.asarray, list, pd.Series, "category"])
def test_labels_of_every_kind(kind, container):
    names = LABELS[kind]
    y = names[Y]
    given = pd.Series(y, dtype="category") if container == "category" else container(y)
    clf = quick(LogisticRegression().fit(X, y)).fit(X, given)
    np.testing.assert_array_equal(clf.classes_, names)
    assert set(clf.predict(X).tolist()) <= set(names.tolist())
    # The names of the labels do not matter.
    plain = quick(LogisticRegression().fit(X, Y)).fit(X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(clf.predict(X), names[plain.predict(X)])
    assert clf.score(X, given) == plain.score(X, Y)


def test_relabelled_classes_in_another_order():
    """Swapped labels and a swapped last layer: the columns swap, and nothing else."""
    proba = fitted_teacher(X, Y).predict_proba(X)
    net = Net(5, 2)
    twin = copy.deepcopy(net)
    for parameter in twin.layers[-1].parameters():
        parameter.data = parameter.data.flip(0)
    first = quick(None, student=quick_net(net)).fit(X, Y, teacher_proba=proba)
    swapped = quick(None, student=quick_net(twin))
    swapped.fit(X, 1 - Y, teacher_proba=proba[:, ::-1].copy())
    np.testing.assert_allclose(first.predict_proba(X), swapped.predict_proba(X)[:, ::-1], rtol=1e-9)


@pytest.mark.parametrize("kind", ["fortran", "strided", "reversed", "columns", "float32"])
def test_layout_of_teacher_proba_does_not_matter(kind):
    proba = fitted_teacher(X, Y).predict_proba(X)
    layouts = CONTAINERS | {
        "columns": lambda a: a[:, ::-1].copy()[:, ::-1],
        "float32": lambda a: a.astype(np.float32),
    }
    given = layouts[kind](proba)
    expected = quick(None).fit(X, Y, teacher_proba=proba).predict_proba(X)
    got = quick(None).fit(X, Y, teacher_proba=given).predict_proba(X)
    np.testing.assert_allclose(got, expected, rtol=1e-5 if kind == "float32" else 1e-12)


def test_column_vector_of_labels_gets_scikit_learns_warning():
    with pytest.warns(UserWarning, match="column-vector"):
        quick(fitted_teacher(X, Y)).fit(X, Y[:, None])


def test_polars_labels():
    clf = quick(fitted_teacher(X, Y)).fit(X, pl.Series(Y))
    assert clf.score(X, Y) > 0.6


CONTAINERS = {
    "numpy": np.asarray,
    "list": lambda a: a.tolist(),
    "pandas": lambda a: pd.DataFrame(a, columns=list("abcde")),
    "polars": lambda a: pl.DataFrame(a, schema=list("abcde")),
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "object": lambda a: a.astype(object),
    "tensor": torch.from_numpy,
    "tensor_with_grad": lambda a: torch.tensor(a, requires_grad=True),
}


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.parametrize("student", [None, quick_net()], ids=["default", "net"])
def test_every_container_gives_the_same(kind, student):
    teacher = Says([0, 1], [0.4, 0.6])

    def fit(given):
        clf = DistilledClassifier(teacher, student, random_state=0)
        return clf.set_params(student__max_epochs=5).fit(given, Y)

    given = CONTAINERS[kind](X)
    expected = fit(X).predict_proba(X)
    np.testing.assert_allclose(fit(given).predict_proba(given), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_feature_names(kind):
    frame = CONTAINERS[kind](X)
    clf = quick(Says([0, 1], [0.4, 0.6])).fit(frame, Y)
    assert clf.n_features_in_ == 5
    assert clf.feature_names_in_.tolist() == list("abcde")
    with pytest.raises(ValueError, match="feature names"):
        clf.predict(frame[list("edcba")])
    with pytest.warns(UserWarning, match="feature names"):
        clf.predict(X)


def test_wrong_number_of_features():
    clf = quick(fitted_teacher(X, Y)).fit(X, Y)
    for ask in (clf.predict, clf.predict_proba, clf.decision_function):
        with pytest.raises(ValueError, match="4 features.*5 features"):
            ask(X[:, :4])


@pytest.mark.parametrize("rows", [None, 3, "text"], ids=str)
def test_what_has_no_rows(rows):
    clf = quick(fitted_teacher(X, Y)).fit(X, Y)
    for ask in (clf.predict, lambda rows: clf.fit(rows, Y)):
        with pytest.raises((ValueError, TypeError)):
            ask(rows)


def test_a_table_of_pyarrow_says_how_to_convert_it():
    table = pa.table({"a": [1.0, 2.0]})
    with pytest.raises(TypeError, match="X is a Table.*to_pandas"):
        quick(fitted_teacher(X, Y)).fit(table, [0, 1])


# dtypes


@pytest.mark.parametrize("student", [None, quick_net()], ids=["default", "net"])
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.float16, np.float32),
        (np.int8, np.float32),
        (np.int64, np.float64),
        (bool, np.float32),
    ],
)
def test_dtype_of_x_is_the_dtype_of_the_result(dtype, expected, student):
    given = (10 * X).astype(dtype)
    clf = DistilledClassifier(Says([0, 1], [0.4, 0.6]), student, random_state=0)
    clf.set_params(student__max_epochs=2).fit(given, Y)
    for method in (clf.predict_proba, clf.predict_log_proba, clf.decision_function):
        assert method(given).dtype == expected
    assert {p.numpy().dtype for p in clf.student_.module_.state_dict().values()} == {
        np.dtype(expected)
    }


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ({"a": "float32", "b": "int16", "c": bool}, np.float32),
        ({"a": "float32", "b": "Float32", "c": "boolean"}, np.float32),
        ({"a": "float32", "b": "float64", "c": bool}, np.float64),
        ({"a": "float32", "b": "Int64", "c": bool}, np.float64),
        ({"a": "float32", "b": "category", "c": object}, np.float32),
        ({"a": "category", "b": "category", "c": "category"}, np.float32),
        ({"a": "float64", "b": "category", "c": object}, np.float64),
    ],
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_numbers_of_a_frame_decide_on_the_dtype(dtypes, expected, library):
    columns = {"a": X[:, 0], "b": np.arange(len(X)) % 5, "c": np.arange(len(X)) % 2}
    frame = pd.DataFrame(columns).astype(dtypes)
    texts = [name for name, dtype in dtypes.items() if dtype in (object, "category")]
    frame[texts] = frame[texts].astype(str).astype("category")
    frame.loc[3, "a"] = np.nan if "a" not in texts else None
    frame = frame if library == "pandas" else pl.from_pandas(frame)
    clf = DistilledClassifier(Says([0, 1], [0.4, 0.6]), random_state=0)
    clf.set_params(student__max_epochs=2).fit(frame, Y)
    assert clf.predict_proba(frame).dtype == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gaps_in_an_array_leave_its_dtype(dtype):
    given = X.astype(dtype)
    given[3, 0] = np.nan
    clf = DistilledClassifier(Says([0, 1], [0.4, 0.6]), random_state=0)
    clf.set_params(student__max_epochs=2).fit(given, Y)
    assert clf.predict_proba(given).dtype == dtype


def test_what_a_pipeline_of_ones_own_gives_keeps_its_dtype():
    student = Pipeline([("doubles", FunctionTransformer(np.float64)), ("net", quick_net())])
    clf = quick(Says([0, 1], [0.4, 0.6]), student=student).fit(X.astype(np.float32), Y)
    assert clf.predict_proba(X).dtype == np.float64


def test_student_of_floats_takes_doubles_and_the_other_way_round():
    teacher = fitted_teacher(X, Y)
    for dtype, other in ((np.float32, np.float64), (np.float64, np.float32)):
        clf = quick(teacher).fit(X.astype(dtype), Y)
        assert clf.predict_proba(X.astype(other)).dtype == dtype


# Memory


def tensors_made(monkeypatch):
    """Arrays that became tensors, and the tensors."""
    made = []
    from_numpy = torch.from_numpy

    def watch(array):
        tensor = from_numpy(array)
        made.append(tensor)
        return tensor

    monkeypatch.setattr(torch, "from_numpy", watch)
    return made


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_not_copied(dtype, monkeypatch):
    rows = X.astype(dtype)
    made = tensors_made(monkeypatch)
    clf = quick(Says([0, 1], [0.4, 0.6])).fit(rows, Y)
    clf.predict_proba(rows)
    shared = [tensor for tensor in made if tensor.shape == rows.shape]
    assert len(shared) >= 2
    assert all(tensor.data_ptr() == rows.ctypes.data for tensor in shared)


def test_memory_of_a_fit():
    rows = np.random.default_rng(0).normal(size=(20_000, 100)).astype(np.float32)
    y = (rows[:, 0] > 0).astype(int)
    proba = np.full((len(rows), 2), 0.5)
    clf = quick(None, student=quick_net(max_epochs=1, batch_size=512))
    clf.fit(rows[:1000], y[:1000], teacher_proba=proba[:1000])  # imports and caches
    tracemalloc.start()
    clf.fit(rows, y, teacher_proba=proba)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.5 * rows.nbytes


@pytest.mark.parametrize("writeable", [True, False])
def test_read_only_rows(writeable, recwarn):
    rows, y = X.copy(), Y.copy()
    rows.flags.writeable = y.flags.writeable = writeable
    clf = quick(fitted_teacher(X, Y)).fit(rows, y)
    clf.predict(rows)
    assert not [warning for warning in recwarn if "writ" in str(warning.message)]
    assert rows.flags.writeable is writeable
    np.testing.assert_array_equal(rows, X)


@pytest.mark.parametrize("student", [None, quick_net(batch_size=16)], ids=["default", "net"])
def test_read_only_memory_map(student, tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    clf = DistilledClassifier(fitted_teacher(X, Y), student, random_state=0)
    clf.set_params(student__max_epochs=3)
    proba = clf.fit(mapped, Y).predict_proba(mapped)
    np.testing.assert_array_equal(clf.fit(X, Y).predict_proba(X), proba)


@pytest.mark.parametrize("student", [None, quick_net()], ids=["default", "net"])
def test_nothing_given_is_changed(student):
    given = {
        "X": X.copy(),
        "y": Y.copy(),
        "sample_weight": np.linspace(0, 1, len(Y)),
        "teacher_proba": fitted_teacher(X, Y).predict_proba(X),
    }
    before = {name: values.copy() for name, values in given.items()}
    clf = DistilledClassifier(None, student, random_state=0).set_params(student__max_epochs=3)
    clf.fit(**given).predict_proba(given["X"])
    for name, values in given.items():
        np.testing.assert_array_equal(values, before[name])


# What is learned


def test_fitted_attributes():
    clf = quick(fitted_teacher(X, Y))
    check = {"student_", "calibration_", "balancer_", "history_", "n_iter_", "classes_"}
    assert not check & set(vars(clf))
    clf.fit(X, Y)
    check_is_fitted(clf)
    assert check | {"n_features_in_"} <= set(vars(clf))
    assert not hasattr(clf, "feature_names_in_")


def test_history_becomes_a_table():
    clf = quick(fitted_teacher(X, Y)).fit(X, Y)
    table = pd.DataFrame(clf.history_)
    assert len(table) == clf.n_iter_ == 15
    assert table["epoch"].tolist() == list(range(1, 16))
    assert not table.isna().any().any()
    names = "epoch task_loss distillation_loss loss weight weight_min weight_max"
    names += " distillation_share temperature lr seconds"
    assert table.columns.tolist() == names.split()
    weighted = (1 - table["weight"]) * table["task_loss"]
    weighted += table["weight"] * table["distillation_loss"]
    np.testing.assert_allclose(table["loss"], weighted)  # one batch an epoch


def test_outputs_agree():
    clf = quick(fitted_teacher(X, Y)).fit(X, Y)
    proba = clf.predict_proba(X)
    np.testing.assert_allclose(np.log(proba), clf.predict_log_proba(X), rtol=1e-9)
    np.testing.assert_array_equal(clf.classes_[proba.argmax(axis=1)], clf.predict(X))
    np.testing.assert_allclose(
        clf.decision_function(X), np.log(proba[:, 1] / proba[:, 0]), rtol=1e-6, atol=1e-12
    )


def test_log_probabilities_where_probabilities_underflow():
    clf = quick(fitted_teacher(X, Y)).fit(X.astype(np.float32), Y)
    for parameter in clf.student_.module_.parameters():
        parameter.data.mul_(200)
    assert clf.predict_proba(X).min() == 0
    assert np.isfinite(clf.predict_log_proba(X)).all()


def test_rows_one_by_one():
    clf = quick(fitted_teacher(X, Y)).fit(X, Y)
    proba = clf.predict_proba(X)
    for i in range(5):
        np.testing.assert_allclose(clf.predict_proba(X[i : i + 1]), proba[i : i + 1], rtol=1e-12)


def test_columns_named_by_numbers_are_not_taken_for_positions():
    X = pd.DataFrame({10: [0.0, 1.0] * 20, 11: ["a", "b"] * 20})
    y = np.tile([0, 1], 20)
    clf = DistilledClassifier(None, random_state=0)
    clf.set_params(student__max_epochs=50).fit(X, y, teacher_proba=np.eye(2)[y])
    assert clf.score(X, y) == 1.0

"""Rare levels, such as names and e-mail addresses, do not leave with a student."""

import io
import pickle
import zipfile

import numpy as np
import pandas as pd
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

from skkd._input import forget_rare_levels
from skkd.export import save, to_onnx
from tests.export.frames import people, quick_student
from tests.helpers import quick_net

LEVELS = ["a", "b", "c", "d", "infrequent_sklearn", "infrequent_sklearn_", None, np.nan, 1, 2.5]


def encoder(**options):
    return OneHotEncoder(
        **{"handle_unknown": "infrequent_if_exist", "min_frequency": 3, "sparse_output": False}
        | options
    )


def columns(*lists):
    """An array of objects with the given columns."""
    X = np.empty((len(lists[0]), len(lists)), dtype=object)
    for place, values in enumerate(lists):
        X[:, place] = values
    return X


texts = st.lists(st.sampled_from([*LEVELS[:6], None]), min_size=20, max_size=20)
numbers = st.lists(st.sampled_from([0, 1, 2, 3.5, -1, None]), min_size=20, max_size=20)
missing = st.lists(st.sampled_from([None, np.nan]), min_size=20, max_size=20)
column = st.one_of(texts, numbers, missing)


@given(first=column, second=column, options=st.sampled_from([{}, {"min_frequency": 0.2}]))
def test_transform_stays_the_same(first, second, options):
    X = columns(first, second)
    before = encoder(**options).fit(X)
    after = clone(before).fit(X)
    forget_rare_levels(after)
    rows = columns(*[[*LEVELS, "new", "", -7, 10**20]] * 2)
    assert np.array_equal(after.transform(rows), before.transform(rows))
    assert after.get_params() == before.get_params()
    n_outputs = len(before.get_feature_names_out())
    assert len(after.get_feature_names_out()) == n_outputs
    n_levels = sum(map(len, after.categories_))
    assert n_levels == n_outputs  # no level without an output of its own


def test_at_most_so_many_levels():
    X = columns([*"aaaaaabbbbbcccdde"])
    before = encoder(min_frequency=None, max_categories=3).fit(X)
    after = clone(before).fit(X)
    forget_rare_levels(after)
    assert after.categories_[0].tolist() == ["a", "b", "infrequent_sklearn"]
    assert np.array_equal(after.transform(X), before.transform(X))
    assert after.get_feature_names_out().tolist() == before.get_feature_names_out().tolist()


@pytest.mark.parametrize("frame", [pd.DataFrame, polars.DataFrame])
def test_names_of_a_frame_stay(frame):
    X = frame({"x": [*"aaabbbcd"], "z": [*"aaaabbbb"]})
    before = encoder().fit(X)
    after = clone(before).fit(X)
    forget_rare_levels(after)
    assert after.feature_names_in_.tolist() == ["x", "z"]
    assert np.array_equal(after.transform(X), before.transform(X))


@pytest.mark.parametrize(
    "options",
    [{"handle_unknown": "ignore"}, {"handle_unknown": "warn"}, {"drop": "first"}],
    ids=str,
)
def test_levels_that_are_told_from_unknown_ones_are_kept(options):
    X = columns([*"aaabbbcd"])
    after = encoder(**options).fit(X)
    forget_rare_levels(after)
    assert after.categories_[0].tolist() == ["a", "b", "c", "d"]


def test_encoders_inside_of_steps():
    X = pd.DataFrame({"x": [*"aaabbbcd"]})
    step = make_pipeline(
        make_union(make_column_transformer((encoder(), ["x"])), FunctionTransformer(len_of))
    ).fit(X)
    forget_rare_levels(step)
    inner = step[0].transformer_list[0][1].named_transformers_["onehotencoder"]
    assert inner.categories_[0].tolist() == ["a", "b", "infrequent_sklearn"]


def len_of(X):
    return np.ones((len(X), 1))


# What is shipped


def planted(n_rows=300):
    """People with a text of their own in each row, and rare shops; all these texts."""
    frame, y = people(n_rows)
    frame["mail"] = [f"person{i:05d}@example.org" for i in range(n_rows)]
    shops = [f"shop-{i % 90:04d}" for i in range(n_rows)]
    frame["shop"] = np.where(np.arange(n_rows) % 3, "large shop", shops)
    return frame, y, [*frame["mail"], *set(frame["shop"]) - {"large shop"}]


def unzipped(data):
    """The bytes of a file, and of all in it if it is a zip, without those between characters."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = b"".join(unzipped(archive.read(name)) for name in archive.namelist())
    return data.replace(b"\0", b"")


def own_encoder():
    return make_pipeline(
        make_column_transformer(
            (encoder(min_frequency=10), ["mail", "shop"]),
            (OrdinalEncoder(), ["school"]),
        ),
        quick_net(max_epochs=1),
    )


@pytest.mark.parametrize("student", [None, own_encoder()], ids=["default", "own"])
def test_rare_texts_are_not_in_what_is_shipped(tmp_path, student):
    frame, y, secrets = planted()
    clf = quick_student(frame, y, student=student)
    to_onnx(clf, tmp_path / "student.onnx", frame)
    if student is None:
        to_onnx(clf, tmp_path / "student.onnx")
    save(clf, tmp_path / "all.skkd")
    save(clf.student_only(), tmp_path / "student.skkd")
    (tmp_path / "student.pickle").write_bytes(pickle.dumps(clf.student_only()))
    for path in tmp_path.iterdir():
        data = unzipped(path.read_bytes())
        assert b"large shop" in data
        assert not [secret for secret in secrets if secret.encode() in data]


def test_training_rows_are_not_in_what_is_shipped(tmp_path):
    X = np.random.default_rng(0).normal(size=(200, 3))
    clf = quick_student(X, np.arange(200) % 2, student__module__bins=())
    save(clf, tmp_path / "all.skkd")
    data = unzipped((tmp_path / "all.skkd").read_bytes()) + pickle.dumps(clf.student_only())
    rows = [row.tobytes().replace(b"\0", b"") for row in X[:, :2]]
    assert not [row for row in rows if row in data]


def test_column_without_frequent_levels_may_be_left_out(tmp_path):
    """As by an encoder that drops it; the file then has no input for the column."""
    frame, y, _ = planted()
    clf = quick_student(frame.drop(columns="mail"), y)
    encoder = clf.student_.steps[0][1]
    encoder.transformer_ = wider = clone(encoder.transformer_).fit(frame)
    clf.n_features_in_, clf.feature_names_in_ = wider.n_features_in_, wider.feature_names_in_
    for X_sample in (frame, None):
        exported = to_onnx(clf, tmp_path / "student.onnx", X_sample)
        fed = sum(exported.columns.values(), [])
        assert sorted(fed) == sorted(name for name in frame if name != "mail")


def test_column_left_out_of_an_array(tmp_path):
    X = columns(np.arange(60.0) % 7, [f"mail {i}" for i in range(60)], [*"abc"] * 20)
    clf = quick_student(X[:, [0, 2]], np.arange(60) % 2)
    encoder = clf.student_.steps[0][1]
    encoder.transformer_ = wider = clone(encoder.transformer_)
    numeric, categorical = wider.transformers
    wider.set_params(transformers=[numeric, (*categorical[:2], [2])]).fit(X)
    clf.n_features_in_ = encoder.n_features_in_ = 3
    for X_sample in (X, None):
        exported = to_onnx(clf, tmp_path / "student.onnx", X_sample)
        assert exported.columns == {"numbers": ["x0"], "texts": ["x2"]}

"""The encoder read out for speed, against scikit-learn's own transform."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.tree import DecisionTreeClassifier

from skkd import DistilledClassifier
from skkd._input.frame_encoder import FrameEncoder
from skkd.students import TableEncoder
from tests.helpers import quick

LEVELS = ["red", "green", "blue", "never in fit"]


def mixed_frame(n_rows, seed=0, levels=LEVELS[:3]):
    rng = np.random.default_rng(seed)
    words = rng.choice(["a", "b", "c"], n_rows).astype(object)
    words[rng.random(n_rows) < 0.2] = None
    ages = rng.normal(size=n_rows)
    ages[rng.random(n_rows) < 0.2] = np.nan
    return pd.DataFrame(
        {
            "colour": pd.Categorical(rng.choice(levels, n_rows), categories=LEVELS),
            "age": ages,
            "count": rng.integers(0, 9, n_rows),
            "word": words,
            "flag": rng.random(n_rows) < 0.5,
            "nullable": pd.array(np.where(rng.random(n_rows) < 0.3, None, 7), dtype="Int64"),
            "text": pd.array(rng.choice(["x", "y"], n_rows), dtype="string"),
            "rare": pd.Series(["common"] * (n_rows - 3) + ["r1", "r2", "r3"], dtype="category"),
            "month": pd.Categorical(rng.integers(1, 4, n_rows)),
            "when": pd.Timestamp("2024-02-28") + pd.to_timedelta(rng.integers(0, 99, n_rows), "D"),
            "took": pd.to_timedelta(rng.integers(0, 9000, n_rows), "s"),
        }
    )


FIT = mixed_frame(200)
ENCODER = TableEncoder().fit(FIT).transformer_


def assert_as_scikit_learn(X, transformer=ENCODER):
    fast = FrameEncoder(transformer).transform(X)
    assert fast is not None
    np.testing.assert_array_equal(fast, np.asarray(transformer.transform(X)))


@pytest.mark.parametrize("n_rows", [3, 4, 5, 31, 200])
def test_it_gives_what_scikit_learn_gives(n_rows):
    assert_as_scikit_learn(mixed_frame(n_rows, seed=1))
    assert_as_scikit_learn(mixed_frame(n_rows, seed=2, levels=LEVELS))


def test_each_single_row_is_as_in_the_table():
    X = mixed_frame(40, seed=3, levels=LEVELS)
    whole = np.asarray(ENCODER.transform(X))
    rows = [FrameEncoder(ENCODER).transform(X.iloc[[i]])[0] for i in range(len(X))]
    np.testing.assert_array_equal(rows, whole)


def test_a_single_row_s_categories_are_not_rounded():
    large = 2**60
    X = pd.DataFrame(
        {"age": [0.5, 1.5] * 20, "key": pd.Categorical([large, large + 1] * 20), "n": [1, 2] * 20}
    )
    transformer = TableEncoder().fit(X).transformer_
    for i in range(2):
        assert_as_scikit_learn(X.iloc[[i]], transformer)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, np.float32("nan")], ids=repr)
def test_all_that_is_missing_in_a_single_row_is_missing(missing):
    X = FIT.iloc[[0]].assign(word=pd.Series([missing], dtype=object))
    assert_as_scikit_learn(X)


def test_another_table_of_the_same_columns_is_known_and_one_of_others_is_not():
    encoder = FrameEncoder(ENCODER)
    assert encoder.transform(mixed_frame(5)) is not None
    assert encoder.transform(mixed_frame(5).copy()) is not None
    assert encoder.transform(mixed_frame(5)[FIT.columns[::-1]]) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "z", "", "None", None]),
            st.one_of(st.none(), st.floats(-1e300, 1e300)),
            st.sampled_from([*LEVELS, None]),
        ),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=150, deadline=None)
def test_it_gives_what_scikit_learn_gives_for_any_values(rows):
    columns = ["word", "age", "colour"]
    X = mixed_frame(max(len(rows), 3), seed=4).iloc[: len(rows)].reset_index(drop=True)
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        X[column] = pd.Series(values, dtype=object if column == "word" else None)
    X["age"] = X["age"].astype(float)
    X["colour"] = pd.Categorical(X["colour"], categories=LEVELS[::-1])
    assert_as_scikit_learn(X)


@pytest.mark.parametrize(
    "kept", [["colour", "word"], ["age", "colour"], ["text"], ["colour"], ["month", "age"]]
)
def test_tables_of_categories_alone_and_of_few_columns(kept):
    X, transformer = mixed_frame(50, 5)[kept], TableEncoder().fit(FIT[kept]).transformer_
    for rows in (X, X.iloc[[0]]):
        assert_as_scikit_learn(rows, transformer)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda X: X.rename(columns={"age": "years"}), id="unknown column"),
        pytest.param(lambda X: X.assign(age=np.inf), id="infinity"),
        pytest.param(lambda X: X.assign(age="old"), id="text for a number"),
        pytest.param(lambda X: X.assign(word=[[1]] * len(X)), id="lists"),
        pytest.param(lambda X: X.assign(age=pd.Timestamp(0)), id="dates for numbers"),
        pytest.param(lambda X: X.assign(age=pd.Timedelta(1)), id="durations for numbers"),
    ],
)
@pytest.mark.parametrize("n_rows", [1, 5])
def test_what_is_wrong_with_a_frame_is_left_to_scikit_learn(spoil, n_rows):
    X = spoil(mixed_frame(5))[:n_rows]
    assert FrameEncoder(ENCODER).transform(X) is None
    with pytest.raises((ValueError, TypeError)):
        TableEncoder().fit(FIT).transform(X)


def test_the_user_s_output_configuration_does_not_matter():
    frame, y = FIT.set_axis([0] * len(FIT)), np.arange(len(FIT)) % 2
    clf = quick(None, student=None).set_params(student__max_epochs=1)
    proba = np.eye(2)[y]
    expected = clf.fit(frame, y, teacher_proba=proba).predict_proba(frame)
    with config_context(transform_output="pandas"):
        found = clf.fit(frame, y, teacher_proba=proba).predict_proba(frame)
    np.testing.assert_array_equal(found, expected)


def test_a_classifier_predicts_the_same_by_either():
    y = (FIT["age"].fillna(0) > 0).to_numpy()
    teacher_proba = np.column_stack([1.0 - y, y])
    clf = DistilledClassifier(None, random_state=0).set_params(student__max_epochs=2)
    clf.fit(FIT, y, teacher_proba=teacher_proba)
    X = mixed_frame(30, 6)
    encoded = np.asarray(clf.student_[:-1].transform(X))
    expected = clf.student_[-1].predict_proba(encoded.astype(np.float64))
    np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-12)
    twin = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))


def test_a_new_fit_is_not_answered_with_the_last_one():
    y = np.arange(len(FIT)) % 2
    clf = DistilledClassifier(_OfFrames(), cv=2, random_state=0).set_params(student__max_epochs=1)
    before = clf.fit(FIT[["age", "word"]], y).predict_proba(FIT[["age", "word"]])
    after = clf.fit(FIT[["colour", "age"]], y).predict_proba(FIT[["colour", "age"]])
    assert before.shape == after.shape
    assert not np.array_equal(before, after)


class _OfFrames(DecisionTreeClassifier):
    """A teacher that looks at the numbers of a frame alone."""

    def fit(self, X, y):
        return super().fit(X.select_dtypes("number").fillna(0), y)

    def predict_proba(self, X):
        return super().predict_proba(X.select_dtypes("number").fillna(0))

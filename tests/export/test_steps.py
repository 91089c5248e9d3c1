"""Preprocessing in ONNX, against scikit-learn's own transform."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)

from skkd.export import ExportError
from skkd.export._infer_inputs import inputs_like
from skkd.export._onnx_graph import Graph
from skkd.export._to_onnx import _add_preprocessing, _runner
from tests.export.frames import people

pytestmark = [
    pytest.mark.filterwarnings("ignore:Skipping features without"),
    pytest.mark.filterwarnings("ignore:Found unknown categories"),
]


def through_onnx(step, X, rows=None, grouped=True):
    """What a fitted step makes of rows, computed by onnxruntime."""
    inputs, graph = inputs_like(X, None, grouped), Graph()
    table, _ = _add_preprocessing(graph, Pipeline([("step", step), ("net", None)]), inputs)
    tensor = table.numbers(graph, "The net").tensor
    model = graph.model({"features": (tensor, np.float64, (None, None))})
    return _runner(model.SerializeToString(), ["features"], inputs)(X if rows is None else rows)[0]


def frame_with_holes(n_rows=60, seed=0):
    rng = np.random.default_rng(seed)
    letters = rng.choice(list("abcdef"), n_rows, p=[0.4, 0.3, 0.2, 0.06, 0.02, 0.02]).astype(object)
    return pd.DataFrame(
        {
            "real": np.where(rng.random(n_rows) < 0.2, np.nan, rng.normal(1e6, 1, n_rows)),
            "whole": rng.integers(0, 5, n_rows),
            "empty": np.full(n_rows, np.nan),
            "letter": np.where(rng.random(n_rows) < 0.2, np.nan, letters),
            "city": rng.choice(["Rome", "Oslo"], n_rows).astype(object),
        }
    )


NUMBERS, TEXTS = ["real", "whole", "empty"], ["letter", "city"]

STEPS = {
    "impute by the median": (SimpleImputer(strategy="median"), NUMBERS),
    "impute with indicator": (SimpleImputer(add_indicator=True), NUMBERS),
    "keep what is empty": (SimpleImputer(keep_empty_features=True, add_indicator=True), NUMBERS),
    "impute another marker": (SimpleImputer(missing_values=3), ["whole"]),
    "impute a constant": (SimpleImputer(strategy="constant", fill_value=-1.5), NUMBERS),
    "standardise": (StandardScaler(), ["real", "whole"]),
    "centre": (StandardScaler(with_std=False), ["whole"]),
    "scale": (StandardScaler(with_mean=False), ["whole"]),
    "one-hot": (OneHotEncoder(handle_unknown="ignore"), TEXTS),
    "one-hot of numbers": (OneHotEncoder(handle_unknown="ignore"), ["whole", "real"]),
    "drop the first": (OneHotEncoder(drop="first"), TEXTS),
    "drop of two": (OneHotEncoder(drop="if_binary"), TEXTS),
    "rare ones together": (
        OneHotEncoder(min_frequency=4, handle_unknown="infrequent_if_exist"),
        TEXTS,
    ),
    "three at most": (OneHotEncoder(max_categories=3, drop="first"), TEXTS),
    "ordinal": (
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        ["whole", "letter", "city"],
    ),
    "ordinal with rare ones": (
        OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            min_frequency=4,
            encoded_missing_value=-2,
        ),
        TEXTS,
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_step_agrees_with_scikit_learn(name):
    step, columns = STEPS[name]
    frame = frame_with_holes()
    step = make_column_transformer((step, columns), sparse_threshold=0).fit(frame)
    np.testing.assert_allclose(through_onnx(step, frame), step.transform(frame), rtol=1e-12)


@given(
    letters=st.lists(st.sampled_from(["a", "b", "c", "d", "", None, "ä", "new"]), min_size=1),
    min_frequency=st.sampled_from([None, 2, 5]),
    drop=st.sampled_from([None, "first"]),
)
def test_one_hot_agrees_on_any_values(letters, min_frequency, drop):
    known = pd.DataFrame({"x": [*"aaaabbbbcd", None, None]}, dtype=object)
    step = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=min_frequency,
        drop=drop,
        sparse_output=False,
    ).fit(known)
    frame = pd.DataFrame({"x": letters}, dtype=object)
    # In a file the empty text is a missing value.
    wanted = step.transform(frame.replace({"": None}))
    assert np.array_equal(through_onnx(step, known, frame), wanted)


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize(
    "columns",
    [["whole", "real"], [1, 0], slice("real", "whole"), [True, True, False, False, False], "whole"],
)
def test_columns_are_found_however_they_are_named(columns, grouped):
    frame = frame_with_holes().fillna({"real": 0.0})
    scaled = FunctionTransformer() if isinstance(columns, str) else StandardScaler()
    step = ColumnTransformer(
        [("some", scaled, [columns] if isinstance(columns, str) else columns)],
        transformer_weights={"some": 2.0},
    ).fit(frame)
    np.testing.assert_allclose(
        through_onnx(step, frame, grouped=grouped), step.transform(frame), rtol=1e-12
    )


def test_nested_steps_and_what_remains():
    frame = frame_with_holes()
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    step = make_column_transformer(
        (numbers, ["real"]),
        ("drop", ["letter"]),
        (OneHotEncoder(sparse_output=False), ["city"]),
        ("passthrough", ["whole"]),
        remainder=StandardScaler(),
    ).fit(frame.fillna({"empty": 1.0}))
    frame["empty"] = 2.0
    np.testing.assert_allclose(through_onnx(step, frame), step.transform(frame), rtol=1e-12)


def test_text_is_imputed_before_it_is_encoded():
    frame = frame_with_holes()[TEXTS]
    step = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(sparse_output=False),
    ).fit(frame)
    assert np.array_equal(through_onnx(step, frame), step.transform(frame))


def test_missing_text_with_indicator():
    frame = pd.DataFrame({"x": ["a", None, "b"], "z": ["c", "c", "d"]}, dtype=object)
    imputer = SimpleImputer(
        strategy="constant", fill_value="?", missing_values=None, add_indicator=True
    )
    step = make_pipeline(
        imputer,
        ColumnTransformer(
            [("one_hot", OneHotEncoder(sparse_output=False), [0, 1])], remainder="passthrough"
        ),
    ).fit(frame)
    assert np.array_equal(through_onnx(step, frame), step.transform(frame).astype(float))


@pytest.mark.parametrize("value", ["new", None])
@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()], ids=["one_hot", "ordinal"])
def test_what_scikit_learn_refuses_is_nan(encoder, value):
    frame = pd.DataFrame({"x": ["a", "b", "b"], "z": ["c", "d", "c"]})
    strange = pd.DataFrame({"x": ["a", value], "z": ["d", "d"]}, dtype=object)
    encoder.fit(frame)
    with pytest.raises(ValueError, match="unknown categories"):
        encoder.transform(strange)
    good, bad = through_onnx(encoder, frame, strange)
    assert np.isfinite(good).all()
    assert np.isnan(bad).any()


@pytest.mark.parametrize(
    "step",
    [
        MinMaxScaler(),
        PCA(2),
        PolynomialFeatures(2),
        make_pipeline(StandardScaler(), PolynomialFeatures(interaction_only=True), MinMaxScaler()),
        KBinsDiscretizer(3, encode="ordinal", strategy="uniform"),
    ],
    ids=lambda step: type(step).__name__,
)
def test_other_steps_are_converted_by_skl2onnx(step):
    X = np.random.default_rng(0).normal(size=(40, 3))
    step = step.fit(X)
    np.testing.assert_allclose(through_onnx(step, X), step.transform(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            FunctionTransformer(np.log1p),
            r"The step step -> f \(FunctionTransformer\).* calls log1p",
        ),
        (SplineTransformer(), r"step step -> f \(SplineTransformer\).* skl2onnx"),
    ],
    ids=["function", "spline"],
)
def test_error_names_the_step(step, message):
    X = np.random.default_rng(0).random((20, 2))
    with pytest.raises(ExportError, match=message):
        through_onnx(ColumnTransformer([("f", step, [0])]).fit(X), X)


def test_names_that_an_earlier_step_gives():
    frame = people(40)[0][["age", "gain"]]
    second = ColumnTransformer([("again", StandardScaler(), ["age"])])
    first = ColumnTransformer([("keep", "passthrough", ["age"])], verbose_feature_names_out=False)
    step = Pipeline([("first", first), ("second", second)]).set_output(transform="pandas")
    with pytest.raises(ExportError, match="step -> second -> again selects the column 'age'"):
        through_onnx(step.fit(frame), frame)


def test_text_where_numbers_are_needed():
    frame = people(40)[0]
    step = ColumnTransformer([("keep", "passthrough", ["work"])]).fit(frame)
    with pytest.raises(ExportError, match="takes numbers and gets text"):
        through_onnx(step, frame)


def test_empty_text_as_a_category_of_its_own():
    frame = pd.DataFrame({"x": ["", "a", None, "a"]}, dtype=object)
    step = OneHotEncoder().fit(frame)
    with pytest.raises(ExportError, match="empty text as a category"):
        through_onnx(step, frame)


def test_none_and_nan_as_two_categories():
    step = OneHotEncoder().fit(np.array([["a"], [None], [np.nan]], dtype=object))
    with pytest.raises(ExportError, match="None and NaN are two categories"):
        through_onnx(step, np.array([["a"]], dtype=object))


def test_categories_too_large_for_float64():
    X = pd.DataFrame({"x": [2**53, 2**53 + 1]})
    with pytest.raises(ExportError, match=r"above 2\*\*53"):
        through_onnx(OneHotEncoder().fit(X), X)


def test_sample_without_a_text_of_a_column_of_texts():
    frame = frame_with_holes()[TEXTS]
    step = OneHotEncoder().fit(frame)
    with pytest.raises(ExportError, match="Give an X_sample with some values"):
        through_onnx(step, frame.assign(letter=None))

"""The public encoder of tables, in all that it says and takes."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from skkd import DistilledClassifier
from skkd.exceptions import DistillationWarning
from skkd.students import TableEncoder, make_student


@parametrize_with_checks([TableEncoder()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def shop(n_rows=200, seed=0):
    """Orders with a column of each kind; the last one has a text of its own in each row."""
    rng = np.random.default_rng(seed)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 5000, n_rows), "h")
    return pd.DataFrame(
        {
            "price": rng.lognormal(size=n_rows),
            "gift": pd.array(rng.choice([True, False, None], n_rows), dtype="boolean"),
            "when": when,
            "took": pd.to_timedelta(rng.integers(0, 9999, n_rows), "s"),
            "shop": rng.choice(["north", "south"], n_rows),
            "mail": [f"person{i}@example.org" for i in range(n_rows)],
        }
    )


KINDS = ["number", "number", "date", "number", "category", "text"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_each_column_by_its_kind(library):
    X = shop() if library == "pandas" else pl.from_pandas(shop())
    with pytest.warns(DistillationWarning, match=r"leaves out \['mail'\].*TfidfVectorizer"):
        encoder = TableEncoder().fit(X)
    columns = encoder.describe_columns()
    assert columns["column"].tolist() == list(X.columns)
    assert columns["kind"].tolist() == KINDS
    assert columns["used"].tolist() == [True] * 5 + [False]
    assert "no level" in columns["reason"].iloc[-1] and not columns["reason"].iloc[:-1].any()
    encoding = dict(zip(columns["column"], columns["encoding"], strict=True))
    assert "marked" in encoding["gift"] and "marked" not in encoding["price"]
    assert "2 levels" in encoding["shop"] and "weekday" in encoding["when"]
    names = encoder.get_feature_names_out()
    encoded = encoder.transform(X)
    assert encoded.shape == (len(X), len(names)) and np.isfinite(encoded).all()
    took = encoded[:, names.tolist().index("took")]
    np.testing.assert_array_equal(took, shop()["took"].dt.total_seconds())


@pytest.mark.filterwarnings("ignore::skkd.exceptions.DistillationWarning")
def test_frames_of_both_libraries_are_encoded_alike():
    of_pandas, of_polars = (
        TableEncoder().fit_transform(X) for X in (shop(), pl.from_pandas(shop()))
    )
    np.testing.assert_allclose(of_pandas, of_polars)


@pytest.mark.filterwarnings("ignore::skkd.exceptions.DistillationWarning")
def test_set_output():
    encoder = TableEncoder().set_output(transform="pandas").fit(shop())
    encoded = encoder.transform(shop())
    assert encoded.columns.tolist() == encoder.get_feature_names_out().tolist()
    assert encoded["shop_north"].tolist() == (shop()["shop"] == "north").tolist()


def test_columns_with_numbers_as_names_are_named_as_scikit_learn_names_them():
    X = pd.DataFrame({"a": ["x", "y"] * 20, "n": np.arange(40.0)})
    numbered = X.set_axis([0, 1], axis=1)
    encoder = TableEncoder().fit(numbered)
    assert encoder.get_feature_names_out().tolist() == ["x1", "x0_x", "x0_y"]
    np.testing.assert_array_equal(encoder.transform(numbered), TableEncoder().fit_transform(X))


def test_a_tensor_that_has_a_gradient():
    X = torch.arange(6.0).reshape(3, 2).requires_grad_()
    np.testing.assert_array_equal(TableEncoder().fit_transform(X), X.detach().numpy())


def test_behind_the_recipe_for_text():
    X, y = shop(), np.arange(200) % 2
    words = TfidfVectorizer(analyzer="char", min_df=20)
    columns = make_column_transformer((words, "mail"), (TableEncoder(), list(X.columns[:-1])))
    student = make_pipeline(columns, make_student("mlp").set_params(max_epochs=2))
    clf = DistilledClassifier(None, student, random_state=0)
    clf.fit(X, y, teacher_proba=np.full((200, 2), 0.5))
    assert np.isfinite(clf.predict_proba(X)).all()
    assert clf.describe_columns()["kind"].tolist() == ["own"] * 6


def without_mail(X):
    return X.drop(columns="mail")


def test_behind_a_step_of_the_user():
    X, y = shop(), np.arange(200) % 2
    steps = FunctionTransformer(without_mail), TableEncoder(), make_student("mlp")
    clf = DistilledClassifier(None, make_pipeline(*steps), random_state=0)
    clf.set_params(student__neuralnetclassifier__max_epochs=2)
    clf.fit(X, y, teacher_proba=np.full((200, 2), 0.5))
    assert clf.describe_columns()["column"].tolist() == list(X.columns[:-1])
    default = DistilledClassifier(None, random_state=0).set_params(student__max_epochs=2)
    default.fit(without_mail(X), y, teacher_proba=np.full((200, 2), 0.5))
    np.testing.assert_allclose(clf.predict_proba(X), default.predict_proba(without_mail(X)))


@pytest.mark.parametrize(
    ("student", "kind"), [(None, "number"), (make_pipeline(None, make_student("mlp")), "own")]
)
def test_columns_of_an_array(student, kind):
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    clf = DistilledClassifier(None, make_student("mlp"), random_state=0)
    if kind == "own":
        steps = FunctionTransformer(np.sin), make_student("mlp").set_params(max_epochs=1)
        clf.set_params(student=make_pipeline(*steps))
    else:
        clf.set_params(student__max_epochs=1)
    clf.fit(X, y, teacher_proba=np.full((40, 2), 0.5))
    for fitted in (clf, clf.student_only()):
        columns = fitted.describe_columns()
        assert columns["column"].tolist() == ["x0", "x1", "x2"]
        assert columns["kind"].tolist() == [kind] * 3 and columns["used"].all()


def test_without_pandas_the_columns_are_a_list():
    code = (
        "import sys\n"
        "class NoPandas:\n"
        "    def find_spec(name, *rest):\n"
        "        if name == 'pandas': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, NoPandas)\n"
        "import polars\n"
        "from skkd.students import TableEncoder\n"
        "X = polars.DataFrame({'a': [1, 2, 3], 'b': ['x', 'x', 'x']})\n"
        "columns = TableEncoder().fit(X).describe_columns()\n"
        "assert [row['kind'] for row in columns] == ['number', 'category'], columns\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

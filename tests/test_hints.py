"""Errors say what to do: each as somebody who is new here would meet it."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import HalvingGridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from skkd import DistilledClassifier
from skkd.students import make_student
from tests.helpers import make_data, quick

X, Y = make_data()
TEXT = np.array([f"{'good' if label else 'bad'} film number {i}" for i, label in enumerate(Y)])


@pytest.mark.parametrize(
    ("teacher", "helpful"),
    [
        (lambda X: X, "DistilledClassifier.None.*teacher_proba"),
        (torch.nn.Linear(5, 3), "teacher_proba.*torch.softmax"),
        (LinearSVC(), "CalibratedClassifierCV"),
    ],
    ids=["function", "module", "margins"],
)
def test_teacher_without_probabilities(teacher, helpful):
    with pytest.raises(TypeError, match=helpful) as caught:
        quick(teacher).fit(X, Y)
    assert ("CalibratedClassifierCV" in str(caught.value)) is isinstance(teacher, LinearSVC)


class Fails(GaussianNB):
    """A teacher whose fit says what is in ``message``."""

    def __init__(self, message=""):
        super().__init__()
        self.message = message

    def fit(self, X, y, sample_weight=None):
        raise ValueError(self.message)


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("CUDA out of memory", None),
        ("Invalid classes inferred from unique values of `y`", "LabelEncoder"),
        ("could not convert string to float: 'no'", "LabelEncoder"),
        ("could not convert string to float: 'red'", "make_pipeline(encoder, teacher)"),
        ("Input X contains NaN.", "imputer"),
    ],
)
def test_only_what_is_about_labels_is_blamed_on_labels(message, hint):
    with pytest.raises(ValueError) as caught:
        quick(Fails(message)).fit(X, np.array(["no", "yes", "maybe"])[Y])
    [note] = caught.value.__notes__
    assert "Raised by the teacher Fails" in note
    assert ("LabelEncoder" in note) is (hint == "LabelEncoder")
    assert note.endswith("fitted.") if hint is None else hint in note


class FailsToAnswer(LogisticRegression):
    def predict_proba(self, X):
        raise RuntimeError("no")


def test_teacher_that_fails_to_answer_is_named():
    with pytest.raises(RuntimeError) as caught:
        quick(FailsToAnswer()).fit(X, Y)
    assert caught.value.__notes__ == ["Raised by predict_proba of FailsToAnswer."]


@pytest.mark.parametrize("kind", [list, np.array, pd.Series])
def test_raw_text_has_a_recipe(kind):
    teacher = make_pipeline(TfidfVectorizer(), LogisticRegression())
    with pytest.raises(ValueError, match=r"raw text.*TfidfVectorizer.*make_student\('mlp'\)"):
        DistilledClassifier(teacher).fit(kind(TEXT), Y)
    student = make_pipeline(TfidfVectorizer(max_features=2000), make_student("mlp"))
    clf = DistilledClassifier(teacher, student, random_state=0, augmenter=None)
    clf.set_params(student__neuralnetclassifier__max_epochs=2).fit(kind(TEXT), Y)
    assert clf.predict_proba(kind(TEXT[:2])).shape == (2, 3)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("student__hidden", "student__module__hidden"),
        ("student__lrr", "student__lr"),
        ("student__n_epochs", "student__max_epochs"),
        ("max_epochs", "student__max_epochs"),
        ("lr", "student__lr"),
    ],
)
def test_misspelled_parameters_of_the_student(given, meant):
    with pytest.raises(ValueError, match=f"'{given}'; did you mean {meant}"):
        DistilledClassifier(LogisticRegression()).set_params(**{given: 3})


def test_names_that_nothing_is_like_are_left_to_scikit_learn():
    clf = DistilledClassifier(LogisticRegression())
    with pytest.raises(ValueError, match="Invalid parameter 'zzz'"):
        clf.set_params(zzz=1)
    clf.set_params(student__module__hidden=(8,), student__optimizer__weight_decay=0.1)
    assert clf.get_params()["student__module__hidden"] == (8,)


@pytest.mark.parametrize("name", ["eval_set", "validation_data"])
def test_validation_rows_are_set_aside(name):
    with pytest.raises(TypeError, match=rf"\['{name}'\].*early_stopping=True.*validation_frac"):
        quick(LogisticRegression()).fit(X, Y, **{name: (X, Y)})


def test_all_bad_columns_are_named():
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["lists"], frame["dicts"] = [[1]] * 60, [{"a": 1}] * 60
    frame["complex"] = 1j
    with pytest.raises(ValueError, match=r"'lists'.*'dicts'.*'complex'"):
        DistilledClassifier(None).fit(frame, Y, teacher_proba=np.full((60, 3), 1 / 3))


class Half(BaseEstimator):
    """Resamples, as imbalanced-learn's steps do."""

    def fit_resample(self, X, y):
        return X[::2], y[::2]


class Resampling(Pipeline):
    """A Pipeline of imbalanced-learn, in short."""

    def fit(self, X, y, **params):
        self.steps[-1][1].fit(*self.steps[0][1].fit_resample(X, y), **params)
        return self

    def predict_proba(self, X):
        return self.steps[-1][1].predict_proba(X)


def test_weights_are_not_for_a_teacher_that_resamples():
    teacher = Resampling([("half", Half()), ("bayes", GaussianNB())])
    with pytest.warns(match="Resampling takes no sample_weight"):
        clf = quick(teacher, cv=2).fit(X, Y, sample_weight=np.linspace(0.5, 1, 60))
    assert clf.predict(X).shape == (60,)


def test_halving_search_over_epochs():
    search = HalvingGridSearchCV(
        quick(LogisticRegression(), cv=2),
        {"student__lr": [0.01, 0.1, 0.2]},
        resource="student__max_epochs",
        min_resources=2,
        max_resources=8,
        cv=2,
        error_score="raise",
    )
    search.fit(X, Y)
    assert search.n_resources_ == [2, 6]
    assert search.best_estimator_.n_iter_ == search.n_resources_[-1]

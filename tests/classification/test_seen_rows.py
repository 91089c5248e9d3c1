"""A teacher that was trained on the rows is noticed, and no other teacher ever is."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
)
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import LabelBinarizer
from xgboost import XGBClassifier

from skkd._classification.seen_rows import unseen_errors
from skkd.exceptions import DistillationWarning
from tests.helpers import Memory, Says, make_data, quick, quick_net

TEACHERS = {
    "forest": RandomForestClassifier(50, random_state=0),
    "boosting": HistGradientBoostingClassifier(random_state=0),
    "xgboost": XGBClassifier(n_estimators=300, max_depth=8, n_jobs=1, random_state=0),
    "nearest neighbor": KNeighborsClassifier(1),
}

# Of these, models that have not seen the rows miss enough labels.
HARD = {
    "noise": lambda: make_classification(1600, 10, n_informative=6, flip_y=0.3, random_state=0),
    "five classes": lambda: make_classification(
        1600, 12, n_informative=8, n_classes=5, flip_y=0.1, random_state=1
    ),
}
# Easy ones as well: an unseen teacher may miss as few labels as it likes.
ALL = HARD | {
    "digits": lambda: load_digits(return_X_y=True),
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
    "wine": lambda: load_wine(return_X_y=True),
    "iris": lambda: load_iris(return_X_y=True),
    "separated": lambda: make_classification(
        1600, 10, n_informative=6, class_sep=3.0, flip_y=0.0, random_state=2
    ),
}


def halves(load):
    X, y = load()
    return train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)


def distilled(teacher, X, y):
    return quick(teacher, student=quick_net(max_epochs=1, batch_size=-1)).fit(X, y)


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("teacher", TEACHERS)
def test_trained_on_these_rows(teacher, name):
    X, _, y, _ = halves(HARD[name])
    fitted = clone(TEACHERS[teacher]).fit(X, y)
    with pytest.warns(DistillationWarning, match=r"misses \d+ of 800 labels.*trained on them"):
        distilled(fitted, X, y)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("teacher", TEACHERS)
def test_trained_on_other_rows(teacher, name):
    X, X_new, y, y_new = halves(ALL[name])
    fitted = clone(TEACHERS[teacher]).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distilled(fitted, X_new, y_new)


def test_cross_fitted_and_given_answers_are_not_looked_at():
    X, _, y, _ = halves(HARD["noise"])
    proba = LabelBinarizer().fit_transform(y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distilled(TEACHERS["forest"], X, y)
        quick(None).fit(X, y, teacher_proba=np.hstack([1 - proba, proba]))


def test_a_teacher_that_misses_one_label_in_fifty_is_not_looked_at(monkeypatch):
    looked_at = []
    monkeypatch.setattr(
        "skkd._classification.task.unseen_errors",
        lambda X, labels, misses: looked_at.append(misses.sum()) or (1, 0, 0),
    )
    X, y = make_data(100, n_classes=2)
    for n_missed in (0, 2, 3):
        said = np.where(np.arange(100) < n_missed, 1 - y, y)
        distilled(Says([0, 1], np.eye(2)[said]), X, y)
    assert looked_at == [0, 2]


def test_of_many_rows_some_are_looked_at():
    X, y = make_classification(5000, 10, n_informative=6, flip_y=0.3, random_state=0)
    n_looked_at, n_missed, n_unseen = unseen_errors(X, y, np.zeros(5000, dtype=bool))
    assert (n_looked_at, n_missed) == (3000, 0)
    assert 3000 * 0.15 <= n_unseen < 3000 * 0.4


def test_it_is_the_same_each_time():
    X, y = make_classification(400, 10, n_informative=6, flip_y=0.3, random_state=0)
    misses = np.zeros(400, dtype=bool)
    assert unseen_errors(X, y, misses) == unseen_errors(X, y, misses)


def test_images_are_not_looked_at():
    images = np.random.default_rng(0).normal(size=(200, 1, 8, 8))
    labels = np.arange(200) % 2
    teacher = Says([0, 1], np.eye(2)[labels])
    from tests.helpers import ConvNet

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(teacher, student=quick_net(ConvNet, max_epochs=1)).fit(images, labels)


def test_what_to_do_about_it_ends_the_warning():
    X, _, y, _ = halves(HARD["noise"])
    memory = Memory().fit(X, y)
    with pytest.warns(DistillationWarning, match=r"clone\(teacher\)"):
        distilled(memory, X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distilled(clone(memory), X, y)
        distilled(clone(LogisticRegression()), X, y)

"""Teachers of the packages that people have: fitted or cross-fitted, cloned, searched, pickled."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder
from sklearn.svm import SVC
from skorch import NeuralNetClassifier
from torch import nn
from xgboost import XGBClassifier

from skkd import DistilledClassifier
from skkd._teacher import is_fitted
from skkd.students import default_student
from tests.helpers import Net, make_data, quick, targets_seen

X, Y = make_data(60, dtype=np.float32)
NAMES = np.array(["ant", "bee", "cat"])[Y]
WEIGHT = np.tile([0.0, 1.0, 2.0], 20)


def net_teacher():
    return NeuralNetClassifier(
        Net,
        module__n_features=5,
        module__n_classes=3,
        criterion=nn.CrossEntropyLoss,
        max_epochs=2,
        lr=0.1,
        train_split=None,
        verbose=0,
    )


TEACHERS = {
    "xgboost": XGBClassifier(n_estimators=5, max_depth=2, n_jobs=1),
    "lightgbm": LGBMClassifier(
        n_estimators=5, num_leaves=4, min_child_samples=5, n_jobs=1, verbose=-1
    ),
    "catboost": CatBoostClassifier(
        n_estimators=5, depth=2, thread_count=1, verbose=0, allow_writing_files=False
    ),
    "skorch": net_teacher(),
    "stack": StackingClassifier([("bayes", GaussianNB()), ("line", LogisticRegression())], cv=2),
}
TAKES_NAMES = ["lightgbm", "catboost", "stack"]
TAKES_WEIGHTS = ["xgboost", "lightgbm", "catboost", "stack"]
TAKES_NAN = ["xgboost", "lightgbm", "catboost"]


# Frames of numbers and text, with missing values


def make_frame():
    """Three numbers, of which one has gaps, and a category; columns named as in spreadsheets."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(X[:, :3].copy(), columns=["size (cm)", "weight (kg)", "count"])
    frame.loc[::9, "size (cm)"] = np.nan
    colors = np.where(rng.random(60) < 0.7, Y, rng.integers(3, size=60))
    frame["color"] = pd.Categorical(np.array(["red", "green", "blue"])[colors])
    return frame


FRAME = make_frame()
FRAME_TEACHERS = {
    "xgboost": XGBClassifier(n_estimators=5, max_depth=2, n_jobs=1, enable_categorical=True),
    "lightgbm": TEACHERS["lightgbm"],
    # A tuple, for CatBoost copies a list, and then scikit-learn can't clone it.
    "catboost": clone(TEACHERS["catboost"]).set_params(cat_features=("color",)),
    "scikit-learn": HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype"),
    "pipeline": make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["color"]),
            (SimpleImputer(), ["size (cm)", "weight (kg)", "count"]),
        ),
        LogisticRegression(),
    ),
}


def quick_default(teacher, **params):
    """The default student, which encodes and imputes by itself, for two epochs."""
    return quick(teacher, student=default_student().set_params(max_epochs=2), **params)


def each(names, of=TEACHERS):
    return pytest.mark.parametrize("teacher", [pytest.param(of[name], id=name) for name in names])


def normalised(teacher, rows):
    """What a fitted teacher says, in float64 and with rows that sum to one."""
    proba = np.asarray(teacher.predict_proba(rows), dtype=np.float64)
    return proba / proba.sum(axis=1, keepdims=True)


def out_of_fold(teacher, rows, y, sample_weight=None):
    """Probabilities by three folds, written by hand."""
    proba = np.empty((len(y), 3))
    for train, test in StratifiedKFold(3).split(np.zeros(len(y)), y):
        weight = {} if sample_weight is None else {"sample_weight": sample_weight[train]}
        fitted = clone(teacher).fit(rows_of(rows, train), y[train], **weight)
        proba[test] = normalised(fitted, rows_of(rows, test))
    return proba


def rows_of(rows, index):
    return rows.iloc[index] if hasattr(rows, "iloc") else rows[index]


# Fitted, and asked as it is


@each(TEACHERS)
def test_fitted_teacher(teacher):
    teacher = clone(teacher).fit(X, Y)
    before = normalised(teacher, X)
    targets, clf = targets_seen(teacher, X, Y)
    np.testing.assert_allclose(targets, before, rtol=1e-6)
    assert clf.teacher_ is teacher
    np.testing.assert_array_equal(normalised(teacher, X), before)


@each(TAKES_NAMES)
def test_fitted_teacher_of_names(teacher):
    teacher = clone(teacher).fit(X, NAMES)
    targets, clf = targets_seen(teacher, X, NAMES)
    np.testing.assert_allclose(targets, normalised(teacher, X), rtol=1e-6)
    assert clf.classes_.tolist() == ["ant", "bee", "cat"]
    assert set(clf.predict(X)) <= set(NAMES)


@each(["xgboost", "skorch"])
def test_teacher_fitted_on_numbers_does_not_fit_names(teacher):
    clf = quick(clone(teacher).fit(X, Y))
    with pytest.raises(ValueError, match=r"\[0, 1, 2\].*'ant'.*Give y the labels that the teacher"):
        clf.fit(X, NAMES)


@each(TAKES_NAMES)
def test_columns_are_found_by_names_in_any_order(teacher):
    """A teacher that knows the classes as 0, 1, 2 and one that knows them in reverse agree."""
    flipped = 2 - Y
    targets, _ = targets_seen(clone(teacher).fit(X, Y), X, Y)
    reversed_, _ = targets_seen(clone(teacher).fit(X, flipped), X, flipped)
    np.testing.assert_allclose(reversed_[:, ::-1].argmax(1), targets.argmax(1))


# Cross-fitted


@each(TEACHERS)
def test_cross_fitted_teacher(teacher):
    torch.manual_seed(0)
    targets, clf = targets_seen(teacher, X, Y, cv=3, calibrate=None)
    torch.manual_seed(0)
    np.testing.assert_allclose(targets, out_of_fold(teacher, X, Y), rtol=1e-6)
    assert not is_fitted(teacher)
    # The teacher for new rows has seen all of them.
    assert clf.teacher_.predict_proba(X[:2]).shape == (2, 3)


@each(TAKES_NAMES)
def test_cross_fitted_teacher_of_names(teacher):
    of_names, clf = targets_seen(teacher, X, NAMES, cv=3, calibrate=None)
    of_numbers, _ = targets_seen(teacher, X, Y, cv=3, calibrate=None)
    np.testing.assert_allclose(of_names, of_numbers, rtol=1e-6)
    assert clf.classes_.tolist() == list(clf.teacher_.classes_) == ["ant", "bee", "cat"]


@each(["xgboost", "skorch"])
def test_teacher_that_takes_no_names_says_whose_error_it_is_and_what_helps(teacher):
    with pytest.raises(Exception, match=rf"teacher {type(teacher).__name__}.*LabelEncoder"):
        quick(teacher, cv=3).fit(X, NAMES)
    encoder = LabelEncoder()
    clf = quick(teacher, cv=3).fit(X, encoder.fit_transform(NAMES))
    assert np.mean(encoder.inverse_transform(clf.predict(X)) == NAMES) > 0.5


def test_fold_without_a_class_says_what_helps():
    splits = [(np.flatnonzero(Y != label), np.flatnonzero(Y == label)) for label in range(3)]
    clf = quick(TEACHERS["xgboost"], cv=splits)
    with pytest.raises(ValueError, match=r"teacher XGBClassifier.*every fold have all classes"):
        clf.fit(X, Y)


@each(TAKES_WEIGHTS)
def test_weights_reach_the_teacher_and_rows_of_weight_zero_do_not(teacher):
    kept = WEIGHT > 0
    expected = out_of_fold(teacher, X[kept], Y[kept], WEIGHT[kept])
    targets, _ = targets_seen(
        teacher, X, Y, cv=3, calibrate=None, fit_params={"sample_weight": WEIGHT}
    )
    np.testing.assert_allclose(targets, expected, rtol=1e-6)
    unweighted, _ = targets_seen(teacher, X[kept], Y[kept], cv=3, calibrate=None)
    assert np.abs(unweighted - targets).max() > 1e-3


def test_net_takes_no_weights_and_that_is_said():
    with pytest.warns(UserWarning, match="NeuralNetClassifier takes no sample_weight"):
        quick(net_teacher(), cv=3).fit(X, Y, sample_weight=WEIGHT)


@pytest.mark.parametrize("kind", [StackingClassifier, VotingClassifier])
def test_weights_reach_an_ensemble_only_where_all_its_members_take_them(kind):
    options = {"voting": "soft"} if kind is VotingClassifier else {}
    line = ("line", LogisticRegression())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ensemble = kind([("bayes", GaussianNB()), line], **options)
        quick(ensemble, cv=3).fit(X, Y, sample_weight=WEIGHT)
    ensemble = kind([("near", KNeighborsClassifier()), line], **options)
    with pytest.warns(UserWarning, match=f"{kind.__name__} takes no sample_weight"):
        quick(ensemble, cv=3).fit(X, Y, sample_weight=WEIGHT)


# Missing values and categories


@each(TAKES_NAN)
@pytest.mark.parametrize("cv", [None, 3])
def test_missing_values(teacher, cv):
    rows = X.copy()
    rows[::7, 1] = np.nan
    teacher = clone(teacher).fit(rows, Y) if cv is None else teacher
    clf = quick_default(teacher, cv=cv).fit(rows, Y)
    assert np.isfinite(clf.predict_proba(rows)).all()


@each(FRAME_TEACHERS, FRAME_TEACHERS)
def test_fitted_teacher_sees_the_frame_as_it_is(teacher):
    teacher = clone(teacher).fit(FRAME, Y)
    expected = normalised(teacher, FRAME)
    clf = quick_default(teacher)
    with_proba = clone(clf).fit(FRAME, Y, teacher_proba=expected)
    np.testing.assert_allclose(
        clf.fit(FRAME, Y).predict_proba(FRAME), with_proba.predict_proba(FRAME), rtol=1e-6
    )


@each(FRAME_TEACHERS, FRAME_TEACHERS)
def test_cross_fitted_teacher_sees_the_frame_as_it_is(teacher):
    clf = quick_default(teacher, cv=3, calibrate=None)
    with_proba = clone(clf).fit(FRAME, Y, teacher_proba=out_of_fold(teacher, FRAME, Y))
    np.testing.assert_allclose(
        clf.fit(FRAME, Y).predict_proba(FRAME), with_proba.predict_proba(FRAME), rtol=1e-6
    )


def test_catboost_with_a_list_says_what_helps():
    teacher = clone(TEACHERS["catboost"]).set_params(cat_features=["color"])
    with pytest.raises(RuntimeError, match=r"CatBoostClassifier.*can be a tuple instead of a list"):
        quick_default(teacher, cv=3).fit(FRAME, Y)


# In scikit-learn's hands


@each(TEACHERS)
@pytest.mark.parametrize("cv", [None, 3])
def test_clone_pickle_and_scores(teacher, cv):
    teacher = clone(teacher).fit(X, Y) if cv is None else teacher
    clf = clone(quick(teacher, cv=cv))
    assert cross_val_score(clf, X, Y, cv=3, error_score="raise").mean() > 0.4
    clf.fit(X, Y)
    loaded = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(loaded.teacher_.predict_proba(X), clf.teacher_.predict_proba(X))
    assert type(teacher).__name__ in clf._repr_html_()


@pytest.mark.slow
@each(TEACHERS)
def test_searches_in_two_processes(teacher):
    fitted = clone(teacher).fit(X, Y)
    grids = [
        (quick(fitted), {"temperature": [1.0, 2.0]}),
        (quick(None), {"teacher": [FrozenEstimator(fitted)]}),
        (quick(teacher, cv=3), {"temperature": [1.0, 2.0]}),
    ]
    for clf, grid in grids:
        search = GridSearchCV(clf, grid, cv=2, n_jobs=2, error_score="raise").fit(X, Y)
        assert search.predict(X).shape == (60,)


@each(["xgboost", "lightgbm", "catboost"])
def test_parameters_of_a_cross_fitted_teacher_can_be_searched(teacher):
    clf = quick(teacher, cv=3)
    search = GridSearchCV(clf, {"teacher__n_estimators": [1, 4]}, cv=2, error_score="raise")
    assert search.fit(X, Y).best_estimator_.teacher_.get_params()["n_estimators"] in (1, 4)


# What is particular to one


def test_catboost_labels_are_columns_and_ours_are_not():
    teacher = clone(TEACHERS["catboost"]).fit(X, NAMES)
    assert teacher.predict(X).shape == (60, 1) and teacher.classes_.dtype == object
    clf = quick(teacher).fit(X, NAMES)
    assert clf.predict(X).shape == (60,)
    assert clf.classes_.dtype == NAMES.dtype


@pytest.mark.parametrize(
    "wrap",
    [make_pipeline, lambda stack: GridSearchCV(stack, {"cv": [2]}, cv=2)],
    ids=["pipeline", "search"],
)
def test_stack_that_does_not_know_its_final_estimator_yet(wrap):
    stack = TEACHERS["stack"]
    assert not hasattr(stack, "predict_proba")
    clf = quick(wrap(stack), cv=3).fit(X, Y)
    assert clf.teacher_.predict_proba(X).shape == (60, 3)
    of_svm = clone(stack).set_params(final_estimator=SVC())
    with pytest.raises(TypeError, match="must have predict_proba"):
        quick(wrap(of_svm), cv=3).fit(X, Y)


def test_xgboost_rows_sum_to_one_in_float64():
    teacher = clone(TEACHERS["xgboost"]).fit(X, Y)
    off = np.abs(teacher.predict_proba(X).sum(axis=1, dtype=np.float64) - 1)
    assert 1e-9 < off.max() < 1e-6
    targets, _ = targets_seen(teacher, X.astype(np.float64), Y)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=0, atol=1e-15)


@each(TEACHERS)
@pytest.mark.parametrize("cv", [None, 3])
def test_quiet_teacher_stays_quiet(teacher, cv, capfd):
    teacher = clone(teacher).fit(X, Y) if cv is None else teacher
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(teacher, cv=cv).fit(X, Y).predict(X)
    assert capfd.readouterr() == ("", "")


@each(FRAME_TEACHERS, FRAME_TEACHERS)
@pytest.mark.parametrize("cv", [None, 3])
def test_no_warning_about_names_of_columns(teacher, cv, capfd):
    teacher = clone(teacher).fit(FRAME, Y) if cv is None else teacher
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick_default(teacher, cv=cv).fit(FRAME, Y).predict(FRAME)
    assert capfd.readouterr() == ("", "")


class OnlyAsked:
    """Probabilities and classes, as a service or a file of rules would have them."""

    classes_ = ["ant", "bee", "cat"]  # a list, which numpy never made

    def predict_proba(self, X):
        scores = np.exp(np.asarray(X)[:, :3])
        return (scores / scores.sum(axis=1, keepdims=True)).tolist()


def test_any_object_that_gives_probabilities():
    targets, clf = targets_seen(OnlyAsked(), X, NAMES)
    np.testing.assert_allclose(targets, OnlyAsked().predict_proba(X), rtol=1e-6)
    assert cross_val_score(quick(OnlyAsked()), X, NAMES, cv=3, error_score="raise").min() > 0
    loaded = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(loaded.predict(X), clf.predict(X))
    assert "OnlyAsked" in DistilledClassifier(OnlyAsked())._repr_html_()


def test_object_without_fit_can_not_be_cross_fitted():
    with pytest.raises(ValueError, match=r"OnlyAsked teacher is fitted.*cv=None"):
        quick(OnlyAsked(), cv=3).fit(X, NAMES)

"""Cross-fitting: no row's target comes from a model that saw it, whatever splits and weights."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skkd.exceptions import DistillationWarning
from tests.helpers import Memory, make_data, quick, targets_seen

X, Y = make_data()
GROUPS = np.arange(60) % 12


def with_copies():
    """Each row of 20 three times, in a random order; a row and its copies are one group."""
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(20), 3))
    return X[groups], Y[groups], groups


# Groups


@pytest.mark.parametrize(
    "cv",
    [GroupKFold(3), StratifiedGroupKFold(3, shuffle=True, random_state=0), LeaveOneGroupOut()],
    ids=lambda cv: type(cv).__name__,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_no_target_comes_from_a_teacher_that_saw_the_group(cv, weighted):
    rows, labels, groups = with_copies()
    params = {"groups": groups}
    if weighted:
        params["sample_weight"] = np.random.default_rng(1).integers(0, 3, len(rows))
    targets, clf = targets_seen(Memory(), rows, labels, cv=cv, fit_params=params)
    np.testing.assert_allclose(targets, 1 / 3)


def test_copies_of_a_row_in_other_folds_are_seen():
    # What groups are for: nothing else keeps copies of a row together.
    rows, labels, _ = with_copies()
    targets, _ = targets_seen(Memory(), rows, labels, cv=StratifiedKFold(5, shuffle=True))
    assert (targets.max(axis=1) == 1).mean() > 0.9


def test_targets_by_groups_are_scikit_learns():
    cv = GroupKFold(4)
    targets, _ = targets_seen(LogisticRegression(), X, Y, cv=cv, fit_params={"groups": GROUPS})
    splits = list(cv.split(X, Y, GROUPS))
    expected = cross_val_predict(LogisticRegression(), X, Y, cv=splits, method="predict_proba")
    np.testing.assert_allclose(targets, expected, rtol=1e-12)


def test_groups_that_a_splitter_needs_and_does_not_get():
    clf = quick(LogisticRegression(), cv=GroupKFold(3))
    with pytest.raises(ValueError, match=r"cv=GroupKFold.*by groups.*fit\(\.\.\., groups=\.\.\.\)"):
        clf.fit(X, Y)
    search = GridSearchCV(clf, {"temperature": [1.0]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="enable_metadata_routing=True"):
        search.fit(X, Y, groups=GROUPS)


@pytest.mark.parametrize("cv", ["oob", None])
def test_groups_without_a_splitter(cv):
    teacher = LogisticRegression() if cv else LogisticRegression().fit(X, Y)
    with pytest.raises(ValueError, match=rf"groups are for the splitter cv, and cv={cv!r}"):
        quick(teacher, cv=cv).fit(X, Y, groups=GROUPS)


def test_groups_of_another_length():
    clf = quick(LogisticRegression(), cv=GroupKFold(3))
    with pytest.raises(ValueError, match=r"\[60, 60, 50\]"):
        clf.fit(X, Y, groups=GROUPS[:50])
    with pytest.raises(ValueError, match=r"inconsistent"):
        clf.fit(X, Y, groups=GROUPS[:50], sample_weight=np.arange(60))


def test_groups_that_a_splitter_ignores():
    with pytest.warns(UserWarning, match="groups parameter is ignored by StratifiedKFold"):
        quick(LogisticRegression(), cv=3).fit(X, Y, groups=GROUPS)


def test_other_metadata_needs_routing():
    clf = quick(LogisticRegression(), cv=3)
    with pytest.raises(TypeError, match=r"unexpected arguments \['offset'\].*routing=True"):
        clf.fit(X, Y, offset=X[:, 0])


# Metadata routing


class WithOffset(LogisticRegression):
    """Takes a number for each row beside it."""

    def fit(self, X, y, sample_weight=None, offset=None):
        np.testing.assert_array_equal(offset, X[:, 0])
        return super().fit(X, y, sample_weight)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_groups_are_routed_through_a_search():
    rows, labels, groups = with_copies()
    clf = quick(Memory(), cv=GroupKFold(3), calibrate=None)
    search = GridSearchCV(clf, {"temperature": [1.0]}, cv=GroupKFold(2), error_score="raise")
    search.fit(rows, labels, groups=groups)
    targets, _ = targets_seen(
        Memory(), rows, labels, cv=GroupKFold(3), fit_params={"groups": groups}
    )
    np.testing.assert_allclose(targets, 1 / 3)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("weighted", [False, True])
def test_metadata_of_the_teacher_is_cut_like_the_rows(weighted, n_jobs):
    teacher = WithOffset().set_fit_request(offset=True, sample_weight=True)
    params = {"offset": X[:, 0], "groups": GROUPS}
    if weighted:
        params["sample_weight"] = np.arange(60) % 4
    _, clf = targets_seen(teacher, X, Y, cv=GroupKFold(3), n_jobs=n_jobs, fit_params=params)
    assert hasattr(clf.teacher_, "coef_")


@pytest.mark.usefixtures("routing")
def test_metadata_that_nobody_asks_for():
    with pytest.raises(TypeError, match="offset"):
        quick(LogisticRegression(), cv=3).fit(X, Y, offset=X[:, 0])


# Weights of zero


@pytest.mark.parametrize(
    "cv", [3, KFold(4), GroupKFold(3)], ids=lambda cv: str(cv).partition("(")[0]
)
def test_weight_zero_is_absence(cv):
    weight = np.arange(60) % 4.0
    there = weight > 0
    given = {} if not isinstance(cv, GroupKFold) else {"groups": GROUPS}
    cut = {name: values[there] for name, values in given.items()}
    ours, clf = targets_seen(
        LogisticRegression(), X, Y, cv=cv, fit_params={"sample_weight": weight} | given
    )
    expected, other = targets_seen(
        LogisticRegression(),
        X[there],
        Y[there],
        cv=cv,
        fit_params={"sample_weight": weight[there]} | cut,
    )
    np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(clf.teacher_.coef_, other.teacher_.coef_)


def test_class_of_which_all_rows_have_weight_zero():
    weight = (Y != 2).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        targets, clf = targets_seen(
            LogisticRegression(), X, Y, cv=3, fit_params={"sample_weight": weight}
        )
    assert (targets[:, 2] == 0).all()
    assert clf.classes_.tolist() == [0, 1, 2]


def test_splits_of_indices_count_all_rows():
    weight = np.r_[np.zeros(20), np.ones(40)]
    splits = list(StratifiedKFold(3).split(X, Y))
    masks = [
        tuple(np.isin(np.arange(60), part) for part in (train, test)) for train, test in splits
    ]
    params = {"sample_weight": weight}
    ours, _ = targets_seen(LogisticRegression(), X, Y, cv=splits, fit_params=params)
    by_mask, _ = targets_seen(LogisticRegression(), X, Y, cv=masks, fit_params=params)
    np.testing.assert_array_equal(ours, by_mask)
    for train, test in splits:
        train, test = train[train >= 20], test[test >= 20]
        fold = LogisticRegression().fit(X[train], Y[train])
        np.testing.assert_allclose(ours[test - 20], fold.predict_proba(X[test]), rtol=1e-12)


class NoSplits:
    def split(self, X, y=None, groups=None):
        return iter([])

    def get_n_splits(self, X=None, y=None, groups=None):
        return 0


@pytest.mark.parametrize("cv", [[], NoSplits()], ids=["no pairs", "a splitter without splits"])
def test_no_folds_at_all(cv):
    with pytest.raises(ValueError, match="into no folds"):
        quick(LogisticRegression(), cv=cv).fit(X, Y)


# Classes and warnings


@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_classes_that_folds_miss_give_one_warning(n_jobs):
    labels = np.sort(Y)  # KFold leaves whole classes out
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        targets, _ = targets_seen(KNeighborsClassifier(), X, labels, cv=KFold(3), n_jobs=n_jobs)
    messages = [str(warning.message) for warning in caught if "could not learn" in str(warning)]
    assert len(messages) == 1
    assert "share of all labels" in messages[0] and "In 1 of 3 folds" in messages[0]
    np.testing.assert_allclose(targets.sum(axis=1), 1)


def test_shares_of_classes_that_folds_miss_count_the_weights():
    labels = np.sort(Y)
    weight = np.linspace(1.0, 3.0, 60)
    folds = [(np.flatnonzero(labels != 2), np.flatnonzero(labels == 2))]
    folds += [(np.flatnonzero(labels == 2), np.flatnonzero(labels != 2))]
    with pytest.warns(UserWarning, match="In 2 of 2 folds"):
        targets, _ = targets_seen(
            DecisionTreeClassifier(), X, labels, cv=folds, fit_params={"sample_weight": weight}
        )
    of_two = weight[labels == 2].sum() / weight.sum()
    np.testing.assert_allclose(targets[labels == 2, 2], of_two, rtol=1e-6)


def test_a_teacher_without_weights_gives_one_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        weight = {"sample_weight": np.linspace(1, 2, 60)}
        targets_seen(KNeighborsClassifier(), X, Y, cv=3, fit_params=weight)
    assert len([w for w in caught if "takes no sample_weight" in str(w.message)]) == 1


# Frames


@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_pipeline_on_raw_columns(n_jobs):
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "city": np.array(["x", "y", "z"])[Y]})
    encode = ColumnTransformer(
        [("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(), ["city"])]
    )
    teacher = make_pipeline(encode, LogisticRegression())
    clf = quick(teacher, student=None, cv=3, n_jobs=n_jobs).set_params(student__max_epochs=2)
    clf.fit(frame, Y)
    expected = clone(teacher).fit(frame, Y)
    np.testing.assert_allclose(
        clf.teacher_.predict_proba(frame), expected.predict_proba(frame), rtol=1e-12
    )


# Classes with fewer rows than there are folds


@pytest.mark.parametrize("n_rare", [1, 2, 4])
@pytest.mark.parametrize("cv", [None, 5, StratifiedKFold(5)], ids=["None", "5", "splitter"])
def test_a_class_with_fewer_rows_than_folds(n_rare, cv):
    labels = np.where(np.arange(60) < n_rare, 7, Y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        targets, clf = targets_seen(GaussianNB(), X, labels, cv=cv)
    assert clf.classes_.tolist() == [0, 1, 2, 7]
    np.testing.assert_allclose(targets.sum(axis=1), 1)
    if n_rare == 1:
        # Only the fold that tests the row does not know its class.
        assert targets[0, 3] == pytest.approx(1 / 60)
        [warning] = caught
        assert warning.category is DistillationWarning
        assert "In 1 of 5 folds the teacher could not learn [7]" in str(warning.message)
    else:
        assert caught == []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            splits = list(StratifiedKFold(5).split(X, labels))
        for train, test in splits:
            expected = GaussianNB().fit(X[train], labels[train]).predict_proba(X[test])
            np.testing.assert_allclose(targets[test], expected, rtol=1e-12)


def test_answers_of_a_fold_that_knows_fewer_classes_share_what_is_left():
    labels = np.sort(Y)
    counts = np.bincount(labels) / 60
    with pytest.warns(DistillationWarning, match=r"could not learn \[2\]"):
        targets, _ = targets_seen(GaussianNB(), X, labels, cv=KFold(3))
    for train, test in KFold(3).split(X):
        fold = GaussianNB().fit(X[train], labels[train])
        known = np.isin([0, 1, 2], fold.classes_)
        expected = np.tile(counts, (len(test), 1))
        expected[:, known] = fold.predict_proba(X[test]) * (1 - counts[~known].sum())
        np.testing.assert_allclose(targets[test], expected, rtol=1e-12)


def test_two_classes_of_which_a_fold_knows_one():
    labels = np.repeat([0, 1], 30)
    with pytest.warns(DistillationWarning, match=r"In 2 of 2 folds .* could not learn \[0, 1\]"):
        targets, _ = targets_seen(KNeighborsClassifier(), X, labels, cv=KFold(2))
    np.testing.assert_allclose(targets, 0.5)


def test_rare_classes_in_a_search():
    labels = np.where(np.arange(60) < 2, 7, Y)
    search = GridSearchCV(quick(GaussianNB()), {"temperature": [1.0, 2.0]}, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DistillationWarning)
        search.set_params(error_score="raise").fit(X, labels)
    assert search.predict_proba(X).shape == (60, 4)

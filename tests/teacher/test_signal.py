"""The teacher rules of the design: who is fitted on what, and which column is whose."""

import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier, ExtraTreesClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    LeaveOneOut,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skkd import DistilledClassifier
from skkd.exceptions import DistillationWarning
from tests.helpers import (
    Memory,
    Says,
    SoftTargets,
    fitted_teacher,
    make_data,
    quick,
    targets_seen,
)

X, Y = make_data()
UNIFORM = np.full((len(X), 3), 1 / 3)


# 1. A fitted teacher is never fitted again


@pytest.mark.parametrize("wrap", [lambda teacher: teacher, FrozenEstimator], ids=["bare", "frozen"])
def test_fitted_teacher_is_asked_as_it_is(wrap):
    teacher = wrap(fitted_teacher(X, Y))
    before = joblib.hash(teacher)
    targets, clf = targets_seen(teacher, X, Y)
    np.testing.assert_allclose(targets, teacher.predict_proba(X), rtol=1e-14)
    assert clf.teacher is teacher
    assert clf.teacher_ is teacher
    assert joblib.hash(teacher) == before


def test_fitted_teacher_with_cv_is_an_error():
    with pytest.raises(ValueError, match=r"cv=3 would fit it again.*cv=None"):
        quick(fitted_teacher(X, Y), cv=3).fit(X, Y)


def test_teacher_needs_neither_fit_nor_get_params():
    class Service:
        classes_ = np.array([0, 1, 2])

        def predict_proba(self, X):
            return np.tile([0.2, 0.3, 0.5], (len(X), 1))

    targets, _ = targets_seen(Service(), X, Y)
    np.testing.assert_allclose(targets, np.tile([0.2, 0.3, 0.5], (len(X), 1)))


# 2. An unfitted teacher is fitted where cv says so, out of fold


@pytest.mark.parametrize(
    "cv",
    [
        5,
        StratifiedKFold(4, shuffle=True, random_state=0),
        LeaveOneOut(),
        list(StratifiedKFold(3).split(X, Y)),
        RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0),
    ],
    ids=["int", "splitter", "leave_one_out", "splits", "repeated"],
)
def test_no_target_comes_from_a_teacher_that_saw_the_row(cv):
    targets, clf = targets_seen(Memory(), X, Y, cv=cv)
    np.testing.assert_allclose(targets, UNIFORM)
    # The teacher for new rows has seen all of them.
    np.testing.assert_array_equal(clf.teacher_.predict_proba(X), np.eye(3)[Y])


def test_out_of_fold_targets_are_scikit_learns():
    targets, _ = targets_seen(LogisticRegression(), X, Y, cv=4)
    expected = cross_val_predict(LogisticRegression(), X, Y, cv=4, method="predict_proba")
    np.testing.assert_allclose(targets, expected, rtol=1e-14)


def test_generator_of_splits():
    splits = (split for split in StratifiedKFold(3).split(X, Y))
    targets, _ = targets_seen(LogisticRegression(), X, Y, cv=splits)
    expected = cross_val_predict(LogisticRegression(), X, Y, cv=3, method="predict_proba")
    np.testing.assert_allclose(targets, expected, rtol=1e-14)


def test_repeated_folds_are_averaged():
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    targets, _ = targets_seen(LogisticRegression(), X, Y, cv=cv)
    expected = np.zeros_like(UNIFORM)
    for train, test in cv.split(X, Y):
        expected[test] += LogisticRegression().fit(X[train], Y[train]).predict_proba(X[test]) / 2
    np.testing.assert_allclose(targets, expected, rtol=1e-12)


def test_splitter_that_misses_most_rows_is_a_warning():
    with pytest.warns(match=r"cv=ShuffleSplit.*48 of 60 rows in no test fold.*StratifiedK"):
        quick(LogisticRegression(), cv=ShuffleSplit(1, test_size=0.2, random_state=0)).fit(X, Y)


def test_rows_of_weight_zero_reach_no_teacher():
    # The second half repeats the first one with weight zero: a teacher that saw it would know.
    twice, labels = np.vstack([X, X]), np.hstack([Y, Y])
    n = len(X)
    splits = [(np.r_[train, n : 2 * n], test) for train, test in StratifiedKFold(3).split(X, Y)]
    splits[0] = (splits[0][0], np.r_[splits[0][1], n : 2 * n])
    weight = np.repeat([1.0, 0.0], n)
    targets, clf = targets_seen(
        Memory(), twice, labels, cv=splits, fit_params={"sample_weight": weight}
    )
    np.testing.assert_allclose(targets, UNIFORM)
    assert len(targets) == n


def test_weight_zero_is_absence_for_the_final_teacher():
    weight = np.ones(len(X))
    weight[::4] = 0
    _, clf = targets_seen(Memory(), X, Y, cv=3, fit_params={"sample_weight": weight})
    np.testing.assert_allclose(clf.teacher_.predict_proba(X[::4]), UNIFORM[::4])


@pytest.mark.parametrize("Forest", [RandomForestClassifier, ExtraTreesClassifier])
def test_out_of_bag_targets(Forest):
    teacher = Forest(50, random_state=0)
    targets, clf = targets_seen(teacher, X, Y, cv="oob")
    forest = Forest(50, random_state=0, oob_score=True, bootstrap=True).fit(X, Y)
    np.testing.assert_allclose(targets, forest.oob_decision_function_)
    np.testing.assert_array_equal(clf.teacher_.predict_proba(X), forest.predict_proba(X))
    assert not teacher.oob_score and not hasattr(teacher, "classes_")


@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_row_without_out_of_bag_vote_is_uniform():
    # One tree: the rows in its bag have no vote.
    targets, _ = targets_seen(RandomForestClassifier(1, random_state=0), X, Y, cv="oob")
    no_vote = np.isclose(targets, 1 / 3).all(axis=1)
    assert 0.4 < no_vote.mean() < 0.9
    np.testing.assert_allclose(targets.sum(axis=1), 1)


def test_out_of_bag_of_bagging():
    bagging = BaggingClassifier(LogisticRegression(), 20, random_state=0)
    targets, _ = targets_seen(bagging, X, Y, cv="oob")
    expected = clone(bagging).set_params(oob_score=True).fit(X, Y).oob_decision_function_
    np.testing.assert_allclose(targets, expected)


def test_out_of_bag_needs_a_bagged_teacher():
    with pytest.raises(ValueError, match=r"cv='oob'.*LogisticRegression has none.*cv=5"):
        quick(LogisticRegression(), cv="oob").fit(X, Y)


def test_unfitted_teacher_stays_unfitted():
    teacher = LogisticRegression()
    quick(teacher, cv=3).fit(X, Y)
    assert not hasattr(teacher, "classes_")


# 3. Unfitted without cv


@pytest.mark.parametrize(
    "teacher", [LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())]
)
def test_unfitted_teacher_without_cv_is_cross_fitted_in_five_folds(teacher):
    targets, clf = targets_seen(teacher, X, Y)
    expected = cross_val_predict(teacher, X, Y, cv=5, method="predict_proba")
    np.testing.assert_allclose(targets, expected, rtol=1e-14)
    by_number, _ = targets_seen(teacher, X, Y, cv=5)
    np.testing.assert_array_equal(targets, by_number)
    assert clf.cv is None


# 4. A teacher that was trained on these rows: more of this in classification/test_seen_rows.py


def test_memorizing_teacher_gets_a_warning():
    rows, labels = make_data(600)
    with pytest.warns(DistillationWarning, match=r"misses 0 of 600 labels.*trained on them.*clone"):
        quick(Memory().fit(rows, labels)).fit(rows, labels)


@pytest.mark.parametrize("labels", [Y, (Y + 1) % 3], ids=["unsure_teacher", "sure_and_wrong"])
def test_no_warning_of_a_teacher_that_misses_labels(labels):
    teacher = fitted_teacher(X, Y) if labels is Y else Memory().fit(X, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick(teacher).fit(X, Y)


# 5. The teacher sees what it was fitted on


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_teacher_sees_the_frame_itself(make):
    frame = make({"a": X[:, 0], "city": [f"city {label}" for label in Y]})
    teacher = Says([0, 1, 2], [0.5, 0.25, 0.25])
    DistilledClassifier(teacher, random_state=0).set_params(student__max_epochs=1).fit(frame, Y)
    [asked] = teacher.asked
    assert type(asked) is type(frame) and list(asked.columns) == ["a", "city"]
    np.testing.assert_array_equal(asked["a"], X[:, 0])


def test_teacher_sees_the_array_itself():
    teacher = Says([0, 1, 2], [0.5, 0.25, 0.25])
    whole = (10 * X).astype(int)
    quick(teacher).fit(whole, Y)
    [asked] = teacher.asked
    # A view that can't be written to.
    assert asked.dtype == whole.dtype and np.shares_memory(asked, whole)
    np.testing.assert_array_equal(asked, whole)


def test_folds_of_a_frame_are_frames():
    class Columns(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            assert list(X.columns) == list("abcde")
            return super().fit(X, y, sample_weight)

    frame = pd.DataFrame(X, columns=list("abcde"))
    targets, _ = targets_seen(Columns(), frame, Y, cv=3)
    expected = cross_val_predict(LogisticRegression(), frame, Y, cv=3, method="predict_proba")
    np.testing.assert_allclose(targets, expected, rtol=1e-14)


# 6. Columns follow the classes by value

NAMES = np.array(["ant", "bee", "cat"])


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
@pytest.mark.parametrize("labels", [NAMES, np.array([-5, 0, 7]), np.array([0.0, 1.0, 2.0])])
def test_columns_follow_labels_by_value(order, labels):
    proba = np.array([0.2, 0.3, 0.5])
    teacher = Says(labels[order], proba[order])
    targets, clf = targets_seen(teacher, X, labels[Y])
    np.testing.assert_array_equal(clf.classes_, labels)
    np.testing.assert_allclose(targets, np.tile(proba, (len(X), 1)))


def test_class_unknown_to_the_teacher_gets_zero():
    teacher = Says(["cat", "ant"], [0.3, 0.7])
    with pytest.warns(UserWarning, match=r"does not know \['bee'\]"):
        targets, _ = targets_seen(teacher, X, NAMES[Y])
    np.testing.assert_allclose(targets, np.tile([0.7, 0.0, 0.3], (len(X), 1)))


def test_class_unknown_to_y_is_dropped():
    teacher = Says(["ant", "dog", "bee", "cat"], [0.1, 0.5, 0.1, 0.3])
    with pytest.warns(UserWarning, match=r"y does not have \['dog'\]"):
        targets, _ = targets_seen(teacher, X, NAMES[Y])
    np.testing.assert_allclose(targets, np.tile([0.2, 0.2, 0.6], (len(X), 1)))


def test_row_with_nothing_left_is_uniform():
    teacher = Says(["ant", "bee", "cat", "dog"], [0.0, 0.0, 0.0, 1.0])
    with pytest.warns(UserWarning, match="dog"):
        targets, _ = targets_seen(teacher, X, NAMES[Y])
    np.testing.assert_allclose(targets, UNIFORM)


def test_no_class_in_common_is_an_error():
    with pytest.raises(ValueError, match=r"\['ant', 'bee'\].*\[0, 1, 2\].*none in common"):
        quick(Says(["ant", "bee"], [0.3, 0.7])).fit(X, Y)


def test_class_missing_in_a_fold_gets_its_share_of_all_labels():
    labels = NAMES[Y]
    only = np.flatnonzero(labels == "cat")
    rest = np.flatnonzero(labels != "cat")
    splits = [
        (rest, only),
        (np.r_[only, rest[::2]], rest[1::2]),
        (np.r_[only, rest[1::2]], rest[::2]),
    ]
    with pytest.warns(DistillationWarning, match=r"In 1 of 3 folds .*could not learn \['cat'\]"):
        targets, _ = targets_seen(LogisticRegression(), X, labels, cv=splits)
    np.testing.assert_allclose(targets[only, 2], len(only) / len(labels))
    np.testing.assert_allclose(targets.sum(axis=1), 1)
    assert (targets[rest, 2] > 0).all()


# teacher_proba


def targets_from(teacher_proba, labels, **params):
    loss = SoftTargets()
    clf = quick(None, distillation_loss=loss, **params)
    clf.fit(X, labels, teacher_proba=teacher_proba)
    return loss.seen, clf


def test_teacher_proba_replaces_the_teacher():
    proba = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    targets, clf = targets_from(proba, Y)
    np.testing.assert_array_equal(targets, proba)
    assert clf.teacher_ is None


def test_teacher_proba_goes_before_a_teacher():
    proba = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    for teacher in (fitted_teacher(X, Y), LogisticRegression()):
        targets, _ = targets_seen(teacher, X, Y, fit_params={"teacher_proba": proba})
        np.testing.assert_array_equal(targets, proba)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_columns_of_a_frame_are_found_by_name(make, order):
    proba = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    frame = make({NAMES[column]: proba[:, column] for column in order})
    targets, _ = targets_from(frame, NAMES[Y])
    np.testing.assert_allclose(targets, proba)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_columns_named_by_the_text_of_a_number(make):
    # polars knows no other names, and a pandas frame that was in a CSV file has them as well.
    proba = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    frame = make({str(column): proba[:, column] for column in (2, 0, 1)})
    targets, _ = targets_from(frame, Y)
    np.testing.assert_allclose(targets, proba)


def test_frame_of_proba_with_numbers_as_names():
    proba = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    targets, _ = targets_from(pd.DataFrame(proba[:, [2, 0, 1]], columns=[2, 0, 1]), Y)
    np.testing.assert_allclose(targets, proba)


def test_frame_of_proba_without_a_class():
    frame = pd.DataFrame({"ant": [0.25] * len(X), "cat": [0.75] * len(X)})
    with pytest.warns(UserWarning, match=r"does not know \['bee'\]"):
        targets, _ = targets_from(frame, NAMES[Y])
    np.testing.assert_allclose(targets, np.tile([0.25, 0.0, 0.75], (len(X), 1)))


# sample_weight and class_weight


WEIGHT = np.random.default_rng(1).uniform(0.1, 3, len(X))


@pytest.mark.parametrize(
    ("teacher", "name"),
    [
        (LogisticRegression(), "sample_weight"),
        (
            make_pipeline(StandardScaler(), LogisticRegression()),
            "logisticregression__sample_weight",
        ),
    ],
    ids=["plain", "pipeline"],
)
def test_sample_weight_reaches_the_teacher(teacher, name):
    targets, clf = targets_seen(teacher, X, Y, cv=3, fit_params={"sample_weight": WEIGHT})
    for train, test in StratifiedKFold(3).split(X, Y):
        fold = clone(teacher).fit(X[train], Y[train], **{name: WEIGHT[train]})
        np.testing.assert_allclose(targets[test], fold.predict_proba(X[test]), rtol=1e-12)
    whole = clone(teacher).fit(X, Y, **{name: WEIGHT})
    np.testing.assert_allclose(clf.teacher_.predict_proba(X), whole.predict_proba(X), rtol=1e-12)


def test_class_weight_reaches_the_teacher():
    weights = {0: 1.0, 1: 5.0, 2: 0.5}
    _, clf = targets_seen(LogisticRegression(), X, Y, cv=3, class_weight=weights)
    expected = LogisticRegression(class_weight=weights).fit(X, Y).predict_proba(X)
    np.testing.assert_allclose(clf.teacher_.predict_proba(X), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "teacher",
    [KNeighborsClassifier(), Pipeline([("knn", KNeighborsClassifier())])],
    ids=["plain", "pipeline"],
)
def test_teacher_without_sample_weight_gets_a_warning(teacher):
    with pytest.warns(UserWarning, match=rf"{type(teacher).__name__} takes no sample_weight"):
        targets_seen(teacher, X, Y, cv=3, fit_params={"sample_weight": WEIGHT})


def test_search_as_a_teacher_takes_weights():
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, clf = targets_seen(search, X, Y, cv=2, fit_params={"sample_weight": WEIGHT})
    expected = clone(search).fit(X, Y, sample_weight=WEIGHT)
    np.testing.assert_allclose(clf.teacher_.predict_proba(X), expected.predict_proba(X))


def test_no_warning_without_weights():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        targets_seen(KNeighborsClassifier(), X, Y, cv=3)


@pytest.mark.slow
def test_cross_fitting_in_processes_gives_the_same_targets():
    alone, _ = targets_seen(LogisticRegression(), X, Y, cv=3)
    parallel, _ = targets_seen(LogisticRegression(), X, Y, cv=3, n_jobs=2)
    np.testing.assert_array_equal(alone, parallel)


# A teacher that works in place


class InPlace(LogisticRegression):
    """Doubles the rows that it is asked about, and those that it is fitted on, in their place."""

    def fit(self, X, y, sample_weight=None):
        _double(X)
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        return super().predict_proba(_double(X))


def _double(X):
    if hasattr(X, "iloc"):
        X.loc[:, :] = 2 * X
    elif isinstance(X, np.ndarray) and not X.flags.writeable:
        return 2 * X
    else:
        X *= 2
    return X


@pytest.mark.parametrize("cv", [None, 3])
def test_a_scaler_that_works_in_place_changes_no_rows(cv):
    given = 3 * X + 5
    teacher = make_pipeline(StandardScaler(copy=False), LogisticRegression())
    if cv is None:
        teacher.fit(given.copy(), Y)
    rows = given.copy()
    targets, _ = targets_seen(teacher, rows, Y, cv=cv)
    np.testing.assert_array_equal(rows, given)
    plain = clone(teacher).set_params(standardscaler__copy=True)
    if cv is None:
        expected = plain.fit(given, Y).predict_proba(given)
    else:
        expected = cross_val_predict(plain, given, Y, cv=cv, method="predict_proba")
    np.testing.assert_allclose(targets, expected, rtol=1e-10)


@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize(
    "container", [np.asarray, pd.DataFrame, sparse.csr_array], ids=["array", "pandas", "sparse"]
)
def test_a_teacher_that_works_in_place_changes_no_rows(container, cv):
    rows = container(X.copy())
    teacher = InPlace() if cv else InPlace().fit(container(X.copy()), Y)
    clf = quick(teacher, cv=cv).fit(rows, Y)
    after = rows.toarray() if sparse.issparse(rows) else np.asarray(rows)
    np.testing.assert_array_equal(after, X)
    assert np.isfinite(clf.predict_proba(rows)).all()


def test_a_teacher_that_needs_memory_to_write_to_gets_a_copy():
    """scikit-learn's trees can't read protected rows of float32 with gaps in them."""
    rows = X.astype(np.float32)
    rows[::7, 1] = np.nan
    given = rows.copy()
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    clf = quick(tree, student=None, cv=3).set_params(student__max_epochs=1).fit(rows, Y)
    np.testing.assert_array_equal(rows, given)
    expected = clone(tree).fit(given, Y).predict_proba(given)
    np.testing.assert_array_equal(clf.teacher_.predict_proba(given), expected)


def test_rows_stay_writeable_for_their_owner():
    rows = X.copy()
    quick(fitted_teacher(X, Y)).fit(rows, Y)
    rows[0, 0] = 7.0

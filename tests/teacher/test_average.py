"""Several teachers as one."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from skkd import DistilledClassifier
from skkd._classification.mixture import mixture_weights
from skkd.report import distillation_report
from tests.helpers import Says, make_data, quick, targets_seen

X, Y = make_data(300)
TREE = DecisionTreeClassifier(max_depth=4, random_state=0)
LINEAR, BAYES = LogisticRegression(), GaussianNB()
NAMED = [("tree", TREE), ("linear", LINEAR), ("bayes", BAYES)]
FOLDS = StratifiedKFold(4)
FEW_X, FEW_Y = make_data(60)  # a single batch


def out_of_fold(estimator):
    return cross_val_predict(clone(estimator), FEW_X, FEW_Y, cv=FOLDS, method="predict_proba")


# The weights


def by_expectation_maximization(right, share, n_steps=20_000):
    """The same weights by an algorithm of its own: the share of each in explaining the labels."""
    weights = np.full(right.shape[1], 1 / right.shape[1])
    for _ in range(n_steps):
        parts = right * weights
        weights = share @ (parts / parts.sum(axis=1, keepdims=True))
    return weights


@pytest.mark.parametrize("seed", range(5))
def test_weights_are_the_maximum_of_the_likelihood(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=200)
    answers = [rng.dirichlet(np.ones(3), 200) + spread * np.eye(3)[labels] for spread in (0, 1, 2)]
    answers = [proba / proba.sum(axis=1, keepdims=True) for proba in answers]
    weight = rng.random(200)
    right = np.stack([proba[np.arange(200), labels] for proba in answers], axis=1)
    expected = by_expectation_maximization(0.999 * right + 0.001 / 3, weight / weight.sum())
    found = mixture_weights(answers, labels, weight)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert found.sum() == pytest.approx(1) and (found >= 0).all()


def test_a_teacher_that_is_always_right_gets_all_weight():
    labels = np.arange(90) % 3
    answers = [np.full((90, 3), 1 / 3), np.eye(3)[labels]]
    np.testing.assert_allclose(mixture_weights(answers, labels), [0, 1], atol=1e-6)


def test_equal_teachers_get_equal_weights():
    proba = np.random.default_rng(0).dirichlet(np.ones(3), 90)
    np.testing.assert_allclose(mixture_weights([proba] * 4, np.arange(90) % 3), 1 / 4, atol=1e-9)


def test_whole_weights_are_repeated_rows():
    rng = np.random.default_rng(1)
    answers = [rng.dirichlet(np.ones(2), 60) for _ in range(3)]
    labels, counts = rng.integers(2, size=60), rng.integers(1, 4, size=60)
    repeated = [np.repeat(proba, counts, axis=0) for proba in answers]
    np.testing.assert_allclose(
        mixture_weights(answers, labels, counts),
        mixture_weights(repeated, np.repeat(labels, counts)),
        atol=1e-4,
    )


# The signal


def test_targets_are_the_weighted_mean_of_out_of_fold_answers():
    targets, clf = targets_seen(NAMED, FEW_X, FEW_Y, cv=FOLDS)
    answers = [out_of_fold(estimator) for _, estimator in NAMED]
    weights = clf.teacher_weights_
    assert list(weights) == ["tree", "linear", "bayes"]
    mean = np.average(answers, axis=0, weights=list(weights.values()))
    np.testing.assert_allclose(targets, mean, atol=1e-6)
    losses = [log_loss(FEW_Y, proba) for proba in answers]
    assert log_loss(FEW_Y, mean) < min(losses)


def test_the_teacher_is_the_mean_of_teachers_fitted_on_all_rows():
    clf = quick(NAMED, cv=FOLDS).fit(X, Y)
    expected = [clone(estimator).fit(X, Y).predict_proba(X) for _, estimator in NAMED]
    mean = np.average(expected, axis=0, weights=list(clf.teacher_weights_.values()))
    np.testing.assert_allclose(clf.teacher_.predict_proba(X), mean, atol=1e-12)
    np.testing.assert_array_equal(clf.teacher_.predict(X), mean.argmax(axis=1))
    assert all(not hasattr(estimator, "classes_") for _, estimator in NAMED)


def test_one_teacher_in_a_list_is_that_teacher():
    alone, listed = quick(LINEAR, cv=FOLDS).fit(X, Y), quick([LINEAR], cv=FOLDS).fit(X, Y)
    np.testing.assert_allclose(alone.predict_proba(X), listed.predict_proba(X), atol=1e-9)
    assert listed.teacher_weights_ == {"logisticregression": 1.0}


def test_fitted_teachers_count_equally_unless_rows_are_said_to_be_new():
    fitted = [clone(estimator).fit(X[:150], Y[:150]) for _, estimator in NAMED]
    clf = quick(fitted).fit(X[150:], Y[150:])
    assert set(clf.teacher_weights_.values()) == {1 / 3}
    clf.set_params(calibrate="temperature").fit(X[150:], Y[150:])
    answers = [one.predict_proba(X[150:]) for one in fitted]
    expected = mixture_weights(answers, Y[150:])
    np.testing.assert_allclose(list(clf.teacher_weights_.values()), expected, atol=1e-9)


def test_columns_are_found_by_value():
    """One teacher has the classes in another order, another does not know one of them."""
    turned = Says(["c", "b", "a"], [0.1, 0.2, 0.7])
    fewer = Says(["a", "b"], [0.5, 0.5])
    targets, _ = targets_seen([turned, fewer], FEW_X, np.array(["a", "b", "c"])[FEW_Y])
    np.testing.assert_allclose(targets, np.tile([0.6, 0.35, 0.05], (60, 1)), atol=1e-6)


def test_out_of_bag():
    bags = [RandomForestClassifier(20), ExtraTreesClassifier(20, bootstrap=True)]
    clf = DistilledClassifier(bags, cv="oob", random_state=0)
    clf.set_params(student__max_epochs=8, student__batch_size=64).fit(X, Y)
    assert sum(clf.teacher_weights_.values()) == pytest.approx(1)


def test_weights_reach_those_that_take_them():
    teachers = [CalibratedClassifierCV(LINEAR, cv=2), KNeighborsClassifier(5)]
    with pytest.warns(match="KNeighborsClassifier takes no sample_weight"):
        quick(teachers, cv=3).fit(X, Y, sample_weight=np.linspace(0.5, 2, len(Y)))


def test_a_cache_shares_the_fits_of_each(tmp_path):
    quick(NAMED, cv=FOLDS, memory=tmp_path).fit(X, Y)
    n_entries = len(list(tmp_path.rglob("output.pkl")))
    again = quick(NAMED[::-1][:2], cv=FOLDS, memory=tmp_path).fit(X, Y)
    assert len(list(tmp_path.rglob("output.pkl"))) == n_entries == 2 * 3
    assert list(again.teacher_weights_) == ["bayes", "linear"]


# What scikit-learn asks


def test_parameters_reach_each_teacher():
    clf = quick([clone(TREE), clone(LINEAR)])
    params = clf.get_params()
    assert params["teacher__decisiontreeclassifier__max_depth"] == 4
    clf.set_params(teacher__decisiontreeclassifier__max_depth=2, student__lr=0.5)
    assert clf.teacher[0][1].max_depth == 2
    clf.set_params(teacher__logisticregression=GaussianNB())
    assert isinstance(clf.teacher[1][1], GaussianNB)
    copied = clone(clf)
    assert copied.teacher[0][1] is not clf.teacher[0][1]
    assert copied.teacher[0][1].max_depth == 2
    with pytest.raises(ValueError, match="max_depht"):
        clf.set_params(teacher__decisiontreeclassifier__max_depht=2)


def test_a_clone_keeps_fitted_teachers():
    fitted = [clone(LINEAR).fit(X, Y), clone(BAYES).fit(X, Y)]
    assert clone(quick(fitted)).teacher == fitted


def test_a_search_over_a_teacher():
    clf = quick([("tree", clone(TREE)), ("linear", clone(LINEAR))], cv=2)
    search = GridSearchCV(clf, {"teacher__tree__max_depth": [1, 5]}, cv=2, error_score="raise")
    assert search.fit(X, Y).best_params_["teacher__tree__max_depth"] in (1, 5)


def test_pickle_and_notebook():
    clf = quick(NAMED, cv=3).fit(X, Y)
    again = pickle.loads(pickle.dumps(clf))
    assert again.teacher_weights_ == clf.teacher_weights_
    assert "TeacherAverage" in clf._repr_html_()


def test_report_shows_each():
    clf = quick(NAMED, cv=3).fit(X[:200], Y[:200])
    report = distillation_report(clf, X[200:], Y[200:], baseline=None, latency=False)
    loss = log_loss(Y[200:], dict(clf.teacher_.estimators)["linear"].predict_proba(X[200:]))
    [note] = [note for note in report.notes if "'linear'" in note]
    assert f"{clf.teacher_weights_['linear']:.2f}" in note and f"{loss:.4f}" in note


@pytest.mark.parametrize(
    ("teachers", "error", "message"),
    [
        ([], ValueError, "no teacher in it"),
        ([LINEAR, clone(LINEAR).fit(X, Y)], ValueError, "all must be fitted, or none"),
        ([("a", LINEAR), ("a", TREE)], ValueError, "not unique"),
        ([("a__b", LINEAR)], ValueError, "must not contain __"),
        ([LINEAR, 3], TypeError, "int"),
    ],
)
def test_lists_that_are_not_allowed(teachers, error, message):
    with pytest.raises(error, match=message):
        quick(teachers).fit(X, Y)


def test_one_teacher_has_no_weights():
    with pytest.raises(AttributeError, match="list of teachers"):
        _ = quick(clone(LINEAR).fit(X, Y)).fit(X, Y).teacher_weights_

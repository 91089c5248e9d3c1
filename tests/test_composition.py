"""Inside scikit-learn's own tools: a fitted teacher survives whatever clones the estimator."""

import pickle

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    permutation_test_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import get_tags

from skkd import DistilledClassifier
from skkd.augmenters import RandomSwap
from skkd.balancers import BALANCERS, DescentShare, FixedBalance
from skkd.students import STUDENTS, default_student, make_student
from tests.helpers import Net, fitted_teacher, make_data, quick, quick_net

X, Y = make_data(n_classes=2)

WRAPS = {"bare": lambda teacher: teacher, "frozen": FrozenEstimator}


@pytest.fixture(params=WRAPS)
def teacher(request):
    """A fitted teacher that can't be fitted again; it must be the same when the test is over."""
    teacher = fitted_teacher(X, Y)
    before = joblib.hash(teacher)
    yield WRAPS[request.param](teacher)
    assert joblib.hash(teacher) == before


META_ESTIMATORS = {
    "pipeline": lambda clf: make_pipeline(StandardScaler(), clf),
    "calibrated": lambda clf: CalibratedClassifierCV(clf, cv=2),
    "calibrated_single": lambda clf: CalibratedClassifierCV(clf, cv=2, ensemble=False),
    "tuned_threshold": lambda clf: TunedThresholdClassifierCV(clf, cv=2),
    "fixed_threshold": lambda clf: FixedThresholdClassifier(clf, threshold=0.3),
    "stacking": lambda clf: StackingClassifier([("d", clf), ("l", LogisticRegression())], cv=2),
    "bagging": lambda clf: BaggingClassifier(clf, 2, random_state=0),
    "voting": lambda clf: VotingClassifier([("a", clf), ("b", clf)], voting="soft"),
    "one_vs_rest": lambda clf: OneVsRestClassifier(clf),
    "grid": lambda clf: GridSearchCV(clf, {"temperature": [1.0, 2.0]}, cv=2, error_score="raise"),
    "random": lambda clf: RandomizedSearchCV(
        clf, {"student__lr": [0.1, 0.2]}, n_iter=2, cv=2, error_score="raise"
    ),
}


@pytest.mark.parametrize("kind", META_ESTIMATORS)
def test_meta_estimator(kind, teacher):
    meta = META_ESTIMATORS[kind](quick(teacher)).fit(X, Y)
    assert meta.score(X, Y) > 0.5
    assert clone(meta).fit(X, Y).score(X, Y) > 0.5


def test_self_training(teacher):
    labels = np.where(np.arange(len(Y)) % 3 == 0, -1, Y)
    meta = SelfTrainingClassifier(quick(teacher), threshold=0.5, max_iter=2).fit(X, labels)
    assert meta.score(X, Y) > 0.5


def test_cross_validation(teacher):
    clf = quick(teacher)
    assert cross_val_score(clf, X, Y, cv=3, error_score="raise").shape == (3,)
    results = cross_validate(clf, X, Y, cv=2, return_estimator=True, error_score="raise")
    for fitted in results["estimator"]:
        assert fitted.teacher is teacher
    assert cross_val_predict(clf, X, Y, cv=2, method="predict_proba").shape == (len(X), 2)
    assert permutation_test_score(clf, X, Y, cv=2, n_permutations=2)[0] > 0.5


def test_clone_carries_a_fitted_teacher(teacher):
    clf = quick(teacher, temperature=3.0, balancer=FixedBalance(0.2)).fit(X, Y)
    copy = clone(clf)
    assert copy.teacher is teacher
    assert not hasattr(copy, "student_")
    assert copy.temperature == 3.0
    assert copy.balancer is not clf.balancer and copy.balancer.weight == 0.2
    assert copy.student is not clf.student
    np.testing.assert_array_equal(copy.fit(X, Y).predict_proba(X), clf.predict_proba(X))


def test_clone_unfits_what_cv_fits():
    clf = quick(LogisticRegression(C=0.1), cv=3).fit(X, Y)
    copy = clone(clf)
    assert copy.teacher is not clf.teacher and copy.teacher.C == 0.1
    np.testing.assert_array_equal(copy.fit(X, Y).predict_proba(X), clf.predict_proba(X))


@pytest.mark.slow
@pytest.mark.parametrize(
    "run",
    [
        lambda clf: cross_val_score(clf, X, Y, cv=2, n_jobs=2, error_score="raise"),
        lambda clf: (
            GridSearchCV(clf, {"student__lr": [0.01, 0.2]}, cv=2, n_jobs=2, error_score="raise")
            .fit(X, Y)
            .cv_results_["mean_test_score"]
        ),
        lambda clf: BaggingClassifier(clf, 2, n_jobs=2, random_state=0).fit(X, Y).predict_proba(X),
        lambda clf: (
            VotingClassifier([("a", clf), ("b", clf)], voting="soft", n_jobs=2)
            .fit(X, Y)
            .predict_proba(X)
        ),
        lambda clf: StackingClassifier([("a", clf)], cv=2, n_jobs=2).fit(X, Y).predict_proba(X),
    ],
    ids=["cross_val_score", "grid", "bagging", "voting", "stacking"],
)
def test_processes_give_what_one_process_gives(run, teacher):
    parallel = run(quick(teacher))
    with joblib.parallel_backend("sequential"):
        alone = run(quick(teacher))
    np.testing.assert_array_equal(parallel, alone)


def test_outputs_of_an_estimator_inside_a_pipeline(teacher):
    pipeline = Pipeline([("scale", StandardScaler()), ("clf", quick(teacher))]).fit(X, Y)
    np.testing.assert_array_equal(
        pipeline.predict_proba(X),
        pipeline["clf"].predict_proba(pipeline["scale"].transform(X)),
    )
    assert pipeline.decision_function(X).shape == (len(X),)


# Searches


@pytest.mark.parametrize(
    "grid",
    [
        {"student__lr": [1e-3, 0.2]},
        {"student__module__hidden": [(4,), (8, 8)]},
        {"balancer__ratio": [0.5, 2.0]},
        {"balancer": [FixedBalance(0.1), FixedBalance(0.9)]},
        {"balancer": ["fixed", "loss_share"]},
        {"temperature": [1.0, 4.0]},
        {"distillation_loss": ["kl", "dkd"]},
        {"student__max_epochs": [1], "balancer__ratio": [2.0], "temperature": [2.0]},
    ],
    ids=lambda grid: "+".join(grid),
)
@pytest.mark.parametrize("student", [None, "given"])
def test_grid_search(grid, student, teacher):
    given = default_student().set_params(max_epochs=3, callbacks=None)
    clf = DistilledClassifier(teacher, None if student is None else given, random_state=0)
    grid = {"student__max_epochs": [3]} | grid
    search = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, Y)
    best = search.best_estimator_
    assert best.teacher is teacher
    for name, value in search.best_params_.items():
        found = best.get_params()[name]
        assert found == value or type(found) is type(value)
    # What was searched over is not written into what was given.
    assert clf.student is (None if student is None else given)
    assert clf.balancer == "descent_share"


def test_searched_parameters_reach_student_and_balancer(teacher):
    clf = DistilledClassifier(teacher, random_state=0).set_params(
        student__max_epochs=1,
        student__lr=0.02,
        student__module__hidden=(5,),
        student__module__bins=(),
        balancer__ratio=3.0,
    )
    assert clf.get_params()["student__lr"] == 0.02
    clf.fit(X, Y)
    assert clf.history_["lr"].shape == (1,)
    assert clf.student_.lr == 0.02
    assert [tuple(p.shape) for p in clf.student_.module_.parameters()][0] == (5, 5)
    assert isinstance(clf.balancer_, DescentShare) and clf.balancer_.ratio == 3.0


def test_set_params_takes_parent_and_child_at_once(teacher):
    clf = quick(teacher).set_params(student=None, student__lr=0.5, balancer="loss_share")
    assert clf.student.lr == 0.5
    assert clf.set_params(balancer="descent_share", balancer__ratio=4.0).balancer.ratio == 4.0


def test_grid_over_the_student_of_a_pipeline_student(teacher):
    student = Pipeline([("scale", StandardScaler()), ("net", quick_net())])
    grid = {"student__net__lr": [0.01, 0.2], "student__scale__with_mean": [True, False]}
    search = GridSearchCV(quick(teacher, student=student), grid, cv=2, error_score="raise")
    search.fit(X, Y)
    assert set(search.best_params_) == set(grid)


def test_grid_over_an_unfitted_teacher():
    clf = quick(LogisticRegression(), cv=2)
    grid = {"teacher__C": [0.01, 1.0], "teacher": [LogisticRegression()]}
    search = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, Y)
    assert search.best_estimator_.teacher_.C == search.best_params_["teacher__C"]


def test_frozen_teachers_as_grid_values():
    teachers = [FrozenEstimator(fitted_teacher(X, Y)) for _ in range(2)]
    search = GridSearchCV(quick(teachers[0]), {"teacher": teachers}, cv=2, error_score="raise")
    search.fit(X, Y)
    fitted_on = search.best_estimator_.teacher_.estimator
    assert any(fitted_on is teacher.estimator for teacher in teachers)


def test_bare_teachers_as_grid_values_are_cloned_and_so_cross_fitted():
    teachers = [LogisticRegression(C=0.1).fit(X, Y), LogisticRegression(C=0.2).fit(X, Y)]
    search = GridSearchCV(quick(teachers[0]), {"teacher": teachers}, cv=2, error_score="raise")
    search.fit(X, Y)
    assert search.best_estimator_.teacher not in teachers
    assert not hasattr(search.best_estimator_.teacher, "classes_")
    assert search.best_estimator_.teacher_.C == search.best_params_["teacher"].C


@pytest.mark.parametrize(
    ("wrap", "params"),
    [
        ("bare", {"teacher__C": 0.1}),
        ("frozen", {"teacher__C": 0.1}),
        ("frozen", {"teacher__estimator": LogisticRegression()}),
        ("frozen", {"teacher__estimator__C": 0.1}),
    ],
)
def test_parameters_of_a_fitted_teacher_are_refused(wrap, params):
    teacher = fitted_teacher(X, Y)
    before = joblib.hash(teacher)
    wrapped = WRAPS[wrap](teacher)
    with pytest.raises(ValueError, match=r"fitted teacher can't be set.*or an unfitted one"):
        quick(wrapped).set_params(**params)
    search = GridSearchCV(quick(wrapped), {name: [value] for name, value in params.items()}, cv=2)
    with pytest.raises(ValueError, match="fitted teacher can't be set"):
        search.fit(X, Y)
    assert joblib.hash(teacher) == before
    if wrap == "frozen":
        assert wrapped.estimator is teacher


def test_a_refused_set_params_changes_nothing():
    clf = quick(fitted_teacher(X, Y))
    before = {name: id(value) for name, value in clf.get_params(deep=False).items()}
    with pytest.raises(ValueError, match="fitted teacher"):
        clf.set_params(temperature=5.0, balancer__ratio=2.0, teacher__C=0.1)
    assert {name: id(value) for name, value in clf.get_params(deep=False).items()} == before


# Files


@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize("student", ["default", "net", "pipeline"])
def test_pickle_and_joblib(fitted, student, teacher, tmp_path):
    students = {
        "default": default_student().set_params(max_epochs=2),
        "net": quick_net(),
        "pipeline": Pipeline([("scale", StandardScaler()), ("net", quick_net())]),
    }
    clf = quick(teacher, student=students[student])
    if fitted:
        clf.fit(X, Y)
    joblib.dump(clf, tmp_path / "clf.joblib")
    for copy in (pickle.loads(pickle.dumps(clf)), joblib.load(tmp_path / "clf.joblib")):
        assert hasattr(copy, "student_") is fitted
        if not fitted:
            copy.fit(X, Y)
            clf.fit(X, Y)
        np.testing.assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))
        np.testing.assert_array_equal(copy.fit(X, Y).predict_proba(X), clf.predict_proba(X))


# Metadata routing


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


WEIGHT = np.random.default_rng(0).uniform(0.1, 5, len(X))


@pytest.mark.usefixtures("routing")
def test_routed_sample_weight_reaches_student_and_teacher():
    asking = LogisticRegression().set_fit_request(sample_weight=True)
    clf = quick(asking, cv=2).set_fit_request(sample_weight=True)
    clf.set_score_request(sample_weight=True)
    search = GridSearchCV(clf, {"temperature": [2.0]}, cv=2, error_score="raise")
    search.fit(X, Y, sample_weight=WEIGHT)
    expected = quick(asking, cv=2, temperature=2.0).fit(X, Y, sample_weight=WEIGHT)
    found = search.best_estimator_
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    weighted = LogisticRegression().fit(X, Y, sample_weight=WEIGHT)
    np.testing.assert_allclose(found.teacher_.coef_, weighted.coef_)


@pytest.mark.usefixtures("routing")
def test_routing_without_weights_for_the_teacher():
    silent = LogisticRegression().set_fit_request(sample_weight=False)
    clf = quick(silent, cv=2).fit(X, Y, sample_weight=WEIGHT)
    np.testing.assert_allclose(clf.teacher_.coef_, LogisticRegression().fit(X, Y).coef_)


@pytest.mark.usefixtures("routing")
def test_routing_with_a_teacher_that_says_nothing():
    with pytest.raises(ValueError, match=r"sample_weight.*set_fit_request"):
        quick(LogisticRegression(), cv=2).fit(X, Y, sample_weight=WEIGHT)


@pytest.mark.usefixtures("routing")
def test_routing_to_a_fitted_teacher(teacher):
    clf = quick(teacher).set_fit_request(sample_weight=True)
    clf.set_score_request(sample_weight=False)
    scores = cross_val_score(clf, X, Y, cv=2, params={"sample_weight": WEIGHT}, error_score="raise")
    assert scores.shape == (2,)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    pipeline = make_pipeline(scaler, clf).fit(X, Y, sample_weight=WEIGHT)
    scaled = pipeline[0].transform(X)
    direct = clone(clf).fit(scaled, Y, sample_weight=WEIGHT)
    np.testing.assert_array_equal(pipeline.predict_proba(X), direct.predict_proba(scaled))


@pytest.mark.usefixtures("routing")
def test_routed_teacher_proba():
    proba = LogisticRegression().fit(X, Y).predict_proba(X)
    clf = quick(None).set_fit_request(teacher_proba=True)
    scores = cross_val_score(clf, X, Y, cv=2, params={"teacher_proba": proba}, error_score="raise")
    assert scores.shape == (2,)


def test_requests_survive_clone(teacher):
    with sklearn.config_context(enable_metadata_routing=True):
        clf = clone(quick(teacher).set_fit_request(sample_weight=True))
        assert clf.get_metadata_routing()._self_request.fit.requests["sample_weight"] is True


def test_teacher_proba_is_sliced_by_folds():
    proba = np.random.default_rng(0).dirichlet(np.ones(2), len(X))
    search = GridSearchCV(quick(None), {"temperature": [1.0, 2.0]}, cv=2, error_score="raise")
    search.fit(X, Y, teacher_proba=proba)
    assert search.best_estimator_.teacher_ is None


# Tags and representation


def test_is_a_classifier(teacher):
    clf = quick(teacher)
    assert is_classifier(clf)
    assert get_tags(clf).estimator_type == "classifier"
    assert not get_tags(clf)._skip_test


@pytest.mark.parametrize(
    ("teacher", "student", "allow_nan"),
    [
        (HistGradientBoostingClassifier(), None, True),
        (LogisticRegression(), None, False),
        (HistGradientBoostingClassifier(), quick_net(), False),
        (None, None, True),
        (FrozenEstimator(HistGradientBoostingClassifier()), None, True),
        (FrozenEstimator(LogisticRegression()), None, False),
    ],
)
def test_tags_say_where_nan_is_allowed(teacher, student, allow_nan):
    assert get_tags(DistilledClassifier(teacher, student)).input_tags.allow_nan is allow_nan


@pytest.mark.parametrize("teacher", [LogisticRegression(), HistGradientBoostingClassifier()])
def test_tags_say_where_sparse_is_allowed(teacher):
    """Where the teacher says so; those of scikit-learn do from its version 1.7 on."""
    allowed = get_tags(teacher).input_tags.sparse
    assert get_tags(DistilledClassifier(teacher)).input_tags.sparse is allowed


@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize("student", [None, "pipeline"])
def test_html_shows_teacher_and_student(fitted, student):
    steps = Pipeline([("scale", StandardScaler()), ("net", quick_net())])
    clf = quick(LogisticRegression(), student=None if student is None else steps, cv=2)
    if fitted:
        clf.set_params(**({"student__max_epochs": 1} if student is None else {})).fit(X, Y)
    html = clf._repr_html_()
    for name in ("DistilledClassifier", "teacher: LogisticRegression", "NeuralNetClassifier"):
        assert name in html
    assert ("StandardScaler" in html) is (student is not None)
    assert "DistilledClassifier" in make_pipeline(StandardScaler(), clf)._repr_html_()


@pytest.mark.parametrize("student", [LogisticRegression(), 12, Pipeline([("net", None)])])
def test_a_wrong_student_is_for_fit_to_refuse(student):
    """A wrong parameter must not break what only shows the estimator, or asks a fitted one."""
    clf = DistilledClassifier(LogisticRegression(), student, cv=2)
    assert is_classifier(clf)
    assert "LogisticRegression" in clf._repr_html_()
    with pytest.raises(TypeError, match="student must be"):
        clf.fit(X, Y)


def test_html_without_teacher():
    assert "NeuralNetClassifier" in DistilledClassifier(None)._repr_html_()


def test_repr_is_short():
    assert repr(DistilledClassifier(LogisticRegression(), cv=3)) == (
        "DistilledClassifier(cv=3, teacher=LogisticRegression())"
    )


def test_not_for_feature_selection_without_coefficients():
    with pytest.raises(ValueError, match="coef_"):
        RFE(quick(LogisticRegression(), cv=2)).fit(X, Y)


def test_module_parameters_are_listed():
    assert (
        "student__module__hidden"
        in quick(None, student=quick_net(Net, module__hidden=3)).get_params()
    )


# Parameters of what a name or None stands for


def test_deep_parameters_of_names_and_none():
    clf = DistilledClassifier(LogisticRegression(), augmenter="random_swap")
    params = clf.get_params()
    assert params["student"] is None and params["balancer"] == "descent_share"
    for name, part in {
        "student": default_student(),
        "balancer": DescentShare(),
        "augmenter": RandomSwap(),
        "teacher": LogisticRegression(),
    }.items():
        expected = part.get_params()
        found = {
            key.removeprefix(f"{name}__"): value
            for key, value in params.items()
            if key.startswith(f"{name}__")
        }
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert type(found[key]) is type(value), key
    assert params["student__lr"] == default_student().lr
    # None of them was put into the estimator.
    assert clf.student is None and clf.balancer == "descent_share"
    assert clf.get_params(deep=False).keys() == {name for name in params if "__" not in name}


@pytest.mark.parametrize("name", STUDENTS)
def test_deep_parameters_of_students_by_name(name):
    params = quick(None, student=name).get_params()
    assert params["student__module"] is make_student(name).module


@pytest.mark.parametrize("name", BALANCERS)
def test_deep_parameters_of_balancers_by_name(name):
    params = quick(None, balancer=name).get_params()
    for key, value in BALANCERS[name]().get_params().items():
        assert params[f"balancer__{key}"] == value


@pytest.mark.parametrize("augmenter", [None, "auto", "no such name"])
@pytest.mark.parametrize("other", ["no such name", 3])
def test_no_deep_parameters_of_what_stands_for_nothing(augmenter, other):
    params = quick(None, augmenter=augmenter, student=other, balancer=other).get_params()
    assert not [name for name in params if "__" in name]


def test_each_deep_parameter_can_be_set_and_is_then_there():
    clf = DistilledClassifier(LogisticRegression(), augmenter="random_swap")
    changed = {
        "student__lr": 0.25,
        "balancer__ratio": 3.0,
        "augmenter__prob": 0.75,
        "teacher__C": 0.5,
    }
    assert changed.keys() <= clf.get_params().keys()
    clf.set_params(**changed)
    assert changed.items() <= clf.get_params().items()
    twin = clone(clf)
    assert changed.items() <= twin.get_params().items()

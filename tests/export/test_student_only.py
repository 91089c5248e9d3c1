"""A student without its teacher."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import check_scoring, get_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from skorch.callbacks import EpochScoring, LRScheduler

from skkd import DistilledClassifier
from skkd.export import StudentOnly
from tests.export.frames import people, quick_student
from tests.helpers import fitted_teacher, make_data, quick, quick_net, same_state

METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "student", [None, quick_net(), make_pipeline(StandardScaler(), quick_net())]
)
def test_answers_are_the_same(n_classes, student):
    X, y = make_data(n_classes=n_classes)
    y = np.array(["a", "b", "c"])[y]
    clf = quick(fitted_teacher(X, y), student=student)
    if student is None:
        clf.set_params(student__max_epochs=2)
    clf.fit(X, y)
    alone = clf.student_only()
    for method in METHODS:
        assert np.array_equal(getattr(alone, method)(X), getattr(clf, method)(X))
    assert alone.score(X, clf.predict(X)) == 1.0
    assert np.array_equal(alone.classes_, clf.classes_)
    assert alone.n_features_in_ == 5


def test_names_of_a_frame_are_kept_and_checked():
    frame, y = people(100)
    alone = quick_student(frame, y).student_only()
    assert alone.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        alone.predict(frame[frame.columns[::-1]])


def test_pickle_is_little_more_than_the_weights():
    X, y = make_data(300)
    forest = RandomForestClassifier(random_state=0).fit(X[:150], y[:150])
    callbacks = [("rate", LRScheduler()), ("score", EpochScoring("accuracy", on_train=True))]
    clf = DistilledClassifier(forest, quick_net(callbacks=callbacks), random_state=0).fit(X, y)
    alone = clf.student_only()
    stored = pickle.dumps(alone)
    weights = sum(one.numel() * one.element_size() for one in alone.student_.module_.parameters())
    assert len(stored) < weights + 5000
    assert len(stored) < len(pickle.dumps(clf)) / 20
    for word in (b"RandomForest", b"Adam_", b"LRScheduler", b"train_loss"):
        assert word not in stored
    again = pickle.loads(stored)
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_classifier_is_left_as_it_was():
    X, y = make_data()
    clf = quick(fitted_teacher(X, y)).fit(X, y)
    before = {name: one.clone() for name, one in clf.student_.module_.state_dict().items()}
    proba = clf.predict_proba(X)
    alone = clf.student_only()
    assert clf.student_.optimizer_ is not None
    clf.partial_fit(X, y)
    assert same_state(alone.student_.module_.state_dict(), before)
    assert np.array_equal(alone.predict_proba(X), proba)


def test_scikit_learn_takes_it_for_a_fitted_classifier():
    X, y = make_data(n_classes=2)
    alone = quick(fitted_teacher(X, y)).fit(X, y).student_only()
    assert is_classifier(alone)
    assert get_scorer("neg_log_loss")(alone, X, y) < 0
    assert check_scoring(alone, "roc_auc")(alone, X, y) > 0.5
    calibrated = CalibratedClassifierCV(FrozenEstimator(alone)).fit(X, y)
    assert calibrated.predict_proba(X).shape == (60, 2)
    assert clone(alone) is alone
    assert "StudentOnly" in repr(alone)
    assert alone._repr_html_()


def test_input_tags_are_the_students():
    frame, y = people(100)
    assert get_tags(quick_student(frame, y).student_only()).input_tags.allow_nan
    X, y = make_data()
    tags = get_tags(quick_student(X, y).student_only()).input_tags
    assert tags.sparse
    assert not tags.allow_nan


def test_it_can_not_be_fitted():
    X, y = make_data()
    alone = quick(fitted_teacher(X, y)).fit(X, y).student_only()
    with pytest.raises(TypeError, match="A StudentOnly cannot be fitted"):
        alone.fit(X, y)


def test_unfitted():
    X, y = make_data()
    with pytest.raises(NotFittedError):
        quick(fitted_teacher(X, y)).student_only()
    with pytest.raises(NotFittedError):
        StudentOnly().predict(X)

"""``augmenter="auto"``."""

import sys
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch.utils.data import default_collate

from skkd import DistilledClassifier
from skkd._training.choose_augmenter import has_room, usual_augmenter
from skkd.augmenters import NeighborSwap, RandomSwap, ShiftFlipCrop
from skkd.balancers import FixedBalance, Pilot
from skkd.exceptions import DistillationWarning
from tests.helpers import Says, make_data, quick, quick_net

# The package has a function of the same name.
_choose_augmenter = sys.modules[usual_augmenter.__module__]

X, Y = make_data(n_rows=400, n_classes=2)
GOOD_TEACHER = LogisticRegression(C=100).fit(*make_data(n_rows=400, n_classes=2))
PROBA = GOOD_TEACHER.predict_proba(X)


class Wrong(Says):
    """Sure of the wrong label wherever it has not been told the right one."""

    def predict_proba(self, X):
        return GOOD_TEACHER.predict_proba(X)[:, ::-1]


def few_labels(teacher, n_rows=100, **params):
    clf = quick(teacher, student=quick_net(max_epochs=40), augmenter="auto", **params)
    return clf.fit(X[:n_rows], Y[:n_rows])


def test_synthetic_rows_of_a_good_teacher_are_taken():
    flipped = np.random.default_rng(0).random(100) < 0.2
    clf = quick(GOOD_TEACHER, student=quick_net(max_epochs=100), augmenter="auto")
    clf.fit(X[:100], np.where(flipped, 1, 0) ^ GOOD_TEACHER.predict(X[:100]))
    assert isinstance(clf.augmenter_, (NeighborSwap, RandomSwap))
    assert clf.history_["synthetic_loss"][-1] < clf.history_["synthetic_loss"][0]


def test_synthetic_rows_of_a_bad_teacher_are_left_out():
    clf = few_labels(Wrong([0, 1], None))
    assert clf.augmenter_ is None
    assert "synthetic_loss" not in clf.history_


def test_auto_without_new_rows_is_training_without_synthetic_rows():
    teacher = Wrong([0, 1], None)
    plain = quick(teacher, student=quick_net(max_epochs=40)).fit(X[:100], Y[:100])
    np.testing.assert_array_equal(few_labels(teacher).predict_proba(X), plain.predict_proba(X))


def test_same_random_state_same_choice_and_result():
    first, second = few_labels(GOOD_TEACHER), few_labels(GOOD_TEACHER)
    assert repr(first.augmenter_) == repr(second.augmenter_)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_validation_rows_of_early_stopping_take_no_part(monkeypatch):
    looked_at = []

    def spy(signal, *args, **kwargs):
        looked_at.append(len(signal.rows.labels))

    monkeypatch.setattr("skkd._distiller.choose_augmenter", spy)
    few_labels(GOOD_TEACHER, n_rows=100, early_stopping=True)
    assert looked_at == [pytest.approx(90, abs=3)]


def test_user_callbacks_hear_of_the_training_only():
    from skorch.callbacks import Callback

    class Hears(Callback):
        begun: list = []

        def on_train_begin(self, net, **kwargs):
            self.begun.append(net)

    net = quick_net(max_epochs=2, callbacks=[("hears", Hears())])
    quick(GOOD_TEACHER, student=net, augmenter="auto").fit(X, Y)
    assert len(Hears.begun) == 1


def test_it_is_the_default():
    assert DistilledClassifier(GOOD_TEACHER).augmenter == "auto"


@pytest.fixture
def looks(monkeypatch):
    """Called where "auto" makes synthetic rows."""
    spy = Mock(return_value=None)
    monkeypatch.setattr(_choose_augmenter, "within_budget", spy)
    return spy


def test_it_looks_where_rows_fill_more_than_one_batch(looks):
    few_labels(GOOD_TEACHER, n_rows=64)
    assert not looks.called
    few_labels(GOOD_TEACHER, n_rows=65)
    assert looks.called


def no_more_than_one_batch(weight):
    weight[64:] = 0
    return weight


NOT_LOOKED_FOR = {
    "probabilities instead of answers": lambda clf: clf.fit(X, Y, teacher_proba=PROBA),
    "probabilities only": lambda clf: clf.set_params(teacher=None).fit(X, Y, teacher_proba=PROBA),
    "sparse rows": lambda clf: clf.fit(sparse.csr_array(X), Y),
    "rows without labels given": lambda clf: clf.fit(X, Y, X_unlabeled=X[:10]),
    "rows of weight zero": lambda clf: clf.fit(X, Y, no_more_than_one_batch(np.ones(len(Y)))),
    "all rows in a batch": lambda clf: clf.set_params(student__batch_size=-1).fit(X, Y),
    "batches of the student's own": lambda clf: clf.set_params(
        student__iterator_train__collate_fn=default_collate
    ).fit(X, Y),
    "a part of the rows": lambda clf: clf.partial_fit(X, Y).partial_fit(X, Y),
    "labels only": lambda clf: clf.set_params(balancer=FixedBalance(0)).fit(X, Y),
    "none asked for": lambda clf: clf.set_params(augmenter=None).fit(X, Y),
}


@pytest.mark.parametrize("case", NOT_LOOKED_FOR)
def test_where_there_can_be_no_synthetic_rows_it_looks_for_none(case, looks):
    clf = NOT_LOOKED_FOR[case](quick(GOOD_TEACHER, augmenter="auto"))
    assert not looks.called
    assert clf.augmenter_ is None


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (np.broadcast_to(np.float32(0), (10**6, 50)), True),
        (np.broadcast_to(np.float32(0), (20_000, 4000)), False),  # new rows would copy a large X
        (np.broadcast_to(np.float32(0), (10**6, 900)), False),
        (np.broadcast_to(np.float32(0), (40_001, 1, 2, 2)), False),
        (np.broadcast_to(np.float32(0), (2, 8, 8)), False),
        (sparse.csr_array((2, 2)), False),
        (np.zeros((5, 0)), False),
    ],
    ids=["long", "large", "wide", "many images", "no channels", "sparse", "no columns"],
)
def test_room_for_synthetic_rows(rows, expected):
    assert has_room(rows) == expected


@pytest.mark.parametrize(
    ("most_rows", "pilot", "expected"),
    [
        (399, Pilot(0.0, 1.0, trust=0.8), True),
        (399, Pilot(0.0, 1.0, trust=0.6), False),
        (399, None, False),
        (400, Pilot(0.0, 1.0, trust=0.6), True),
        (400, None, True),
    ],
)
def test_of_many_rows_only_a_much_better_teacher_labels_more(
    monkeypatch, most_rows, pilot, expected
):
    monkeypatch.setattr(_choose_augmenter, "MOST_ROWS", most_rows)
    monkeypatch.setattr("skkd._distiller.run_pilot", lambda *args, **kwargs: pilot)
    clf = quick(GOOD_TEACHER, balancer="descent_share", augmenter="auto").fit(X, Y)
    assert (clf.augmenter_ is not None) == expected


def test_neighbors_are_not_looked_for_among_lists():
    frame = pd.DataFrame({"number": [1.0, 2.0], "other": [[1], [2, 3]]})
    assert isinstance(usual_augmenter(frame, 30), RandomSwap)
    assert isinstance(usual_augmenter(frame[["number"]], 30), NeighborSwap)


def test_a_teacher_and_a_student_of_columns_of_their_own_need_no_augmenter_named():
    class Numbers(FunctionTransformer):
        def transform(self, frame):
            return frame[["a", "b"]].to_numpy(float)

    frame = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(tags=[["x"], ["y", "z"]] * 200)
    teacher = make_pipeline(Numbers(), LogisticRegression())
    student = make_pipeline(Numbers(), quick_net())
    clf = quick(teacher, student=student, cv=3, augmenter="auto").fit(frame, Y)
    assert isinstance(clf.augmenter_, (RandomSwap, type(None)))


def test_images_are_shifted():
    assert isinstance(usual_augmenter(np.zeros((2, 1, 8, 8)), 30), ShiftFlipCrop)


@pytest.mark.parametrize(
    ("n_rows", "n_new", "square"),
    [
        (10, 2, 2),
        (4000, 2, 2),
        (6400, 1.25, 2),
        (8000, 1, 2),
        (20_000, 1, 2),
        (32_000, 1, 1.25),
        (40_000, 1, 1),
        (160_000, 0.25, 0.25),
    ],
)
def test_the_more_rows_the_less_the_synthetic_ones_weigh(n_rows, n_new, square):
    augmenter = usual_augmenter(np.zeros((n_rows, 2)), 30)
    assert (augmenter.n_new, augmenter.loss_weight) == (n_new, square**0.5)


@pytest.mark.parametrize(("n_epochs", "n_pools"), [(1, 1), (3, 3), (30, 8), (150, 8)])
def test_rows_are_made_anew_eight_times(n_epochs, n_pools):
    augmenter = usual_augmenter(np.zeros((8000, 2)), n_epochs)
    assert -(-n_epochs // augmenter.refresh) == n_pools


@pytest.mark.parametrize("n_rows", [100, 4000, 5000, 6000, 8000, 10**5])
@pytest.mark.parametrize("n_epochs", [20, 47, 60, 150, 300])
def test_the_teacher_answers_fewer_than_ten_rows_for_each(n_rows, n_epochs):
    augmenter = usual_augmenter(np.zeros((n_rows, 2)), n_epochs)
    assert augmenter.n_new * -(-n_epochs // augmenter.refresh) <= 8


def test_a_teacher_that_saw_the_rows_labels_no_others(looks):
    rows, labels = make_data(n_rows=1000, n_classes=2)
    forest = RandomForestClassifier(random_state=0)
    with pytest.warns(DistillationWarning, match="probably trained on them"):
        clf = quick(forest.fit(rows, labels), augmenter="auto").fit(rows, labels)
    assert clf.augmenter_ is None and not looks.called
    quick(forest.fit(rows[:500], labels[:500]), augmenter="auto").fit(rows[500:], labels[500:])
    assert looks.called


def test_labels_that_teach_more_than_the_teacher_knows_speak_against_synthetic_rows(
    looks, monkeypatch
):
    for gain in (0.0, 0.3):
        pilot = Pilot(gain=gain, error=0.01, trust=0.5)
        monkeypatch.setattr("skkd._distiller.run_pilot", lambda *args, pilot=pilot: pilot)
        quick(GOOD_TEACHER, balancer="descent_share", augmenter="auto").fit(X, Y)
        assert looks.call_count == 1


@pytest.mark.parametrize("n_rows", [60, 500])
def test_the_default_asks_at_most_ten_times_for_each_row(n_rows):
    class Counts(LogisticRegression):
        asked = 0

        def predict_proba(self, X):
            Counts.asked += len(X)
            return super().predict_proba(X)

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n_rows, 3))
    labels = (rows[:, 0] + rng.normal(size=n_rows) > 0).astype(int)
    DistilledClassifier(Counts(), random_state=0).fit(rows, labels)
    # Out-of-fold answers, and synthetic rows.
    assert n_rows < Counts.asked <= 10 * n_rows

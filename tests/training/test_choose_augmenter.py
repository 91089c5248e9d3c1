"""``augmenter="auto"``."""

import sys
from typing import ClassVar
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
from skkd._classification import Classification
from skkd._training import loop as _training
from skkd._training import sources
from skkd._training.choose_augmenter import best_gain, candidates_for, most_synthetic_rows
from skkd.augmenters import Augmenter, NeighborSwap, RandomSwap, ShiftFlipCrop
from skkd.balancers import DescentShare, FixedBalance, TeacherKnowledge
from tests.helpers import Memory, Says, make_data, quick, quick_net

# The package has a function of the same name.
_choose_augmenter = sys.modules[best_gain.__module__]

X, Y = make_data(n_rows=400, n_classes=2)
GOOD_TEACHER = LogisticRegression(C=100).fit(*make_data(n_rows=400, n_classes=2))
PROBA = GOOD_TEACHER.predict_proba(X)


class Counts(LogisticRegression):
    """Keeps the rows of every fit of it and of its clones."""

    fits: list = []

    def fit(self, X, y, sample_weight=None):
        self.fits.append(X)
        return super().fit(X, y, sample_weight)


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


def test_no_choice_on_too_few_rows():
    # More than a batch of them, and yet too few to hold some out.
    net = quick_net(batch_size=2)
    clf = quick(GOOD_TEACHER, student=net, augmenter="auto").fit(X[:4], [0, 0, 1, 1])
    assert clf.augmenter_ is None


def test_auto_without_new_rows_is_training_without_synthetic_rows():
    teacher = Wrong([0, 1], None)
    plain = quick(teacher, student=quick_net(max_epochs=40)).fit(X[:100], Y[:100])
    np.testing.assert_array_equal(few_labels(teacher).predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize(
    ("n_rows", "max_epochs", "n_epochs"),
    [(50, 40, 16), (400, 40, 16), (400, 1, 1), (400, 1000, 120)],  # 5 batches of those kept
)
def test_short_trainings_are_short(n_rows, max_epochs, n_epochs, monkeypatch):
    trained = []

    def train(*args, n_epochs, **kwargs):
        trained.append(n_epochs)
        return _training.train(*args, n_epochs=1, **kwargs)

    monkeypatch.setattr(_choose_augmenter, "train", train)
    monkeypatch.setattr("skkd._distiller.train", Mock(return_value={"epoch": [0]}))
    net = quick_net(max_epochs=max_epochs, batch_size=64 if n_rows > 64 else 16)
    clf = quick(GOOD_TEACHER, student=net, balancer=DescentShare(fade=False), augmenter="auto")
    clf.fit(X[:n_rows], Y[:n_rows])
    assert trained == [n_epochs] * 3


def test_same_random_state_same_choice_and_result():
    first, second = few_labels(GOOD_TEACHER), few_labels(GOOD_TEACHER)
    assert repr(first.augmenter_) == repr(second.augmenter_)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_teacher_of_the_short_trainings_has_not_seen_the_validation_rows():
    Counts.fits = []
    few_labels(Counts(), cv=3, n_rows=100)
    *_, on_all = Counts.fits[:4]
    on_part, *folds = Counts.fits[4:]
    assert len(on_all) == 100
    assert len(on_part) == pytest.approx(80, abs=3)
    assert as_set(on_part) < as_set(on_all)
    # Nor do those who speak of the fit rows, each of a third that it has not seen either.
    assert len(folds) == 3
    assert all(as_set(fold) < as_set(on_part) for fold in folds)
    assert all(row in set.union(*map(as_set, folds)) for row in as_set(on_part))


def test_out_of_bag_teacher_of_the_short_trainings_has_not_seen_the_validation_rows():
    class Forest(RandomForestClassifier):
        fits: ClassVar[list] = []

        def fit(self, X, y, sample_weight=None):
            self.fits.append(X)
            return super().fit(X, y, sample_weight)

    few_labels(Forest(100, random_state=0), cv="oob", n_rows=100)
    on_all, on_part = Forest.fits
    assert len(on_part) == pytest.approx(80, abs=3)
    assert as_set(on_part) < as_set(on_all)


def test_class_that_would_be_missing_in_a_fold_of_the_short_trainings_is_no_error():
    class NeedsAll(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            assert len(np.unique(y)) == 3
            return super().fit(X, y, sample_weight)

    y = Y.copy()
    y[:3] = 2  # one of them is held out, and both others are in one fold
    folds = np.arange(len(y)) % 2
    folds[:3] = 0
    both = [np.flatnonzero(folds == fold) for fold in (0, 1)]
    splits = [(np.append(both[1], [0, 1, 2]), both[0]), (both[0], both[1])]
    clf = quick(NeedsAll(), cv=splits, augmenter="auto", balancer="fixed")
    assert clf.fit(X, y).n_iter_ > 0


def as_set(rows: np.ndarray) -> set:
    return {row.tobytes() for row in rows}


def test_a_teacher_that_remembers_its_rows_does_not_win_by_that(monkeypatch):
    # It labels rows that it knows perfectly and knows nothing of others: new rows that are copies
    # of fit rows can't help, unless held-out rows were among those that the teacher knows.
    class Copies(Augmenter):
        def make(self, rows, index, rng):
            return rows[index]

    monkeypatch.setattr(
        _choose_augmenter, "candidates_for", lambda X, n_epochs, knows_all: [Copies()]
    )
    knows = TeacherKnowledge(loss=0.5, gain=0.2, error=0.01)  # if it did not, none were looked at
    monkeypatch.setattr(Classification, "knowledge", lambda self, rows: knows)
    rng = np.random.default_rng(0)
    noise = rng.integers(2, size=200)
    seen = []

    class Remembers(Memory):
        def predict_proba(self, rows):
            proba = super().predict_proba(rows)
            seen.append((len(self.known_), (proba.max(axis=1) == 1).all()))
            return proba

    quick(Remembers(), cv=3, augmenter="auto").fit(X[:200], noise)
    of_short_training = [known for n_rows, known in seen if 150 < n_rows < 200]
    assert of_short_training
    assert all(of_short_training)


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
    """Called where "auto" compares trainings."""
    spy = Mock(return_value=None)
    monkeypatch.setattr(_choose_augmenter, "compare_augmenters", spy)
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
    "rows",
    [
        np.zeros((40_001, 2)),  # so many labels leave a teacher little to add
        np.broadcast_to(np.float32(0), (20_000, 4000)),  # new rows would be a copy of a large X
        np.broadcast_to(np.float32(0), (2, 8, 8)),
        sparse.csr_array((2, 2)),
        np.zeros((5, 0)),
    ],
    ids=["many", "large", "images without channels", "sparse", "no columns"],
)
def test_no_synthetic_rows_are_made_of_these(rows):
    assert most_synthetic_rows(rows) < 1


@pytest.mark.parametrize("values", [pd.to_datetime(["2026-01-01", "2026-01-02"]), [[1], [2, 3]]])
def test_neighbors_are_not_looked_for_among_dates_and_lists(values):
    frame = pd.DataFrame({"number": [1.0, 2.0], "other": values})
    assert {type(kind) for kind in candidates_for(frame, 30, knows_all=False)} == {RandomSwap}
    assert NeighborSwap in map(type, candidates_for(frame[["number"]], 30, knows_all=False))


def test_a_teacher_and_a_student_of_columns_of_their_own_need_no_augmenter_named():
    class Numbers(FunctionTransformer):
        def transform(self, frame):
            return frame[["a", "b"]].to_numpy(float)

    frame = pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(tags=[["x"], ["y", "z"]] * 200)
    teacher = make_pipeline(Numbers(), LogisticRegression())
    student = make_pipeline(Numbers(), quick_net())
    clf = quick(teacher, student=student, cv=3, augmenter="auto").fit(frame, Y)
    assert isinstance(clf.augmenter_, (RandomSwap, type(None)))


def test_candidates_fit_the_rows():
    assert all(kind.takes == "tables" for kind in candidates_for(X, 30, knows_all=False))
    for_images = candidates_for(np.zeros((2, 1, 8, 8)), 30, knows_all=False)
    assert all(isinstance(kind, ShiftFlipCrop) for kind in for_images)


@pytest.mark.parametrize(
    ("n_rows", "n_new"), [(10, 2), (10_000, 2), (20_000, 2), (32_000, 1.25), (40_000, 1)]
)
def test_the_more_rows_the_fewer_new_ones_for_each(n_rows, n_new):
    for kind in candidates_for(np.zeros((n_rows, 2)), 30, knows_all=False):
        assert (kind.n_new, kind.loss_weight) == (n_new, n_new**0.5)
    assert most_synthetic_rows(np.zeros((n_rows, 2))) == n_new


def test_teacher_who_may_have_seen_all_rows_labels_one_for_each(monkeypatch):
    monkeypatch.setattr(_choose_augmenter, "best_gain", lambda *args: 0)
    assert all(
        kind.n_new == kind.loss_weight == 1 for kind in candidates_for(X, 30, knows_all=True)
    )
    told = LogisticRegression(C=100).fit(X, Y)
    by_told = few_labels(told, n_rows=100, balancer="fixed").augmenter_
    by_fitted_here = few_labels(LogisticRegression(), cv=3, n_rows=100, balancer="fixed").augmenter_
    assert (by_told.n_new, by_fitted_here.n_new) == (1, 2)


@pytest.mark.parametrize(
    ("teacher", "cv", "n_new", "n_pools"),
    [(LogisticRegression(), 3, 2.0, 1), (GOOD_TEACHER, None, 1.0, 1)],
)
def test_short_trainings_make_two_synthetic_rows_for_each_or_one_and_once(
    teacher, cv, n_new, n_pools, monkeypatch
):
    made = []

    class Spy(sources.AugmentedRows):
        def next_pool(self):
            pool = super().next_pool()
            if pool is not None:
                made.append((self.loss_weight, len(pool[1])))
            return pool

    monkeypatch.setattr(sources, "AugmentedRows", Spy)
    few_labels(teacher, cv=cv, n_rows=100, balancer="fixed")  # 16 epochs
    expected = [(n_new**0.5, pytest.approx(80 * n_new, abs=6))] * 2 * n_pools
    assert made[: len(expected)] == expected
    # All others are of the training itself.
    assert all(n_rows >= 100 for _, n_rows in made[len(expected) :])


# The decision


def test_the_largest_mean_gain_wins():
    rng = np.random.default_rng(0)
    gains = [rng.normal(mean, 0.1, size=100) for mean in (0.1, 0.3, 0.2, -1.0)]
    assert best_gain(gains, None, 0.0) == 1


@pytest.mark.parametrize("n_errors", [-2.0, 0.0, 0.5])
def test_what_does_not_exceed_so_many_of_its_errors_is_left_out(n_errors):
    gain = np.array([1.0, -1.0] * 50)  # a standard error is 0.1
    least = 0.1 * n_errors
    assert best_gain([gain + least - 0.01, gain + least - 0.02], None, n_errors) is None
    assert best_gain([gain + least - 0.01, gain + least + 0.01], None, n_errors) == 1


@pytest.mark.parametrize(
    ("knows_all", "shift", "is_taken"),
    [(False, -0.19, True), (False, -0.21, False), (True, 0.04, False), (True, 0.06, True)],
)
def test_only_a_clear_loss_speaks_against_synthetic_rows_unless_the_teacher_knows(
    monkeypatch, knows_all, shift, is_taken
):
    gain = np.array([1.0, -1.0] * 50) + shift  # a standard error is 0.1

    def judged(gains, weight, n_errors):
        return best_gain([gain], None, n_errors)

    monkeypatch.setattr(_choose_augmenter, "best_gain", judged)
    teacher = LogisticRegression(C=100)
    clf = few_labels(teacher.fit(X, Y) if knows_all else teacher, cv=None if knows_all else 3)
    assert (clf.augmenter_ is not None) == is_taken


def test_weights_are_repeated_rows():
    rng = np.random.default_rng(0)
    weight = np.tile([1, 3], 20)
    for shift in np.linspace(-0.2, 0.2, 21):
        gains = [rng.normal(size=40) + shift, rng.normal(size=40)]
        means = [np.repeat(gain, weight).mean() for gain in gains]
        chosen = best_gain(gains, weight.astype(float), 0.5)
        assert chosen is None or chosen == int(np.argmax(means))
    assert best_gain([np.array([1.0, -9.0] * 20)], np.tile([1.0, 0.0], 20), 0.5) == 0


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
    # Out-of-fold answers, those of the comparison out of fold, and synthetic rows.
    assert n_rows < Counts.asked <= 12 * n_rows

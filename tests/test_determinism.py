"""The same random_state, the same result; integer weights are repeated rows."""

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skkd import DistilledClassifier
from skkd._random import PrivateTorchState
from skkd.students import default_student
from tests.helpers import DropoutNet, Noise, fitted_teacher, make_data, quick, quick_net

X, Y = make_data(n_rows=90)
TEACHER = fitted_teacher(X, Y)

STUDENTS = {
    "default": default_student().set_params(max_epochs=5, batch_size=32),
    "dropout": quick_net(DropoutNet, batch_size=20),
    "default_dropout": default_student().set_params(max_epochs=5, module__dropout=0.3),
    "loader": quick_net(
        batch_size=20, iterator_train__shuffle=True, iterator_train__collate_fn=Noise()
    ),
}


def make(student, random_state=0, **params):
    return quick(TEACHER, student=STUDENTS[student], random_state=random_state, **params)


def fit_and_ask(clf):
    return clf.fit(X, Y).predict_proba(X)


@pytest.mark.parametrize("student", STUDENTS)
def test_twice_the_same(student):
    clf = make(student)
    first = fit_and_ask(clf)
    np.testing.assert_array_equal(fit_and_ask(clf), first)
    np.testing.assert_array_equal(fit_and_ask(clone(clf)), first)


@pytest.mark.parametrize("student", STUDENTS)
def test_threads_give_what_one_thread_gives(student):
    clfs = [make(student, random_state) for random_state in range(6)]
    alone = [fit_and_ask(clone(clf)) for clf in clfs]
    together = Parallel(n_jobs=3, backend="threading")(delayed(fit_and_ask)(clf) for clf in clfs)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.slow
def test_processes_give_what_one_process_gives():
    clfs = [make(student, random_state) for student in STUDENTS for random_state in range(2)]
    alone = [fit_and_ask(clone(clf)) for clf in clfs]
    together = Parallel(n_jobs=2, backend="loky")(delayed(fit_and_ask)(clf) for clf in clfs)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("student", STUDENTS)
def test_global_seeds_do_not_matter_and_are_left_alone(student):
    results = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        clf = make(student)
        results.append(fit_and_ask(clf))
        clf.partial_fit(X, Y)
        assert torch.equal(torch.get_rng_state(), before[0])
        np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("random_state", [0, None])
def test_global_states_are_left_alone_when_a_fit_fails(random_state):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    student = quick_net(module__n_classes=2)
    with pytest.raises(ValueError, match="classes"):
        quick(TEACHER, student=student, random_state=random_state).fit(X, Y)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


@pytest.mark.parametrize("student", STUDENTS)
def test_another_random_state_another_student(student):
    assert not np.array_equal(fit_and_ask(make(student, 0)), fit_and_ask(make(student, 1)))
    assert not np.array_equal(fit_and_ask(make(student, None)), fit_and_ask(make(student, None)))


def test_random_state_instance_moves_on():
    state = np.random.RandomState(0)
    first, second = fit_and_ask(make("dropout", state)), fit_and_ask(make("dropout", state))
    assert not np.array_equal(first, second)
    again = fit_and_ask(make("dropout", np.random.RandomState(0)))
    np.testing.assert_array_equal(again, first)


def test_order_of_batches_follows_the_random_state():
    clf = make("default").set_params(student__batch_size=8)
    losses = [clf.fit(X, Y).history_["loss"] for _ in range(2)]
    np.testing.assert_array_equal(*losses)


def test_prediction_does_not_depend_on_what_was_asked_before():
    clf = make("dropout").fit(X, Y)
    before = clf.predict_proba(X)
    clf.predict(X[:3])
    clf.student_.module_.train()  # someone looked inside
    np.testing.assert_array_equal(clf.predict_proba(X), before)


# Weights


COUNTS = np.random.default_rng(0).integers(0, 4, len(X))
REPEATED = np.repeat(np.arange(len(X)), COUNTS)


def full_batch(**params):
    student = params.pop("student", quick_net(batch_size=-1))
    return DistilledClassifier(LogisticRegression(tol=1e-12), student, random_state=0, **params)


@pytest.mark.parametrize("teacher", ["proba", "cv"])
@pytest.mark.parametrize(
    "student",
    [
        # Whose size is not of the number of rows, and in which nothing is random.
        default_student().set_params(
            batch_size=-1, module__dropout=0.0, module__pruning=0.0, module__bins=()
        ),
        quick_net(batch_size=-1),
    ],
    ids=["default", "net"],
)
def test_integer_weights_are_repeated_rows(teacher, student):
    proba = TEACHER.predict_proba(X)
    clf = full_batch(student=student).set_params(student__max_epochs=10)
    if teacher == "proba":
        weighted = clone(clf).fit(X, Y, sample_weight=COUNTS, teacher_proba=proba)
        repeated = clone(clf).fit(X[REPEATED], Y[REPEATED], teacher_proba=proba[REPEATED])
    else:
        # Folds that keep the copies of a row together.
        fold = np.arange(len(X)) % 3
        splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
        of_copies = fold[REPEATED]
        splits_of_copies = [
            (np.flatnonzero(of_copies != k), np.flatnonzero(of_copies == k)) for k in range(3)
        ]
        weighted = clone(clf).set_params(cv=splits).fit(X, Y, sample_weight=COUNTS)
        repeated = clone(clf).set_params(cv=splits_of_copies).fit(X[REPEATED], Y[REPEATED])
    tolerance = 1e-10 if teacher == "proba" else 1e-7  # the teacher's own solver
    np.testing.assert_allclose(
        weighted.predict_proba(X), repeated.predict_proba(X), rtol=0, atol=tolerance
    )


def test_integer_weights_with_early_stopping():
    proba = TEACHER.predict_proba(X)
    clf = full_batch(early_stopping=True, validation_fraction=0.3)
    weighted = clone(clf).fit(X, Y, sample_weight=COUNTS, teacher_proba=proba)
    repeated = clone(clf).fit(X[REPEATED], Y[REPEATED], teacher_proba=proba[REPEATED])
    np.testing.assert_allclose(
        weighted.predict_proba(X), repeated.predict_proba(X), rtol=0, atol=1e-10
    )
    np.testing.assert_allclose(
        weighted.history_["valid_score"], repeated.history_["valid_score"], atol=1e-10
    )


@pytest.mark.parametrize("batch_size", [-1, 16])
def test_weight_zero_is_absence(batch_size):
    proba = TEACHER.predict_proba(X)
    weight = np.where(np.arange(len(X)) % 3 == 0, 0.0, 1.0)
    kept = np.flatnonzero(weight)
    clf = full_batch(student=quick_net(batch_size=batch_size))
    weighted = clone(clf).fit(X, Y, sample_weight=weight, teacher_proba=proba)
    removed = clone(clf).fit(X[kept], Y[kept], teacher_proba=proba[kept])
    np.testing.assert_allclose(
        weighted.predict_proba(X), removed.predict_proba(X), rtol=0, atol=1e-12
    )


def test_scale_of_the_weights_does_not_matter():
    proba = TEACHER.predict_proba(X)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    fits = [
        full_batch().fit(X, Y, sample_weight=scale * weight, teacher_proba=proba)
        for scale in (1.0, 64.0)
    ]
    np.testing.assert_allclose(*(clf.predict_proba(X) for clf in fits), atol=1e-12)


def test_uniform_weights_are_no_weights():
    proba = TEACHER.predict_proba(X)
    weighted = full_batch().fit(X, Y, sample_weight=np.full(len(X), 2), teacher_proba=proba)
    plain = full_batch().fit(X, Y, teacher_proba=proba)
    np.testing.assert_allclose(weighted.predict_proba(X), plain.predict_proba(X), atol=1e-12)


def test_class_weight_is_a_sample_weight():
    weights = {0: 1.0, 1: 4.0, 2: 0.5}
    by_class = full_batch(cv=3, class_weight=weights).fit(X, Y)
    by_row = full_batch(cv=3).fit(X, Y, sample_weight=[weights[label] for label in Y])
    np.testing.assert_array_equal(by_class.predict_proba(X), by_row.predict_proba(X))


def test_balanced_classes_weigh_the_same():
    few = np.r_[np.flatnonzero(Y == 0)[:5], np.flatnonzero(Y == 1)[:10], np.flatnonzero(Y == 2)]
    counts = np.bincount(Y[few])
    balanced = full_batch(cv=3, class_weight="balanced").fit(X[few], Y[few])
    weight = (len(few) / (3 * counts))[Y[few]]
    by_row = full_batch(cv=3).fit(X[few], Y[few], sample_weight=weight)
    np.testing.assert_allclose(
        balanced.predict_proba(X), by_row.predict_proba(X), rtol=0, atol=1e-12
    )


def test_class_weight_multiplies_sample_weight():
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    both = full_batch(cv=3, class_weight={1: 3.0}).fit(X, Y, sample_weight=weight)
    product = full_batch(cv=3).fit(X, Y, sample_weight=weight * np.where(Y == 1, 3.0, 1.0))
    np.testing.assert_array_equal(both.predict_proba(X), product.predict_proba(X))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_dropout_of_the_default_student_draws_from_its_own_generator(dropout, monkeypatch):
    drawn = []
    is_drawn_by = PrivateTorchState.is_drawn_by

    def watched(self, function, *args):
        result, is_drawn = is_drawn_by(self, function, *args)
        drawn.append(is_drawn)
        return result, is_drawn

    monkeypatch.setattr(PrivateTorchState, "is_drawn_by", watched)
    student = default_student().set_params(max_epochs=3, module__dropout=dropout)
    before = torch.get_rng_state()
    clf = quick(TEACHER, student=student).fit(X, Y)
    assert drawn == [False]
    assert torch.equal(torch.get_rng_state(), before)
    # The masks are of the seed, and they are there.
    other = quick(TEACHER, student=student, random_state=1).fit(X, Y)
    without = quick(TEACHER, student=clone(student).set_params(module__dropout=0.0)).fit(X, Y)
    assert not np.array_equal(other.predict_proba(X), clf.predict_proba(X))
    assert np.array_equal(without.predict_proba(X), clf.predict_proba(X)) is (dropout == 0.0)


def test_dropout_of_other_students_draws_from_the_state_of_the_training(monkeypatch):
    drawn = []
    is_drawn_by = PrivateTorchState.is_drawn_by
    monkeypatch.setattr(
        PrivateTorchState,
        "is_drawn_by",
        lambda *args: drawn.append(found := is_drawn_by(*args)) or found,
    )
    fit_and_ask(make("dropout"))
    assert [is_drawn for _, is_drawn in drawn] == [True]

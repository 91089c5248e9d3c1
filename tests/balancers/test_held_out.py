"""Rules that look at held-out rows."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from skkd._input.validation_split import split_held_out
from skkd._random import draw_seeds
from skkd.balancers import (
    Balancer,
    BatchRows,
    Competence,
    DescentShare,
    Famo,
    FixedBalance,
    Gated,
    HeldOutLosses,
    Hypergradient,
    SampleWise,
    StepState,
)
from tests.balancers.tiny import LAST_LAYER, TinyProblem
from tests.helpers import fitted_teacher, make_data, quick, quick_net

X, Y = make_data(n_rows=90)
PROBA = fitted_teacher(X, Y).predict_proba(X)


# Hypergradient

everywhere = pytest.mark.parametrize(
    ("gradients", "frozen"), [("all", False), ("last_layer", True)]
)
with_weights = pytest.mark.parametrize("weight", [None, np.arange(1.0, 10)], ids=["equal", "own"])


def held_out_loss_after_a_step(balance, **options):
    """Where the balancing parameter is given, and the step is plain gradient descent."""
    problem = TinyProblem(FixedBalance(balance), lr=0.5, **options)
    problem.step()
    return problem.held_out_loss()


@everywhere
@with_weights
@pytest.mark.parametrize("conflict", [False, True])
@pytest.mark.parametrize("balance", [0.2, 0.7])
def test_slopes_are_those_of_the_held_out_loss_through_a_real_step(
    gradients, frozen, weight, conflict, balance
):
    options = {"conflict": conflict, "frozen": frozen, "held_out_weight": weight}
    problem = TinyProblem(Hypergradient(initial=balance, gradients=gradients), 0.5, **options)
    assert problem.step()[0] == balance
    h = 1e-5
    ahead, behind = (held_out_loss_after_a_step(balance + d, **options) for d in (h, -h))
    state = problem.state
    slope = -0.5 * (state.held_out_slope_distillation - state.held_out_slope_task)
    assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-6)
    assert abs(slope) > 1e-4


@with_weights
def test_slopes_in_the_last_layer_move_that_layer_only(weight):
    options = {"held_out_weight": weight}
    problem = TinyProblem(Hypergradient(gradients="last_layer"), 0.5, **options)
    before = problem.theta
    problem.step()
    after, h = problem.theta, 1e-5
    seen = problem.state.held_out_slope_task, problem.state.held_out_slope_distillation
    for which, slope in enumerate(seen):
        direction = np.zeros(43)
        basis = np.eye(43)[LAST_LAYER]
        direction[LAST_LAYER] = [problem.slopes(before, each)[which] for each in basis]
        ends = [problem.held_out_loss(after + sign * h * direction) for sign in (1, -1)]
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("gradients", ["last_layer", "all"])
def test_parameter_moves_against_the_slope_by_adam(gradients):
    problem = TinyProblem(Hypergradient(lr=0.01, gradients=gradients), lr=0.5)
    parameter = torch.tensor([0.5], dtype=torch.float64)
    optimizer = torch.optim.Adam([parameter], lr=0.01)
    for _ in range(8):
        assert problem.step()[0] == pytest.approx(float(parameter), rel=1e-9)
        state = problem.state
        slope = state.held_out_slope_task - state.held_out_slope_distillation
        parameter.grad = torch.tensor([slope], dtype=torch.float64)
        optimizer.step()
    assert abs(float(parameter) - 0.5) > 0.01


def test_parameter_stays_within_its_bounds():
    rule = Hypergradient(lr=0.3, min_weight=0.4, max_weight=0.6).reset()
    weights = []
    for slope in [1.0] * 5 + [-10.0] * 5:
        weights.append(rule.weights(StepState())[1])
        rule.update(StepState(held_out_slope_task=slope, held_out_slope_distillation=0.0))
    # It turns back at once, for it was not carried away beyond the bounds.
    assert min(weights) == 0.4 and weights[-1] == 0.6


def test_hypergradient_is_not_for_logits():
    with pytest.raises(ValueError, match=r"gradients='logits'.*'last_layer' or 'all'"):
        Hypergradient(gradients="logits").validate()


# Competence


def losses_of(student, teacher, share=None, n_rows=None):
    n_classes = len(student)
    share = np.full(n_classes, 1 / n_classes) if share is None else np.array(share)
    n_rows = np.full(n_classes, 100) if n_rows is None else np.array(n_rows)
    return HeldOutLosses(np.array(student, float), np.array(teacher, float), share, n_rows)


def batch_of(labels, n_classes=2):
    labels = torch.as_tensor(labels)
    logits = torch.zeros(len(labels), n_classes, dtype=torch.float64)
    return BatchRows(logits, labels, torch.softmax(logits, -1))


def gates(rule, *epochs, labels=(0, 1)):
    """The gate after each epoch: a number, or one for each label."""
    rule.reset()
    rows = batch_of(labels, len(epochs[0].student))
    return [
        np.asarray(torch.as_tensor(rule.gate(StepState(held_out=losses, rows=rows))))
        for losses in epochs
    ]


@given(
    student=st.floats(0.01, 10),
    teacher=st.floats(0.01, 10),
    power=st.floats(0.1, 8),
    weight=st.floats(0, 1),
)
def test_competence_equals_its_formula(student, teacher, power, weight):
    losses = losses_of([student], [teacher])
    expected = weight * min(student / teacher, 1.0) ** power
    rule = Competence(weight, power=power, per_class=False).reset()
    assert rule.weights(StepState(held_out=losses))[1] == pytest.approx(expected, rel=1e-12)


def test_a_better_teacher_counts_in_full_and_a_worse_one_less_and_less():
    epochs = [losses_of([loss] * 2, [0.5] * 2) for loss in (2.0, 0.5, 0.4, 0.25)]
    rule = Competence(power=2.0, per_class=False)
    np.testing.assert_allclose(gates(rule, *epochs), [1.0, 1.0, 0.64, 0.25])


def test_losses_of_all_classes_count_by_their_share():
    losses = losses_of([0.2, 0.8], [1.0, 0.5], share=[0.75, 0.25])
    expected = (0.75 * 0.2 + 0.25 * 0.8) / (0.75 * 1.0 + 0.25 * 0.5)
    assert gates(Competence(power=1.0, per_class=False), losses) == [pytest.approx(expected)]


def test_each_class_has_a_competence_of_its_own():
    losses = losses_of([0.2, 0.9], [0.4, 0.3])
    [gate] = gates(Competence(power=2.0, per_class=True), losses, labels=[0, 1, 1, 0])
    np.testing.assert_allclose(gate, [0.25, 1.0, 1.0, 0.25])


@pytest.mark.parametrize(("n_rows", "own"), [([30, 29], [True, False]), ([29, 30], [False, True])])
def test_a_class_of_few_rows_has_the_competence_of_all(n_rows, own):
    losses = losses_of([0.2, 0.1], [0.4, 0.8], share=[0.6, 0.4], n_rows=n_rows)
    overall = (0.6 * 0.2 + 0.4 * 0.1) / (0.6 * 0.4 + 0.4 * 0.8)
    [gate] = gates(Competence(power=1.0, min_rows=30, per_class=True), losses)
    np.testing.assert_allclose(gate, np.where(own, [0.5, 0.125], overall))


def test_without_enough_rows_of_any_class_all_rows_have_one_gate():
    losses = losses_of([0.2, 0.2], [0.4, 0.8], n_rows=[5, 5])
    [gate] = gates(Competence(power=1.0, per_class=True), losses)
    assert gate == pytest.approx(0.2 / 0.6)


def test_a_class_without_held_out_rows_is_left_out_of_the_students_loss():
    losses = losses_of([0.2, np.nan], [0.4, 0.8], share=[0.5, 0.5], n_rows=[50, 0])
    [gate] = gates(Competence(power=1.0, per_class=True), losses)
    np.testing.assert_allclose(gate, [0.5, 0.2 / 0.6])


def test_a_class_without_any_weight_is_left_out():
    losses = losses_of([0.2, np.nan], [0.4, np.nan], share=[1.0, 0.0], n_rows=[50, 0])
    assert gates(Competence(power=1.0, per_class=False), losses) == [pytest.approx(0.5)]


def test_the_lowest_loss_of_the_student_counts():
    epochs = [losses_of([s, s], [0.8, 0.8]) for s in (0.6, 0.4, 0.7, 0.2)]
    np.testing.assert_allclose(
        gates(Competence(power=1.0, per_class=False), *epochs), [0.75, 0.5, 0.5, 0.25]
    )
    np.testing.assert_allclose(
        gates(Competence(power=1.0, per_class=True), *epochs),
        np.array([0.75, 0.5, 0.5, 0.25])[:, None] * [1, 1],
    )


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize(
    ("student", "teacher", "expected"), [(0.0, 0.0, 1.0), (0.5, 0.0, 1.0), (0.0, 0.5, 0.0)]
)
def test_losses_of_zero(student, teacher, expected, per_class):
    losses = losses_of([student] * 2, [teacher] * 2)
    [gate] = gates(Competence(per_class=per_class), losses)
    np.testing.assert_array_equal(gate, expected)


@pytest.mark.parametrize("per_class", [False, True])
def test_without_held_out_rows_the_weight_stays(per_class):
    rule = Competence(0.6, per_class=per_class).reset()
    state = StepState(rows=batch_of([0, 1]))
    assert [rule.weights(state)[1] for _ in range(3)] == [0.6] * 3


def test_reset_forgets_what_the_teacher_was():
    rule = Competence(power=1.0, per_class=False)
    epochs = losses_of([0.1], [0.4]), losses_of([0.3], [0.4])
    np.testing.assert_allclose(gates(rule, *epochs), [0.25, 0.25])
    np.testing.assert_allclose(gates(rule, *epochs[1:]), [0.75])


# What a fit hands to the rules


class Recorded(Balancer):
    """Keeps the held-out losses of every epoch, and the number of rows in each batch."""

    needs = frozenset({"held_out_losses", "rows"})

    def reset(self):
        self.seen_, self.labels_ = [], []
        return super().reset()

    def propose(self, state):
        if state.held_out is not None and (not self.seen_ or self.seen_[-1] is not state.held_out):
            self.seen_.append(state.held_out)
        self.labels_.append(state.rows.labels.numpy())
        return 0.5


class Spy(Competence):
    """Leaves the weight alone, and keeps what it saw."""

    def __init__(self):
        super().__init__()

    def gate(self, state):
        if state.held_out is not None:
            self.seen_ = state.held_out
        return 1.0


def fit(balancer, sample_weight=None, proba=PROBA, **params):
    clf = quick(None, balancer=balancer, validation_fraction=0.3, **params)
    return clf.fit(X, Y, sample_weight=sample_weight, teacher_proba=proba)


def sides(seed=0):
    """The rows that a fit trains on, and those which it holds out."""
    return split_held_out(X, Y, 0.3, draw_seeds(seed, 3)[2])


@pytest.mark.parametrize("weighted", [False, True])
def test_held_out_losses_are_those_computed_by_hand(weighted):
    weight = np.random.default_rng(0).uniform(0.5, 3, len(X)) if weighted else None
    student = quick_net(max_epochs=3, batch_size=20)
    clf = fit(Recorded(), weight, student=student)
    # What the student knew after the last epoch but one, for after the last there is no step.
    after_two = fit(Recorded(), weight, student=student.set_params(max_epochs=2))
    _, held_out = sides()
    own = -np.log(after_two.predict_proba(X))[np.arange(len(X)), Y]
    of_teacher = -np.log(PROBA[np.arange(len(X)), Y])
    weight = np.ones(len(X)) if weight is None else weight
    assert len(clf.balancer_.seen_) == 2
    losses = clf.balancer_.seen_[-1]
    for k in range(3):
        of_class = np.flatnonzero(Y == k)
        held = np.intersect1d(of_class, held_out)
        assert losses.student[k] == pytest.approx(np.average(own[held], weights=weight[held]))
        expected = np.average(of_teacher[of_class], weights=weight[of_class])
        assert losses.teacher[k] == pytest.approx(expected)
        assert losses.share[k] == pytest.approx(weight[of_class].sum() / weight.sum())
        assert losses.n_rows[k] == len(held)


def test_a_label_that_the_teacher_rules_out_costs_it_a_finite_loss():
    """As the votes of a forest do; a thousandth is the least that counts."""
    proba = np.eye(3)[np.where(np.arange(len(Y)) % 2, Y, (Y + 1) % 3)]
    [losses, *_] = fit(Recorded(), proba=proba).balancer_.seen_
    for k in range(3):
        wrong = np.mean(np.arange(len(Y))[Y == k] % 2 == 0)
        assert losses.teacher[k] == pytest.approx(wrong * -np.log(1e-3))


def test_equal_rows_of_different_labels_count_once_for_each_label():
    rows, labels = np.repeat(X[:30], 4, axis=0), np.tile([0, 0, 1, 1], 30)
    clf = quick(None, balancer=Recorded(), validation_fraction=0.3)
    clf.fit(rows, labels, teacher_proba=np.full((120, 2), 0.5))
    assert clf.balancer_.seen_[0].n_rows.tolist() == [9, 9]


def test_held_out_losses_agree_with_the_score():
    clf = fit(Recorded())
    _, held_out = sides()
    for losses, score in zip(clf.balancer_.seen_, clf.history_["valid_score"], strict=False):
        counts = np.bincount(Y[held_out])
        assert np.average(losses.student, weights=counts) == pytest.approx(-score)


@pytest.mark.parametrize("rule", [Recorded(), Gated(Recorded()), Gated(by=Competence())], ids=str)
def test_held_out_rows_are_never_trained_on(rule):
    train, held_out = sides()
    proba = PROBA.copy()
    clf = fit(rule)
    if isinstance(rule, Recorded):
        each = [sorted(labels) for labels in clf.balancer_.labels_]
        assert each == [sorted(Y[train])] * 15
    # Other targets for the held-out rows, of the same loss on the labels, change nothing.
    for row in held_out:
        others = np.flatnonzero(np.arange(3) != Y[row])
        proba[row, others] = proba[row, others[::-1]]
    assert not np.array_equal(proba, PROBA)
    twin = clone(clf).fit(X, Y, teacher_proba=proba)
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))


def test_hypergradient_does_not_look_at_what_the_teacher_says_of_held_out_rows():
    _, held_out = sides()
    proba = PROBA.copy()
    proba[held_out] = proba[held_out][:, ::-1]
    clf = fit(Hypergradient())
    twin = clone(clf).fit(X, Y, teacher_proba=proba)
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("per_class", [False, True])
def test_competence_of_a_fit_equals_its_formula(per_class):
    proba = 0.1 * PROBA + 0.3  # a teacher that knows little
    params = {"proba": proba, "student": quick_net(batch_size=-1, max_epochs=2, lr=0.2)}
    clf = fit(Competence(0.8, power=2.0, per_class=per_class, min_rows=1), **params)
    # In the first epoch both train with the same weight.
    seen = fit(Gated(FixedBalance(0.8), by=Spy()), **params).balancer_.by_.seen_
    train, _ = sides()
    if per_class:
        expected = 0.8 * (np.clip(seen.student / seen.teacher, 0, 1) ** 2)[Y[train]].mean()
    else:
        totals = [(seen.share * of).sum() for of in (seen.student, seen.teacher)]
        expected = 0.8 * min(totals[0] / totals[1], 1) ** 2
    assert expected < 0.75
    np.testing.assert_allclose(clf.history_["weight"], [0.8, expected])


def test_a_teacher_that_knows_nothing_loses_its_say():
    knows_nothing = np.full_like(PROBA, 1 / 3)
    clf = quick(None, balancer=Competence(0.7), student=quick_net(max_epochs=40))
    weight = clf.fit(X, Y, teacher_proba=knows_nothing).history_["weight"]
    assert weight[0] == 0.7
    assert (np.diff(weight) <= 1e-12).all()
    assert weight[-1] < 0.5


def test_a_sure_teacher_counts_in_full():
    sure = np.eye(3)[Y]
    weight = quick(None, balancer=Competence(0.7)).fit(X, Y, teacher_proba=sure).history_["weight"]
    np.testing.assert_allclose(weight, 0.7, rtol=1e-12)


def test_competence_goes_on_where_there_are_too_few_rows_to_hold_any_out():
    few = [np.flatnonzero(Y == k)[i] for k in range(3) for i in range(2)]
    clf = quick(None, balancer=Competence(0.7)).fit(X[few], Y[few], teacher_proba=PROBA[few])
    np.testing.assert_allclose(clf.history_["weight"], 0.7)
    assert "valid_score" not in clf.history_


def test_repeated_rows_give_a_class_no_competence_of_its_own():
    """A class of 4 held-out rows has 4, however often each is there: weights are repetitions."""
    counts = np.full(len(X), 10)
    repeated = np.repeat(np.arange(len(X)), counts)
    rule = Competence(min_rows=20, per_class=True)
    student = quick_net(batch_size=-1)
    clf = quick(None, balancer=rule, student=student, validation_fraction=0.3)
    weighted = clone(clf).fit(X, Y, sample_weight=counts, teacher_proba=PROBA)
    copies = clone(clf).fit(X[repeated], Y[repeated], teacher_proba=PROBA[repeated])
    np.testing.assert_allclose(
        copies.history_["weight_max"], weighted.history_["weight_max"], rtol=1e-6
    )
    np.testing.assert_allclose(copies.predict_proba(X), weighted.predict_proba(X), rtol=1e-6)


# Gated


class Half(Balancer):
    """A gate of one's own."""

    def gate(self, state):
        return 0.5


def test_gate_multiplies_the_rule():
    losses = losses_of([0.2, 0.9], [0.4, 0.3])
    state = StepState(held_out=losses, rows=batch_of([0, 1, 1]))
    task, distillation = (
        Gated(FixedBalance(0.6), by=Competence(power=1.0, per_class=True)).reset().weights(state)
    )
    np.testing.assert_allclose(distillation, [0.3, 0.6, 0.6])
    np.testing.assert_allclose(task, [0.7, 0.4, 0.4])


def test_gate_of_ones_own():
    assert Gated(FixedBalance(0.6), by=Half()).reset().weights(StepState()) == (0.7, 0.3)


def test_weight_of_the_gate_is_not_used():
    losses = losses_of([0.2], [0.4])
    gated = Gated(FixedBalance(0.6), by=Competence(0.1, power=1.0, per_class=False)).reset()
    assert gated.weights(StepState(held_out=losses))[1] == pytest.approx(0.3)


def test_gate_comes_after_the_guards_of_the_rule():
    losses = losses_of([0.2], [0.4])
    rule = DescentShare(1.0, min_weight=0.4, max_weight=0.6, smoothing=0.5)
    gated = Gated(rule, by=Competence(power=1.0, per_class=False)).reset()
    alone = clone(rule).reset()
    for A, B in ((1.0, 1e-6), (1.0, 1e6), (1.0, 1.0), (2.0, 1.0)):
        state = StepState(A=A, B=B, C=0.0, held_out=losses)
        expected = 0.5 * alone.weights(state)[1]
        assert gated.weights(state)[1] == pytest.approx(expected, rel=1e-12)


def test_gated_rows():
    """Weights of rows and gates of classes."""
    losses = losses_of([0.2, 0.9], [0.4, 0.3])
    rows = batch_of([0, 1, 1])
    rows.teacher_proba[0, 0] = 1.0
    state = StepState(held_out=losses, rows=rows)
    gated = Gated(
        SampleWise("teacher_correct", weight=0.6), by=Competence(power=1.0, per_class=True)
    ).reset()
    np.testing.assert_allclose(gated.weights(state)[1], [0.3, 0.0, 0.0])


@pytest.mark.parametrize(
    ("gated", "needs", "wants"),
    [
        (
            Gated(),
            {"gradients", "held_out_losses", "teacher", "pilot"},
            {"held_out_losses"},
        ),
        (Gated("fixed", by=Competence(per_class=False)), {"held_out_losses"}, {"held_out_losses"}),
        (Gated("loss_share", by=Half()), {"losses"}, set()),
        (
            Gated(Hypergradient(), by=Competence(per_class=False)),
            {"gradients", "held_out_slopes", "held_out_losses"},
            {"held_out_losses"},
        ),
        (Gated(Recorded()), {"held_out_losses", "rows"}, set()),  # it can't do without
        (
            Gated(Famo(admissible_step=True), by=Half()),
            {"losses", "losses_after"},
            set(),
        ),
        (Gated(Gated("gradient_norm")), {"gradients", "held_out_losses"}, None),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_gated_requires_what_rule_and_gate_require(gated, needs, wants):
    gated.validate()
    assert gated.requirements() == needs
    assert wants is None or gated.wants == wants


@pytest.mark.parametrize("gradients", ["logits", "last_layer", "all"])
def test_gated_measures_gradients_where_its_rule_does(gradients):
    assert Gated(DescentShare(gradients=gradients)).gradients == gradients
    clf = fit(Gated(DescentShare(gradients=gradients), by=Competence(min_rows=1, per_class=True)))
    assert np.isfinite(clf.history_["distillation_share"]).all()


def test_gated_shows_the_importance_that_its_rule_looks_at():
    trace = {name: np.array([value]) for name, value in {"A": 4.0, "B": 9.0, "C": 3.0}.items()}
    trace["weight"] = np.array([0.3])
    gated = Gated("descent_share").reset()
    assert gated.importance(trace) == DescentShare().importance(trace)
    assert gated.target_share is None


def test_rule_behind_a_gate_looks_back():
    student = quick_net(batch_size=-1)
    clf = fit(Gated(Famo(lr=0.2), by=Half()), student=student)
    alone = fit(Famo(lr=0.2), student=student)
    assert clf.history_["weight"][0] == pytest.approx(alone.history_["weight"][0] / 2)
    # Its own state moved.
    assert abs(clf.balancer_.balancer_._v.value) > 0.1


def test_parameters_of_rule_and_gate():
    clf = quick(None, balancer=Gated(DescentShare(), by=Competence()))
    clf.set_params(balancer__balancer__ratio=0.3, balancer__by__power=2.0)
    assert clf.get_params()["balancer__balancer__ratio"] == 0.3
    twin = clone(clf)
    assert twin.balancer.balancer.ratio == 0.3 and twin.balancer.by.power == 2.0
    clf.fit(X, Y, teacher_proba=PROBA)
    assert clf.balancer_.balancer_.ratio == 0.3 and clf.balancer_.by_.power == 2.0
    assert not hasattr(clf.balancer, "balancer_") and not hasattr(clf.balancer, "by_")


@pytest.mark.parametrize("balancer", ["gated", Gated()], ids=str)
def test_parameters_of_a_rule_and_a_gate_that_go_without_saying(balancer):
    clf = quick(None, balancer=balancer)
    clf.set_params(balancer__balancer__ratio=0.3, balancer__by__power=2.0)
    assert clf.balancer.balancer.ratio == 0.3 and clf.balancer.by.power == 2.0


def test_parameters_of_a_rule_given_by_name_in_the_same_call():
    gated = Gated().set_params(balancer="loss_share", balancer__ratio=3.0)
    assert gated.balancer.ratio == 3.0 and gated.by is None
    with pytest.raises(ValueError, match="'zigzag' is not known"):
        Gated().set_params(balancer="zigzag", balancer__ratio=3.0)
    assert Gated().set_params(balancer="loss_share").balancer == "loss_share"


def test_gated_is_pickled_with_its_state():
    clf = fit(Gated(DescentShare(), by=Competence(min_rows=1, per_class=True)))
    back = pickle.loads(pickle.dumps(clf))
    assert back.balancer_.by_._lowest == clf.balancer_.by_._lowest
    np.testing.assert_array_equal(back.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize(
    "by",
    ["competence", 0.5, FixedBalance(), Competence, lambda state: 0.5],
    ids=["name", "number", "balancer", "class", "function"],
)
def test_gate_without_a_gate(by):
    with pytest.raises(TypeError, match=r"by=.*gate\(state\).*Competence\(\)"):
        Gated(by=by).validate()


def test_gated_checks_both_parts():
    with pytest.raises(ValueError, match="ratio=-1 of DescentShare"):
        Gated(DescentShare(-1)).validate()
    with pytest.raises(ValueError, match="power=0 of Competence"):
        Gated(by=Competence(power=0)).validate()
    with pytest.raises(ValueError, match="'zigzag' is not known.*'fixed'"):
        Gated("zigzag").validate()

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skkd.balancers import DynamicWeightAverage, LossShare, StepState
from tests.helpers import make_data, quick

# Products of numbers below 1e-300 are no longer exact to a share of themselves.
losses = st.just(0.0) | st.floats(1e-100, 1e6)
ratios = st.floats(1e-3, 1e3)


class RecordedLossShare(LossShare):
    """Keeps the losses and the weights of each step."""

    def reset(self):
        self.seen_ = []
        return super().reset()

    def weights(self, state):
        weights = super().weights(state)
        losses = (state.task_loss, state.distillation_loss)
        self.seen_.append([float(value) for value in (*losses, *weights)])
        return weights


def state_of(task, distillation):
    return StepState(task_loss=np.float64(task), distillation_loss=np.float64(distillation))


def run(rule, pairs):
    rule.reset()
    return [float(rule.weights(state_of(*pair))[1]) for pair in pairs]


def at(weight, pair):
    """The weighted loss."""
    return (1 - weight) * pair[0] + weight * pair[1]


@given(st.lists(st.tuples(losses, losses), min_size=1, max_size=5), ratios)
def test_distillation_outweighs_the_task(pairs, ratio):
    for (task, distillation), weight in zip(pairs, run(LossShare(ratio), pairs), strict=True):
        # The rounding of 1 - weight is all that the inequality may lack.
        assert weight * distillation >= ratio * (1 - weight) * task - 4e-16 * ratio * task


@pytest.mark.parametrize(
    ("task", "distillation", "ratio", "expected"),
    [(1.0, 1.0, 1.0, 0.5), (1.0, 3.0, 1.0, 0.25), (1.0, 3.0, 3.0, 0.5), (0.0, 3.0, 1.0, 0.0)],
)
def test_weight_is_the_smallest_that_does(task, distillation, ratio, expected):
    assert run(LossShare(ratio), [(task, distillation)]) == [expected]


def test_perfect_student_of_its_teacher_gets_all_distillation():
    assert run(LossShare(), [(0.5, 0.0)]) == [1.0]


def test_no_loss_at_all_holds_the_weight():
    assert run(LossShare(), [(0.0, 0.0), (1.0, 3.0), (0.0, 0.0)]) == [0.5, 0.25, 0.25]


def test_unit_of_the_losses_does_not_matter():
    pairs = [(0.3, 0.7), (0.2, 0.9)]
    scaled = [(8 * task, 8 * distillation) for task, distillation in pairs]
    for monotone in (False, True):
        rule = LossShare(2.0, monotone=monotone)
        assert run(rule, pairs) == run(rule, scaled)


@given(st.lists(st.tuples(losses, losses), min_size=2, max_size=8), ratios)
def test_monotone_never_falls_while_the_weighted_loss_falls(pairs, ratio):
    weights = run(LossShare(ratio, monotone=True), pairs)
    plain = run(LossShare(ratio), pairs)
    for i in range(1, len(pairs)):
        before, after = at(weights[i - 1], pairs[i - 1]), at(weights[i - 1], pairs[i])
        if after < before * (1 - 1e-12):
            assert weights[i] >= weights[i - 1]
        elif after > before * (1 + 1e-12) and sum(pairs[i]) > 0:
            assert weights[i] == plain[i]


def test_monotone_keeps_what_the_plain_rule_would_drop():
    pairs = [(1.0, 1.0), (0.2, 0.8), (0.6, 1.8)]  # falls, then rises
    assert run(LossShare(), pairs) == pytest.approx([0.5, 0.2, 0.25])
    assert run(LossShare(monotone=True), pairs) == pytest.approx([0.5, 0.5, 0.25])


@pytest.mark.parametrize("monotone", [False, True])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_inequality_holds_in_every_step_of_a_training(ratio, monotone):
    X, y = make_data()
    proba = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    clf = quick(None, balancer=RecordedLossShare(ratio, monotone=monotone))
    clf.set_params(student__batch_size=16, student__max_epochs=5).fit(X, y, teacher_proba=proba)
    seen = np.array(clf.balancer_.seen_)
    assert seen.shape == (20, 4)
    task, distillation, w_task, w_distill = seen.T
    left, right = w_distill * distillation, ratio * w_task * task
    assert (left >= right * (1 - 1e-12)).all()
    if not monotone:
        np.testing.assert_allclose(left, right, rtol=1e-12)
        share = clf.history_["distillation_share"]
        np.testing.assert_allclose(share, ratio / (1 + ratio), rtol=1e-12)


@given(task=st.floats(1e-6, 1e6), distillation=st.floats(1e-6, 1e6))
def test_ratio_of_one_follows_the_gradient_of_the_geometric_mean(task, distillation):
    losses = torch.tensor([task, distillation], dtype=torch.float64, requires_grad=True)
    losses.prod().sqrt().backward()
    expected = float(losses.grad[1] / losses.grad.sum())
    assert run(LossShare(), [(task, distillation)]) == pytest.approx([expected], rel=1e-12)


# Dynamic weight average


def average(epoch_losses, tau=2.0):
    rule = DynamicWeightAverage(tau).reset()
    return rule.weights(StepState(epoch_losses=epoch_losses))[1]


@pytest.mark.parametrize("tau", [0.5, 2.0, 10.0])
def test_dynamic_weight_average_equals_its_formula(tau):
    epochs = [(9.0, 9.0), (1.0, 0.8), (0.6, 0.7)]  # only the last two count
    ratios = np.array([0.6 / 1.0, 0.7 / 0.8])
    expected = np.exp(ratios / tau) / np.exp(ratios / tau).sum()
    assert average(epochs, tau) == pytest.approx(expected[1], rel=1e-12)


def test_dynamic_weight_average_starts_at_one_half():
    assert average([]) == average([(1.0, 5.0)]) == 0.5


@pytest.mark.parametrize("solved", [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_dynamic_weight_average_holds_where_a_loss_was_solved(solved):
    rule = DynamicWeightAverage().reset()
    before = rule.weights(StepState(epoch_losses=[(1.0, 1.0), (1.0, 2.0)]))
    assert before[1] > 0.5
    assert rule.weights(StepState(epoch_losses=[solved, (1.0, 1.0)])) == before


def test_dynamic_weight_average_follows_the_epochs_of_a_training():
    X, y = make_data()
    proba = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    clf = quick(None, balancer=DynamicWeightAverage(0.1)).set_params(student__batch_size=20)
    history = clf.fit(X, y, teacher_proba=proba).history_
    losses = np.array([history["task_loss"], history["distillation_loss"]])
    ratios = losses[:, 1:] / losses[:, :-1]
    expected = 1 / (1 + np.exp((ratios[0] - ratios[1]) / 0.1))
    np.testing.assert_array_equal(history["weight"][:2], 0.5)
    np.testing.assert_allclose(history["weight"][2:], expected[:-1], rtol=1e-9)

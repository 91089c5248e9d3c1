"""Rules that learn, against torch's autograd and Adam on what their sources minimise."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skkd.balancers import Famo, GradNorm, ScalarAdam, StepState, UncertaintyWeighting

with_any_scalars = pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])


def scalar(xp, value):
    return np.float64(value) if xp is np else torch.tensor(value, dtype=torch.float64)


def states_of(xp, n_steps, seed=0):
    """Random steps; the losses fall, the distillation's by less."""
    rng = np.random.default_rng(seed)
    states = []
    for i in range(n_steps):
        A, B = rng.uniform(0.5, 3, 2)
        values = {
            "task_loss": 2 * 0.8**i * rng.uniform(0.8, 1.2),
            "distillation_loss": 0.3 * 0.95**i * rng.uniform(0.8, 1.2),
            "A": A,
            "B": B,
            "C": rng.uniform(-1, 1) * np.sqrt(A * B),
        }
        values["task_loss_after"] = values["task_loss"] * rng.uniform(0.7, 1.1)
        values["distillation_loss_after"] = values["distillation_loss"] * rng.uniform(0.7, 1.1)
        states.append(StepState(**{name: scalar(xp, value) for name, value in values.items()}))
    return states


def run(rule, states):
    """The balancing parameters over a sequence of steps."""
    weights = []
    rule.reset()
    for state in states:
        weights.append(float(rule.weights(state)[1]))
        rule.update(state)
    return weights


def as_pair(task, distillation):
    return torch.tensor([float(task), float(distillation)], dtype=torch.float64)


# Adam


@with_any_scalars
def test_scalar_adam_is_torchs_adam(xp):
    slopes = np.random.default_rng(0).standard_normal(50) * 10.0 ** np.arange(50) / 1e20
    parameter = torch.zeros(1, dtype=torch.float64)
    optimizer = torch.optim.Adam([parameter], lr=0.1)
    mine = ScalarAdam(0.1)
    for slope in slopes:
        mine.step(scalar(xp, slope))
        parameter.grad = torch.tensor([slope], dtype=torch.float64)
        optimizer.step()
        assert float(mine.value) == pytest.approx(float(parameter), rel=1e-10, abs=1e-15)


@with_any_scalars
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scalar_adam_takes_a_bad_slope_for_zero(xp, bad):
    one, other = ScalarAdam(0.1), ScalarAdam(0.1)
    for slope in (1.0, bad, -2.0):
        one.step(scalar(xp, slope))
        other.step(scalar(xp, slope if np.isfinite(slope) else 0.0))
    assert float(one.value) == float(other.value)


# Uncertainty weighting


@with_any_scalars
@pytest.mark.parametrize("initial", [0.0, -0.7])
def test_uncertainty_weighting_equals_autograd(xp, initial):
    states = states_of(xp, 20)
    log_variances = torch.full((2,), initial, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([log_variances], lr=0.2)
    expected, lowest = [], 0.0
    for state in states:
        losses = as_pair(state.task_loss, state.distillation_loss)
        optimizer.zero_grad()
        precisions = torch.exp(-log_variances)
        expected.append(float((precisions[1] / precisions.sum()).detach()))
        (0.5 * (precisions * losses + log_variances)).sum().backward()
        lowest = min(lowest, float(log_variances.grad.min()))
        log_variances.grad.clamp_(min=-1.0)
        optimizer.step()
    rule = UncertaintyWeighting(lr=0.2, initial=initial)
    assert run(rule, states) == pytest.approx(expected, rel=1e-9)
    assert np.ptp(expected) > 0.1
    assert (lowest < -1) is (initial < 0)


@given(task=st.floats(0.1, 10), distillation=st.floats(0.1, 10))
def test_uncertainty_weighting_settles_at_the_geometric_mean(task, distillation):
    states = [StepState(task_loss=task, distillation_loss=distillation)] * 500
    expected = task / (task + distillation)
    assert run(UncertaintyWeighting(lr=0.1), states)[-1] == pytest.approx(expected, abs=1e-3)


def test_uncertainty_weighting_stays_finite_without_a_loss():
    rule = UncertaintyWeighting(lr=1.0)
    weights = run(rule, [StepState(task_loss=0.0, distillation_loss=0.0)] * 200)
    assert weights == [0.5] * 200
    assert run(rule, [StepState(task_loss=1.0, distillation_loss=0.0)] * 200)[-1] > 1 - 1e-7


# FAMO


@with_any_scalars
@pytest.mark.parametrize("decay", [0.0, 0.001, 0.1])
def test_famo_equals_ten_steps_of_its_authors(xp, decay):
    """As in the authors' code: xi has an entry a loss, and weight decay is Adam's own."""
    states = states_of(xp, 10)
    xi = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([xi], lr=0.1, weight_decay=decay)
    expected = []
    for state in states:
        before = as_pair(state.task_loss, state.distillation_loss)
        after = as_pair(state.task_loss_after, state.distillation_loss_after)
        # The gradient of sum_i z_i log L_i, up to a factor.
        weights = torch.softmax(xi, -1).detach() / before
        expected.append(float(weights[1] / weights.sum()))
        fall = before.log() - after.log()
        optimizer.zero_grad()
        xi.grad = torch.autograd.grad(torch.softmax(xi, -1), xi, fall)[0]
        optimizer.step()
    assert run(Famo(lr=0.1, decay=decay), states) == pytest.approx(expected, rel=1e-6)
    at_rest = [1 / (1 + float(s.distillation_loss) / float(s.task_loss)) for s in states]
    assert max(abs(np.array(expected) - at_rest)) > 0.05  # xi has moved


def test_famo_gives_more_to_the_loss_that_fell_less():
    state = StepState(
        task_loss=np.float64(1.0),
        distillation_loss=np.float64(1.0),
        task_loss_after=np.float64(0.5),
        distillation_loss_after=np.float64(0.9),
    )
    assert (np.diff(run(Famo(), [state] * 20)) > 0).all()


def test_famo_stays_finite_without_a_distillation_loss():
    zero, one = np.float64(0.0), np.float64(1.0)
    state = StepState(
        task_loss=one, distillation_loss=zero, task_loss_after=one / 2, distillation_loss_after=zero
    )
    weights = run(Famo(lr=0.5), [state] * 200)
    assert np.isfinite(weights).all()
    assert weights[-1] == 1.0


# GradNorm


@with_any_scalars
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.5])
def test_grad_norm_equals_autograd_of_its_loss(xp, alpha):
    states = states_of(xp, 10)
    weight = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.05)
    first, expected = None, []
    for state in states:
        losses = as_pair(state.task_loss, state.distillation_loss)
        first = losses if first is None else first
        lengths = torch.cat([1 - weight, weight]) * as_pair(state.A, state.B).sqrt()
        relative = losses / first
        targets = lengths.mean().detach() * (relative / relative.mean()) ** alpha
        expected.append(float(weight.detach()))
        optimizer.zero_grad()
        (lengths - targets).abs().sum().backward()
        optimizer.step()
    assert run(GradNorm(alpha, lr=0.05), states) == pytest.approx(expected, rel=1e-6)
    assert np.ptp(expected) > 0.05


@with_any_scalars
def test_grad_norm_moves_towards_equal_lengths(xp):
    values = {"task_loss": 1.0, "distillation_loss": 1.0, "A": 9.0, "B": 1.0, "C": 0.0}
    state = StepState(**{name: scalar(xp, value) for name, value in values.items()})
    assert run(GradNorm(0.0, lr=0.01), [state] * 500)[-1] == pytest.approx(0.75, abs=0.02)


def test_grad_norm_stays_within_zero_and_one():
    state = StepState(task_loss=1.0, distillation_loss=1.0, A=1e6, B=1e-6, C=0.0)
    weights = run(GradNorm(0.0, lr=0.3), [state] * 20)
    assert weights[-1] == 1.0 and max(weights) <= 1.0


def test_grad_norm_takes_a_first_loss_of_zero_for_a_small_one():
    """What has risen from nothing is far behind, and gets more."""
    zero, one = np.float64(0.0), np.float64(1.0)
    states = [
        StepState(task_loss=one, distillation_loss=loss, A=one, B=one, C=zero)
        for loss in (zero, one, one, one)
    ]
    weights = run(GradNorm(), states)
    assert weights[0] == 0.5
    assert weights[1] < weights[2] < weights[3]

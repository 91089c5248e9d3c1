import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from skkd.balancers import (
    ConflictAverse,
    DescentShare,
    EqualGradients,
    GradientSurgery,
    MinNorm,
    StepState,
)
from tests.balancers.tiny import TinyProblem
from tests.helpers import make_data, quick

RATIOS = [0.1, 0.5, 1.0, 2.0, 10.0]

some_ratios = pytest.mark.parametrize("ratio", RATIOS)
with_and_without_conflict = pytest.mark.parametrize("conflict", [False, True])

norms = st.floats(1e-6, 1e6)
ratios = st.floats(1e-2, 1e2)
cosines = st.floats(-1, 1)


def exact(ratio):
    """The rule without smoothing, over all parameters: as its guarantees are stated."""
    return DescentShare(ratio, smoothing=0.0, gradients="all")


def weight_of(A, B, C, ratio=1.0):
    state = StepState(A=np.float64(A), B=np.float64(B), C=np.float64(C))
    return float(DescentShare(ratio).reset().weights(state)[1])


def x_of(*args):
    weight = weight_of(*args)
    return weight / (1 - weight)


# Guarantees, by finite differences


@some_ratios
@with_and_without_conflict
@pytest.mark.parametrize("seed", range(3))
def test_share_equation_holds_along_the_step(ratio, conflict, seed):
    problem = TinyProblem(exact(ratio), lr=0.125, seed=seed, conflict=conflict)
    before = problem.theta
    weight, (_, _, C) = problem.step()
    assert (C < 0) is conflict
    D_t, D_d = -problem.slopes(before, (problem.theta - before) / 0.125)
    assert weight * D_d == pytest.approx(ratio * (1 - weight) * D_t, rel=1e-6)


@some_ratios
@with_and_without_conflict
@pytest.mark.parametrize("seed", range(3))
def test_both_losses_fall_for_a_small_step(ratio, conflict, seed):
    problem = TinyProblem(exact(ratio), lr=1e-4, seed=seed, conflict=conflict)
    for _ in range(5):
        before = problem.losses()
        problem.step()
        assert (problem.losses() < before).all()


@with_and_without_conflict
def test_first_order_error_falls_fourfold_when_the_step_is_halved(conflict):
    def error(lr):
        problem = TinyProblem(exact(0.5), lr=lr, conflict=conflict)
        before = problem.losses()
        weight, (A, B, C) = problem.step()
        D = np.array([(1 - weight) * A + weight * C, (1 - weight) * C + weight * B])
        return problem.losses() - (before - lr * D)

    np.testing.assert_allclose(error(2e-3) / error(1e-3), 4.0, rtol=0.01)


@with_and_without_conflict
def test_second_order_error_falls_eightfold_when_the_step_is_halved(conflict):
    def error(lr):
        problem = TinyProblem(exact(0.5), lr=lr, conflict=conflict)
        theta, before = problem.theta, problem.losses()
        weight, (A, B, C) = problem.step()
        D = np.array([(1 - weight) * A + weight * C, (1 - weight) * C + weight * B])
        curvature = problem.curvatures(theta, problem.gradient)
        return problem.losses() - (before - lr * D + lr**2 / 2 * curvature)

    np.testing.assert_allclose(error(0.1) / error(0.05), 8.0, rtol=0.1)
    np.testing.assert_allclose(error(0.02) / error(0.01), 8.0, rtol=0.02)


@with_and_without_conflict
def test_gradients_are_measured_over_all_parameters(conflict):
    problem = TinyProblem(exact(0.5), lr=0.125, conflict=conflict)
    before = problem.theta
    slopes = np.array([problem.slopes(before, direction) for direction in np.eye(len(before))])
    weight, (A, B, C) = problem.step()
    np.testing.assert_allclose([[A, C], [C, B]], slopes.T @ slopes, rtol=1e-7)
    mixed = slopes @ [1 - weight, weight]
    np.testing.assert_allclose(problem.theta, before - 0.125 * mixed, rtol=1e-8)


# The formula


@given(A=norms, B=norms, cosine=cosines)
def test_ratio_of_one_equalises_the_norms(A, B, cosine):
    C = cosine * (A * B) ** 0.5
    assert weight_of(A, B, C) == pytest.approx(A**0.5 / (A**0.5 + B**0.5), rel=1e-12)


@given(A=norms, B=norms, cosine=cosines, ratio=ratios)
def test_share_equation_holds_for_any_gradients(A, B, cosine, ratio):
    C = cosine * (A * B) ** 0.5
    x = x_of(A, B, C, ratio)
    terms = B * x**2, (1 - ratio) * C * x, -ratio * A
    assert abs(sum(terms)) <= 1e-9 * sum(map(abs, terms))


@given(A=norms, B=norms, cosine=st.floats(-0.999, 1), ratio=ratios)
def test_both_losses_fall_to_first_order_unless_opposed(A, B, cosine, ratio):
    C = cosine * (A * B) ** 0.5
    weight = weight_of(A, B, C, ratio)
    assert (1 - weight) * A + weight * C > 0
    assert (1 - weight) * C + weight * B > 0


@given(A=norms, B=norms, cosine=cosines, ratio=ratios)
def test_roles_can_be_exchanged(A, B, cosine, ratio):
    C = cosine * (A * B) ** 0.5
    assert weight_of(A, B, C, ratio) == pytest.approx(1 - weight_of(B, A, C, 1 / ratio), abs=1e-9)


@given(A=norms, B=norms, cosine=cosines, ratio=ratios)
def test_units_of_the_losses_cancel(A, B, cosine, ratio):
    C = cosine * (A * B) ** 0.5
    x = x_of(A, B, C, ratio)
    assert x_of(16 * A, 16 * B, 16 * C, ratio) == pytest.approx(x, rel=1e-12)
    # Four times the distillation loss gets a quarter of the weight.
    assert x_of(A, 16 * B, 4 * C, ratio) == pytest.approx(x / 4, rel=1e-9)


@some_ratios
@pytest.mark.parametrize(
    ("A", "B", "expected"), [(0.0, 2.0, 0.0), (2.0, 0.0, 0.5), (0.0, 0.0, 0.5)]
)
def test_zero_gradients(A, B, expected, ratio):
    # Without a gradient of the distillation no weight solves the equation: the last one is held.
    assert weight_of(A, B, 0.0, ratio) == expected


@some_ratios
@with_and_without_conflict
def test_importance_is_the_ratio_where_the_equation_holds(ratio, conflict):
    A, B, C = 4.0, 9.0, -3.0 if conflict else 3.0
    trace = {"weight": weight_of(A, B, C, ratio), "A": A, "B": B, "C": C}
    share = DescentShare(ratio).importance({name: np.array([v]) for name, v in trace.items()})
    np.testing.assert_allclose(share, ratio / (1 + ratio), rtol=1e-12)


# The other rules, by gradients as vectors


def pairs():
    """Pairs of gradients: long and short, in agreement and in conflict, orthogonal."""
    rng = np.random.default_rng(0)
    free = [rng.standard_normal((2, 4)) * [[1.0], [length]] for length in (0.1, 1, 10) * 4]
    task = rng.standard_normal(4)
    near = [(task, factor * task + 0.1 * rng.standard_normal(4)) for factor in (0.2, 5, -0.2, -5)]
    return [*free, *near, (np.array([1.0, 0.0]), np.array([0.0, 2.0]))]


over_pairs = pytest.mark.parametrize("pair", pairs(), ids=lambda pair: f"C={pair[0] @ pair[1]:.2g}")


def weight_in(rule, pair, **losses):
    task, distillation = pair
    state = StepState(A=task @ task, B=distillation @ distillation, C=task @ distillation, **losses)
    return float(rule.reset().weights(state)[1])


def followed(rule, pair, **losses):
    """The direction that a rule follows."""
    weight = weight_in(rule, pair, **losses)
    return (1 - weight) * pair[0] + weight * pair[1]


def cosine_between(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_pairs_agree_and_conflict():
    signs = [np.sign(task @ distillation) for task, distillation in pairs()]
    assert min(map(signs.count, (-1, 1))) >= 4


@over_pairs
@pytest.mark.parametrize("ratio", [0.1, 1.0, 3.0])
def test_equal_gradients_keeps_the_ratio_of_lengths(pair, ratio):
    weight = weight_in(EqualGradients(ratio), pair)
    lengths = (1 - weight) * np.linalg.norm(pair[0]), weight * np.linalg.norm(pair[1])
    assert lengths[1] == pytest.approx(ratio * lengths[0], rel=1e-12)


@over_pairs
@pytest.mark.parametrize("rule", [EqualGradients(1.0), DescentShare(1.0)], ids=["norm", "descent"])
def test_ratio_of_one_is_the_nash_bargain(rule, pair):
    """Both tasks gain the inverse of their weight: alpha_i <g_i, d> = 1, d = sum alpha_i g_i."""
    weight = weight_in(rule, pair)
    alpha, gradients = np.array([1 - weight, weight]), np.array(pair)
    gains = gradients @ (alpha @ gradients)
    alpha, gains = alpha / np.sqrt(alpha[0] * gains[0]), gains / np.sqrt(alpha[0] * gains[0])
    np.testing.assert_allclose(alpha * gains, 1.0, rtol=1e-9)


def scaling(normalize, gradient, loss):
    return {None: 1.0, "l2": 1 / np.linalg.norm(gradient), "log": 1 / loss}[normalize]


@over_pairs
@pytest.mark.parametrize("losses", [(0.5, 0.5), (0.3, 2.0)], ids=str)
@pytest.mark.parametrize("normalize", [None, "l2", "log"])
def test_min_norm_is_the_shortest_on_a_fine_grid(normalize, losses, pair):
    scales = [scaling(normalize, *each) for each in zip(pair, losses, strict=True)]
    task, distillation = (scale * gradient for scale, gradient in zip(scales, pair, strict=True))
    grid = np.linspace(0, 1, 100_001)
    combined = (1 - grid)[:, None] * task + grid[:, None] * distillation
    shortest = grid[np.linalg.norm(combined, axis=1).argmin()]
    values = {"task_loss": np.float64(losses[0]), "distillation_loss": np.float64(losses[1])}
    weight = weight_in(MinNorm(normalize), pair, **values)
    of_scaled = np.array([1 - weight, weight]) / scales
    assert of_scaled[1] / of_scaled.sum() == pytest.approx(shortest, abs=1e-5)


def test_min_norm_is_clipped_before_it_is_averaged():
    rule = MinNorm(smoothing=0.5).reset()
    # Unclipped, the second would be (1 - 2) / (1 + 9 - 4) < 0.
    states = [StepState(A=1.0, B=1.0, C=0.0), StepState(A=1.0, B=9.0, C=2.0)]
    assert [rule.weights(state)[1] for state in states] == [0.5, 0.25]


@over_pairs
def test_min_norm_lets_both_losses_fall_alike(pair):
    along = followed(MinNorm(), pair)
    falls = [gradient @ along for gradient in pair]
    assert min(falls) > 0
    if 0 < weight_in(MinNorm(), pair) < 1:
        assert falls[0] == pytest.approx(falls[1], rel=1e-9)


@over_pairs
def test_gradient_surgery_follows_the_projected_gradients(pair):
    task, distillation = projected = [gradient.copy() for gradient in pair]
    if task @ distillation < 0:
        for own, other in ((0, 1), (1, 0)):
            other = pair[other]
            projected[own] -= projected[own] @ other / (other @ other) * other
    along = followed(GradientSurgery(), pair)
    assert cosine_between(along, sum(projected)) == pytest.approx(1.0, abs=1e-14)
    assert min(gradient @ along for gradient in pair) > 0 or task @ distillation > 0


def best_in_the_ball(pair, c):
    """The largest min_i <g_i, d> among all |d - g_0| <= c |g_0|, found numerically."""
    gradients = np.array(pair)
    mean = gradients.mean(axis=0)
    radius = c * np.linalg.norm(mean)
    scale = np.square(gradients).sum()

    def room(z):
        return (radius**2 - np.square(z[1:] - mean).sum()) / scale

    found = minimize(
        lambda z: -z[0] / scale,
        [min(gradients @ mean), *mean],
        constraints=[
            {"type": "ineq", "fun": lambda z: (gradients @ z[1:] - z[0]) / scale},
            {"type": "ineq", "fun": room},
        ],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return found.x[0]


@over_pairs
@pytest.mark.parametrize("c", [0.2, 0.5, 0.9])
def test_conflict_averse_solves_the_primal_problem(pair, c):
    gradients, mean = np.array(pair), np.mean(pair, axis=0)
    along = followed(ConflictAverse(c), pair)
    # Where the ray along the rule's direction enters the ball and where it leaves it.
    a, b = along @ along, along @ mean
    root = b**2 - a * (1 - c**2) * (mean @ mean)
    assert root >= -1e-9 * b**2
    ends = [(b + sign * np.sqrt(max(root, 0.0))) / a * along for sign in (-1, 1)]
    reached = max(min(gradients @ end) for end in ends)
    assert reached == pytest.approx(best_in_the_ball(pair, c), rel=1e-5, abs=1e-6 * mean @ mean)


def test_conflict_averse_without_a_ball_is_the_mean():
    assert all(weight_in(ConflictAverse(0.0), pair) == 0.5 for pair in pairs())


@pytest.mark.parametrize(
    "rule", [ConflictAverse(0.5), MinNorm(), MinNorm("l2"), MinNorm("log"), GradientSurgery()]
)
def test_roles_can_be_exchanged_in_symmetric_rules(rule):
    for pair in pairs():
        there = weight_in(rule, pair, task_loss=0.3, distillation_loss=0.7)
        back = weight_in(rule, pair[::-1], task_loss=0.7, distillation_loss=0.3)
        assert there == pytest.approx(1 - back, abs=1e-9)


@pytest.mark.parametrize(
    "rule", [EqualGradients(1.0), MinNorm(), MinNorm("l2"), GradientSurgery(), ConflictAverse()]
)
def test_no_gradient_holds_the_weight(rule):
    zero = np.zeros(2)
    assert weight_in(rule, (zero, zero)) == 0.5
    assert 0 <= weight_in(rule, (zero, np.ones(2))) <= 1
    assert 0 <= weight_in(rule, (np.ones(2), zero)) <= 1


def test_importance_of_equal_gradients_is_the_share_of_lengths():
    trace = {"weight": np.array([0.25]), "A": np.array([4.0]), "B": np.array([9.0])}
    np.testing.assert_allclose(EqualGradients().importance(trace), 0.75 / 2.25)
    assert EqualGradients(3.0).target_share == 0.75


# In a training


def fit(**params):
    X, y = make_data()
    proba = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    clf = quick(None, **params).set_params(student__batch_size=20, student__max_epochs=2)
    return clf.fit(X, y, teacher_proba=proba)


@pytest.mark.parametrize("gradients", ["logits", "all"])
def test_history_shows_the_share(gradients):
    rule = DescentShare(ratio=0.5, smoothing=0.0, gradients=gradients, fade=False)
    share = fit(balancer=rule).history_["distillation_share"]
    np.testing.assert_allclose(share, 1 / 3, rtol=1e-10)

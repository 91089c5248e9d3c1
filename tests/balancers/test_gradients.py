import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skkd.balancers import DescentShare, StepState
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


# In a training


def fit(**params):
    X, y = make_data()
    proba = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    clf = quick(None, **params).set_params(student__batch_size=20, student__max_epochs=2)
    return clf.fit(X, y, teacher_proba=proba)


@pytest.mark.parametrize("gradients", ["last_layer", "logits", "all"])
def test_history_shows_the_share(gradients):
    rule = DescentShare(ratio=0.5, smoothing=0.0, gradients=gradients)
    share = fit(balancer=rule).history_["distillation_share"]
    np.testing.assert_allclose(share, 1 / 3, rtol=1e-10)


@pytest.mark.parametrize(
    ("gradients", "expected"),
    [
        ("last_layer", {"backward": 6, "grad": 0}),
        ("logits", {"backward": 6, "grad": 0}),
        ("all", {"backward": 0, "grad": 12}),
    ],
)
def test_number_of_backward_passes(gradients, expected, monkeypatch):
    calls = {"backward": 0, "grad": 0}

    def counted(name, function):
        def wrapper(*args, **kwargs):
            calls[name] += 1
            return function(*args, **kwargs)

        return wrapper

    monkeypatch.setattr(torch.autograd, "backward", counted("backward", torch.autograd.backward))
    monkeypatch.setattr(torch.autograd, "grad", counted("grad", torch.autograd.grad))
    fit(balancer=DescentShare(gradients=gradients))
    assert calls == expected  # in 2 epochs of 3 batches

"""One step follows what the rule says, and goes back through the student no more than needed."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from skkd.balancers import (
    BALANCERS,
    Balancer,
    ConflictAverse,
    DescentShare,
    EqualGradients,
    FixedBalance,
    GradientSurgery,
    LossShare,
    MinNorm,
    SampleWise,
)
from skkd.losses import DISTILLATION_LOSSES, cross_entropy, kl, soften
from tests.balancers.tiny import TinyProblem
from tests.helpers import DropoutNet, fitted_teacher, make_data, quick, quick_net

X, Y = make_data()
PROBA = fitted_teacher(X, Y).predict_proba(X)


def autograd_of(problem, of_rows):
    """The gradient in all parameters of a sum over the losses of rows, of shape (2, 12)."""
    problem.module.zero_grad()
    logits = problem.module(torch.as_tensor(problem.X))
    task = cross_entropy(logits, torch.as_tensor(problem.labels))
    distillation = kl(logits, torch.as_tensor(problem.proba))
    of_rows(torch.stack([task, distillation])).backward()
    gradient = problem.gradient
    problem.module.zero_grad()
    return gradient


# The gradient

measured = [
    DescentShare(0.5, smoothing=0.0),
    EqualGradients(smoothing=0.0),
    MinNorm(),
    MinNorm("log"),
    GradientSurgery(),
    ConflictAverse(),
]
others = [FixedBalance(0.3), LossShare()]


@pytest.mark.parametrize("conflict", [False, True])
@pytest.mark.parametrize("gradients", ["logits", "all"])
@pytest.mark.parametrize("rule", [*measured, *others], ids=str)
def test_step_equals_the_weighted_gradients(rule, gradients, conflict):
    rule.set_params(gradients=gradients)
    problem = TinyProblem(rule, lr=0.5, conflict=conflict)
    both = [autograd_of(problem, lambda rows, i=i: rows[i].mean()) for i in (0, 1)]
    before = problem.theta
    weight, _ = problem.step()
    assert 0 <= weight <= 1
    expected = (1 - weight) * both[0] + weight * both[1]
    np.testing.assert_allclose(problem.gradient, expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(problem.theta, before - 0.5 * expected, rtol=1e-9, atol=1e-12)


def teacher_correct(problem):
    return (problem.proba.argmax(axis=1) == problem.labels).astype(float)


class ByClass(DescentShare):
    """DescentShare with a third of its weight for the rows of class 1."""

    needs = DescentShare.needs | {"rows"}

    def propose(self, state):
        third = torch.where(state.rows.labels == 1, 1 / 3, 1.0).double()
        return super().propose(state) * third


@pytest.mark.parametrize("gradients", ["logits", "all"])
def test_step_follows_weights_of_rows(gradients):
    problem = TinyProblem(ByClass(gradients=gradients, fade=False, smoothing=0.0), lr=0.5)
    before = problem.theta
    mean, gram = problem.step()
    # What the rule gave before it was divided follows from what it saw.
    A, B, C = gram
    root = np.sqrt((0.95 * C) ** 2 + 4 * 0.05 * A * B) - 0.95 * C
    weight = root / (root + 2 * B) * np.where(problem.labels == 1, 1 / 3, 1.0)
    assert mean == pytest.approx(weight.mean(), rel=1e-6)
    assert_followed(problem, before, weight)


def test_step_follows_a_rule_of_rows():
    problem = TinyProblem(SampleWise("teacher_correct", weight=0.6), lr=0.5)
    before = problem.theta
    problem.step()
    assert 0 < teacher_correct(problem).mean() < 1
    assert_followed(problem, before, 0.6 * teacher_correct(problem))


def assert_followed(problem, before, weight):
    """The last step followed the sum over rows of (1 - lam_i) g_t,i + lam_i g_d,i."""
    followed = problem.gradient
    np.testing.assert_allclose(problem.theta, before - 0.5 * followed, rtol=1e-9, atol=1e-12)
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.as_tensor(before), problem.module.parameters())
    weight = torch.as_tensor(weight)
    expected = autograd_of(problem, lambda rows: ((1 - weight) * rows[0] + weight * rows[1]).mean())
    np.testing.assert_allclose(followed, expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("loss", ["kl", "js"])
def test_history_tells_the_weighted_loss_of_rows(weighted, temperature, loss):
    sample_weight = np.random.default_rng(0).uniform(0.5, 3, len(X)) if weighted else None
    clf = quick(
        None,
        student=quick_net(batch_size=-1),
        balancer=SampleWise("teacher_correct", weight=0.6),
        distillation_loss=loss,
        temperature=temperature,
    )

    def fitted(n_epochs):
        clf.set_params(student__max_epochs=n_epochs)
        return clone(clf).fit(X, Y, sample_weight=sample_weight, teacher_proba=PROBA)

    log_p = torch.as_tensor(fitted(1).predict_log_proba(X))
    targets = soften(torch.as_tensor(PROBA), temperature)
    task = cross_entropy(log_p, torch.as_tensor(Y)).numpy()
    distillation = DISTILLATION_LOSSES[loss](log_p, targets, temperature).numpy()
    weight = 0.6 * (PROBA.argmax(axis=1) == Y)
    history = fitted(2).history_
    for name, values in {
        "task_loss": task,
        "distillation_loss": distillation,
        "loss": (1 - weight) * task + weight * distillation,
        "weight": weight,
    }.items():
        expected = np.average(values, weights=sample_weight)
        assert history[name][1] == pytest.approx(expected, rel=1e-9), name
    assert history["weight_min"][1] == 0.0
    assert history["weight_max"][1] == pytest.approx(0.6, rel=1e-12)


# Passes back


@pytest.fixture
def passes(monkeypatch):
    """Counts torch's backward passes from the logits into the student."""
    calls = {"backward": 0, "grad": 0}

    def counted(name, function):
        def wrapper(*args, **kwargs):
            calls[name] += 1
            return function(*args, **kwargs)

        return wrapper

    monkeypatch.setattr(torch.autograd, "backward", counted("backward", torch.autograd.backward))
    monkeypatch.setattr(torch.autograd, "grad", counted("grad", torch.autograd.grad))
    return calls


STEPS = 6


def fit(rule, **params):
    student = quick_net(batch_size=20, max_epochs=2)
    return quick(None, **{"balancer": rule, "student": student} | params).fit(
        X, Y, teacher_proba=PROBA
    )


MEASURING = [name for name in BALANCERS if "gradients" in BALANCERS[name]().requirements()]


@pytest.mark.parametrize("gradients", ["logits", "all"])
@pytest.mark.parametrize("name", MEASURING)
def test_one_pass_back_a_step_and_two_over_all_parameters(name, gradients, passes):
    fit(BALANCERS[name](gradients=gradients))
    expected = (0, 2 * STEPS) if gradients == "all" else (STEPS, 0)
    assert (passes["backward"], passes["grad"]) == expected


@pytest.mark.parametrize("name", sorted(BALANCERS.keys() - MEASURING))
def test_one_pass_back_a_step_where_no_gradients_are_measured(name, passes):
    fit(name)
    assert passes == {"backward": STEPS, "grad": 0}


# What is computed


class Counting(nn.Module):
    """Counts its forward passes while it trains."""

    n_passes = 0

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layer = nn.Linear(n_features, n_classes)

    def forward(self, X):
        if self.training:
            type(self).n_passes += 1
        return self.layer(X)


@pytest.mark.parametrize(
    ("rule", "n_passes"),
    [
        (FixedBalance(), STEPS),
        (DescentShare(), STEPS),
        (DescentShare(gradients="all"), STEPS),
        (DescentShare(admissible_step=True), 2 * STEPS),
        ("famo", 2 * STEPS),
    ],
    ids=str,
)
def test_no_more_forward_passes_than_asked_for(rule, n_passes):
    Counting.n_passes = 0
    fit(rule, student=quick_net(Counting, batch_size=20, max_epochs=2))
    assert Counting.n_passes == n_passes


class Seen(Balancer):
    """Keeps which parts of the state had a value."""

    def __init__(self, asked=(), *, gradients="logits"):
        super().__init__(gradients=gradients)
        self.asked = asked

    @property
    def needs(self):
        return frozenset(self.asked)

    def propose(self, state):
        values = {name: getattr(state, name) for name in state.__slots__}
        self.seen_ = {name for name, value in values.items() if value is not None}
        return 0.5


ALWAYS = {"step", "epoch", "progress", "seed", "epoch_losses"}


@pytest.mark.parametrize(
    ("needs", "seen"),
    [
        ([], set()),
        (["losses"], {"task_loss", "distillation_loss"}),
        (["gradients"], {"A", "B", "C"}),
        (["rows"], {"rows"}),
        (["losses_after"], {"task_loss_after", "distillation_loss_after"}),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_state_holds_what_is_asked_for(needs, seen):
    assert fit(Seen(needs, gradients="all")).balancer_.seen_ == ALWAYS | seen


def test_progress_runs_from_zero_to_one():
    class Progress(Balancer):
        def reset(self):
            self.seen_ = []
            return super().reset()

        def propose(self, state):
            self.seen_.append((state.step, state.epoch, state.progress))
            return 0.5

    seen = fit(Progress()).balancer_.seen_
    assert seen == [(i, i // 3, pytest.approx(i / 5)) for i in range(6)]


def test_losses_after_are_those_of_the_next_step_on_the_same_batch():
    class After(Balancer):
        needs = frozenset({"losses", "losses_after"})

        def reset(self):
            self.seen_ = []
            return super().reset()

        def propose(self, state):
            self.seen_.append((state.task_loss, state.distillation_loss))
            return 0.5

        def update(self, state):
            self.seen_.append((state.task_loss_after, state.distillation_loss_after))

    seen = fit(After(), student=quick_net(batch_size=-1, max_epochs=4)).balancer_.seen_
    assert len(seen) == 8
    np.testing.assert_allclose(seen[1:-1:2], seen[2::2], rtol=1e-12)


@pytest.mark.parametrize("rule", ["descent_share", "famo", SampleWise()], ids=str)
def test_optimizer_that_looks_several_times(rule):
    student = quick_net(optimizer=torch.optim.LBFGS, lr=0.5, max_epochs=5, batch_size=-1)
    history = fit(rule, student=student).history_
    assert history["loss"][-1] < 0.8 * history["loss"][0]


@pytest.mark.parametrize("rule", [DescentShare(admissible_step=True), "famo"], ids=str)
def test_a_second_look_draws_no_other_numbers(rule):
    """Dropout in the forward pass after a step comes from the training's own state."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    student = quick_net(DropoutNet, batch_size=20, max_epochs=2)
    first, second = (fit(rule, student=student).predict_proba(X) for _ in "ab")
    np.testing.assert_array_equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)

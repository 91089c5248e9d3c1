import inspect
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from skkd.balancers import (
    BALANCERS,
    Balancer,
    ConflictAverse,
    DescentShare,
    DynamicWeightAverage,
    EqualGradients,
    Famo,
    FixedBalance,
    GradNorm,
    LossShare,
    MinNorm,
    Pilot,
    RandomBalance,
    SampleWise,
    ScheduledBalance,
    StepState,
    TeacherKnowledge,
    UncertaintyWeighting,
    make_balancer,
)
from skkd.losses import DISTILLATION_LOSSES
from skkd.schedules import SCHEDULES
from tests.balancers.tiny import TinyProblem
from tests.helpers import make_data, quick

with_any_scalars = pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])
#: Rules with one balancing parameter for all rows.
GUARDED = {name: rule for name, rule in BALANCERS.items() if rule is not SampleWise}
every_guarded_rule = pytest.mark.parametrize("rule", GUARDED.values(), ids=GUARDED)


class Given(Balancer):
    """Proposes the task loss."""

    needs = frozenset({"losses"})

    def propose(self, state):
        return state.task_loss


class GivenProgress(Balancer):
    """Proposes a float, and needs nothing."""

    def propose(self, state):
        return state.progress


def scalars_of(xp, **values):
    """A state whose scalars are those of a device: numpy's on the CPU, tensors elsewhere."""
    kind = np.float64 if xp is np else lambda value: torch.tensor(value, dtype=torch.float64)
    return StepState(**{name: kind(value) for name, value in values.items()})


def proposals(xp, *values):
    return [scalars_of(xp, task_loss=value) for value in values]


def progresses(*values):
    return [StepState(progress=value) for value in values]


def conflicting(xp, A, B, cosine, **losses):
    return scalars_of(xp, A=A, B=B, C=cosine * A**0.5 * B**0.5, **losses)


def run(rule, states):
    """The balancing parameters over a sequence of steps."""
    rule.reset()
    return [float(rule.weights(state)[1]) for state in states]


# Any rule in any state

share = st.floats(0, 1)
guards = {
    "conflict_clamp": st.booleans(),
    "admissible_step": st.booleans(),
    "fade": st.sampled_from([False, True, "auto"]),
}
positive_number = st.floats(1e-3, 1e3)
learning_rate = st.floats(1e-4, 1.0)

#: What each rule can be told besides the guards.
OPTIONS = {
    "fixed": {"weight": share},
    "scheduled": {
        "schedule": st.sampled_from(list(SCHEDULES)),
        "start": share,
        "end": share,
        "warmup": share,
        "hold": share,
        "stop": st.none() | share,
    },
    "loss_share": {"ratio": positive_number, "monotone": st.booleans()},
    "uncertainty": {"lr": learning_rate, "initial": st.floats(-5, 5)},
    "dynamic_weight_average": {"tau": positive_number},
    "famo": {"lr": learning_rate, "decay": st.floats(0, 1)},
    "random": {"random_state": st.integers(0, 9)},
    "descent_share": {"ratio": positive_number},
    "equal_gradients": {"ratio": positive_number},
    "grad_norm": {"alpha": st.floats(0, 5), "lr": learning_rate},
    "min_norm": {"normalize": st.sampled_from([None, "l2", "log"])},
    "gradient_surgery": {},
    "conflict_averse": {"c": st.floats(0, 0.99)},
}


def drawn(draw, options):
    return {name: draw(values) for name, values in options.items()}


@st.composite
def rules(draw):
    """Every rule that gives the whole batch one weight, under all options."""
    name = draw(st.sampled_from(list(OPTIONS)))
    options = drawn(draw, guards | OPTIONS[name])
    options["min_weight"], options["max_weight"] = sorted([draw(share), draw(share)])
    options["smoothing"] = draw(st.floats(0, 0.99))
    if name == "scheduled":
        options["hold"] *= 1 - options["warmup"]
    return BALANCERS[name](**options)


@st.composite
def states(draw, xp):
    """Losses up to 1e6 before and after a step, and any gradients that can exist."""
    loss = st.floats(0, 1e6)
    names = ("task_loss", "distillation_loss", "task_loss_after", "distillation_loss_after")
    A, B = draw(st.floats(0, 1e150)), draw(st.floats(0, 1e150))
    cosine = draw(st.sampled_from([-1.0, 0.0, 1.0]) | st.floats(-1, 1))
    state = conflicting(xp, A, B, cosine, **{name: draw(loss) for name in names})
    state.progress = draw(share)
    state.epoch_losses = draw(st.lists(st.tuples(loss, loss), max_size=3))
    state.teacher = draw(st.none() | st.builds(TeacherKnowledge, loss, st.floats(-9, 9), share))
    state.pilot = draw(st.none() | st.builds(Pilot, st.floats(-1, 1), share))
    return state


@with_any_scalars
@given(rule=rules(), data=st.data())
def test_weights_are_finite_and_bounded_and_sum_to_one(xp, rule, data):
    rule.validate()
    rule.reset()
    low, high = (rule.min_weight, rule.max_weight)
    if rule.conflict_clamp:
        low, high = 0, 1
    for state in data.draw(st.lists(states(xp), min_size=1, max_size=5)):
        task, distillation = map(float, rule.weights(state))
        assert low <= distillation <= high
        assert task >= 0
        assert task + distillation == pytest.approx(1, abs=3e-16)
        rule.update(state)


def all_scalars(xp, seed):
    """A step in which every scalar there is has a value."""
    rng = np.random.default_rng(seed)
    A, B, cosine = rng.uniform(0.5, 3), rng.uniform(0.5, 3), rng.uniform(-1, 1)
    names = ("task_loss", "distillation_loss", "task_loss_after", "distillation_loss_after")
    state = conflicting(xp, A, B, cosine, **{name: rng.uniform(0.2, 2) for name in names})
    state.progress = seed / 9
    state.epoch_losses = [tuple(rng.uniform(0.5, 2, 2)) for _ in range(seed)]
    return state


@pytest.mark.parametrize("options", [{}, {"conflict_clamp": True, "admissible_step": True}])
@pytest.mark.parametrize("rule", GUARDED.values(), ids=GUARDED)
def test_scalars_of_a_device_give_the_weights_that_numbers_give(rule, options):
    def weights(xp):
        balancer = rule(**options).reset()
        values = []
        for seed in range(10):
            state = all_scalars(xp, seed)
            values.append(float(balancer.weights(state)[1]))
            balancer.update(state)
        return values

    np.testing.assert_allclose(weights(torch), weights(np), rtol=1e-9)


# Guards


@with_any_scalars
def test_smoothing_is_an_exponential_moving_average(xp):
    values = np.random.default_rng(0).random(20)
    expected = [values[0]]
    for value in values[1:]:
        expected.append(0.9 * expected[-1] + 0.1 * value)
    np.testing.assert_allclose(run(Given(smoothing=0.9), proposals(xp, *values)), expected, 1e-12)


def test_smoothing_acts_on_a_rule_that_proposes_floats():
    assert run(GivenProgress(smoothing=0.5), progresses(0.0, 1.0, 1.0)) == [0.0, 0.5, 0.75]


@with_any_scalars
def test_bounds(xp):
    bounds = {"min_weight": 0.25, "max_weight": 0.75}
    assert run(Given(**bounds), proposals(xp, -1.0, 0.5, 2.0)) == [0.25, 0.5, 0.75]
    assert run(GivenProgress(**bounds), progresses(0.0, 0.5, 1.0)) == [0.25, 0.5, 0.75]


@with_any_scalars
@pytest.mark.parametrize("smoothing", [0.0, 0.25, 0.75])
def test_nan_holds_the_last_weight(xp, smoothing):
    rule = Given(smoothing=smoothing)
    assert run(rule, proposals(xp, 0.5, np.nan, np.nan)) == [0.5, 0.5, 0.5]


@with_any_scalars
def test_nan_at_first_gives_the_middle_of_the_bounds(xp):
    assert run(Given(min_weight=0.5), proposals(xp, np.nan, 1.0)) == [0.75, 1.0]


def test_nan_float_holds_the_last_weight():
    assert run(GivenProgress(), progresses(0.25, np.nan)) == [0.25, 0.25]


@with_any_scalars
@pytest.mark.parametrize("smoothing", [0.0, 0.25, 0.75])
def test_infinite_proposals_stay_within_bounds(xp, smoothing):
    rule = Given(smoothing=smoothing, min_weight=0.25, max_weight=0.75)
    weights = run(rule, proposals(xp, 0.5, np.inf, 0.5, -np.inf))
    assert all(0.25 <= weight <= 0.75 for weight in weights)


@with_any_scalars
@pytest.mark.parametrize(
    "after", [(np.inf, 1.0), (1.0, np.inf), (np.inf, np.inf), (np.nan, np.nan)], ids=str
)
def test_losses_that_explode_in_a_step_leave_a_finite_weight(xp, after):
    rule = Given(admissible_step=True).reset()
    for proposed in (0.0, 1.0, 0.0):
        state = scalars_of(
            xp,
            task_loss=proposed,
            distillation_loss=1.0,
            task_loss_after=after[0],
            distillation_loss_after=after[1],
        )
        assert 0 <= rule.weights(state)[1] <= 1
        rule.update(state)


# Conflict clamp

positive = st.floats(1e-6, 1e6)


@with_any_scalars
@given(A=positive, B=positive, cosine=st.floats(-0.999, 1), proposed=share, smoothing=share)
def test_conflict_clamp_lets_both_losses_fall(xp, A, B, cosine, proposed, smoothing):
    rule = Given(conflict_clamp=True, smoothing=min(smoothing, 0.99))
    states = [
        conflicting(xp, A, B, 0.0, task_loss=1 - proposed),
        conflicting(xp, A, B, cosine, task_loss=proposed),
    ]
    weight, C = run(rule, states)[1], float(states[1].C)
    room = 1e-14 * (A + B)
    assert (1 - weight) * A + weight * C >= -room
    assert (1 - weight) * C + weight * B >= -room
    if C < 0:
        x = weight / (1 - weight)
        assert -C / B * (1 - 1e-9) <= x <= A / -C * (1 + 1e-9)


@with_any_scalars
@given(A=positive, B=positive, cosine=share, proposed=share)
def test_conflict_clamp_leaves_peace_alone(xp, A, B, cosine, proposed):
    state = conflicting(xp, A, B, cosine, task_loss=proposed)
    assert run(Given(conflict_clamp=True), [state]) == [proposed]


@with_any_scalars
@pytest.mark.parametrize(("proposed", "expected"), [(0.1, 0.75), (0.99, 0.8)])
def test_conflict_clamp_goes_over_the_bounds(xp, proposed, expected):
    # x is between |C|/B = 3 and A/|C| = 4.
    state = scalars_of(xp, A=4.0, B=1 / 3, C=-1.0, task_loss=proposed)
    assert run(Given(conflict_clamp=True), [state]) == pytest.approx([expected], rel=1e-12)
    rule = Given(conflict_clamp=True, max_weight=0.5)
    assert run(rule, [state]) == pytest.approx([0.75], rel=1e-12)


@with_any_scalars
@pytest.mark.parametrize(("A", "expected"), [(4.0, 0.25), (0.0, 0.75)])
def test_opposed_gradients_hold_the_weight(xp, A, expected):
    states = [
        conflicting(xp, 1.0, 1.0, 0.0, task_loss=0.25),
        conflicting(xp, A, 4.0, -1.0, task_loss=0.75),  # without a gradient there is no conflict
    ]
    assert run(Given(conflict_clamp=True), states) == [0.25, expected]


@pytest.mark.parametrize(("weight", "rises"), [(0.02, 1), (0.98, 0)])
def test_conflict_clamp_in_a_training_step(weight, rises):
    def slopes(rule):
        problem = TinyProblem(rule, lr=0.125, conflict=True)
        before = problem.theta
        problem.step()
        return problem.slopes(before, problem.theta - before)

    assert slopes(FixedBalance(weight))[rises] > 1e-4
    clamped = slopes(FixedBalance(weight, conflict_clamp=True, gradients="all"))
    assert clamped[rises] == pytest.approx(0.0, abs=1e-10)  # on the edge of the interval
    assert clamped[1 - rises] < 0


# Admissible step

ADMISSIBLE_RULES = {
    "rising": ScheduledBalance(start=0.0, end=1.0, admissible_step=True),
    "falling": ScheduledBalance(start=1.0, end=0.0, admissible_step=True),
    "jumping": ScheduledBalance("step", start=0.0, end=1.0, admissible_step=True),
    "loss_share": LossShare(ratio=3.0, admissible_step=True),
    "descent_share": DescentShare(smoothing=0.0, gradients="all", admissible_step=True),
}


def path(rule, lr, n_steps=60, conflict=True):
    """Balancing parameters and losses of a training, one entry a step, on the same batch."""
    problem = TinyProblem(rule, lr, conflict=conflict)
    losses, weights = [], []
    for i in range(n_steps):
        losses.append(problem.losses())
        weights.append(problem.step(progress=i / (n_steps - 1))[0])
    return np.array(weights), np.array(losses)


def total(weight, losses):
    return (1 - weight) * losses[..., 0] + weight * losses[..., 1]


@with_any_scalars
@pytest.mark.parametrize(("proposed", "expected"), [(0.9, 0.41), (0.3, 0.3), (0.0, 0.0)])
def test_a_move_spends_nine_tenths_of_the_gain(xp, proposed, expected):
    rule = Given(admissible_step=True).reset()
    before = {"task_loss": 0.2, "distillation_loss": 1.0}
    after = {"task_loss_after": 0.1, "distillation_loss_after": 0.7}
    state = scalars_of(xp, **before, **after)
    assert float(rule.weights(state)[1]) == 0.2
    rule.update(state)  # gains 0.8 * 0.1 + 0.2 * 0.3 = 0.14; a move of one costs 0.7 - 0.1 = 0.6
    [state] = proposals(xp, proposed)
    assert float(rule.weights(state)[1]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("conflict", [False, True])
@pytest.mark.parametrize("rule", ADMISSIBLE_RULES.values(), ids=ADMISSIBLE_RULES)
def test_total_never_rises_under_the_admissible_step(rule, conflict):
    totals = total(*path(rule, lr=0.1, conflict=conflict))
    assert np.diff(totals).max() <= 1e-15


def test_total_rises_without_the_admissible_step():
    totals = total(*path(ScheduledBalance("step", start=0.0, end=1.0), lr=0.1, conflict=True))
    assert np.diff(totals).max() > 0.01


@pytest.mark.parametrize("lr", [0.1, 30.0])
@pytest.mark.parametrize("rule", ADMISSIBLE_RULES.values(), ids=ADMISSIBLE_RULES)
def test_a_move_costs_at_most_what_the_step_gained(rule, lr):
    weights, losses = path(rule, lr)
    old, new = weights[:-1], weights[1:]
    gain = total(old, losses[:-1]) - total(old, losses[1:])
    cost = total(new, losses[1:]) - total(old, losses[1:])
    assert (cost <= np.maximum(gain, 0.0) + 1e-14 * losses.max()).all()
    if lr > 1:
        assert (gain < 0).any()  # the steps were too large indeed


@pytest.mark.parametrize("loss", DISTILLATION_LOSSES)
def test_admissible_step_under_any_loss(loss):
    X, y = make_data()
    rule = ScheduledBalance(start=0.0, end=0.5, admissible_step=True)
    clf = quick(None, balancer=rule, distillation_loss=loss)
    history = clf.fit(X, y, teacher_proba=np.full((len(X), 3), 1 / 3)).history_
    assert history["weight"][0] == 0.0
    assert ((history["weight"] >= 0) & (history["weight"] <= 0.5)).all()


def test_admissible_step_still_lets_the_weight_move():
    weights, _ = path(ADMISSIBLE_RULES["rising"], lr=0.1, conflict=False)
    assert np.ptp(weights) > 0.5


# The base class


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (FixedBalance(), set()),
        (ScheduledBalance(), set()),
        (LossShare(), {"losses"}),
        (DescentShare(), {"gradients", "teacher", "pilot"}),
        (DescentShare(fade=True), {"gradients", "teacher"}),
        (DescentShare(fade=False), {"gradients"}),
        (FixedBalance(conflict_clamp=True), {"gradients"}),
        (
            DescentShare(admissible_step=True, fade=False),
            {"gradients", "losses", "losses_after"},
        ),
    ],
)
def test_requirements_are_those_of_rule_and_guards(rule, expected):
    assert rule.requirements() == expected


@pytest.mark.parametrize("rule", BALANCERS.values(), ids=BALANCERS)
def test_every_rule_has_the_shared_parameters(rule):
    assert rule().get_params().keys() >= Balancer().get_params().keys()
    rule().validate()


#: What users live by without having written it.
DEFAULTS = [
    (Balancer, {"min_weight": 0.0, "max_weight": 1.0, "smoothing": 0.0, "conflict_clamp": False}),
    (Balancer, {"admissible_step": False, "gradients": "logits", "fade": False}),
    (DescentShare, {"ratio": 0.05, "smoothing": 0.9, "fade": "auto", "gradients": "logits"}),
    (EqualGradients, {"ratio": 0.1, "smoothing": 0.9, "fade": False}),
    (LossShare, {"ratio": 1.0, "monotone": False, "smoothing": 0.0}),
    (FixedBalance, {"weight": 0.5}),
    (ScheduledBalance, {"schedule": "linear", "start": 1.0, "end": 0.0, "stop": None}),
    (ScheduledBalance, {"warmup": 0.0, "hold": 0.0}),
    (RandomBalance, {"random_state": None}),
    (UncertaintyWeighting, {"lr": 0.05, "initial": 0.0}),
    (DynamicWeightAverage, {"tau": 2.0}),
    (Famo, {"lr": 0.025, "decay": 0.001}),
    (GradNorm, {"alpha": 1.5, "lr": 0.025}),
    (MinNorm, {"normalize": None}),
    (ConflictAverse, {"c": 0.5}),
    (SampleWise, {"rule": "wsl", "weight": 0.7}),
]


@pytest.mark.parametrize(("kind", "expected"), DEFAULTS)
def test_defaults(kind, expected):
    params = kind().get_params()
    assert {name: params[name] for name in expected} == expected


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(DescentShare()) == "DescentShare()"
    rule = DescentShare(0.1, smoothing=0.5, fade=False)
    assert repr(rule) == "DescentShare(fade=False, ratio=0.1, smoothing=0.5)"


@pytest.mark.parametrize("kind", [FixedBalance, ScheduledBalance, SampleWise, LossShare, GradNorm])
def test_only_the_first_parameter_is_positional(kind):
    first, second = list(inspect.signature(kind).parameters.values())[:2]
    assert first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert second.kind is inspect.Parameter.KEYWORD_ONLY


def test_a_rule_that_needs_what_nobody_gives():
    class Wishful(Given):
        needs = frozenset({"losses", "loss", "tomorrow"})

    with pytest.raises(ValueError, match=r"Wishful.needs holds \['loss', 'tomorrow'\].*'losses'"):
        make_balancer(Wishful())


def test_a_rule_with_a_constructor_of_its_own():
    class Own(Balancer):
        def __init__(self, level=0.3):
            self.level = level

        def propose(self, state):
            return self.level

    rule = make_balancer(Own(0.4))
    assert rule.weights(StepState()) == (0.6, 0.4)
    assert rule.requirements() == frozenset()


@pytest.mark.parametrize("name", BALANCERS)
def test_make_balancer_by_name_and_by_instance(name):
    by_name, given = make_balancer(name), BALANCERS[name](max_weight=0.9)
    by_instance = make_balancer(given)
    assert type(by_name) is type(by_instance) is BALANCERS[name]
    assert by_instance is not given and by_instance.max_weight == 0.9
    assert by_name.weight_ is None and not hasattr(given, "weight_")


def test_make_balancer_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="balancer='seesaw' is not known; choose one of 'fixed'"):
        make_balancer("seesaw")
    with pytest.raises(TypeError, match="balancer must be a name or an instance.*got 0.5"):
        make_balancer(0.5)
    with pytest.raises(ValueError, match="'weight' parameter of FixedBalance"):
        make_balancer(FixedBalance(2))


@every_guarded_rule
@with_any_scalars
@pytest.mark.parametrize("options", [{}, {"conflict_clamp": True, "admissible_step": True}])
def test_reset_forgets_and_clone_drops_the_state(rule, xp, options):
    names = ("task_loss", "distillation_loss", "task_loss_after", "distillation_loss_after")

    def weights(rule):
        values = []
        rule.reset()
        for i, cosine in enumerate([0.5, -0.9, -1.0]):
            losses = {name: 1.0 / (i + j + 1) for j, name in enumerate(names)}
            state = conflicting(xp, 1.0 + i, 2.0, cosine, **losses)
            values.append(float(rule.weights(state)[1]))
            rule.update(state)
        return values

    rule = rule(**options)
    first = weights(rule)
    assert weights(rule) == first
    assert not hasattr(clone(rule), "weight_")
    assert weights(clone(rule)) == first


@every_guarded_rule
@pytest.mark.filterwarnings("error")
def test_distillation_without_a_gradient_gives_no_warning(rule):
    X, y = make_data()
    clf = quick(
        None,
        balancer=rule(conflict_clamp=True),
        distillation_loss=lambda logits, soft_targets, temperature: 0 * logits.sum(-1),
    )
    history = clf.fit(X, y, teacher_proba=np.full((len(X), 3), 1 / 3)).history_
    assert np.isfinite(history["weight"]).all()


def test_importance_is_the_share_in_the_weighted_loss():
    trace = {
        "task_loss": np.array([1.0, 0.0, 2.0]),
        "distillation_loss": np.array([3.0, 0.0, 0.0]),
        "weight": np.array([0.5, 0.5, 0.5]),
    }
    np.testing.assert_array_equal(FixedBalance().importance(trace), [0.75, np.nan, 0.0])


NOT_A_SHARE = [-0.1, 1.1, np.nan, np.inf, "0.5", None]
NOT_POSITIVE = [0.0, -1.0, np.nan, np.inf, "1", None]
WRONG = [
    *[(LossShare, "min_weight", value) for value in NOT_A_SHARE],
    *[(DescentShare, "max_weight", value) for value in NOT_A_SHARE],
    *[(DescentShare, "smoothing", value) for value in [*NOT_A_SHARE, 1.0]],
    *[
        (kind, "ratio", value)
        for kind in (LossShare, DescentShare, EqualGradients)
        for value in NOT_POSITIVE
    ],
    *[
        (kind, "lr", value)
        for kind in (UncertaintyWeighting, Famo, GradNorm)
        for value in NOT_POSITIVE
    ],
    *[(DynamicWeightAverage, "tau", value) for value in NOT_POSITIVE],
    *[(UncertaintyWeighting, "initial", value) for value in (np.nan, np.inf, "0", None, 20.0)],
    *[(Famo, "decay", value) for value in (-1e-3, np.nan, np.inf, None)],
    *[(GradNorm, "alpha", value) for value in (-0.5, np.nan, np.inf, None)],
    *[(MinNorm, "normalize", value) for value in ("l1", False, 2)],
    *[(ConflictAverse, "c", value) for value in [*NOT_A_SHARE, 1.0]],
    *[(RandomBalance, "random_state", value) for value in (0.5, "0", -1, np.random.mtrand._rand)],
    *[(SampleWise, "weight", value) for value in [*NOT_A_SHARE, 1.0]],
    *[(SampleWise, "rule", value) for value in ("unknown", None)],
    *[(kind, "gradients", "last_layer") for kind in BALANCERS.values()],
    *[(kind, "fade", value) for kind in BALANCERS.values() for value in ("yes", 1, None, 0.5)],
    *[(kind, "min_weight", 2) for kind in BALANCERS.values()],
    *[(DescentShare, "conflict_clamp", value) for value in (1, "yes", None)],
    *[(DescentShare, "admissible_step", value) for value in (1, "yes", None)],
    *[(LossShare, "monotone", value) for value in (1, "yes", None)],
    *[(DescentShare, "gradients", value) for value in (None, ["all"])],
    *[(FixedBalance, "weight", value) for value in NOT_A_SHARE],
    *[
        (ScheduledBalance, name, value)
        for name in ("start", "end", "warmup", "hold")
        for value in NOT_A_SHARE
    ],
    *[(ScheduledBalance, "stop", value) for value in NOT_A_SHARE if value is not None],
    *[(ScheduledBalance, "schedule", value) for value in ("unknown", None)],
]


@pytest.mark.parametrize(("kind", "name", "value"), WRONG)
def test_validate_names_the_wrong_parameter(kind, name, value):
    message = (
        f"(?s)^The '{name}' parameter of {kind.__name__} must be .*Got {re.escape(repr(value))}"
    )
    with pytest.raises(ValueError, match=message):
        kind(**{name: value}).validate()


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (LossShare(min_weight=0.6, max_weight=0.5), ("min_weight=0.6", "max_weight=0.5")),
        (ScheduledBalance(warmup=0.6, hold=0.5), ("warmup=0.6", "hold=0.5")),
    ],
)
def test_validate_names_both_of_a_pair(rule, names):
    with pytest.raises(ValueError) as caught:
        rule.validate()
    assert all(name in str(caught.value) for name in names)


def test_valid_limits():
    FixedBalance(np.float32(1.0)).validate()
    ScheduledBalance(lambda progress: progress, start=0, end=1, warmup=0.5, hold=0.5).validate()
    LossShare(1e-9, min_weight=0.5, max_weight=0.5).validate()

"""The decay of the teacher's or of the labels' weight."""

import numpy as np
import pytest
import torch

from skkd.balancers import (
    Balancer,
    BatchRows,
    FixedBalance,
    LossShare,
    Pilot,
    SampleWise,
    StepState,
    TeacherKnowledge,
)

with_any_scalars = pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])


class Given(Balancer):
    """Proposes the task loss."""

    needs = frozenset({"losses"})

    def propose(self, state):
        return state.task_loss


def scalars_of(xp, task_loss):
    """A state with a scalar as on the CPU (numpy) or on another device (torch)."""
    return StepState(task_loss=xp.asarray(task_loss, dtype=xp.float64)[()])


def run(rule, states):
    """The balancing parameters over a sequence of steps."""
    rule.reset()
    return [float(rule.weights(state)[1]) for state in states]


TEACHES = Pilot(gain=0.05, error=0.01)
MISLEADS = Pilot(gain=-0.02, error=0.01)


def knowing(loss):
    """A teacher that knows something."""
    return TeacherKnowledge(loss, gain=0.5, error=0.01)


@with_any_scalars
@pytest.mark.parametrize(
    ("fade", "pilot", "whose"),
    [
        (True, None, "teacher"),
        (True, MISLEADS, "teacher"),
        ("auto", TEACHES, "teacher"),
        ("auto", Pilot(0.05, 0.02), "nobody"),  # may be chance
        ("auto", Pilot(-0.01, 0.01), "nobody"),
        ("auto", None, "nobody"),
        ("auto", MISLEADS, "labels"),
        (False, TEACHES, "nobody"),
        (False, MISLEADS, "nobody"),
    ],
)
@pytest.mark.parametrize(("own", "factor"), [(0.2, 0.16), (0.5, 1.0), (2.0, 1.0), (0.0, 0.0)])
def test_whose_weight_decays(xp, fade, pilot, whose, own, factor):
    state = scalars_of(xp, task_loss=0.4)
    state.epoch_losses, state.pilot = [(9.0, 9.0), (own, 9.0)], pilot
    state.teacher = knowing(0.5)
    expected = {"teacher": 0.4 * factor, "labels": 1 - 0.6 * factor, "nobody": 0.4}[whose]
    assert run(Given(fade=fade), [state]) == pytest.approx([expected], abs=1e-12)


def test_the_labels_weight_may_decay_below_one_half():
    state = StepState(epoch=1, epoch_losses=[(0.1, 1.0)], teacher=knowing(1.0), pilot=MISLEADS)
    assert FixedBalance(0.8, fade="auto").reset().weights(state)[1] == pytest.approx(0.998)
    capped = LossShare(fade="auto", max_weight=0.9).reset()
    state.task_loss, state.distillation_loss = 1.0, 1.0
    assert capped.weights(state)[1] == 0.9


def test_decay_begins_after_the_first_epoch_and_moves_once_an_epoch():
    rule = FixedBalance(0.4, fade=True).reset()
    seen = []
    losses = [(0.5, 1.0), (0.25, 1.0)]
    for epoch in range(3):
        state = StepState(epoch=epoch, epoch_losses=losses[:epoch], teacher=knowing(1.0))
        seen += [rule.weights(state)[1] for _ in range(2)]
    assert seen == pytest.approx([0.4, 0.4, 0.1, 0.1, 0.025, 0.025])
    assert rule.reset().weights(StepState(teacher=knowing(1.0)))[1] == 0.4


def test_a_perfect_teacher_keeps_its_weight():
    state = StepState(epoch=1, epoch_losses=[(0.1, 1.0)], teacher=knowing(0.0))
    assert FixedBalance(0.4, fade=True).reset().weights(state)[1] == 0.4


@with_any_scalars
@pytest.mark.parametrize(("fade", "most"), [(True, 0.5), ("auto", 0.5), (False, 0.9)])
def test_decay_starts_at_one_half(xp, fade, most):
    state = scalars_of(xp, task_loss=0.9)
    state.teacher, state.pilot = knowing(1.0), TEACHES
    assert run(Given(fade=fade), [state]) == [most]


@with_any_scalars
@pytest.mark.parametrize(("fade", "weight"), [(True, 0.0), ("auto", 0.0), (False, 0.9)])
@pytest.mark.parametrize("gain", [-0.5, 0.0, 0.005])
def test_a_teacher_that_knows_nothing_has_no_weight(xp, fade, weight, gain):
    state = scalars_of(xp, task_loss=0.9)
    state.teacher = TeacherKnowledge(loss=0.7, gain=gain, error=0.006)
    assert run(Given(fade=fade), [state]) == [weight]


def test_decay_stays_above_the_lower_bound():
    state = scalars_of(np, task_loss=0.8)
    state.epoch_losses, state.teacher = [(0.1, 1.0)], knowing(1.0)
    assert run(Given(fade=True, min_weight=0.2), [state]) == [0.2]


# In standard errors: the labels surely teach on, they probably mislead, the teacher knows anything.


@pytest.mark.parametrize(
    ("gain", "teach_on", "mislead"),
    [(3.1, True, False), (2.9, False, False), (-1.4, False, False), (-1.6, False, True)],
)
def test_what_a_pilot_says_of_the_labels(gain, teach_on, mislead):
    pilot = Pilot(gain=gain, error=1.0)
    assert (pilot.labels_teach_on, pilot.labels_mislead) == (teach_on, mislead)


@pytest.mark.parametrize(("gain", "known"), [(1.1, True), (0.9, False), (0.0, False)])
def test_when_a_teacher_knows_anything(gain, known):
    assert TeacherKnowledge(loss=1.0, gain=gain, error=1.0).is_any is known


def test_a_pilot_without_gain_or_error_says_nothing():
    pilot = Pilot(gain=0.0, error=0.0)
    assert not pilot.labels_teach_on and not pilot.labels_mislead
    assert not TeacherKnowledge(loss=0.5, gain=0.0, error=0.0).is_any


# Rows with weights of their own


def test_the_weight_of_each_row_decays():
    labels = torch.tensor([0, 0])
    rows = BatchRows(torch.zeros(2, 2), labels, torch.tensor([[0.9, 0.1], [0.1, 0.9]]))
    state = StepState(rows=rows, epoch_losses=[(0.5, 1.0)], teacher=knowing(1.0))
    rule = SampleWise("teacher_correct", weight=0.8, fade=True)
    assert rule.requirements() == {"rows", "teacher"}
    got = rule.reset().weights(state)[1]
    np.testing.assert_allclose(got, [0.5 * 0.25, 0.0])

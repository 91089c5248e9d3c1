"""The decay of the teacher's or of the labels' weight: the parameter ``fade`` of every rule."""

import math
from typing import Literal, NamedTuple

from ._step_state import Scalar, StepState, clip

Fade = bool | Literal["auto"]

_POWER = 2.0
# A λ that decays starts no higher than the weight of the labels, or the student can't leave it.
_START = 0.5


class Fading(NamedTuple):
    """What one epoch does to λ: clip it to an interval, then multiply both weights."""

    least: float = 0.0
    most: float = 1.0
    teacher: float = 1.0
    labels: float = 1.0


NO_FADING = Fading()
NO_TEACHER = Fading(teacher=0.0)


def faded(weight: Scalar, fade: Fade, state: StepState) -> Scalar:
    """Apply the decay of this epoch to a proposed λ."""
    fading = fading_in(fade, state)
    if fading is NO_FADING:
        return weight
    teacher = clip(weight, fading.least, fading.most) * fading.teacher
    return 1.0 - (1.0 - teacher) * fading.labels


def fading_in(fade: Fade, state: StepState) -> Fading:
    """Decide whose weight decays in this epoch, and by how much."""
    teacher, pilot = state.teacher, state.pilot
    if teacher is None:
        return NO_FADING
    if not teacher.is_any:
        return NO_TEACHER
    if fade != "auto":
        return Fading(most=_START, teacher=_decay(state, teacher.loss))
    if pilot is None:
        return NO_FADING
    if pilot.labels_teach_on:
        most = min(_START, pilot.most_weight)
        return Fading(most=most, teacher=_decay(state, teacher.loss))
    if pilot.labels_mislead:
        return Fading(least=pilot.least_weight, labels=_decay(state, teacher.loss))
    return Fading(pilot.least_weight, pilot.most_weight)


def _decay(state: StepState, teacher_loss: float) -> float:
    """The factor clip(student's training loss / teacher's log-loss, 0, 1) ** 2."""
    if teacher_loss <= 0:
        return 1.0
    student_loss = state.epoch_losses[-1][0] if state.epoch_losses else math.inf
    return math.pow(min(student_loss / teacher_loss, 1.0), _POWER)

"""From parameters as a user gives them to the objects that training needs, checked."""

import math
import os
from collections.abc import Callable
from numbers import Integral, Real

import joblib

from . import losses
from ._calibration import METHODS
from ._sklearn_private import Interval, StrOptions
from .schedules import TemperatureSchedule

CONSTRAINTS: dict = {
    "temperature": [
        Interval(Real, 0, None, closed="neither"),
        StrOptions({"teacher_entropy"}),
        callable,
    ],
    "calibrate": [StrOptions({"auto", *METHODS}), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "class_weight": [dict, str, None],
    "memory": [str, os.PathLike, joblib.Memory, None],
    "n_jobs": [Integral, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def make_loss(loss) -> losses.DistillationLoss:
    """A distillation loss from a name or a callable."""
    if callable(loss):
        return loss
    if not isinstance(loss, str) or loss not in losses.DISTILLATION_LOSSES:
        raise ValueError(
            f"distillation_loss={loss!r} is not known; choose one of "
            f"{_names(losses.DISTILLATION_LOSSES)}, or give a function of student_logits, "
            "soft_targets and temperature."
        )
    return losses.DISTILLATION_LOSSES[loss]


def make_temperature(temperature) -> Callable[[float], float | str]:
    """A function of progress that gives the temperature, or "teacher_entropy" for one a row."""
    if isinstance(temperature, TemperatureSchedule):
        temperature.validate()
    if not callable(temperature):
        value = temperature if isinstance(temperature, str) else float(temperature)
        return lambda progress: value
    for progress in (0.0, 0.5, 1.0):
        value = temperature(progress)
        if not (isinstance(value, Real) and 0 < float(value) < math.inf):
            raise ValueError(
                f"The schedule temperature={temperature!r} gives {value!r} at progress "
                f"{progress}; a temperature must be a finite number above 0."
            )
    return temperature


def _names(known: dict) -> str:
    return ", ".join(map(repr, known))

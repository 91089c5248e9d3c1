"""From parameters as a user gives them to the objects that a fit needs, checked before any work."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import joblib
from sklearn import get_config
from torch import Tensor

from . import losses
from ._classification import METHODS
from ._sklearn_private import Interval, StrOptions
from ._teacher import check_memory, check_teacher, is_fitted
from .augmenters import Augmenter, make_augmenter
from .balancers import Balancer, make_balancer
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


@dataclass(frozen=True)
class Options:
    """What the parameters of a distiller stand for.

    Attributes
    ----------
    balancer : Balancer
        Fresh and reset.
    loss : callable
        The distillation loss.
    temperature : callable
        Its temperature as a function of progress.
    augmenter : Augmenter, "auto" or None
    fits_teacher : bool
        Whether the teacher is fitted here.
    """

    balancer: Balancer
    loss: Callable[..., Tensor]
    temperature: Callable[[float], float | str]
    augmenter: Any
    fits_teacher: bool


def read_options(distiller, teacher_answers, X_unlabeled, params: dict) -> Options:
    """Return what parameters stand for; raise for those not allowed, alone or together.

    Parameters
    ----------
    distiller : DistilledClassifier
    teacher_answers, X_unlabeled, params
        As given to ``fit``.
    """
    distiller._validate_params()
    check_memory(distiller.memory)
    teacher, augmenter = distiller.teacher, distiller.augmenter
    has_teacher = teacher is not None and is_fitted(teacher)
    if teacher_answers is None:
        check_teacher(teacher, distiller.cv)
    elif not has_teacher:
        named = augmenter is not None and augmenter != "auto"
        for name, is_given in (("augmenter", named), ("X_unlabeled", X_unlabeled is not None)):
            if is_given:
                raise ValueError(
                    f"{name} needs a teacher to label rows, and with teacher_proba an unfitted one "
                    f"is not fitted. Give a fitted teacher beside teacher_proba, or {name}=None."
                )
    fits_teacher = teacher_answers is None and not has_teacher
    if augmenter is not None and augmenter != "auto":
        augmenter = make_augmenter(augmenter)
    if params and not get_config()["enable_metadata_routing"]:
        _check_metadata(params, distiller.cv, fits_teacher)
    return Options(
        make_balancer(distiller.balancer),
        make_loss(distiller.distillation_loss),
        make_temperature(distiller.temperature),
        augmenter,
        fits_teacher,
    )


def _check_metadata(params: dict, cv, fits_teacher: bool) -> None:
    if unknown := params.keys() - {"groups"}:
        raise TypeError(
            f"fit got unexpected arguments {sorted(unknown)}. Metadata for the teacher or the "
            "splitter needs set_config(enable_metadata_routing=True)."
        )
    if not fits_teacher or isinstance(cv, str):
        raise ValueError(f"groups are for the splitter cv, and cv={cv!r} has none.")


def make_loss(loss) -> losses.DistillationLoss:
    """Return a distillation loss from a name or a callable."""
    if isinstance(loss, str) and loss in losses.DISTILLATION_LOSSES:
        return losses.DISTILLATION_LOSSES[loss]
    if not callable(loss):
        raise ValueError(
            f"distillation_loss={loss!r} is not known; choose one of "
            f"{', '.join(map(repr, losses.DISTILLATION_LOSSES))}, or give a function of "
            "student_logits, soft_targets and temperature."
        )
    return loss


@dataclass(frozen=True)
class ConstantTemperature:
    """A temperature, or "teacher_entropy", at any progress."""

    value: float | str

    def __call__(self, progress: float) -> float | str:
        return self.value


def make_temperature(temperature) -> Callable[[float], float | str]:
    """Return a function of progress that gives the temperature."""
    if isinstance(temperature, str):
        return ConstantTemperature(temperature)
    if not callable(temperature):
        if not 1e-3 <= float(temperature) <= 1e6:
            raise ValueError(
                f"temperature={temperature!r} is not allowed; give a number from 0.001 to 1e6."
            )
        return ConstantTemperature(float(temperature))
    if isinstance(temperature, TemperatureSchedule):
        temperature.validate()
    for progress in (0.0, 0.5, 1.0):
        value = temperature(progress)
        if not (isinstance(value, Real) and 0 < float(value) < math.inf):
            raise ValueError(
                f"The schedule temperature={temperature!r} gives {value!r} at progress "
                f"{progress}; a temperature must be a finite number above 0."
            )
    return temperature

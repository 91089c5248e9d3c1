"""From parameters as a user gives them to the objects that training needs, checked."""

import math
import os
from collections.abc import Callable
from numbers import Integral, Real

import joblib
from sklearn import get_config

from . import losses
from ._sklearn_private import Interval, StrOptions
from ._teacher.asking import check_teacher
from ._teacher.cache import check_memory
from ._teacher.calibration import METHODS
from .augmenters import make_augmenter
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


def check_parameters(estimator, teacher_proba, X_unlabeled, params: dict) -> None:
    """Raise an error for parameters that are not allowed, by themselves or together.

    Parameters
    ----------
    estimator : DistilledClassifier
    teacher_proba, X_unlabeled, params
        As given to ``fit``.
    """
    estimator._validate_params()
    check_memory(estimator.memory)
    make_temperature(estimator.temperature)  # what is wrong with it must be said before any work
    if teacher_proba is None:
        check_teacher(estimator.teacher, estimator.cv)
    elif not estimator._has_fitted_teacher():
        named = estimator.augmenter not in (None, "auto")
        for name, is_given in (("augmenter", named), ("X_unlabeled", X_unlabeled is not None)):
            if is_given:
                raise ValueError(
                    f"{name} needs a teacher to label new rows, and with teacher_proba an "
                    "unfitted one is not fitted. Give a fitted teacher beside teacher_proba, "
                    f"or {name}=None."
                )
    if estimator.augmenter not in (None, "auto"):
        make_augmenter(estimator.augmenter)
    if not get_config()["enable_metadata_routing"]:
        if unknown := params.keys() - {"groups"}:
            raise TypeError(
                f"fit got unexpected arguments {sorted(unknown)}. Metadata for the teacher or "
                "the splitter needs set_config(enable_metadata_routing=True)."
            )
        if params and (estimator.cv is None or isinstance(estimator.cv, str)):
            raise ValueError(f"groups are for the splitter cv, and cv={estimator.cv!r} has none.")


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

"""From parameters as a user gives them to the objects that a fit needs, checked before any work."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

import joblib
import numpy as np
from sklearn import get_config
from sklearn.utils.metadata_routing import process_routing
from skorch import NeuralNet
from torch import Tensor

from . import losses
from ._input import DatasetRows, Rows
from ._sklearn_private import Interval, StrOptions, _check_method_params
from ._student import as_net, is_known
from ._teacher import as_teacher, check_memory, check_teachers, is_fitted
from ._training import are_plain, check_accelerator
from .augmenters import AUGMENTERS, Augmenter, make_augmenter
from .balancers import BALANCERS, Balancer, make_balancer
from .schedules import TemperatureSchedule

CONSTRAINTS: dict = {
    "teacher_budget": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"}), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
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
    temperature : float, "teacher_entropy" or callable
        Its temperature; a callable gives it for a progress in [0, 1].
    augmenter : Augmenter, "auto" or None
    fits_teacher : bool
        Whether the teacher is fitted here.
    """

    balancer: Balancer
    loss: Callable[..., Tensor]
    temperature: float | str | Callable[[float], float]
    augmenter: Any
    fits_teacher: bool


def read_options(distiller, teacher_answers, X_unlabeled, params: dict) -> Options:
    """Return what parameters stand for; raise for those not allowed, alone or together.

    Parameters
    ----------
    distiller : DistilledClassifier or DistilledRegressor
    teacher_answers, X_unlabeled, params
        As given to ``fit``.
    """
    distiller._validate_params()
    if callable(distiller.temperature):
        check_schedule(distiller.temperature)
    if distiller.memory is not None:
        check_memory(distiller.memory)
    loss = distiller._read_distillation_loss()
    teacher, augmenter = as_teacher(distiller.teacher), distiller.augmenter
    has_teacher = teacher is not None and is_fitted(teacher)
    named = augmenter is not None and not (isinstance(augmenter, str) and augmenter == "auto")
    if teacher_answers is None:
        check_teachers(teacher, distiller.cv, distiller._answers)
    elif not has_teacher:
        for name, is_given in (("augmenter", named), ("X_unlabeled", X_unlabeled is not None)):
            if is_given:
                raise ValueError(
                    f"{name} needs a teacher to label rows, and with {distiller._answers} an "
                    f"unfitted one is not fitted. Give a fitted teacher beside "
                    f"{distiller._answers}, or {name}=None."
                )
    fits_teacher = teacher_answers is None and not has_teacher
    if named:
        augmenter = make_augmenter(augmenter)
    if params and not get_config()["enable_metadata_routing"]:
        _check_metadata(params, distiller.cv, fits_teacher)
    return Options(
        make_balancer(distiller.balancer),
        loss,
        distiller.temperature,
        augmenter,
        fits_teacher,
    )


def _check_metadata(params: dict, cv, fits_teacher: bool) -> None:
    if unknown := params.keys() - {"groups"}:
        if any(name.startswith(("eval", "valid")) for name in unknown):
            raise TypeError(
                f"fit got unexpected arguments {sorted(unknown)}: it takes no validation rows. Set "
                "early_stopping=True, which sets validation_fraction of the rows aside."
            )
        raise TypeError(
            f"fit got unexpected arguments {sorted(unknown)}. Metadata for the teacher or the "
            "splitter needs set_config(enable_metadata_routing=True)."
        )
    if not fits_teacher or isinstance(cv, str):
        raise ValueError(f"groups are for the splitter cv, and cv={cv!r} has none.")


def read_loss(loss, known: dict[str, Callable[..., Tensor]], of: str) -> Callable[..., Tensor]:
    """Return a distillation loss by its name, or the user's; raise an error for anything else.

    Parameters
    ----------
    loss : str or callable
    known : dict
        Losses by name.
    of : str
        What a loss is a function of.
    """
    if isinstance(loss, str) and loss in known:
        return known[loss]
    if not callable(loss) or isinstance(loss, type):
        raise ValueError(
            f"distillation_loss={loss!r} is not known; choose one of "
            f"{', '.join(map(repr, known))}, or give a function of {of}."
        )
    return loss


def check_schedule(temperature: Callable[[float], float]) -> None:
    """Raise a ValueError unless a temperature is positive at any progress."""
    if isinstance(temperature, type):
        raise ValueError(
            f"temperature={temperature!r} is a class; give a number, a function of the progress, "
            "or TemperatureSchedule(...)."
        )
    if isinstance(temperature, TemperatureSchedule):
        temperature.validate()
    for progress in (0.0, 0.5, 1.0):
        value = temperature(progress)
        if not (isinstance(value, Real) and 0 < float(value) < math.inf):
            raise ValueError(
                f"The schedule temperature={temperature!r} gives {value!r} at progress "
                f"{progress}; a temperature must be a finite number above 0."
            )


def with_nested(distiller, params: dict) -> dict:
    """Return parameters with those of objects that a name or None stands for.

    Without those of a fitted teacher, which are not to be set.
    """
    if distiller.teacher is not None and is_fitted(distiller.teacher):
        params = {name: params[name] for name in params if not name.startswith("teacher__")}
    parts: dict[str, Any] = {}
    if isinstance(distiller.teacher, (list, tuple)) and not is_fitted(distiller.teacher):
        parts["teacher"] = as_teacher(distiller.teacher)
    if isinstance(distiller.balancer, str) and distiller.balancer in BALANCERS:
        parts["balancer"] = make_balancer(distiller.balancer)
    if isinstance(distiller.augmenter, str) and distiller.augmenter in AUGMENTERS:
        parts["augmenter"] = make_augmenter(distiller.augmenter)
    if is_known(distiller.student):
        parts["student"] = as_net(distiller.student, distiller._task)
    for name, part in parts.items():
        for key, value in part.get_params().items():
            if key not in ("estimators", "weights"):  # of several teachers: the list itself
                params.setdefault(f"{name}__{key}", value)
    return params


def with_instances(distiller, params: dict) -> dict:
    """Return parameters to set, with instances for the names whose own parameters are set."""
    nested = {name.partition("__")[0] for name in params if "__" in name}
    if "balancer" in nested and isinstance(params.get("balancer", distiller.balancer), str):
        params["balancer"] = make_balancer(params.get("balancer", distiller.balancer))
    augmenter = params.get("augmenter", distiller.augmenter)
    if "augmenter" in nested and not isinstance(augmenter, Augmenter):
        if augmenter is None or augmenter == "auto":
            raise ValueError(
                f"augmenter={augmenter!r} has no parameters to set; give augmenter=... as well."
            )
        params["augmenter"] = make_augmenter(augmenter)
    if "student" in nested:
        params["student"] = as_net(params.get("student", distiller.student), distiller._task)
    _check_student_names(distiller, params)
    teacher = params.get("teacher", distiller.teacher)
    if "teacher" in nested and teacher is not None and is_fitted(teacher):
        raise ValueError(
            "The parameters of a fitted teacher can't be set: that would change your own object. "
            "Give another teacher=..., or an unfitted one, which is cross-fitted."
        )
    if "teacher" in nested and isinstance(teacher, (list, tuple)):
        names = [name for name in params if name.startswith("teacher__")]
        of_teachers = {name.removeprefix("teacher__"): params.pop(name) for name in names}
        params["teacher"] = as_teacher(teacher).set_params(**of_teachers).estimators
    return params


def _check_student_names(distiller, params: dict) -> None:
    """Raise a ValueError for a misspelled parameter of the student that has a likely meaning."""
    student = params.get("student", distiller.student)
    if isinstance(student, type) or not (is_known(student) or hasattr(student, "get_params")):
        return
    known = list(as_net(student, distiller._task).get_params())
    own = distiller.get_params(deep=False)
    for name in params:
        wanted = name.removeprefix("student__")
        if "__" in wanted or wanted in known and wanted != name or name in own:
            continue
        likely = [one for one in known if one.rpartition("__")[2] == wanted]
        likely = likely or (get_close_matches(wanted, known, n=1) if wanted != name else [])
        if likely:
            raise ValueError(f"There is no parameter {name!r}; did you mean student__{likely[0]}?")


def metadata_of(distiller, rows: Rows, params: dict, n_given: int) -> dict:
    """Return ``fit_params`` for the teacher and ``split_params``; without: weights only."""
    if rows.numbers is not None:
        params = _check_method_params(np.empty(n_given), params, indices=rows.numbers)
    if not get_config()["enable_metadata_routing"]:
        return {"split_params": params}
    routed = process_routing(distiller, "fit", sample_weight=rows.sample_weight, **params)
    found = {"fit_params": routed.teacher.fit}
    return found | ({"split_params": routed.splitter.split} if "splitter" in routed else {})


def check_plan(net: NeuralNet, rows: Rows, task, options: Options, X_unlabeled) -> None:
    """Raise an error for what the student can't be trained with, before the teacher's work.

    Parameters
    ----------
    net : skorch.NeuralNet
        Initialized.
    rows : Rows
    task : Classification or Regression
    options : Options
    X_unlabeled : rows or None
    """
    augmenter = options.augmenter if isinstance(options.augmenter, Augmenter) else None
    if isinstance(rows.raw, DatasetRows) and (augmenter is not None or options.fits_teacher):
        raise ValueError(
            "An unfitted teacher and an augmenter need the rows in an array, and X is a torch "
            "Dataset. Give a fitted teacher, or its answers, and augmenter=None."
        )
    if augmenter is not None:
        augmenter.check_rows(rows.raw)
    has_unlabeled = augmenter is not None or X_unlabeled is not None
    if getattr(net, "accelerator", None) is not None:
        check_accelerator(net, options.balancer, has_unlabeled=has_unlabeled)
    if has_unlabeled and not are_plain(net):
        raise ValueError(
            "augmenter and X_unlabeled need a student with skorch's own Dataset and PyTorch's own "
            "DataLoader, which take rows of X as they are."
        )
    task.check_balancer(options.balancer)
    if options.loss not in losses.DISTILLATION_LOSSES.values():
        task.check_loss(options.loss)

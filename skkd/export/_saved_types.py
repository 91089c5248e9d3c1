"""List the types that a saved file may hold, under names that stay."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

import sklearn.model_selection
import torch
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit
from skorch import NeuralNet
from skorch.dataset import Dataset, ValidSplit
from torch import nn
from torch.utils.data import DataLoader

from .. import losses, schedules, students
from .._classification import Calibration
from .._input import DateEncoder, to_float, with_plain_missing
from .._regression import TargetScaling
from .._student import StudentOnly, StudentOnlyRegressor
from ..augmenters import AUGMENTERS
from ..balancers import BALANCERS, ScalarAdam
from ..exceptions import LoadError
from ._stand_ins import MissingRegressor, MissingTeacher, SavedTensor

# Plain data. A ColumnTransformer of scikit-learn 1.6 keeps its remaining columns in the second.
_BY_NAME = ("numpy.dtype", "sklearn.compose._column_transformer._RemainderColsList")


def _named(package: str, kinds: Iterable) -> dict[str, Any]:
    return {f"skkd.{package}.{kind.__name__}": kind for kind in kinds}


# A name in a file must never change. Add a second name for a type that is renamed.
OF_SKKD: dict[str, Any] = {
    **_named("balancers", [*BALANCERS.values(), ScalarAdam]),
    **_named("augmenters", AUGMENTERS.values()),
    **_named("losses", losses.DISTILLATION_LOSSES.values()),
    **_named("schedules", [*schedules.SCHEDULES.values(), schedules.TemperatureSchedule]),
    **_named("students", [getattr(students, one) for one in students.__all__ if one != "STUDENTS"]),
    "skkd.columns.DateEncoder": DateEncoder,
    "skkd.columns.to_float": to_float,
    "skkd.columns.with_plain_missing": with_plain_missing,
    "skkd.Calibration": Calibration,
    "skkd.TargetScaling": TargetScaling,
    "skkd.export.MissingRegressor": MissingRegressor,
    "skkd.export.MissingTeacher": MissingTeacher,
    "skkd.export.SavedTensor": SavedTensor,
    "skkd.export.StudentOnly": StudentOnly,
    "skkd.export.StudentOnlyRegressor": StudentOnlyRegressor,
}


def trusted_by_default() -> list[str]:
    """Return the names of types whose loading runs only skkd's and their own code.

    skops itself trusts numpy's arrays and numbers, and scikit-learn's estimators. No net of skorch
    may ever be here, because its ``__setstate__`` reads a pickle.
    """
    of_torch = [
        *_classes_in(torch.optim, torch.optim.Optimizer),
        nn.CrossEntropyLoss,
        nn.MSELoss,
        nn.NLLLoss,
        DataLoader,
        Dataset,
        ValidSplit,
    ]
    splitters = _classes_in(sklearn.model_selection, (BaseCrossValidator, BaseShuffleSplit))
    return [*_BY_NAME, *map(name_of, [*OF_SKKD.values(), *of_torch, *splitters])]


def _classes_in(module, base) -> list[type]:
    found = [value for value in vars(module).values() if isinstance(value, type)]
    return [one for one in found if issubclass(one, base)]


def names_of(trusted: Iterable) -> list[str]:
    """Return the names of types, some of which may be given by their names."""
    if isinstance(trusted, str) or not isinstance(trusted, Iterable):
        raise TypeError(f"trusted={trusted!r} must be a list of types, or of their names.")
    return [one if isinstance(one, str) else name_of(one) for one in trusted]


def name_of(kind) -> str:
    """Return the name by which a type or function is imported."""
    return f"{kind.__module__}.{kind.__name__}"


def is_net(name: str) -> bool:
    """Whether this is the name of a skorch net or of a subclass."""
    module, _, kind = name.rpartition(".")
    try:
        found = getattr(import_module(module), kind, None)
    except (ImportError, ValueError):
        return False
    return isinstance(found, type) and issubclass(found, NeuralNet)


def refuse_unknown(needed: Iterable[str], trusted: Iterable[str], path) -> None:
    """Raise a LoadError unless all needed names are trusted."""
    unknown = sorted(set(needed) - set(trusted))
    if unknown:
        raise LoadError(
            f"{path} holds {unknown}, which load does not trust by default, because importing or "
            "making them may run code. If you know them and who wrote the file: "
            f"load(path, trusted={unknown})."
        )

"""Which types a saved file may hold without being trusted by name."""

from collections.abc import Iterable
from importlib import import_module

import sklearn.model_selection
import torch
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit
from skorch import NeuralNet
from skorch.dataset import Dataset, ValidSplit
from torch import nn
from torch.utils.data import DataLoader

from .. import losses, schedules, students
from .._input import tables as _tables
from .._teacher import calibration as _calibration
from ..augmenters import AUGMENTERS
from ..balancers import BALANCERS, ScalarAdam
from ..exceptions import LoadError
from ._missing_teacher import MissingTeacher
from ._tensors import SavedTensor

# Plain data. A ColumnTransformer of scikit-learn 1.6 keeps its remaining columns in the second.
_BY_NAME = ("numpy.dtype", "sklearn.compose._column_transformer._RemainderColsList")

# No net of skorch is among these, and none may ever be: its __setstate__ reads a pickle.


def trusted_by_default() -> list[str]:
    """Names of all types and functions whose loading runs no code but skkd's and their own.

    To these come what skops trusts: numpy's arrays and numbers, scikit-learn's estimators.
    """
    of_skkd = [
        *BALANCERS.values(),
        *AUGMENTERS.values(),
        *losses.DISTILLATION_LOSSES.values(),
        *schedules.SCHEDULES.values(),
        *(getattr(students, name) for name in students.__all__ if name != "STUDENTS"),
        schedules.TemperatureSchedule,
        ScalarAdam,
        _calibration.Calibration,
        _tables._to_float,
        _tables._with_plain_missing,
        MissingTeacher,
        SavedTensor,
    ]
    of_torch = [
        *_classes_in(torch.optim, torch.optim.Optimizer),
        nn.CrossEntropyLoss,
        nn.NLLLoss,
        DataLoader,
        Dataset,
        ValidSplit,
    ]
    splitters = _classes_in(sklearn.model_selection, (BaseCrossValidator, BaseShuffleSplit))
    return [*_BY_NAME, *map(name_of, [*of_skkd, *of_torch, *splitters])]


def _classes_in(module, base) -> list[type]:
    found = [value for value in vars(module).values() if isinstance(value, type)]
    return [one for one in found if issubclass(one, base)]


def names_of(trusted: Iterable) -> list[str]:
    """Names of types given as such, or by their names already."""
    if isinstance(trusted, str) or not isinstance(trusted, Iterable):
        raise TypeError(f"trusted={trusted!r} must be a list of types, or of their names.")
    return [one if isinstance(one, str) else name_of(one) for one in trusted]


def name_of(kind) -> str:
    """The name by which a type or function is imported."""
    return f"{kind.__module__}.{kind.__name__}"


def is_net(name: str) -> bool:
    """Whether this is the name of a net of skorch, or of a class that inherits from one."""
    module, _, kind = name.rpartition(".")
    try:
        found = getattr(import_module(module), kind, None)
    except (ImportError, ValueError):
        return False
    return isinstance(found, type) and issubclass(found, NeuralNet)


def refuse_unknown(needed: Iterable[str], trusted: list[str], path) -> None:
    """Raise a LoadError unless all needed names are trusted."""
    unknown = sorted(set(needed) - set(trusted))
    if unknown:
        raise LoadError(
            f"{path} holds {unknown}, which load does not trust by itself, for importing and "
            "making them may run code. If you know them and where the file comes from: "
            f"load(path, trusted={unknown})."
        )

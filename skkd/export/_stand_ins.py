"""Stand in for tensors in a saved file, and for a teacher that stays behind."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ..balancers import Balancer
from ..balancers._learned_rules import ScalarAdam


class _Missing(BaseEstimator):
    """Stand in for a teacher that was not saved; raise an error if asked.

    Parameters
    ----------
    kind : str
        Class of the teacher.
    fitted : bool
        Whether the teacher was fitted when the estimator was saved.
    """

    def __init__(self, kind: str, fitted: bool):
        self.kind = kind
        self.fitted = fitted

    def fit(self, X, y):
        """Raise a RuntimeError."""
        raise self._error()

    def predict(self, X):
        """Raise a RuntimeError."""
        raise self._error()

    def __sklearn_is_fitted__(self) -> bool:
        return self.fitted

    def _error(self) -> RuntimeError:
        return RuntimeError(
            f"This estimator was saved without its teacher, a {self.kind}, and this call needs "
            "the teacher. Save it with save(clf, path, teacher=True), set another teacher with "
            "set_params(teacher=...), or give the teacher's answers to fit and partial_fit."
        )


class MissingTeacher(ClassifierMixin, _Missing):
    """Stand in for a classifier."""

    @property
    def classes_(self):
        """Raise a RuntimeError."""
        raise self._error()

    def predict_proba(self, X):
        """Raise a RuntimeError."""
        raise self._error()


class MissingRegressor(RegressorMixin, _Missing):
    """Stand in for a regressor."""


def kind_of(teacher) -> str:
    """Return the class of a teacher, of what is frozen or at the end of a Pipeline."""
    if isinstance(teacher, FrozenEstimator):
        return kind_of(teacher.estimator)
    if isinstance(teacher, Pipeline):
        return kind_of(teacher.steps[-1][1])
    return teacher.kind if isinstance(teacher, _Missing) else type(teacher).__name__


@dataclass
class SavedTensor:
    """Hold a tensor as an array."""

    array: np.ndarray


def with_arrays(value) -> Any:
    """Return a copy in which a SavedTensor takes the place of each tensor."""
    if isinstance(value, torch.Tensor):
        return SavedTensor(value.detach().cpu().numpy())
    return _mapped(with_arrays, value)


def with_tensors(value) -> Any:
    """Return a copy in which each SavedTensor is a tensor again, on the CPU."""
    if isinstance(value, SavedTensor):
        return torch.as_tensor(value.array)
    return _mapped(with_tensors, value)


def _mapped(convert, value):
    if isinstance(value, dict):
        return {name: convert(one) for name, one in value.items()}
    if isinstance(value, list):
        return [convert(one) for one in value]
    if isinstance(value, (Balancer, ScalarAdam)):
        copied = copy.copy(value)
        vars(copied).update({name: convert(one) for name, one in vars(value).items()})
        return copied
    return value

"""Tensors in what a balancing rule has learnt, as arrays, and back."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..balancers import Balancer, ScalarAdam


@dataclass
class SavedTensor:
    """A tensor as an array."""

    array: np.ndarray


def with_arrays(value) -> Any:
    """A copy in which tensors are arrays that know that they were tensors."""
    if isinstance(value, torch.Tensor):
        return SavedTensor(value.detach().cpu().numpy())
    return _mapped(with_arrays, value)


def with_tensors(value) -> Any:
    """A copy in which they are tensors again, on the CPU."""
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

"""Standardising the input, inside the module, so that a student takes raw rows wherever it goes."""

import math

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from .._input.chunks import row_slices


class Standardised(nn.Module):
    """A module that knows mean and scale of each feature of the rows it was fitted on."""

    def __init__(self, n_features: int):
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    def standardised(self, X: Tensor) -> Tensor:
        """X of shape (n_rows, ...) as (n_rows, n_features), with mean 0 and variance 1."""
        return (X.flatten(1) - self.mean).mul_(self.scale)

    def adapt(self, X, sample_weight: np.ndarray | None = None) -> None:
        """Learn mean and scale from the training rows; constant features keep their scale.

        Parameters
        ----------
        X : array or CSR matrix of shape (n_rows, ...)
        sample_weight : ndarray of shape (n_rows,), default=None
        """
        mean, scale = self._mean_and_scale(X, sample_weight)
        self.mean.copy_(torch.as_tensor(mean))
        self.scale.copy_(torch.as_tensor(scale))

    def _mean_and_scale(self, X, sample_weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        mean, variance = weighted_moments(X, sample_weight)
        return mean, 1.0 / deviation(mean, variance)


def deviation(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Standard deviations, with 1 in place of those that are nothing but rounding errors."""
    scale = np.sqrt(variance)
    scale[scale <= 10 * np.finfo(scale.dtype).eps * np.abs(mean)] = 1.0
    return scale


def weighted_moments(X, sample_weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of every feature in float64, in two passes over chunks of rows."""
    n_rows = X.shape[0]
    total = n_rows if sample_weight is None else sample_weight.sum(dtype=np.float64)

    def weighted_sum(of) -> np.ndarray:
        summed = np.zeros(math.prod(X.shape[1:]))
        for rows in row_slices(X):
            part = of(dense(X[rows]))
            weight = np.ones(len(part)) if sample_weight is None else sample_weight[rows]
            summed = summed + (weight / total) @ part
        return summed

    mean = weighted_sum(lambda rows: rows)
    variance = weighted_sum(lambda rows: (rows - mean) ** 2)
    return mean, variance


def dense(rows) -> np.ndarray:
    """Some rows as a float64 array of shape (n_rows, n_features)."""
    rows = rows.toarray() if sparse.issparse(rows) else np.asarray(rows)
    return rows.reshape(len(rows), -1).astype(np.float64, copy=False)

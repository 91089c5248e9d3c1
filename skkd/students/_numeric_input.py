"""How numbers enter a net: standardized, and encoded piecewise linearly.

The encoding follows Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical Features in
Tabular Deep Learning" (arXiv 2203.05556, section 3.2). Here the number itself stays beside its
bins, and there is a steep bin wherever two bins meet, so that a net can jump where trees split.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import sparse
from sklearn.tree import DecisionTreeRegressor
from torch import Tensor, nn

from .._input.chunks import release

# Entries of X that are read at once.
_CHUNK_ENTRIES = 2**20
# Bins are learned from at most so many rows and entries, which are held a second time.
_N_ROWS, _N_ENTRIES = 2**14, 2**22
# A number with bins is clipped where its outermost share of rows begins: one huge value must not
# flatten all others.
_OUTER_SHARE = 0.005
# No standardized number is larger, so that the largest float of X gives a finite answer.
_LARGEST = 1e4
# In float32, 1 / width must neither vanish nor overflow.
_LEAST_WIDTH, _LARGEST_WIDTH = 1e-30, 1e37
# A leaf of the tree that finds where the targets change has at least so many rows.
_MIN_ROWS_A_LEAF = 30


class NumericInput(nn.Module):
    r"""Standardize numbers, and encode some of them piecewise linearly.

    Each input of the first layer is :math:`\mathrm{clip}((x - low) \cdot slope, least, most)` of
    one column x: first the standardized numbers, then the bins.

    Parameters
    ----------
    n_features : int
        Columns of X.
    bins : sequence of int, default=()
        For each bin its column; the bins of a column stand together.
    clipped : sequence of int, default=()
        Further columns that are clipped to the range of nearly all rows, as those with bins are.
    """

    def __init__(self, n_features: int, bins: Sequence[int] = (), clipped: Sequence[int] = ()):
        super().__init__()
        n_inputs = n_features + len(bins)
        self.n_features = n_features
        self.clipped = tuple(clipped)
        self.columns: Tensor
        self.low: Tensor
        self.slope: Tensor
        self.least: Tensor
        self.most: Tensor
        # Not saved, for the constructor makes them again.
        self.register_buffer("columns", torch.tensor([*range(n_features), *bins]), False)
        self.register_buffer("low", torch.zeros(n_inputs))
        self.register_buffer("slope", torch.ones(n_inputs))
        self.register_buffer("least", torch.full((n_inputs,), -_LARGEST))
        self.register_buffer("most", torch.full((n_inputs,), _LARGEST))

    @property
    def bins(self) -> tuple[int, ...]:
        """The column of each bin."""
        return tuple(self.columns[self.n_features :].tolist())

    def encode(self, X: Tensor) -> Tensor:
        """Inputs of the first layer for X of shape (n_rows, ...)."""
        X = X.flatten(1)
        if len(self.columns) > self.n_features:
            X = X.index_select(1, self.columns)
        return (X - self.low).mul_(self.slope).clamp_(self.least, self.most)

    @torch.no_grad()
    def learn(self, X, sample_weight: np.ndarray | None, targets: np.ndarray | None) -> None:
        """Learn means, scales and bins from the training rows; the same rows give the same.

        Parameters
        ----------
        X : array or CSR matrix of shape (n_rows, ...)
        sample_weight : ndarray of shape (n_rows,) or None
        targets : ndarray of shape (n_rows, n_outputs) or None
            Bins meet where they change, and at quantiles. None: at quantiles only.
        """
        n = self.n_features
        columns = self.columns.cpu().numpy()
        inputs = np.zeros((4, len(columns)))
        low, width, least, most = inputs
        least[:n], most[:] = -_LARGEST, _LARGEST
        low[:n], variance = weighted_moments(X, sample_weight)
        width[:n] = standard_deviation(low[:n], variance)
        most[n:] = 1.0
        ranged = sorted({*columns[n:].tolist(), *self.clipped})
        if ranged:
            index = rows_to_learn_from(X)
            rows = dense(X[index])
            weight = np.ones(len(index)) if sample_weight is None else sample_weight[index]
            weight = weight if weight.any() else np.ones(len(index))
            targets = None if targets is None else targets[index]
            for column in ranged:
                distinct, rank, share = distinct_values(rows[:, column], weight)
                inputs[:, column] = clipped_number(distinct, share)
                of_bins = n + np.flatnonzero(columns[n:] == column)
                cuts = where_bins_meet(rank, weight, targets, share, len(of_bins))
                low[of_bins], width[of_bins] = bins_between(distinct, cuts, len(of_bins))
        slope = 1.0 / np.clip(width, _LEAST_WIDTH, _LARGEST_WIDTH)
        self.low.copy_(torch.as_tensor(low))
        self.slope.copy_(torch.as_tensor(slope))
        self.least.copy_(torch.as_tensor(least))
        self.most.copy_(torch.as_tensor(most))

    def keep(self, inputs: Tensor) -> None:
        """Drop all inputs of the first layer but these, which must hold all numbers."""
        inputs = inputs.to(self.columns.device)
        for name in ("columns", "low", "slope", "least", "most"):
            setattr(self, name, getattr(self, name)[inputs])


def rows_to_learn_from(X) -> np.ndarray:
    """Indices of some rows of X, an array or CSR matrix of shape (n_rows, ...)."""
    size = min(X.shape[0], _N_ROWS, max(1, _N_ENTRIES // math.prod(X.shape[1:])))
    return np.sort(np.random.default_rng(0).choice(X.shape[0], size, replace=False, shuffle=False))


def distinct_values(
    values: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a column's values in order, each row's rank, and each value's share of the weight.

    Values without weight count as the nearest one that has some.
    """
    has_weight = weight > 0
    distinct = np.unique(values[has_weight])
    rank = np.minimum(np.searchsorted(distinct, values), len(distinct) - 1)
    share = np.bincount(rank, weight, len(distinct))
    return distinct, rank, share / share.sum()


def clipped_number(distinct: np.ndarray, share: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, width, and least and most once standardized, of a number clipped at its ends."""
    below = np.cumsum(share)
    first = np.searchsorted(below, _OUTER_SHARE)
    last = np.searchsorted(below, 1.0 - _OUTER_SHARE)
    if first >= last:
        first, last = 0, len(distinct) - 1
    last = min(last, len(distinct) - 1)
    clipped = np.clip(distinct, distinct[first], distinct[last])
    with np.errstate(over="ignore"):  # of the largest floats
        mean = share @ clipped
        variance = share @ (clipped - mean) ** 2
        width = min(standard_deviation(np.array([mean]), np.array([variance]))[0], _LARGEST_WIDTH)
    ends = (clipped[[0, -1]] / 2 - mean / 2) / width * 2
    return mean, width, max(ends[0], -_LARGEST), min(ends[1], _LARGEST)


def where_bins_meet(
    rank: np.ndarray,
    weight: np.ndarray,
    targets: np.ndarray | None,
    share: np.ndarray,
    n_bins: int,
) -> np.ndarray:
    """Ranks at which a new bin begins: where targets change, and at quantiles.

    Parameters
    ----------
    rank : int ndarray of shape (n_rows,)
        Each row's value, as its index into the column's distinct values.
    weight : ndarray of shape (n_rows,)
    targets : ndarray of shape (n_rows, n_outputs) or None
    share : ndarray of shape (n_values,)
        Each value's share of the weight.
    n_bins : int
        With the steep bins, of which there is one wherever two others meet.

    Returns
    -------
    cuts : int ndarray
        Ascending, in [1, n_values - 1].
    """
    n_values = len(share)
    if n_values - 1 <= n_bins:
        return np.arange(1, n_values)
    n_cuts = (n_bins - 1) // 2
    cuts: set[int] = set()
    if targets is not None and n_cuts > 1:
        cuts.update(where_targets_change(rank, weight, targets, n_cuts // 2))
    level = np.linspace(0.0, 1.0, n_cuts - len(cuts) + 2)[1:-1]
    at = np.searchsorted(np.cumsum(share), level * share.sum())
    cuts.update(at)
    # A value that is a quantile several times is cut off on both sides.
    cuts.update(at[1:][at[1:] == at[:-1]] + 1)
    cuts -= {0, n_values}
    return np.array(sorted(cuts), dtype=np.int64)


def where_targets_change(
    rank: np.ndarray, weight: np.ndarray, targets: np.ndarray, n_cuts: int
) -> list[int]:
    """Ranks at which a small decision tree splits a column."""
    tree = DecisionTreeRegressor(
        max_leaf_nodes=n_cuts + 1, min_samples_leaf=_MIN_ROWS_A_LEAF, random_state=0
    )
    # On ranks, for the tree rounds its input to float32.
    tree.fit(rank[:, np.newaxis], targets, sample_weight=weight)
    thresholds = tree.tree_.threshold[tree.tree_.feature >= 0]
    return np.ceil(thresholds).astype(int).tolist()


def bins_between(
    distinct: np.ndarray, cuts: np.ndarray, n_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lower ends and widths of bins: a wide one from cut to cut, and a steep one at each cut.

    Bins that are left over begin beyond the largest value and say nothing.
    """
    knots = np.unique(distinct[np.concatenate([[0], cuts - 1, cuts, [-1]])])
    low, width = knots[:-1][:n_bins], np.diff(knots)[:n_bins]
    n_left = n_bins - len(low)
    return np.append(low, np.full(n_left, knots[-1])), np.append(width, np.full(n_left, np.inf))


def weighted_moments(X, sample_weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of every feature in float64, in two passes over chunks of rows."""
    n_rows = X.shape[0]
    share = np.full(n_rows, 1.0) if sample_weight is None else sample_weight.astype(np.float64)
    share /= share.sum()
    with np.errstate(over="ignore"):  # of the largest floats
        mean = _weighted_sum(X, share, None)
        return mean, _weighted_sum(X, share, mean)


def _weighted_sum(X, share: np.ndarray, mean: np.ndarray | None) -> np.ndarray:
    """Sum the rows of X, or their squared distances from a mean."""
    n_columns = math.prod(X.shape[1:])
    n_rows = max(_CHUNK_ENTRIES // max(n_columns, 1), 1)
    is_in_memory = isinstance(X, np.ndarray) and X.base is None
    total = np.zeros(n_columns)
    for start in range(0, X.shape[0], n_rows):
        rows = slice(start, start + n_rows)
        part = dense(X[rows])
        if mean is not None:
            part = (part - mean) ** 2
        total += share[rows] @ part
        if not is_in_memory:
            release(X)
    return total


def standard_deviation(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return standard deviations, with 1 in place of those that are only rounding errors."""
    deviation = np.sqrt(variance)
    deviation[deviation <= 10 * np.finfo(deviation.dtype).eps * np.abs(mean)] = 1.0
    return deviation


def dense(rows) -> np.ndarray:
    """Some rows as a float64 array of shape (n_rows, n_features)."""
    rows = rows.toarray() if sparse.issparse(rows) else np.asarray(rows)
    return rows.reshape(len(rows), -1).astype(np.float64, copy=False)


def n_distinct_values(X) -> np.ndarray:
    """How many values each column of X, as for a perceptron, has in the rows to learn from."""
    rows = dense(X[rows_to_learn_from(X)])
    rows.sort(axis=0)
    return 1 + (rows[1:] != rows[:-1]).sum(axis=0)

"""Standardize the numbers that enter a net, and encode them piecewise linearly.

The encoding follows Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical Features in
Tabular Deep Learning" (arXiv 2203.05556, section 3.2). Here the number itself stays beside its
bins, and some bins are as steep as a step, so that a net can jump where trees split.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import sparse
from sklearn.tree import DecisionTreeRegressor
from torch import Tensor, nn

from .._input import release

# Entries of X that are read at once.
_CHUNK_ENTRIES = 2**20
# Bins are learned from at most so many rows and entries, which are held a second time.
_N_ROWS, _N_ENTRIES = 2**14, 2**22
# A number with bins is clipped to its first and last of these quantiles, and to so many times the
# distance of the two others: huge values and sentinels must not flatten all others.
_QUANTILES = np.array([0.005, 0.25, 0.75, 0.995])
_REACH = 5.0
# No standardized number is larger, so that the largest float of X gives a finite answer.
_LARGEST = 1e4
# In float32, 1 / width must neither vanish nor overflow.
_LEAST_WIDTH, _LARGEST_WIDTH = 1e-30, 1e37
# A step where targets change for so many bins. Fewer bins than this have none, for they come of few
# rows, which would place steps by noise.
_BINS_A_STEP, _LEAST_BINS_FOR_STEPS = 4, 8
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
        The column of each bin. Bins of one column stand together.
    clipped : sequence of int, default=()
        Further columns to clip to the range of nearly all rows. Columns with bins always are.
    """

    def __init__(self, n_features: int, bins: Sequence[int] = (), clipped: Sequence[int] = ()):
        super().__init__()
        check_columns("bins", bins, n_features)
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
        """Return the column of each bin."""
        return tuple(self.columns[self.n_features :].tolist())

    def forward(self, X: Tensor) -> Tensor:
        """Return inputs of the first layer for X of shape (n_rows, ...)."""
        X = X.flatten(1)
        if len(self.columns) > self.n_features:
            X = X.index_select(1, self.columns)
        return (X - self.low).mul_(self.slope).clamp_(self.least, self.most)

    @torch.no_grad()
    def learn(self, X, sample_weight: np.ndarray | None, targets: np.ndarray | None) -> None:
        """Learn means, scales and bins from the training rows, deterministically.

        Parameters
        ----------
        X, sample_weight
            Rows, an array or CSR matrix, and weights or None.
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
                distinct, rank, value_weight = distinct_values(rows[:, column], weight)
                inputs[:, column] = clipped_number(distinct, value_weight)
                of_bins = n + np.flatnonzero(columns[n:] == column)
                meet = where_bins_meet(rank, weight, targets, value_weight, len(of_bins))
                low[of_bins], width[of_bins] = bins_between(distinct, meet, len(of_bins))
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


def check_columns(name: str, columns: Sequence[int], n_features: int) -> None:
    """Raise a ValueError unless a module's parameter holds columns of X."""
    if wrong := [int(column) for column in columns if not 0 <= column < n_features]:
        raise ValueError(
            f"{name} has {wrong[:3]}, and the columns of X are 0 to {n_features - 1}. "
            "(Preprocessing may have made more or fewer of them.)"
        )


def rows_to_learn_from(X) -> np.ndarray:
    """Return indices of some rows of X, an array or CSR matrix."""
    size = min(X.shape[0], _N_ROWS, max(1, _N_ENTRIES // math.prod(X.shape[1:])))
    return np.sort(np.random.default_rng(0).choice(X.shape[0], size, replace=False, shuffle=False))


def distinct_values(
    values: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a column's distinct values, the rank of each row, and value weights.

    Values without weight count as the nearest one that has some.
    """
    has_weight = weight > 0
    distinct = np.unique(values[has_weight])
    rank = np.minimum(np.searchsorted(distinct, values), len(distinct) - 1)
    return distinct, rank, np.bincount(rank, weight, len(distinct))


def quantiles_of(value_weight: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the ranks of weighted quantiles: the least values at their levels."""
    reached = np.cumsum(value_weight)
    return np.minimum(np.searchsorted(reached, levels * reached[-1]), len(reached) - 1)


def clipped_number(
    distinct: np.ndarray, value_weight: np.ndarray
) -> tuple[float, float, float, float]:
    """Return mean and width of a number clipped at its ends, and its least and most."""
    share = value_weight / value_weight.sum()
    lowest, quarter, three_quarters, highest = distinct[quantiles_of(value_weight, _QUANTILES)]
    with np.errstate(over="ignore"):  # of the largest floats
        reach = _REACH * (three_quarters - quarter)
        if reach > 0:
            lowest = max(lowest, quarter - reach)
            highest = min(highest, three_quarters + reach)
        if lowest == highest:
            lowest, highest = distinct[[0, -1]]
        clipped = np.clip(distinct, lowest, highest)
        mean = share @ clipped
        deviation = standard_deviation(np.array([mean]), share @ (clipped - mean) ** 2)
        width = min(float(deviation[0]), _LARGEST_WIDTH)
        ends = np.clip((clipped[[0, -1]] - mean) / width, -_LARGEST, _LARGEST)
    return mean, width, ends[0], ends[1]


def where_bins_meet(
    rank: np.ndarray,
    weight: np.ndarray,
    targets: np.ndarray | None,
    value_weight: np.ndarray,
    n_bins: int,
) -> np.ndarray:
    """Return the ranks where bins meet: targets change there, or quantiles lie.

    Parameters
    ----------
    rank, weight : ndarray of shape (n_rows,)
        Ranks are indices of distinct values.
    targets : ndarray of shape (n_rows, n_outputs) or None
    value_weight : ndarray of shape (n_values,)
    n_bins : int

    Returns
    -------
    meet : int ndarray
        At most ``n_bins - 1``, ascending, in [1, n_values - 2].
    """
    n_values = len(value_weight)
    if n_values - 1 <= n_bins:
        return np.arange(1, n_values - 1)
    meet: set[int] = set()
    n_changes = n_bins // _BINS_A_STEP if n_bins >= _LEAST_BINS_FOR_STEPS else 0
    if targets is not None and n_changes > 0:
        changes = where_targets_change(rank, weight, targets, n_changes)
        # From the value before a change to the value after it, the bin is as steep as can be.
        meet.update(changes)
        meet.update(changes - 1)
    level = np.linspace(0.0, 1.0, max(n_bins - len(meet), 0) + 1)[1:-1]
    quantiles = quantiles_of(value_weight, level)
    meet.update(quantiles)
    # A value that is a quantile several times has a bin to itself.
    meet.update(quantiles[1:][quantiles[1:] == quantiles[:-1]] + 1)
    return np.array(sorted(meet - {0, n_values - 1, n_values}), dtype=np.int64)


def where_targets_change(
    rank: np.ndarray, weight: np.ndarray, targets: np.ndarray, n_changes: int
) -> np.ndarray:
    """Return the ranks of the first values after the splits of a small tree."""
    tree = DecisionTreeRegressor(
        max_leaf_nodes=n_changes + 1, min_samples_leaf=_MIN_ROWS_A_LEAF, random_state=0
    )
    # On ranks, for the tree rounds its input to float32.
    tree.fit(rank[:, np.newaxis], targets, sample_weight=weight)
    thresholds = tree.tree_.threshold[tree.tree_.feature >= 0]
    return np.ceil(thresholds).astype(int)


def bins_between(
    distinct: np.ndarray, meet: np.ndarray, n_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return lower ends and widths of the bins of a column.

    Bins that are left over begin at the largest value and are always 0.
    """
    edges = np.unique(distinct[np.concatenate([[0], meet, [-1]])])[: n_bins + 1]
    n_left = n_bins + 1 - len(edges)
    return np.append(edges[:-1], np.full(n_left, edges[-1])), np.append(
        np.diff(edges), np.full(n_left, np.inf)
    )


def weighted_moments(X, sample_weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of every feature in float64, in two passes."""
    n_rows = X.shape[0]
    share = np.full(n_rows, 1.0) if sample_weight is None else sample_weight.astype(np.float64)
    share /= share.sum()
    with np.errstate(over="ignore", invalid="ignore"):  # squares of the largest floats
        mean = _weighted_sum(X, share, None)
        variance = _weighted_sum(X, share, mean)
    return mean, np.where(np.isnan(variance), np.inf, variance)  # a share of 0 times infinity


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
    """Return standard deviations; those of constant columns make their rounding errors vanish."""
    deviation, size = np.atleast_1d(np.sqrt(variance)), np.abs(mean)
    is_constant = deviation <= 1e3 * np.finfo(deviation.dtype).eps * size
    return np.where(is_constant, np.maximum(1.0, 1e-3 * size), deviation)


def dense(rows) -> np.ndarray:
    """Return some rows as a float64 array of shape (n_rows, n_features)."""
    rows = rows.toarray() if sparse.issparse(rows) else np.asarray(rows)
    return rows.reshape(len(rows), -1).astype(np.float64, copy=False)


def n_distinct_values(X) -> np.ndarray:
    """Count the distinct values of each column of X in the rows to learn from."""
    rows = dense(X[rows_to_learn_from(X)])
    rows.sort(axis=0)
    return 1 + (rows[1:] != rows[:-1]).sum(axis=0)

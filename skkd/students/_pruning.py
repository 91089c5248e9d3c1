"""Take out hidden units and bins that a trained perceptron does not need.

Units go one after the other: always the unit without which the others still give most of what the
next layer received. This is the step of the optimal brain surgeon (Hassibi and Stork, NIPS 1992)
for whole units and least squares. Bins go in the same way. The student's probabilities decide how
many may go. Then the pruned net is distilled from the unpruned one for a moment.
"""

import bisect
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._meaning import answers_of, divergence, importance_of
from ._numeric_input import dense

if TYPE_CHECKING:
    from ._mlp import Perceptron

# Rows to judge by. At least half of them swap entries with other rows: on its own training rows a
# student is too sure to show how it would answer elsewhere.
_N_ROWS, _N_ENTRIES = 4096, 2**22
_SWAPPED = 0.3
# Fewer rows, which wide rows would give, can't judge.
_LEAST_ROWS = 2048
# Rows at a time.
_CHUNK = 256
# Widths are multiples of this, which processors like.
_MULTIPLE = 16
_FEATURES_AT_A_TIME = 8
# Added to the variance of units, as a share of its mean.
_RIDGE = 1e-4
# Where the student is sure its logits matter less, but not as little as its gradient there says.
_LEAST_IMPORTANCE = 0.1
_N_STEPS, _BATCH_SIZE, _LR = 300, 256, 1e-3

_NONE = torch.arange(0)

#: Weights of shape (n_out, n_in) and biases of each layer, in float64.
Layers = list[tuple[Tensor, Tensor]]


def prune_layers(
    module: "Perceptron", X, sample_weight: np.ndarray | None, seed: int, variance: float | None
) -> None:
    """Prune a perceptron in place, as far as its ``pruning`` allows.

    Parameters
    ----------
    module : Perceptron
    X : array or CSR matrix of shape (n_rows, ...)
        Training rows.
    sample_weight : ndarray of shape (n_rows,) or None
    seed : int
    variance : float or None
        Of numbers around the outputs. None: these are logits.
    """
    layers = [layer for layer in module.layers if isinstance(layer, nn.Linear)]
    n_inputs = max(layers[0].in_features, math.prod(X.shape[1:]))
    n_rows = min(_N_ROWS, _N_ENTRIES // n_inputs)
    if len(layers) == 1 or n_rows < _LEAST_ROWS:
        return
    like = layers[0].weight
    rows, weight = rows_to_judge_by(X, sample_weight, n_rows, seed)
    features = Features(module, torch.from_numpy(rows).to(like))
    with torch.no_grad():
        before: Layers = [
            (layer.weight.double().cpu(), layer.bias.double().cpu()) for layer in layers
        ]
        after, kept = pruned(
            before, features, weight, module.pruning, *module.spare_inputs(), variance=variance
        )
        answers = answers_of(outputs(before, features), variance).to(like)
    if after is not before:
        if len(kept) < features.shape[1]:
            module.keep_inputs(kept)  # and so does features
        for layer, (weights, biases) in zip(layers, after, strict=True):
            layer.weight = nn.Parameter(weights.to(like))
            layer.bias = nn.Parameter(biases.to(like))
            layer.out_features, layer.in_features = weights.shape
        distill_again(module.layers, features, answers, weight.to(like), seed, variance)
    for layer in layers:
        round_to_half_precision(layer.weight)


class Features:
    """A Tensor of what a module makes of rows, a part at a time: the whole takes 50 megabytes.

    Parameters
    ----------
    module : Perceptron
    rows : Tensor of shape (n_rows, n_numbers)
    """

    def __init__(self, module: "Perceptron", rows: Tensor):
        self.module, self.rows, self.device = module, rows, rows.device

    def __len__(self) -> int:
        return len(self.rows)

    @torch.no_grad()
    def __getitem__(self, index) -> Tensor:
        return self.module.features(self.rows[index])

    @property
    def shape(self) -> tuple[int, int]:
        """As of a Tensor."""
        return len(self), self[:1].shape[1]

    def split(self, size: int) -> Iterator[Tensor]:
        """Give parts in float64, in which units are compared, on the CPU."""
        for start in range(0, len(self), size):
            yield self[start : start + size].double().cpu()


def rows_to_judge_by(
    X, sample_weight: np.ndarray | None, size: int, seed: int
) -> tuple[np.ndarray, Tensor]:
    """Return training rows, rows with entries of others, and the weights of both.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_rows, ...)
        Input of the student's net.
    sample_weight : ndarray of shape (n_rows,) or None
    size : int
        How many rows to return.
    seed : int

    Returns
    -------
    rows : float64 ndarray of shape (size, n_features)
    weight : float64 Tensor of shape (size,)
        Weights of the training rows sum to a half, and so do those of the others.
    """
    rng = np.random.default_rng(seed)
    n_rows = min(X.shape[0], size // 2)
    index = np.sort(rng.choice(X.shape[0], n_rows, replace=False, shuffle=False))
    weight = np.ones(n_rows) if sample_weight is None else sample_weight[index].astype(np.float64)
    origin = rng.integers(n_rows, size=size - n_rows)
    rows = np.empty((size, math.prod(X.shape[1:])))
    rows[:n_rows] = dense(X[index])
    # A column at a time, for the indices of all entries would be larger than the rows.
    for column in rows.T:
        given, swapped = column[:n_rows], column[n_rows:]
        swapped[:] = given[origin]
        changed = np.flatnonzero(rng.random(len(swapped)) < _SWAPPED)
        swapped[changed] = given[rng.integers(n_rows, size=len(changed))]
    halves = [part / part.sum() / 2 for part in (weight, weight[origin])]
    return rows, torch.from_numpy(np.concatenate(halves))


def pruned(
    layers: Layers,
    features: Tensor | Features,
    weight: Tensor,
    tolerance: float,
    spare: Tensor = _NONE,
    kin: Tensor = _NONE,
    variance: float | None = None,
) -> tuple[Layers, Tensor]:
    """Return layers with as few units and spare features as the tolerance allows.

    Parameters
    ----------
    layers : list of (weights, biases)
        With a ReLU after each but the last.
    features : Tensor or Features of shape (n_rows, n_features)
        What goes into the first layer.
    weight : Tensor of shape (n_rows,)
        Weights of the rows, which sum to one.
    tolerance : float
        How far the probabilities may change. A mean Kullback-Leibler divergence, in nats.
    spare : int Tensor
        Features that may go.
    kin : int Tensor
        Features that stay. They may replace spare ones.

    Returns
    -------
    layers : list of (weights, biases)
    kept : int Tensor
        The features that go into the first layer, in their order.
    """
    before = answers_of(outputs(layers, features), variance)
    importance = weight * (importance_of(before, variance) + _LEAST_IMPORTANCE)
    importance /= importance.sum()

    def is_close(budget: float, fewer: Layers) -> bool:
        return bool(weight @ divergence(before, outputs(fewer, features), variance) <= budget)

    n_hidden = len(layers) - 1
    n_steps = n_hidden + (len(spare) > 0)
    # From the last layer to the first, so that units are only kept for units that are kept.
    for i in reversed(range(n_hidden)):
        close_enough = partial(is_close, tolerance * (n_hidden - i) / n_steps)
        layers = with_fewer_units(layers, i, features, importance, close_enough, variance)
    close_enough = partial(is_close, tolerance)
    return with_fewer_features(layers, features, importance, close_enough, spare, kin)


def with_fewer_units(
    layers: Layers,
    i: int,
    features: Tensor | Features,
    importance: Tensor,
    close_enough: Callable[[Layers], bool],
    variance: float | None = None,
) -> Layers:
    """Return layers with as few units in hidden layer i as is close enough.

    The layer after it is fitted again, so that it gives what it gave with all units.
    """
    (weights, biases), next_layer, after = layers[i], layers[i + 1], layers[i + 2 :]
    if after:
        importance_of = after[0][0].norm(dim=0)
    else:
        if variance is None:
            # What all logits have in common is no part of the probabilities.
            next_layer = next_layer[0] - next_layer[0].mean(0), next_layer[1] - next_layer[1].mean()
        importance_of = torch.ones_like(next_layer[1])

    def units_of(rows: Tensor) -> Tensor:
        return outputs(layers[: i + 1], rows).relu_()

    mean, covariance = moments(units_of, features, importance)
    order = order_of_units(covariance, next_layer[0], importance_of)

    def with_units(n_units: int) -> Layers:
        kept = order[:n_units].sort().values
        refitted = refitted_to(kept, next_layer, mean, covariance)
        return [*layers[:i], (weights[kept], biases[kept]), refitted, *after]

    widths = range(_MULTIPLE, len(order), _MULTIPLE)
    smallest = bisect.bisect_left(widths, True, key=lambda n: close_enough(with_units(n)))
    return with_units(widths[smallest]) if smallest < len(widths) else layers


def with_fewer_features(
    layers: Layers,
    features: Tensor | Features,
    importance: Tensor,
    close_enough: Callable[[Layers], bool],
    spare: Tensor,
    kin: Tensor,
) -> tuple[Layers, Tensor]:
    """Return layers that need few spare features, and all the features they need."""
    if not len(spare):
        return layers, torch.arange(features.shape[1])
    (weights, biases), *after = layers
    of_both = torch.cat([kin, spare])
    mean, covariance = moments(lambda rows: rows[:, of_both], features, importance)
    from_both = weights[:, of_both]
    order = order_of_units(covariance, from_both, after[0][0].norm(dim=0), n_stay=len(kin))

    def with_features(n_spare: int) -> Layers:
        stay = order[: len(kin) + n_spare]
        fitted, shift = refitted_to(stay, (from_both, biases), mean, covariance)
        refitted = weights.clone()
        # Zeros for those that go, for a copy of the others' values would be large.
        refitted[:, of_both] = 0.0
        refitted[:, of_both[stay]] = fitted
        return [(refitted, shift), *after]

    counts = range(0, len(spare), _FEATURES_AT_A_TIME)
    smallest = bisect.bisect_left(counts, True, key=lambda n: close_enough(with_features(n)))
    if smallest == len(counts):
        return layers, torch.arange(features.shape[1])
    (refitted, shift), *_ = with_features(counts[smallest])
    stays = torch.ones(features.shape[1], dtype=torch.bool)
    stays[of_both[order[len(kin) + counts[smallest] :]]] = False
    return [(refitted[:, stays], shift), *after], stays.nonzero()[:, 0]


def outputs(layers: Layers, features: Tensor | Features) -> Tensor:
    """Return what the last of some layers gives, before any ReLU of its own.

    It goes by chunks, for the hidden units of all rows would take tens of megabytes.
    """
    *hidden, last = layers
    answers = []
    for units in features.split(_CHUNK):
        for layer in hidden:
            units = F.linear(units, *layer).relu_()
        answers.append(F.linear(units, *last))
    return torch.cat(answers)


def moments(
    units_of: Callable[[Tensor], Tensor], features: Tensor | Features, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Return mean and covariance of what rows of features become; weights sum to one."""
    weights = weight.split(_CHUNK)
    parts = zip(features.split(_CHUNK), weights, strict=True)
    mean = torch.stack([part @ units_of(rows) for rows, part in parts]).sum(0)
    covariance = mean.new_zeros(len(mean), len(mean))
    for rows, part in zip(features.split(_CHUNK), weights, strict=True):
        centered = units_of(rows).sub_(mean).mul_(part.sqrt().unsqueeze(1))
        covariance.addmm_(centered.T, centered)
    ridge = _RIDGE * covariance.diagonal().mean() + torch.finfo(covariance.dtype).eps
    covariance.diagonal().add_(ridge)
    return mean, covariance


def order_of_units(
    covariance: Tensor, weights: Tensor, importance_of: Tensor, n_stay: int = 0
) -> Tensor:
    r"""Return indices of hidden units: the longer they are needed, the earlier.

    G is the covariance of the units, and B holds the next layer's coefficients. Taking out unit j
    adds \|B_j\|^2 / (G^-1)_jj to the squared error of the best fit by the others.

    Parameters
    ----------
    covariance : Tensor of shape (n_units, n_units)
    weights : Tensor of shape (n_outputs, n_units)
        Of the layer after the units.
    importance_of : Tensor of shape (n_outputs,)
        Multiplies each output's errors.
    n_stay : int, default=0
        So many of the first units are needed longest in any case.
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance))
    coefficients = weights.T * importance_of
    left = inverse.diagonal().clone()
    remaining = torch.arange(len(inverse)) >= n_stay
    # What each unit that is gone takes from the inverse, whose other columns are never needed.
    taken = inverse.new_zeros(len(inverse) - n_stay, len(inverse))
    gone: list[int] = []
    for i in range(len(inverse) - n_stay):
        cost = coefficients.square().sum(1) / left
        j = int(torch.where(remaining, cost, torch.inf).argmin())
        column = inverse[j] - taken[:i, j] @ taken[:i]
        taken[i] = column / column[j].sqrt()
        coefficients -= torch.outer(column / column[j], coefficients[j].clone())
        left -= taken[i].square()
        left[j] = 1.0  # it is zero now, and must not be divided by
        remaining[j] = False
        gone.append(j)
    return torch.tensor([*range(n_stay), *reversed(gone)])


def refitted_to(
    kept: Tensor, layer: tuple[Tensor, Tensor], mean: Tensor, covariance: Tensor
) -> tuple[Tensor, Tensor]:
    """Refit a linear layer on the kept units, by least squares."""
    weights, biases = layer
    factor = torch.linalg.cholesky(covariance[kept.unsqueeze(1), kept])
    fitted = torch.cholesky_solve((weights @ covariance)[:, kept].T, factor).T
    return fitted, biases + weights @ mean - fitted @ mean[kept]


def distill_again(
    layers: nn.Sequential,
    features: Tensor | Features,
    answers: Tensor,
    weight: Tensor,
    seed: int,
    variance: float | None = None,
) -> None:
    """Train layers for a moment to give the answers from before pruning.

    Parameters
    ----------
    layers : nn.Sequential
    features : Tensor or Features of shape (n_rows, n_features)
    answers : Tensor of shape (n_rows, n_outputs)
    weight : Tensor of shape (n_rows,)
        Sums to one.
    """
    generator = torch.Generator().manual_seed(seed)
    weight = weight * len(weight)
    optimizer = torch.optim.Adam(layers.parameters(), lr=_LR)
    for step in range(_N_STEPS):
        optimizer.param_groups[0]["lr"] = _LR * (0.5 + 0.5 * math.cos(math.pi * step / _N_STEPS))
        rows = torch.randint(len(features), (_BATCH_SIZE,), generator=generator)
        rows = rows.to(features.device)
        distance = divergence(answers[rows], layers(features[rows]), variance)
        optimizer.zero_grad()
        (weight[rows] @ distance / _BATCH_SIZE).backward()
        optimizer.step()
    for parameter in layers.parameters():
        parameter.grad = None


@torch.no_grad()
def round_to_half_precision(weights: Tensor) -> None:
    """Round to the nearest numbers that half precision holds; the dtype stays.

    Weights beyond its range, which ends at 65,504, stay as they are.
    """
    rounded = weights.half().to(weights)
    weights.copy_(torch.where(rounded.isfinite(), rounded, weights))

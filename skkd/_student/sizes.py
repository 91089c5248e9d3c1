"""What parameters of ``"auto"`` become in ``fit``: all are smooth in the number of rows."""

import math

import numpy as np
from scipy.stats import f
from skorch import NeuralNet

from .._input import Targets
from ..students import ResidualConvNet, dense, n_distinct_values, rows_to_learn_from

# Columns of fewer values are mostly grades or counts, which tell more as plain numbers.
_LEAST_VALUES = 33
# A polynomial of this degree says whether they are: months and days are not.
_DEGREE = 3
# How often chance alone may say so of a table, and what share of all that the means tell must be
# beyond the polynomial.
_CHANCE, _LEAST_SHARE = 0.01, 0.5
# Bins of a column, and of all columns together, for each is an input of the first layer.
_LEAST_BINS, _MOST_BINS, _MOST_INPUTS = 4, 32, 768


def sized(net: NeuralNet, X, targets: Targets | None = None) -> dict:
    """Size a net's parameters of ``"auto"`` to the training rows as the net sees them.

    Parameters
    ----------
    net : NeuralNet
    X : array or CSR matrix of shape (n_rows, ...)
    targets : Targets or None
        Labels of the rows, by which a number of few values may have bins.

    Returns
    -------
    params : dict
        For ``net.set_params``.
    """
    of_net = _of_convnet if net.module is ResidualConvNet else _of_mlp
    params = of_net(X.shape[0])
    hidden = getattr(net, "module__hidden", None)
    if not (isinstance(hidden, str) and hidden == "auto"):  # widths that somebody chose are kept
        params["module__pruning"] = 0.0
    sized_here = {}
    for name, value in vars(net).items():
        if not (isinstance(value, str) and value == "auto"):
            continue
        if name == "module__embedded":
            sized_here[name] = tuple(np.flatnonzero(n_distinct_values(X) > 2).tolist())
        elif name == "module__bins":
            sized_here[name] = _bins(X, targets)
        elif name in params:
            sized_here[name] = params[name]
    return sized_here


def _bins(X, targets: Targets | None) -> tuple[int, ...]:
    """The column of each bin; more bins for more rows, none where too many columns need them."""
    n_values = n_distinct_values(X)
    columns = np.flatnonzero((n_values >= _LEAST_VALUES) | _are_uneven(X, targets, n_values))
    n_bins = min(round(X.shape[0] ** 0.6 / 18), _MOST_BINS)
    n_bins = min(max(n_bins, _LEAST_BINS), _MOST_INPUTS // max(len(columns), 1))
    if n_bins < _LEAST_BINS:
        return ()
    return tuple(np.repeat(columns, np.minimum(n_bins, n_values[columns] - 1)).tolist())


def _are_uneven(X, targets: Targets | None, n_values: np.ndarray) -> np.ndarray:
    """Whether labels go up and down along a column of few values, for each column."""
    uneven = np.zeros(len(n_values), dtype=bool)
    few = np.flatnonzero((n_values > _DEGREE + 2) & (n_values < _LEAST_VALUES))
    if targets is None or not len(few):
        return uneven
    index = rows_to_learn_from(X)
    rows = dense(X[index])
    labels = targets.task.for_net(targets.task.as_answers(targets.labels[index]))
    labels = np.asarray(labels, dtype=np.float64)
    weight = np.ones(len(index))
    if targets.sample_weight is not None:
        weight = targets.sample_weight[index] / targets.sample_weight[index].mean()
    for column in few:
        uneven[column] = _is_uneven(rows[:, column], labels, weight, _CHANCE / len(few))
    return uneven


def _is_uneven(number: np.ndarray, labels: np.ndarray, weight: np.ndarray, chance: float) -> bool:
    """Whether most of what a number tells of the labels is beyond a polynomial.

    This is the test for lack of fit of an analysis of variance. The mean labels of each value are
    compared with a polynomial through them, and both with the spread of labels of one value. The
    weights of the rows have a mean of one.
    """
    values, rank = np.unique(number, return_inverse=True)
    weights = np.maximum(np.bincount(rank, weight), np.finfo(float).tiny)[:, np.newaxis]
    mean = np.stack([np.bincount(rank, weight * one) for one in labels.T], axis=1) / weights
    n_others, n_free = len(values) - _DEGREE - 1, len(number) - len(values)
    if n_free < 1:
        return False
    noise = (weight @ (labels - mean[rank]) ** 2).sum() / n_free
    place = values / np.abs(values).max()  # from -1 to 1 from here on, however large they were
    place = 2.0 * (place - place[0]) / max(place[-1] - place[0], np.finfo(float).tiny) - 1.0
    powers = np.sqrt(weights) * place[:, np.newaxis] ** np.arange(_DEGREE + 1)
    fitted = np.linalg.lstsq(powers, np.sqrt(weights) * mean, rcond=None)[0]
    misfit = ((np.sqrt(weights) * mean - powers @ fitted) ** 2).sum()
    beyond = misfit - n_others * noise
    center = np.average(mean, axis=0, weights=weights[:, 0])
    told = (weights * (mean - center) ** 2).sum() - (len(values) - 1) * noise
    is_chance = misfit <= f.isf(chance, n_others, n_free) * n_others * noise
    return bool(beyond > _LEAST_SHARE * told and not is_chance)


def _of_mlp(n_rows: int) -> dict:
    # At least four batches an epoch, as long as a batch has 32 rows; all are of about one size.
    n_batches = max(math.ceil(n_rows / 256), min(4, math.ceil(n_rows / 32)))
    n_steps = min(max(0.6 * n_rows, 600), 8000)
    return {
        "module__hidden": (256, 256),
        "module__dropout": 0.2 * min(1.0, (4000 / n_rows) ** (1 / 3)),
        # Many rows show smaller differences.
        "module__pruning": 0.003 * min(1.0, math.sqrt(4000 / n_rows)),
        "batch_size": math.ceil(n_rows / n_batches),
        "max_epochs": min(max(round(n_steps / n_batches), 20), 300),
    }


def _of_convnet(n_rows: int) -> dict:
    n_batches = max(math.ceil(n_rows / 128), min(4, math.ceil(n_rows / 32)))
    n_steps = min(max(0.47 * n_rows, 240), 1200)
    return {
        "module__dropout": 0.2,
        "batch_size": math.ceil(n_rows / n_batches),
        "max_epochs": min(max(round(n_steps / n_batches), 10), 100),
    }

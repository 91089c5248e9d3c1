"""What parameters of ``"auto"`` become in ``fit``: all are smooth in the number of rows."""

import math

import numpy as np
from skorch import NeuralNet

from ..students import ResidualConvNet, n_distinct_values

# Columns of fewer values are grades or counts, whose steps alike are worth more than their ranks.
_LEAST_VALUES = 33
# Bins of a column, and of all columns together, for each is an input of the first layer.
_LEAST_BINS, _MOST_BINS, _MOST_INPUTS = 4, 32, 768


def sized(net: NeuralNet, X) -> dict:
    """Size a net's parameters of ``"auto"`` to the training rows as the net sees them.

    Parameters
    ----------
    net : NeuralNet
    X : array or CSR matrix of shape (n_rows, ...)

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
            sized_here[name] = _bins(X)
        elif name in params:
            sized_here[name] = params[name]
    return sized_here


def _bins(X) -> tuple[int, ...]:
    """The column of each bin; more bins for more rows, none where too many columns need them."""
    columns = np.flatnonzero(n_distinct_values(X) >= _LEAST_VALUES)
    n_bins = min(round(X.shape[0] ** 0.6 / 18), _MOST_BINS)
    n_bins = min(max(n_bins, _LEAST_BINS), _MOST_INPUTS // max(len(columns), 1))
    if n_bins < _LEAST_BINS:
        return ()
    return tuple(np.repeat(columns, n_bins).tolist())


def _of_mlp(n_rows: int) -> dict:
    # At least four batches an epoch, as long as a batch has 32 rows; all are of about one size.
    n_batches = max(math.ceil(n_rows / 256), min(4, math.ceil(n_rows / 32)))
    n_steps = min(max(0.6 * n_rows, 600), 8000)
    return {
        "module__hidden": (256, 256),
        "module__dropout": 0.2,
        "module__pruning": 0.003,
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

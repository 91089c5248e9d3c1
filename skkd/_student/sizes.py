"""What parameters of ``"auto"`` become in ``fit``."""

import numpy as np
from skorch import NeuralNet

from ..students import PeriodicMLP, ResidualConvNet, TabularMLP, n_distinct_values

_MLP_BATCH_SIZE = 256
_N_BINS = 4


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
    known = _of_convnet if net.module is ResidualConvNet else _of_mlp
    params = known(X.shape[0])
    given = net.get_params(deep=False)
    auto = {name for name, value in given.items() if isinstance(value, str) and value == "auto"}
    if "module__hidden" not in auto:  # widths that somebody chose are kept
        params["module__pruning"] = 0.0
    if net.module is PeriodicMLP and "module__embedded" in auto:
        params["module__embedded"] = tuple(np.flatnonzero(n_distinct_values(X) > 2).tolist())
    if net.module is TabularMLP and "module__bins" in auto:
        params["module__bins"] = _bins(X)
    return {name: value for name, value in params.items() if name in auto}


def _bins(X) -> tuple[int, ...]:
    if X.shape[0] <= _MLP_BATCH_SIZE:
        return ()
    columns = np.flatnonzero(n_distinct_values(X) > 32)
    return tuple(np.repeat(columns, _N_BINS).tolist()) if len(columns) <= 64 else ()


def _of_mlp(n_rows: int) -> dict:
    n_batches = -(-n_rows // _MLP_BATCH_SIZE)
    one_batch = n_batches == 1
    return {
        "module__hidden": (256, 256),
        "module__dropout": 0.0 if one_batch else 0.2,
        "module__pruning": 0.0 if one_batch else 0.003,
        "batch_size": _MLP_BATCH_SIZE,
        "max_epochs": 300 if one_batch else max(20, min(150, 8000 // n_batches)),
    }


def _of_convnet(n_rows: int) -> dict:
    batch_size = 128
    n_batches = -(-n_rows // batch_size)
    one_batch = n_batches == 1
    return {
        "module__dropout": 0.0 if one_batch else 0.2,
        "batch_size": batch_size,
        "max_epochs": 100 if one_batch else max(10, min(60, 1200 // n_batches)),
    }

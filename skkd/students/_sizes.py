"""What parameters of ``"auto"`` become in ``fit``."""

import numpy as np
from skorch import NeuralNet

from ._convnet import ResidualConvNet
from ._mlp import PeriodicMLP, TabularMLP, columns_of_many_values
from ._ramps import columns_to_encode

_MLP_BATCH_SIZE = 256
# Ramps beside each number that gets some.
_N_BINS = 4


def sized(net: NeuralNet, X) -> dict:
    """Parameters of a net that are ``"auto"``, for the training rows as the net sees them.

    While all rows fit in one batch each step sees all of them, and nothing is dropped at random:
    then integer weights are the same as repeated rows. More rows get dropout, fewer epochs, ramps
    beside their numbers, and what is not needed is taken out in the end: which units and ramps
    that is, would hang on the last digits.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_rows, ...)
    """
    known = _of_convnet if net.module is ResidualConvNet else _of_mlp
    params = known(X.shape[0])
    given = net.get_params(deep=False)
    auto = {name for name, value in given.items() if isinstance(value, str) and value == "auto"}
    if "module__hidden" not in auto:  # widths that somebody chose are kept
        params["module__narrowing"] = 0.0
    if net.module is PeriodicMLP and "module__embedded" in auto:
        params["module__embedded"] = columns_of_many_values(X)
    if net.module is TabularMLP and "module__ramps" in auto:
        columns = columns_to_encode(X) if X.shape[0] > _MLP_BATCH_SIZE else ()
        params["module__ramps"] = tuple(np.repeat(columns, _N_BINS).tolist())
    return {name: value for name, value in params.items() if name in auto}


def _of_mlp(n_rows: int) -> dict:
    n_batches = -(-n_rows // _MLP_BATCH_SIZE)
    one_batch = n_batches == 1
    return {
        "module__hidden": (256, 256),
        "module__dropout": 0.0 if one_batch else 0.2,
        "module__narrowing": 0.0 if one_batch else 0.003,
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

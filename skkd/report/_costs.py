"""What a model costs: parameters, bytes, time."""

import copy
import math
import pickle

import numpy as np
from sklearn.pipeline import Pipeline
from skorch import NeuralNet
from skorch.history import History

from .._distiller import BaseDistiller
from .._sklearn_private import _safe_indexing
from .._student import net_of
from .._timing import first_rows, time_in_turn

BATCH_SIZES = (1_000, 10_000)

# Labels of the costs.
COSTS = {
    "parameters": "parameters",
    "bytes": "bytes",
    "milliseconds": "one row, median (ms)",
    "milliseconds_p99": "one row, 99th percentile (ms)",
    **{f"rows_per_second_{size}": f"rows per second, {size:,} at once" for size in BATCH_SIZES},
}

_PATIENCE = 20.0  # seconds that the larger batch may take, estimated from the smaller
_ENTRIES = 2**25  # of a batch


def costs_of(models: dict, latency: bool, advance) -> dict[str, dict[str, float]]:
    """Measure what each model costs.

    Parameters
    ----------
    models : dict
        By name, a model and the test rows.
    latency : bool
        Whether to time them.
    advance : callable
        Called after each part of the work.

    Returns
    -------
    costs : dict of dicts of float
        By name; keys as in COSTS.
    """
    costs = {
        name: {"parameters": n_parameters(model), "bytes": n_bytes(model)}
        for name, (model, _) in models.items()
    }
    advance(1)
    if latency:
        for name, times in time_predictions(models, advance).items():
            costs[name] |= times
    return costs


def deployed(model):
    """Return what a model needs to predict: of a distilled one the student without history."""
    if not isinstance(model, BaseDistiller):
        return model
    student = model.student_
    net = copy.copy(net_of(student))
    net.history_ = History()
    return Pipeline([*student.steps[:-1], ("net", net)]) if isinstance(student, Pipeline) else net


def n_parameters(model) -> float:
    """Count the parameters of a model's net; NaN if it has none."""
    model = deployed(model)
    net = net_of(model)
    if not isinstance(net, NeuralNet):
        return math.nan
    return float(sum(values.numel() for values in net.module_.parameters()))


def n_bytes(model) -> float:
    """Return the size of a model as a pickle; NaN if it can't be pickled."""
    counter = _Counter()
    try:
        pickle.dump(deployed(model), counter, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:  # teachers of other libraries raise anything
        return math.nan
    return float(counter.n_bytes)


class _Counter:
    """A file that keeps only the length of what is written."""

    def __init__(self):
        self.n_bytes = 0

    def write(self, data) -> int:
        size = memoryview(data).nbytes
        self.n_bytes += size
        return size


def ask_of(model):
    """Return what a model is asked by: ``predict_proba``, or ``predict`` of a regressor."""
    return model.predict_proba if hasattr(model, "predict_proba") else model.predict


def time_predictions(asked: dict, advance) -> dict[str, dict[str, float]]:
    """Time ``predict_proba`` of all models in turn, or ``predict`` of regressors.

    Parameters
    ----------
    asked : dict
        By name, a model and the test rows, which are repeated to fill a batch.
    advance : callable
        Called after each size.

    Returns
    -------
    costs : dict of dicts of float
        By name: ``milliseconds`` and ``milliseconds_p99`` of a single row, and
        ``rows_per_second_*`` in batches, NaN if a batch would take too long or be too large.
    """
    times = time_in_turn(
        {name: (ask_of(model), first_rows(X)) for name, (model, X) in asked.items()}
    )
    costs = {
        name: {
            "milliseconds": 1e3 * float(np.median(times[name])),
            "milliseconds_p99": 1e3 * float(np.quantile(times[name], 0.99)),
        }
        for name in asked
    }
    advance(1)
    for size in BATCH_SIZES:
        asked = {
            name: (model, X)
            for name, (model, X) in asked.items()
            if size * math.prod(X.shape[1:]) <= _ENTRIES
        }
        batches = {
            name: (ask_of(model), [_safe_indexing(X, np.arange(size) % X.shape[0])])
            for name, (model, X) in asked.items()
        }
        times = time_in_turn(batches, n_rounds=1, n_least=1)
        for name, cost in costs.items():
            seconds = float(np.median(times[name])) if name in asked else math.nan
            cost[f"rows_per_second_{size}"] = size / seconds
            if 10 * seconds > _PATIENCE:
                del asked[name]
        advance(1)
    return costs

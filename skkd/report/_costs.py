"""What a model costs: parameters, bytes, time."""

import copy
import math
import pickle
import time

import numpy as np
from sklearn.pipeline import Pipeline
from skorch import NeuralNet
from skorch.history import History

from .._classifier import DistilledClassifier
from .._sklearn_private import _safe_indexing
from .._student import net_of

BATCH_SIZES = (1_000, 10_000)

# Labels of the costs.
COSTS = {
    "parameters": "parameters",
    "bytes": "bytes",
    "milliseconds": "one row, median (ms)",
    "milliseconds_p99": "one row, 99th percentile (ms)",
    **{f"rows_per_second_{size}": f"rows per second, {size:,} at once" for size in BATCH_SIZES},
}

_CALLS = 10  # of a model in succession
_ROUNDS, _MIN_CALLS = 20, 10  # with one row
_BATCH_ROUNDS = 1
_SECONDS = 3.0  # that a model may take for one size, after the fewest calls
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
    if not isinstance(model, DistilledClassifier):
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


def time_predictions(asked: dict, advance) -> dict[str, dict[str, float]]:
    """Time ``predict_proba`` of all models, in turn.

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
    times = _in_turn(asked, 1, _ROUNDS, _MIN_CALLS)
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
        times = _in_turn(asked, size, _BATCH_ROUNDS, 1)
        for name, cost in costs.items():
            seconds = float(np.median(times[name])) if name in asked else math.nan
            cost[f"rows_per_second_{size}"] = size / seconds
            if 10 * seconds > _PATIENCE:
                del asked[name]
        advance(1)
    return costs


def _in_turn(asked: dict, size: int, rounds: int, n_least: int) -> dict[str, list[float]]:
    """Return the seconds of each call, until a model has used up its time.

    In each round a model has some calls in succession. The first is not counted, because the
    processor's cache still holds another model.
    """
    times: dict[str, list[float]] = {name: [] for name in asked}
    questions = {}
    for name, (_, X) in asked.items():
        n_questions = min(_CALLS, X.shape[0]) if size == 1 else 1
        questions[name] = [
            _safe_indexing(X, np.arange(first, first + size) % X.shape[0])
            for first in range(n_questions)
        ]
    for _ in range(rounds):
        for name, (model, _) in asked.items():
            for call in range(-1, _CALLS):
                if len(times[name]) >= n_least and sum(times[name]) > _SECONDS:
                    break
                question = questions[name][call % len(questions[name])]
                start = time.perf_counter()
                model.predict_proba(question)
                if call >= 0:
                    times[name].append(time.perf_counter() - start)
    return times

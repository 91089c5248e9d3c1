"""How long calls take, on this machine."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from ._sklearn_private import _num_samples, _safe_indexing

_CALLS = 10  # of a function in succession
_SECONDS = 3.0  # that a function may take, after the fewest calls


def time_in_turn(
    calls: Mapping[str, tuple[Callable[[Any], Any], list]], n_rounds: int = 20, n_least: int = 10
) -> dict[str, list[float]]:
    """Return the seconds of each call, until a function has used up its time.

    In each round a function has some calls in succession. The first is not counted, because the
    processor's cache still holds another model.

    Parameters
    ----------
    calls : dict
        By name, a function and what it is called with, one after the other.
    n_rounds, n_least : int
        Most rounds, and fewest calls, however long they take.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(n_rounds):
        for name, (function, questions) in calls.items():
            for call in range(-1, _CALLS):
                if len(times[name]) >= n_least and sum(times[name]) > _SECONDS:
                    break
                question = questions[call % len(questions)]
                start = time.perf_counter()
                function(question)
                if call >= 0:
                    times[name].append(time.perf_counter() - start)
    return times


def first_rows(X: Any) -> list:
    """Return the first rows of an array, frame, CSR matrix or list, each as a table of one row."""
    return [_safe_indexing(X, [row]) for row in range(min(_CALLS, _num_samples(X)))]

"""Paired bootstrap: the same rows are drawn for all models, so their common noise cancels."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ._measures import Terms, measures_of, sums_of

# The areas under curves and a user's scorers need a pass over the rows for each repeat.
MAX_SCORE_REPEATS = 200

_ENTRIES = 2**21  # of a chunk of counts


class Difference(NamedTuple):
    """A difference between two models, and its bootstrap interval.

    Attributes
    ----------
    estimate, low, high : float
    """

    estimate: float
    low: float
    high: float


class Resampled(NamedTuple):
    """Measures of one model.

    Attributes
    ----------
    estimate : dict of float
        On the test set.
    repeats : dict of ndarrays of shape (n_repeats,)
        On its resamples; fewer for the areas and the user's scores.
    """

    estimate: dict[str, float]
    repeats: dict[str, np.ndarray]


def resample(
    terms: dict[str, Terms],
    scores: dict[str, list],
    n_bootstrap: int,
    seed: int,
    advance,
    measures: Callable[[dict], dict] = measures_of,
) -> dict[str, Resampled]:
    """Measure all models on the test set and on resamples of its rows.

    Parameters
    ----------
    terms, scores : dict
        By model. Scores are lists of objects that have ``measures(counts)``.
    n_bootstrap, seed : int
    advance : callable
        Called with the number of repeats done.
    measures : callable
        From sums of terms to measures.
    """
    n_rows = len(next(iter(terms.values()))["weight"])
    repeats: dict[str, list] = {model: [] for model in terms}
    n_scored = min(n_bootstrap, MAX_SCORE_REPEATS)
    for counts in draw_counts(n_rows, n_bootstrap, seed):
        for model in terms:
            measured = _measure(terms[model], scores[model], counts, n_scored, measures)
            repeats[model].append(measured)
        n_scored = max(n_scored - counts.shape[1], 0)
        advance(counts.shape[1])
    found = {}
    for model in terms:
        estimate = _measure(terms[model], scores[model], np.ones((n_rows, 1)), 1, measures)
        found[model] = Resampled(
            {name: float(values[0]) for name, values in estimate.items()},
            {name: np.concatenate([chunk[name] for chunk in repeats[model]]) for name in estimate},
        )
    return found


def _measure(
    terms: Terms, scores: list, counts: np.ndarray, n_scored: int, measures: Callable[[dict], dict]
) -> dict:
    """All measures for the columns of ``counts``; scores for the first ``n_scored`` only."""
    measured = measures(sums_of(terms, counts))
    for score in scores:
        measured |= score.measures(counts[:, :n_scored])
    return measured


def draw_counts(n_rows: int, n_bootstrap: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each row is drawn in each repeat: arrays of shape (n_rows, n_repeats)."""
    rng = np.random.default_rng(seed)
    step = max(_ENTRIES // n_rows, 1)
    for start in range(0, n_bootstrap, step):
        n_repeats = min(step, n_bootstrap - start)
        drawn = rng.integers(n_rows, size=(n_repeats, n_rows))
        drawn += n_rows * np.arange(n_repeats)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=n_repeats * n_rows)
        # Row by row in memory, which makes the matrix product faster.
        yield np.ascontiguousarray(counts.reshape(n_repeats, n_rows).T, dtype=np.float64)


def differences(a: Resampled, b: Resampled, level: float) -> dict[str, Difference]:
    """Return one model's measures less another's, with percentile intervals."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name in a.estimate:
        if name in b.estimate:
            repeats = a.repeats[name] - b.repeats[name]
            repeats = repeats[~np.isnan(repeats)]
            low, high = np.quantile(repeats, tails) if len(repeats) else (np.nan, np.nan)
            estimate = a.estimate[name] - b.estimate[name]
            found[name] = Difference(float(estimate), float(low) + 0.0, float(high) + 0.0)
    return found

"""Paired bootstrap: the same rows are drawn for all models, so that what they share cancels."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ._measures import RankedScores, Terms, measures_of, sums_of

# The AUC needs a pass over sorted rows for each repeat and class, so there are fewer of them.
MAX_AUC_REPEATS = 200

# Entries of a chunk of counts.
_ENTRIES = 2**21


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
        On its resamples; fewer for the AUC.
    """

    estimate: dict[str, float]
    repeats: dict[str, np.ndarray]


def resample(
    terms: dict[str, Terms], scores: dict[str, RankedScores], n_bootstrap: int, seed: int, advance
) -> dict[str, Resampled]:
    """Measure all models on the test set and on resamples of its rows.

    Parameters
    ----------
    terms, scores : dicts
        By model.
    n_bootstrap : int
    seed : int
    advance : callable
        Called with the number of repeats done.
    """
    n_rows = len(next(iter(terms.values()))["weight"])
    once = np.ones((n_rows, 1))
    repeats: dict[str, list] = {model: [] for model in terms}
    n_areas = min(n_bootstrap, MAX_AUC_REPEATS)
    for counts in draw_counts(n_rows, n_bootstrap, seed):
        for model in terms:
            measured = measures_of(sums_of(terms[model], counts))
            measured["roc_auc"] = scores[model].auc(counts[:, :n_areas])
            repeats[model].append(measured)
        n_areas = max(n_areas - counts.shape[1], 0)
        advance(counts.shape[1])
    found = {}
    for model in terms:
        estimate = measures_of(sums_of(terms[model], once))
        estimate["roc_auc"] = scores[model].auc(once)
        found[model] = Resampled(
            {name: float(values[0]) for name, values in estimate.items()},
            {name: np.concatenate([chunk[name] for chunk in repeats[model]]) for name in estimate},
        )
    return found


def draw_counts(n_rows: int, n_bootstrap: int, seed: int) -> Iterator[np.ndarray]:
    """How often each row is drawn in each repeat: chunks of shape (n_rows, n_repeats)."""
    rng = np.random.default_rng(seed)
    step = max(_ENTRIES // n_rows, 1)
    for start in range(0, n_bootstrap, step):
        n_repeats = min(step, n_bootstrap - start)
        drawn = rng.integers(n_rows, size=(n_repeats, n_rows))
        drawn += n_rows * np.arange(n_repeats)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=n_repeats * n_rows)
        # In this order in memory, so that a product with it walks along the resamples.
        yield np.ascontiguousarray(counts.reshape(n_repeats, n_rows).T, dtype=np.float64)


def differences(a: Resampled, b: Resampled, level: float) -> dict[str, Difference]:
    """Measures of one model less those of another, with percentile intervals."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name in a.estimate:
        if name in b.estimate:
            repeats = a.repeats[name] - b.repeats[name]
            repeats = repeats[~np.isnan(repeats)]
            low, high = np.quantile(repeats, tails) if len(repeats) else (np.nan, np.nan)
            estimate = a.estimate[name] - b.estimate[name]
            found[name] = Difference(float(estimate), float(low), float(high))
    return found

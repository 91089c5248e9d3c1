"""Where rows without labels come from in a fit."""

import math

import numpy as np
from sklearn.base import clone

from .._input import Rows, materialized
from .._progress import SILENT, Progress
from .._student import preprocessed
from .._teacher import TeacherSignal
from ..augmenters import Augmenter
from .synthetic import AugmentedRows, Source, UnlabeledRows

#: An augmenter that makes fewer rows than there are learns from so many at least.
MOST_ROWS = 40_000


def unlabeled_sources(
    augmenter: Augmenter | None,
    X_unlabeled,
    signal: TeacherSignal,
    student,
    seed: int,
    progress: Progress = SILENT,
) -> list[Source]:
    """Return the sources of rows without labels, labeled by the teacher, ready for the net.

    Parameters
    ----------
    augmenter : Augmenter or None
    X_unlabeled : rows or None
    signal : TeacherSignal
        Of the training rows.
    student : net or Pipeline
        Prepared for the rows.
    seed : int
    progress : Progress
    """
    sources: list[Source] = []
    rows, n_rows = signal.rows, len(signal.rows.labels)

    def prepare(X):
        return preprocessed(student, X)

    if X_unlabeled is not None:
        sources.append(UnlabeledRows(X_unlabeled, n_rows, signal.ask, prepare, seed, progress))
    if augmenter is not None:
        fitted = _fitted(augmenter, rows, seed)
        ask = signal.ask_synthetic
        sources.append(AugmentedRows(fitted, n_rows, ask, prepare, seed, progress))
    return sources


def _fitted(augmenter: Augmenter, rows: Rows, seed: int) -> Augmenter:
    """Return an augmenter that knows the rows, or as many as it makes of them."""
    n_rows = len(rows.labels)
    n_known = max(MOST_ROWS, math.ceil(augmenter.n_new * n_rows))
    if n_known < n_rows:
        some = np.random.default_rng(seed).choice(n_rows, n_known, replace=False, shuffle=False)
        rows = rows.take(np.sort(some))
    return clone(augmenter).fit(materialized(rows.raw), rows.sample_weight)

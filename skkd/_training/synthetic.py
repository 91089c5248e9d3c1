"""Rows without labels, of which only the teacher speaks: synthetic rows, or ``X_unlabeled``.

With W the weight of all these rows together, that of all training rows being one, a step follows

    (1 - s) * (what the balancer makes of both losses of training rows) + s * L, s = W / (1 + W),

where ``L`` is the mean distillation loss of the rows without labels in the batch. The balancer
decides between label and teacher where there are both: on the training rows. Where there is only
the teacher, there is nothing to balance, and a small λ must not silence it. The factors sum to one,
so these rows do not change the learning rate.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.base import clone
from torch import Tensor

from .._input import Rows, materialized, take
from .._progress import SILENT, Progress
from .._sklearn_private import _num_samples
from .._student import preprocessed
from .._teacher import TeacherSignal
from ..augmenters import Augmenter
from .batches import RowBatches

#: An augmenter that makes fewer rows than there are learns from so many at least.
MOST_ROWS = 40_000

# Rows that are made, labeled and prepared at a time.
_CHUNK = 8192

#: From rows as the teacher takes them to its answers, or to the input of the student's net.
Function = Callable[[Any], Any]


class AugmentedRows:
    """The rows of an augmenter: made, labeled and prepared anew every few epochs.

    Parameters
    ----------
    augmenter : Augmenter
        Fitted on the training rows.
    n_rows : int
        Number of training rows.
    ask, prepare : callable
        Give the teacher's answers and the net's input of some rows.
    seed : int
    progress : Progress
    """

    def __init__(
        self,
        augmenter: Augmenter,
        n_rows: int,
        ask: Function,
        prepare: Function,
        seed: int,
        progress: Progress = SILENT,
    ):
        self.augmenter = augmenter
        self.loss_weight = float(augmenter.loss_weight)
        self.size = max(round(augmenter.n_new * n_rows), 1)
        self.ask, self.prepare = ask, prepare
        self.rng = np.random.default_rng(seed)
        self.progress = progress
        self.n_epochs = 0

    def next_pool(self) -> tuple[Any, np.ndarray] | None:
        """Return inputs and answers for the next epoch; None where the last ones stay."""
        self.n_epochs += 1
        if (self.n_epochs - 1) % self.augmenter.refresh:
            return None
        answers: list[np.ndarray] = []

        def chunks():
            for start in range(0, self.size, _CHUNK):
                X = self.augmenter.sample(min(_CHUNK, self.size - start), self.rng)
                answers.append(self.ask(X))
                phase.advance(len(answers[-1]))
                yield self.prepare(X)

        with self.progress.phase("teacher's answers about synthetic rows", self.size) as phase:
            return _stacked(chunks(), self.size), np.concatenate(answers)


class UnlabeledRows:
    """The user's rows without labels: each epoch sees as many as there are training rows, or all.

    One of these rows weighs as much as a training row, as long as they are not more. The teacher is
    asked about a row when it is first seen, and once.

    Parameters
    ----------
    X : array, frame or CSR matrix
    n_rows : int
        Number of training rows.
    ask, prepare, seed, progress
        As in :class:`AugmentedRows`.
    """

    def __init__(
        self,
        X,
        n_rows: int,
        ask: Function,
        prepare: Function,
        seed: int,
        progress: Progress = SILENT,
    ):
        self.X = X
        self.n_all = _num_samples(X)
        self.size = min(self.n_all, n_rows)
        self.loss_weight = self.size / n_rows
        self.ask, self.prepare = ask, prepare
        self.order = np.random.default_rng(seed).permutation(self.n_all)
        self.start = 0
        self.progress = progress
        self.answers: np.ndarray | None = None
        self.is_asked = np.zeros(self.n_all, dtype=bool)

    def next_pool(self) -> tuple[Any, np.ndarray] | None:
        """Return inputs and answers for the next epoch; None where the last ones stay."""
        if self.answers is not None and self.size == self.n_all:
            return None
        next_ones = np.arange(self.start, self.start + self.size)
        rows = np.sort(np.take(self.order, next_ones, mode="wrap"))
        self.start += self.size

        def chunks():
            for chunk in np.array_split(rows, -(-self.size // _CHUNK)):
                X = take(self.X, chunk)
                self._ask_once(X, chunk)
                phase.advance(len(chunk))
                yield self.prepare(X)

        with self.progress.phase("teacher's answers about unlabeled rows", self.size) as phase:
            pool = _stacked(chunks(), self.size)
        assert self.answers is not None
        return pool, self.answers[rows]

    def _ask_once(self, X, rows: np.ndarray) -> None:
        fresh = np.flatnonzero(~self.is_asked[rows])
        if not len(fresh):
            return
        answers = self.ask(X if len(fresh) == len(rows) else take(X, fresh))
        if self.answers is None:
            self.answers = np.empty((self.n_all, answers.shape[1]))
        self.answers[rows[fresh]] = answers
        self.is_asked[rows[fresh]] = True


Source = AugmentedRows | UnlabeledRows


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


class SyntheticRows:
    """Rows without labels for the batches of a training, and their loss.

    Parameters
    ----------
    sources : list of AugmentedRows or UnlabeledRows
    task : Classification or Regression
    n_batches : int
        Batches of an epoch. A source spreads its rows evenly over them.
    seed : int
        Seed of the order of the rows.
    options : dict
        The objective's ``loss``, ``device`` and ``dtype``.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        task,
        *,
        n_batches: int,
        seed: int,
        options: dict,
    ):
        self.sources, self.task, self.options = sources, task, options
        self.n_batches, self.seed = n_batches, seed
        total = sum(source.loss_weight for source in sources)
        #: Share of these rows in the loss that a step follows.
        self.share = total / (1.0 + total)
        self.parts = [source.loss_weight / total for source in sources]
        self.objectives: list = [None] * len(sources)
        self.streams: list = [None] * len(sources)
        self.taken: list = []
        self.n_taken = 0

    def begin_epoch(self, temperature: float | str) -> None:
        """Let each source bring its rows, and soften the teacher's answers."""
        for i, source in enumerate(self.sources):
            pool = source.next_pool()
            if pool is None:
                self.objectives[i].soften(temperature)
            else:
                self._set_pool(i, *pool, temperature)

    def _set_pool(self, i: int, inputs, answers: np.ndarray, temperature: float | str) -> None:
        # Losses that set the label's class apart take the most likely one.
        labels = self.task.most_likely(answers)
        self.objectives[i] = self.task.objective(labels, answers, None, **self.options)
        self.objectives[i].soften(temperature)
        batches = RowBatches(
            inputs,
            batch_size=max(round(len(answers) / self.n_batches), 1),
            shuffle=True,
            drop_last=False,
            device=self.options["device"],
            seed=self.seed,
        )
        self.seed += 1
        self.streams[i] = batches.endless()

    def take(self) -> Tensor:
        """Return the input of the next batch's rows."""
        self.taken = [next(stream) for stream in self.streams]
        self.n_taken = sum(len(X) for X, _ in self.taken)
        return torch.cat([X for X, _ in self.taken])

    def __call__(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss of the rows taken last, and its gradient in their logits."""
        loss = logits.new_zeros(())
        gradients = []
        sizes = [len(X) for X, _ in self.taken]
        for part, objective, of_source, (_, rows) in zip(
            self.parts, self.objectives, logits.split(sizes), self.taken, strict=True
        ):
            both_losses, both_gradients = objective(of_source, rows)
            loss += part * both_losses[1]
            gradients.append(part * both_gradients[1])
        return loss, torch.cat(gradients)


def _stacked(chunks: Iterator, n_rows: int):
    """Return chunks of inputs as one array, written in place, or as one CSR matrix."""
    first = next(chunks)
    if sparse.issparse(first):
        return sparse.vstack([first, *chunks], "csr")
    if len(first) == n_rows:
        return first
    whole = np.empty((n_rows, *first.shape[1:]), dtype=first.dtype)
    start = 0
    for chunk in chain([first], chunks):
        whole[start : start + len(chunk)] = chunk
        start += len(chunk)
    return whole

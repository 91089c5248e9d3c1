"""Rows without labels, of which only the teacher speaks: an augmenter's, or ``X_unlabeled``.

With W the weight of all new rows together, that of all fit rows being one, a step follows

    (1 - s) * (what the balancer makes of both losses of the fit rows) + s * L_new, s = W / (1 + W),

where ``L_new`` is the mean distillation loss of the new rows in the batch. The balancer decides
between label and teacher where there are both: on the fit rows. On new rows there is nothing to
balance, and a small balancing parameter must not silence them. The factors sum to one, so that new
rows do not change the learning rate.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from .._sklearn_private import _num_samples, _safe_indexing
from ..augmenters import Augmenter
from .batches import RowBatches
from .objective import make_objective

# New rows that are made, labelled and prepared at a time.
_CHUNK = 8192

#: From rows as the teacher sees them to probabilities, or to the input of the student's net.
Function = Callable[[object], np.ndarray]


class AugmentedRows:
    """The rows of an augmenter: made, labelled and prepared anew every few epochs.

    Parameters
    ----------
    augmenter : Augmenter
        Fitted on the fit rows.
    n_rows : int
        Number of fit rows.
    ask, prepare : callable
        Give the teacher's probabilities and the net's input of some rows.
    seed : int
    """

    def __init__(
        self, augmenter: Augmenter, n_rows: int, ask: Function, prepare: Function, seed: int
    ):
        self.augmenter = augmenter
        self.weight = float(augmenter.loss_weight)
        self.size = max(round(augmenter.n_new * n_rows), 1)
        self.ask, self.prepare = ask, prepare
        self.rng = np.random.default_rng(seed)
        self.n_epochs = 0

    def next_pool(self) -> tuple[Any, np.ndarray] | None:
        """Inputs and probabilities for the next epoch; None where the last ones stay."""
        self.n_epochs += 1
        if (self.n_epochs - 1) % self.augmenter.refresh:
            return None
        proba: list[np.ndarray] = []

        def chunks():
            for start in range(0, self.size, _CHUNK):
                X = self.augmenter.sample(min(_CHUNK, self.size - start), self.rng)
                proba.append(self.ask(X))
                yield self.prepare(X)

        return _stacked(chunks(), self.size), np.concatenate(proba)


class UnlabeledRows:
    """Rows without labels: each epoch sees as many as there are fit rows, or all if they are fewer.

    A row of these weighs as much as a fit row, as long as they are not more. The teacher is asked
    about a row when it is first seen, and once.

    Parameters
    ----------
    X : array, frame or CSR matrix
    n_rows : int
        Number of fit rows.
    ask, prepare, seed
        As in :class:`AugmentedRows`.
    """

    def __init__(self, X, n_rows: int, ask: Function, prepare: Function, seed: int):
        self.X = X
        self.n_all = _num_samples(X)
        self.size = min(self.n_all, n_rows)
        self.weight = self.size / n_rows
        self.ask, self.prepare = ask, prepare
        self.order = np.random.default_rng(seed).permutation(self.n_all)
        self.start = 0
        self.proba: np.ndarray | None = None
        self.is_asked = np.zeros(self.n_all, dtype=bool)

    def next_pool(self) -> tuple[Any, np.ndarray] | None:
        """Inputs and probabilities for the next epoch; None where the last ones stay."""
        if self.proba is not None and self.size == self.n_all:
            return None
        next_ones = np.arange(self.start, self.start + self.size)
        rows = np.sort(np.take(self.order, next_ones, mode="wrap"))
        self.start += self.size

        def chunks():
            for chunk in np.array_split(rows, -(-self.size // _CHUNK)):
                X = _safe_indexing(self.X, chunk)
                self._ask_once(X, chunk)
                yield self.prepare(X)

        return _stacked(chunks(), self.size), self.proba[rows]  # type: ignore[index]

    def _ask_once(self, X, rows: np.ndarray) -> None:
        fresh = np.flatnonzero(~self.is_asked[rows])
        if not len(fresh):
            return
        proba = self.ask(X if len(fresh) == len(rows) else _safe_indexing(X, fresh))
        if self.proba is None:
            self.proba = np.empty((self.n_all, proba.shape[1]))
        self.proba[rows[fresh]] = proba
        self.is_asked[rows[fresh]] = True


Source = AugmentedRows | UnlabeledRows


class NewRows:
    """New rows for the batches of a training, and their loss.

    Parameters
    ----------
    sources : list of AugmentedRows or UnlabeledRows
    n_batches : int
        Batches of an epoch. Each source gives each batch an equal part of its rows.
    loss, device, dtype
        As for the objective of the fit rows.
    seed : int
        Of the order of the rows.
    """

    def __init__(
        self, sources: Sequence[Source], *, n_batches: int, loss, device, dtype, seed: int
    ):
        self.sources = sources
        self.n_batches = n_batches
        self.loss, self.device, self.dtype, self.seed = loss, device, dtype, seed
        total = sum(source.weight for source in sources)
        #: Share of the new rows in the loss that a step follows.
        self.share = total / (1.0 + total)
        self.parts = [source.weight / total for source in sources]
        self.objectives: list = [None] * len(sources)
        self.streams: list = [None] * len(sources)
        self.taken: list = []
        self.n_taken = 0

    def begin_epoch(self, temperature: float | str) -> None:
        """Let each source bring new rows, and soften the teacher's probabilities."""
        for i, source in enumerate(self.sources):
            pool = source.next_pool()
            if pool is None:
                self.objectives[i].soften(temperature)
            else:
                self._set_pool(i, *pool, temperature)

    def _set_pool(self, i: int, inputs, proba: np.ndarray, temperature: float | str) -> None:
        self.objectives[i] = make_objective(
            proba.argmax(axis=1),  # for losses that set the label's class apart
            proba,
            None,
            loss=self.loss,
            temperature=temperature,
            device=self.device,
            dtype=self.dtype,
        )
        batches = RowBatches(
            inputs,
            batch_size=max(round(len(proba) / self.n_batches), 1),
            shuffle=True,
            drop_last=False,
            device=self.device,
            seed=self.seed,
        )
        self.seed += 1
        self.streams[i] = batches.endless()

    def take(self) -> Tensor:
        """The input of the next batch's new rows."""
        self.taken = [next(stream) for stream in self.streams]
        self.n_taken = sum(len(X) for X, _ in self.taken)
        return torch.cat([X for X, _ in self.taken])

    def __call__(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss of the rows taken last, and its gradient in their logits."""
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
    """Chunks of inputs as one array, written in place, or as one CSR matrix."""
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

"""Randomness by seed alone, with the global random states of numpy and torch left untouched."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils import check_random_state

# torch's default generators belong to the whole process. Whoever borrows one holds this lock, so
# fits in several threads get the same numbers as one after the other.
_lock = threading.RLock()


def _renew_lock() -> None:
    """Give a forked child a lock of its own: a thread of the parent may have held it."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class Seeds(NamedTuple):
    """The seeds of a fit, one for each of its random steps."""

    init: int
    order: int
    split: int
    synthetic: int
    pilot: int
    pruning: int


def draw_seeds(random_state, n_seeds: int = len(Seeds._fields)) -> list[int]:
    """Draw seeds from scikit-learn's ``random_state``; None draws them from the system."""
    if random_state is None:
        return np.random.SeedSequence().generate_state(n_seeds, np.uint32).tolist()
    return check_random_state(random_state).randint(np.iinfo(np.int32).max, size=n_seeds).tolist()


class PrivateTorchState:
    """A state of torch's global generators that only the code inside :meth:`active` sees.

    Modules draw their initial weights, and torch's own layers their dropout masks, from the global
    generators and can't be given another.
    """

    def __init__(self, seed: int):
        self._state: tuple[torch.Tensor, list[torch.Tensor]] | None = None
        self._seed = seed

    @contextmanager
    def active(self) -> Iterator[None]:
        """Swap this state in, and out again with what was drawn from it."""
        with _lock:
            outer = _get_state()
            if self._state is None:
                torch.manual_seed(self._seed)
            else:
                _set_state(self._state)
            try:
                yield
            finally:
                self._state = _get_state()
                _set_state(outer)

    def is_drawn_by(self, function, *args):
        """Call a function with this state; return its result and whether it drew numbers."""
        with self.active():
            before = _get_state()
            result = function(*args)
            after = _get_state()
        drawn = not torch.equal(before[0], after[0])
        for one, other in zip(before[1], after[1], strict=True):
            drawn = drawn or not torch.equal(one, other)
        return result, drawn


def _get_state() -> tuple[torch.Tensor, list[torch.Tensor]]:
    on_cuda = torch.cuda.is_initialized()
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if on_cuda else []


def _set_state(state: tuple[torch.Tensor, list[torch.Tensor]]) -> None:
    torch.set_rng_state(state[0])
    if state[1]:
        torch.cuda.set_rng_state_all(state[1])

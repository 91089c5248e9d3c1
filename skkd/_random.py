"""Randomness by seed alone, with the global random states of numpy and torch left untouched."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass
class PrivateTorchState:
    """A state of torch's global generators that only the code inside :meth:`active` sees.

    Modules draw their initial weights, and torch's own layers their dropout masks, from the global
    generators and can't be given another.
    """

    seed: int
    _state: list[torch.Tensor] | None = None

    @contextmanager
    def active(self) -> Iterator[None]:
        """Swap this state in, and out again with what was drawn from it."""
        on_cuda = torch.cuda.is_initialized()
        with _lock, torch.random.fork_rng(range(torch.cuda.device_count()) if on_cuda else []):
            if self._state is None:
                torch.manual_seed(self.seed)
            else:
                torch.set_rng_state(self._state[0])
                if on_cuda and self._state[1:]:
                    torch.cuda.set_rng_state_all(self._state[1:])
            try:
                yield
            finally:
                self._state = _get_state()

    def is_drawn_by(self, function, *args):
        """Call a function with this state; return its result and whether it drew numbers."""
        with self.active():
            before = _get_state()
            result = function(*args)
            drawn = False
            for one, other in zip(before, _get_state(), strict=True):
                drawn = drawn or not torch.equal(one, other)
        return result, drawn


def _get_state() -> list[torch.Tensor]:
    on_cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [torch.get_rng_state(), *on_cuda]

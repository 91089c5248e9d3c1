"""Randomness by seed alone, with the global random states of numpy and torch left untouched."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.utils import check_random_state

# torch's default generators belong to the whole process. Whoever borrows one holds this lock, so
# that fits in several threads get the same numbers as one after the other.
_TORCH_STATE = threading.RLock()


def draw_seeds(random_state, n_seeds: int) -> list[int]:
    """Seeds from scikit-learn's ``random_state``; None draws fresh ones from the system."""
    if random_state is None:
        return [int(seed) for seed in np.random.SeedSequence().generate_state(n_seeds, np.uint32)]
    seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=n_seeds)
    return [int(seed) for seed in seeds]


class PrivateTorchState:
    """A state of torch's global generators that only the code inside :meth:`active` sees.

    Modules draw their initial weights and dropout masks from the global generators and can't be
    given another.
    """

    def __init__(self, seed: int):
        self._state: tuple[torch.Tensor, list[torch.Tensor]] | None = None
        self._seed = seed

    @contextmanager
    def active(self) -> Iterator[None]:
        """Swap this state in, and out again with what was drawn from it."""
        with _TORCH_STATE:
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
            drawn = not _equal(before, _get_state())
        return result, drawn


def _get_state() -> tuple[torch.Tensor, list[torch.Tensor]]:
    on_cuda = torch.cuda.is_initialized()
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if on_cuda else []


def _set_state(state: tuple[torch.Tensor, list[torch.Tensor]]) -> None:
    torch.set_rng_state(state[0])
    if state[1]:
        torch.cuda.set_rng_state_all(state[1])


def _equal(a, b) -> bool:
    return torch.equal(a[0], b[0]) and all(
        torch.equal(*pair) for pair in zip(a[1], b[1], strict=True)
    )

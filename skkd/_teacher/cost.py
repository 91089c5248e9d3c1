"""How long a teacher takes. A cache keeps it with the answers, so that a second fit knows it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cost:
    """How long a teacher takes.

    Attributes
    ----------
    seconds : float
        For its fits in cross-fitting, and its answers about the training rows.
    row_seconds : float
        For one answer; 0 if it was not asked.
    """

    seconds: float = 0.0
    row_seconds: float = 0.0


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what some work returns, and the seconds that it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start

"""One long life: many fits and predictions in one process, whose memory must stay flat."""

import gc
import os
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from skkd import DistilledClassifier
from tests.helpers import make_data

from .watch import Wrong

X, Y = make_data(60)

# Growth that is noise: the allocator's arenas, and caches that are full after a while.
_SLACK = 8 * 2**20


def resident_bytes() -> int:
    """Return the memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def live(n_fits: int, n_predictions: int, n_reports: int = 10) -> list[int]:
    """Fit and predict in turn; return the memory held at some moments, equally far apart.

    Fits differ by seed and balancer, and predictions by the number of rows.
    """
    teacher = LogisticRegression().fit(X, Y)
    clf = DistilledClassifier(teacher, augmenter=None)
    clf.set_params(student__max_epochs=1, student__module__hidden=(8,))
    balancers = ["fixed", "descent_share", "min_norm", "famo"]
    held, rng = [], np.random.default_rng(0)
    for fit in range(n_fits):
        if fit % max(n_fits // n_reports, 1) == 0:
            gc.collect()
            held.append(resident_bytes())
        clf.set_params(random_state=fit, balancer=balancers[fit % len(balancers)]).fit(X, Y)
        for _ in range(n_predictions // n_fits):
            clf.predict_proba(X[: rng.integers(1, len(X) + 1)])
    gc.collect()
    return [*held, resident_bytes()]


def check_flat(held: list[int]) -> str:
    """Raise :class:`Wrong` if the second half of a life grows; return the figures."""
    middle = held[len(held) // 2]
    figures = ", ".join(f"{value / 2**20:.1f}" for value in held)
    if held[-1] - middle > _SLACK:
        raise Wrong(f"memory grows: {figures} MB")
    return f"right: {figures} MB"


def run_life(seed: int) -> str:
    """Run 1,000 fits and 100,000 predictions; the seed has no meaning."""
    return check_flat(live(1000, 100_000))

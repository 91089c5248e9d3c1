"""Choose the threshold of deferral by a distribution-free bound.

For one threshold, the bound is Clopper and Pearson's of a share. Thresholds are tested one after
the other, until the first that fails. Such a fixed sequence needs no correction for many tests
(Learn then Test, arXiv 2110.01052), because the sequence does not depend on the rows.
"""

import numpy as np
from scipy.special import expit
from scipy.stats import beta

# Steps of 0.01 in the log-odds of the greatest probability: of 1 - 4e-18, down to 0.0003.
_GRID = np.concatenate([expit(np.linspace(40, -8, 4801)), [0.0]])


def fewest_deferred(
    sure: np.ndarray,
    bad: np.ndarray,
    limit: float,
    confidence_level: float,
    good: np.ndarray | None = None,
) -> float:
    """Return the lowest threshold that keeps a share within a limit; infinity if none does.

    Parameters
    ----------
    sure : ndarray of shape (n_rows,)
        The student's greatest probability in each row.
    bad, good : bool ndarray of shape (n_rows,)
        Rows that count if the student answers them, and rows that count against these. With both,
        each share gets half of the risk.
    limit, confidence_level : float
        For the share of bad rows.
    """
    n_rows = len(sure)
    n_bad = _n_at_least(sure[bad], _GRID)
    if good is None:
        bounds = upper_bound(n_bad, n_rows, confidence_level)
    else:
        level = (1 + confidence_level) / 2
        n_good = _n_at_least(sure[good], _GRID)
        # A lower bound of the good is one less an upper bound of all other rows.
        bounds = upper_bound(n_bad, n_rows, level) + upper_bound(n_rows - n_good, n_rows, level) - 1
    return _last_that_passes(_GRID, bounds <= limit, np.inf)


def most_deferred(sure: np.ndarray, limit: float, confidence_level: float) -> float:
    """Return the highest threshold that keeps the share of deferred rows within a limit."""
    grid = _GRID[::-1]
    n_deferred = len(sure) - _n_at_least(sure, grid)
    bounds = upper_bound(n_deferred, len(sure), confidence_level)
    return _last_that_passes(grid, bounds <= limit, 0.0)


def upper_bound(counts: np.ndarray, n_rows: int, confidence_level: float) -> np.ndarray:
    """Return Clopper and Pearson's upper bounds of shares, of which ``counts`` rows were seen."""
    different, places = np.unique(counts, return_inverse=True)  # the quantiles are slow
    bounds = beta.ppf(confidence_level, different + 1, n_rows - different)
    return np.where(different < n_rows, bounds, 1.0)[places]


def _n_at_least(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    return len(values) - np.searchsorted(np.sort(values), grid)


def _last_that_passes(grid: np.ndarray, passes: np.ndarray, otherwise: float) -> float:
    """Return the last threshold before the first that fails."""
    n_passed = len(grid) if passes.all() else int(passes.argmin())
    return float(grid[n_passed - 1]) if n_passed else otherwise

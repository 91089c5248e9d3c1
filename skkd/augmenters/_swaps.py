"""Augmenters that combine entries of different rows, so that every value is a real one."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np

from .._sklearn_private import Interval
from ._augmenter import Augmenter
from ._columns import exchange
from ._neighbors import neighbors_of

__all__ = ["NeighborSwap", "RandomSwap"]

_PROB = [Interval(Real, 0, 1, closed="right")]


@dataclass(eq=False, repr=False)
class NeighborSwap(Augmenter):
    r"""Swap some entries of a row with those of a near neighbor.

    Each synthetic row starts as a copy of a random training row and draws one of its near
    neighbors. Each entry becomes the neighbor's with probability ``prob``. Every value comes from
    the same column of the training rows, so categories, whole numbers and missing values stay
    valid. The idea is that of MUNGE [1]_.

    Parameters
    ----------
    prob : float, default=0.3
        Probability of a swap, in (0, 1]. 1 makes copies of neighbors.
    n_neighbors : int, default=5
        Near rows to draw from, at least 1. All other rows, if there are fewer.
    n_new, refresh, loss_weight
        As in :class:`Augmenter`.

    Notes
    -----
    Distances treat columns alike. Numbers are standardized, with missing values at the median. Two
    different categories are as far apart as two random values of a number are on average.

    Up to 8,192 rows and 64 encoded columns, neighbors are the nearest rows. Beyond, rows are split
    into groups by their principal component, and the first 64 principal components give the
    distance. The time grows linearly with the number of rows. The neighbors take
    ``4 * n_rows * n_neighbors`` bytes.

    NOTE: MUNGE uses the nearest neighbor only, and draws numbers from a normal distribution around
    the neighbor's. Swapping keeps whole numbers whole and zeros zero.

    References
    ----------
    .. [1] Bucila, Caruana, Niculescu-Mizil, "Model Compression", KDD 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from skkd.augmenters import NeighborSwap
    >>> X = np.array([[1, 10], [2, 20], [101, 110], [102, 120]])
    >>> swap = NeighborSwap(prob=0.5, n_neighbors=1).fit(X)
    >>> swap.sample(4, np.random.default_rng(2))
    array([[102, 110],
           [  2,  20],
           [  2,  20],
           [  1,  20]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Augmenter._parameter_constraints,
        "prob": _PROB,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    prob: float = 0.3
    n_neighbors: int = 5

    def learn(self, X: Any) -> None:
        self._neighbors = neighbors_of(X, self.n_neighbors)

    def make(self, X: Any, index: np.ndarray, rng: np.random.Generator) -> Any:
        choice = rng.integers(self._neighbors.shape[1], size=len(index))
        donors = self._neighbors[index, choice]
        return exchange(X, index, donors, rng.random((len(index), X.shape[1])) < self.prob)


@dataclass(eq=False, repr=False)
class RandomSwap(Augmenter):
    r"""Swap some entries of a row with those of a random row.

    Each synthetic row starts as a copy of a random training row. Each entry becomes that of another
    random row with probability ``prob``. Rows differ more from real ones than those of
    :class:`NeighborSwap`, and no search is needed.

    Parameters
    ----------
    prob : float, default=0.3
        Probability of a swap, in (0, 1].
    n_new, refresh, loss_weight
        As in :class:`Augmenter`.

    Examples
    --------
    >>> import numpy as np
    >>> from skkd.augmenters import RandomSwap
    >>> X = np.array([["red", "small"], ["blue", "large"]], dtype=object)
    >>> RandomSwap(prob=0.5).fit(X).sample(2, np.random.default_rng(3))
    array([['blue', 'large'],
           ['red', 'small']], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Augmenter._parameter_constraints,
        "prob": _PROB,
    }

    prob: float = 0.3

    def make(self, X: Any, index: np.ndarray, rng: np.random.Generator) -> Any:
        donors = self.draw(len(index), rng)
        return exchange(X, index, donors, rng.random((len(index), X.shape[1])) < self.prob)

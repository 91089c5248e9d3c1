"""Augmenters that put together rows from entries of others: no value that was not there before."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

from .._sklearn_private import Interval
from ._augmenter import Augmenter
from ._columns import exchange
from ._neighbors import neighbors_of

__all__ = ["NeighborSwap", "RandomSwap"]

_PROB = [Interval(Real, 0, 1, closed="right")]


@dataclass(eq=False, repr=False)
class NeighborSwap(Augmenter):
    r"""Swap some entries of a row with those of a near neighbour.

    Each new row starts as a copy of a random fit row, to which one of its near neighbours is drawn;
    each entry becomes the neighbour's with probability ``prob``. Distances weigh columns alike:
    numbers are standardised, with missing ones at the median, and two different categories are as
    far apart as two random values of a number are on average. Every value comes from the same
    column of the fit rows, so categories, whole numbers and missing values stay what they are.

    The idea is that of MUNGE [1]_, which AutoGluon offers as well.

    Parameters
    ----------
    prob : float, default=0.3
        Probability of a swap, in (0, 1]. 1 makes copies of neighbours.
    n_neighbors : int, default=5
        Near rows to draw from, at least 1. Of fewer rows all are neighbours.
    n_new, refresh, weight
        As in :class:`Augmenter`.

    Notes
    -----
    Neighbours are the nearest rows of up to 8,192 rows with up to 64 encoded columns. More rows are
    split into groups up to that size by their principal component, and of more columns the first 64
    components count: then some neighbours are near ones but not the nearest. The time grows with
    the number of rows, not with its square; what is kept is ``n_rows * n_neighbors`` int32.

    NOTE: MUNGE knows the nearest neighbour only, and draws numbers from a normal distribution
    around the neighbour's. Here they are swapped, which keeps whole numbers whole and zeros zero.

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

    _parameter_constraints: ClassVar[dict] = {
        **Augmenter._parameter_constraints,
        "prob": _PROB,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    prob: float = 0.3
    n_neighbors: int = 5

    def learn(self, X) -> None:
        self._neighbors = neighbors_of(X, self.n_neighbors)

    def make(self, X, index, rng):
        choice = rng.integers(self._neighbors.shape[1], size=len(index))
        donors = self._neighbors[index, choice]
        return exchange(X, index, donors, rng.random((len(index), X.shape[1])) < self.prob)


@dataclass(eq=False, repr=False)
class RandomSwap(Augmenter):
    r"""Swap some entries of a row with those of a random row.

    Each new row starts as a copy of a random fit row, and each entry becomes that of another random
    row with probability ``prob``. Bolder than :class:`NeighborSwap`, and needs no search. Every
    value comes from the same column of the fit rows.

    Parameters
    ----------
    prob : float, default=0.3
        Probability of a swap, in (0, 1].
    n_new, refresh, weight
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

    _parameter_constraints: ClassVar[dict] = {
        **Augmenter._parameter_constraints,
        "prob": _PROB,
    }

    prob: float = 0.3

    def make(self, X, index, rng):
        donors = self.draw(len(index), rng)
        return exchange(X, index, donors, rng.random((len(index), X.shape[1])) < self.prob)

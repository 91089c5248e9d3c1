"""Augmenters that make new numbers. Whole numbers may be codes, and are never invented."""

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import numpy as np

from .._sklearn_private import Interval
from ._augmenter import Augmenter
from ._columns import exchange, fractional_columns, numbers, take, write

__all__ = ["GaussianJitter", "MixUp"]

_POSITIVE = [Interval(Real, 0, None, closed="neither")]


@dataclass(eq=False, repr=False)
class GaussianJitter(Augmenter):
    r"""Add normal noise to numbers.

    Each new row is a copy of a random fit row with :math:`\mathcal{N}(0, (s\,\sigma_j)^2)` added to
    entry j, where :math:`\sigma_j` is the column's standard deviation in the fit rows, and kept
    within the column's range there. Columns of whole numbers, whatever their dtype, and categories
    stay as they are, and so do missing values.

    Parameters
    ----------
    scale : float, default=0.1
        s > 0, in units of a column's standard deviation.
    n_new, refresh, weight
        As in :class:`Augmenter`.

    Examples
    --------
    >>> import numpy as np
    >>> from skkd.augmenters import GaussianJitter
    >>> X = np.array([[0.5, 1.0], [1.5, 2.0]])
    >>> GaussianJitter(scale=0.1).fit(X).sample(2, np.random.default_rng(3)).round(2)
    array([[1.37, 2.  ],
           [0.52, 1.  ]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **Augmenter._parameter_constraints,
        "scale": _POSITIVE,
    }

    scale: float = 0.1

    def learn(self, X) -> None:
        self._ranges = {}
        for column in fractional_columns(X):
            values = numbers(X, column)
            values = values[np.isfinite(values)]
            self._ranges[column] = (values.std(), values.min(), values.max())
        if not self._ranges:
            raise ValueError(
                "GaussianJitter finds no column to change: all of X are categories or whole "
                "numbers. Use NeighborSwap."
            )

    def make(self, X, index, rng):
        new = take(X, index)
        for column, (spread, low, high) in self._ranges.items():
            values = numbers(new, column)
            finite = np.isfinite(values)
            noise = rng.normal(scale=self.scale * spread, size=len(index))
            write(new, column, finite, np.clip(values + noise, low, high)[finite])
        return new


@dataclass(eq=False, repr=False)
class MixUp(Augmenter):
    r"""Average the numbers of two random rows.

    Each new row is :math:`\mu x + (1 - \mu) x'` of two random fit rows, with one
    :math:`\mu \sim \mathrm{Beta}(\alpha, \alpha)` a row [1]_. What can't be averaged is taken from
    the first of the two with probability :math:`\mu`, and else from the second: categories, entries
    of which one is missing, and columns of whole numbers, whatever their dtype, which may be codes.

    Parameters
    ----------
    alpha : float, default=1.0
        :math:`\alpha` > 0. Small values stay near one of the two rows; 1 is uniform between them.
    n_new, refresh, weight
        As in :class:`Augmenter`.

    Notes
    -----
    NOTE: the paper mixes labels as well. Here the teacher labels the mixed row.

    References
    ----------
    .. [1] Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skkd.augmenters import MixUp
    >>> X = np.array([[0.5, 1.0], [1.5, 2.0]])
    >>> MixUp().fit(X).sample(2, np.random.default_rng(3)).round(2)
    array([[0.68, 2.  ],
           [0.5 , 1.  ]])
    """

    _parameter_constraints: ClassVar[dict] = {
        **Augmenter._parameter_constraints,
        "alpha": _POSITIVE,
    }

    alpha: float = 1.0

    def learn(self, X) -> None:
        self._fractional = fractional_columns(X)

    def make(self, X, index, rng):
        others = self.draw(len(index), rng)
        share = rng.beta(self.alpha, self.alpha, size=len(index))
        new = exchange(X, index, others, rng.random((len(index), X.shape[1])) >= share[:, None])
        own, other = take(X, index), take(X, others)
        for column in self._fractional:
            a, b = numbers(own, column), numbers(other, column)
            both = np.isfinite(a) & np.isfinite(b)
            a, b, mu = a[both], b[both], share[both]
            # Rounding must not leave the segment.
            mixed = np.clip(b + mu * (a - b), np.minimum(a, b), np.maximum(a, b))
            write(new, column, both, mixed)
        return new

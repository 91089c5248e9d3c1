"""Augmenters that make new numbers, but leave whole numbers alone, because they may be codes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ._augmenter import POSITIVE, Augmenter
from ._columns import copy_rows, exchange, fractional_columns, numbers, overwrite

__all__ = ["GaussianJitter", "MixUp"]


@dataclass(eq=False, repr=False)
class GaussianJitter(Augmenter):
    r"""Add normal noise to numbers.

    Each synthetic row is a copy of a random training row with
    :math:`\mathcal{N}(0, (s\,\sigma_j)^2)` added to entry j, where :math:`\sigma_j` is the column's
    standard deviation. Results are clipped to the column's range. Columns of whole numbers,
    categories and missing values stay as they are.

    Parameters
    ----------
    scale : float, default=0.1
        s > 0, in units of a column's standard deviation.
    n_new, refresh, loss_weight
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Augmenter._parameter_constraints,
        "scale": [POSITIVE],
    }

    scale: float = 0.1

    def learn(self, X: Any) -> None:
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

    def make(self, X: Any, index: np.ndarray, rng: np.random.Generator) -> Any:
        new = copy_rows(X, index)
        for column, (spread, low, high) in self._ranges.items():
            values = numbers(new, column)
            finite = np.isfinite(values)
            noise = rng.normal(scale=self.scale * spread, size=len(index))
            overwrite(new, column, finite, np.clip(values + noise, low, high)[finite])
        return new


@dataclass(eq=False, repr=False)
class MixUp(Augmenter):
    r"""Average the numbers of two random rows.

    Each synthetic row is :math:`\mu x + (1 - \mu) x'` of two random training rows, with one
    :math:`\mu \sim \mathrm{Beta}(\alpha, \alpha)` per row [1]_. Categories, whole numbers and pairs
    with a missing value are not averaged. They come from the first row with probability
    :math:`\mu`, and otherwise from the second.

    Parameters
    ----------
    alpha : float, default=1.0
        :math:`\alpha` > 0. Small values stay near one of the two rows; 1 is uniform between them.
    n_new, refresh, loss_weight
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Augmenter._parameter_constraints,
        "alpha": [POSITIVE],
    }

    alpha: float = 1.0

    def learn(self, X: Any) -> None:
        self._fractional = fractional_columns(X)

    def make(self, X: Any, index: np.ndarray, rng: np.random.Generator) -> Any:
        others = self.draw(len(index), rng)
        share = rng.beta(self.alpha, self.alpha, size=len(index))
        new = exchange(X, index, others, rng.random((len(index), X.shape[1])) >= share[:, None])
        own, other = copy_rows(X, index), copy_rows(X, others)
        for column in self._fractional:
            a, b = numbers(own, column), numbers(other, column)
            both = np.isfinite(a) & np.isfinite(b)
            a, b, mu = a[both], b[both], share[both]
            # Rounding must not leave the segment.
            mixed = np.clip(b + mu * (a - b), np.minimum(a, b), np.maximum(a, b))
            overwrite(new, column, both, mixed)
        return new

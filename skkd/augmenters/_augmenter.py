"""The base of all augmenters, and augmenters by name."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._estimator import BaseEstimator
from .._input import is_frame
from .._sklearn_private import Interval
from ._columns import described

__all__ = ["AUGMENTERS", "Augmenter", "make_augmenter"]

POSITIVE = Interval(Real, 0, None, closed="neither")


@dataclass(eq=False, repr=False, kw_only=True)
class Augmenter(BaseEstimator):
    """Base of all augmenters: make synthetic rows from the training rows.

    A subclass writes :meth:`make`, and :meth:`learn` if it needs to know more than the rows.

    Parameters
    ----------
    n_new : float, default=1.0
        Synthetic rows per training row, in every epoch and on top of every batch. Positive.
    refresh : int, default=10
        Epochs after which all synthetic rows are replaced. The teacher labels about
        ``n_new * n_rows * n_epochs / refresh`` rows in total.
    loss_weight : float, default=1.0
        Weight of the mean loss of the synthetic rows, relative to that of the training rows.
        Positive.

    Examples
    --------
    An augmenter of your own:

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from skkd.augmenters import Augmenter
    >>> @dataclass(eq=False, repr=False)
    ... class Blackout(Augmenter):
    ...     prob: float = 0.1
    ...
    ...     def make(self, X, index, rng):
    ...         rows = X[index]
    ...         rows[rng.random(rows.shape) < self.prob] = 0
    ...         return rows
    >>> X = np.arange(1.0, 7).reshape(3, 2)
    >>> Blackout(prob=0.5).fit(X).sample(2, np.random.default_rng(3))
    array([[0., 6.],
           [1., 0.]])
    """

    #: The input: "tables" (two-dimensional) or "images" (four-dimensional).
    takes: ClassVar[Literal["tables", "images"]] = "tables"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_new": [POSITIVE],
        "refresh": [Interval(Integral, 1, None, closed="left")],
        "loss_weight": [POSITIVE],
    }

    n_new: float = 1.0
    refresh: int = 10
    loss_weight: float = 1.0

    # What an augmenter writes itself

    def learn(self, X: Any) -> None:
        """Learn what :meth:`make` needs from the training rows; here nothing.

        Parameters
        ----------
        X : array or frame of shape (n_train_rows, ...)
        """

    def make(self, X: Any, index: np.ndarray, rng: np.random.Generator) -> Any:
        """Make one synthetic row from each of the given rows.

        Parameters
        ----------
        X : array or frame of shape (n_train_rows, ...)
            The training rows. Don't change them.
        index : int ndarray of shape (n_rows,)
            The training rows that the synthetic rows start from.
        rng : numpy.random.Generator
            The only source of randomness.

        Returns
        -------
        X_new : array or frame of shape (n_rows, ...)
            Of the same type as X, with the same columns and dtypes.
        """
        raise NotImplementedError

    # What others call

    def fit(self, X: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from the training rows, which are not copied.

        Parameters
        ----------
        X : array or frame of shape (n_rows, n_columns), or of shape (n_rows, c, h, w)
            A table, or images.
        sample_weight : array of shape (n_rows,), default=None
            Rows are drawn in proportion to their weights. Equal weights are the same as None.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For a sparse matrix, for images where tables are expected, and the other way round.
        """
        self.validate()
        X = self.check_rows(X)
        self._cumulated_share = cumulated_share(sample_weight)
        self._fit_X = X
        self.learn(X)
        return self

    def sample(self, n_rows: int, rng: np.random.Generator) -> Any:
        """Make synthetic rows. Memory grows with ``n_rows``: call several times for many.

        Parameters
        ----------
        n_rows : int
        rng : numpy.random.Generator
            The same state gives the same rows.

        Returns
        -------
        X_new : array or frame of shape (n_rows, ...)
            Of the same type as the training rows, with the same columns and dtypes.

        Raises
        ------
        ValueError
            If :meth:`make` returned something else.
        """
        check_is_fitted(self, "_fit_X")
        X_new = self.make(self._fit_X, self.draw(n_rows, rng), rng)
        self._check_new(X_new, n_rows)
        return X_new

    def draw(self, n_rows: int, rng: np.random.Generator) -> np.ndarray:
        """Draw random training rows, in proportion to their weights.

        Parameters
        ----------
        n_rows : int
        rng : numpy.random.Generator

        Returns
        -------
        index : int ndarray of shape (n_rows,)
        """
        if self._cumulated_share is None:
            return rng.integers(self._fit_X.shape[0], size=n_rows)
        return np.searchsorted(self._cumulated_share, rng.random(n_rows), side="right")

    def validate(self) -> None:
        """Check the parameters; raise a ValueError that names the wrong one."""
        self._validate_params()

    def check_rows(self, X: Any) -> Any:
        """Check that the augmenter can use these rows, before any work.

        Parameters
        ----------
        X : array, frame or sparse matrix

        Returns
        -------
        X : array or frame
        """
        name = type(self).__name__
        if sparse.issparse(X):
            raise ValueError(
                f"{name} makes no sparse rows. Give a dense X, X.toarray(), or use augmenter=None."
            )
        X = X if is_frame(X) else np.asarray(X)
        n_dims = X.ndim if isinstance(X, np.ndarray) else 2
        if self.takes == "images" and n_dims != 4:
            raise ValueError(
                f"{name} is for images, arrays of shape (n_rows, c, h, w); X has shape {X.shape}. "
                "Use NeighborSwap for tables, or reshape flat images."
            )
        if self.takes == "tables" and n_dims != 2:
            raise ValueError(
                f"{name} is for tables of shape (n_rows, n_columns); X has shape {X.shape}. "
                "Use ShiftFlipCrop for images."
            )
        if X.shape[0] == 0 or X.shape[1] == 0:
            raise ValueError(f"{name} needs at least one row and column; X has shape {X.shape}.")
        return X

    def _check_new(self, X_new: Any, n_rows: int) -> None:
        """Raise a ValueError unless synthetic rows look like the training rows."""
        X, name = self._fit_X, type(self).__name__
        if not isinstance(X_new, type(X) if is_frame(X) else np.ndarray):
            raise ValueError(f"{name} made {_type_name(X_new)} from {_type_name(X)}.")
        if X_new.shape != (n_rows, *X.shape[1:]):
            raise ValueError(
                f"{name} made rows of shape {X_new.shape}; expected {(n_rows, *X.shape[1:])}."
            )
        for new, old in zip(described(X_new), described(X), strict=True):
            if new != old:
                raise ValueError(f"{name} made {new}; expected {old}.")


def cumulated_share(sample_weight: ArrayLike | None) -> np.ndarray | None:
    """Cumulated shares of the weights, ending at 1; None if all weights are equal."""
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=np.float64)
    if (weight == weight[0]).all():
        return None
    cumulated: np.ndarray = np.cumsum(weight)
    return np.divide(cumulated, cumulated[-1])


def _type_name(X: object) -> str:
    return f"{type(X).__module__.partition('.')[0]}.{type(X).__name__}"


#: Augmenters by name; filled by ``skkd.augmenters``.
AUGMENTERS: dict[str, type[Augmenter]] = {}


def make_augmenter(augmenter: str | Augmenter) -> Augmenter:
    """Make a fresh, checked augmenter from a name or an instance.

    Parameters
    ----------
    augmenter : str or Augmenter
        A name in :data:`AUGMENTERS`, or an instance, which is copied without what it learned.

    Returns
    -------
    augmenter : Augmenter

    Raises
    ------
    ValueError
        If the name is unknown or a parameter is wrong.
    TypeError
        If it is neither a name nor an Augmenter.

    Examples
    --------
    >>> from skkd.augmenters import make_augmenter
    >>> make_augmenter("neighbor_swap")
    NeighborSwap()
    """
    if isinstance(augmenter, str):
        if augmenter not in AUGMENTERS:
            raise ValueError(
                f"augmenter={augmenter!r} is not known; choose 'auto' or one of "
                f"{', '.join(map(repr, AUGMENTERS))}, or give an instance of "
                "skkd.augmenters.Augmenter."
            )
        return AUGMENTERS[augmenter]()
    if not isinstance(augmenter, Augmenter):
        raise TypeError(
            "augmenter must be None, a name or an instance of skkd.augmenters.Augmenter; got "
            f"{augmenter!r}."
        )
    fresh: Augmenter = clone(augmenter)
    fresh.validate()
    return fresh

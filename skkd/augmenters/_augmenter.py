"""What every augmenter shares: the rows it learned from, and how it draws from them."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._input.tables import is_frame
from .._sklearn_private import Interval
from ._columns import described

__all__ = ["Augmenter"]


@dataclass(eq=False, repr=False, kw_only=True)
class Augmenter(BaseEstimator):
    """Base of all augmenters: makes new rows for the teacher to label, from the fit rows alone.

    A subclass writes :meth:`make`, and :meth:`learn` where it must know more than the rows.

    Parameters
    ----------
    n_new : float, default=1.0
        New rows for each fit row, in every epoch and in every batch. Positive. They come on top of
        the student's ``batch_size``; where large batches train worse, make that smaller.
    refresh : int, default=10
        Epochs after which new rows take the place of the last ones. Each of them costs the teacher
        an answer: about ``n_new * n_rows * n_epochs / refresh`` in all.
    weight : float, default=1.0
        How much the loss of all new rows together counts against that of all fit rows. Positive.

    Examples
    --------
    An augmenter of one's own:

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

    #: What the augmenter takes: "tables" (two-dimensional) or "images" (four-dimensional).
    takes: ClassVar[str] = "tables"

    _parameter_constraints: ClassVar[dict] = {
        "n_new": [Interval(Real, 0, None, closed="neither")],
        "refresh": [Interval(Integral, 1, None, closed="left")],
        "weight": [Interval(Real, 0, None, closed="neither")],
    }

    n_new: float = 1.0
    refresh: int = 10
    weight: float = 1.0

    # What an augmenter writes itself

    def learn(self, X) -> None:
        """Learn what :meth:`make` will need of the fit rows; here nothing.

        Parameters
        ----------
        X : array or frame of shape (n_fit_rows, ...)
        """

    def make(self, X, index: np.ndarray, rng: np.random.Generator):
        """Make one new row from each of the given ones.

        Parameters
        ----------
        X : array or frame of shape (n_fit_rows, ...)
            The fit rows, not to be changed.
        index : int ndarray of shape (n_rows,)
            Which of them the new rows start from.
        rng : numpy.random.Generator
            The only source of randomness.

        Returns
        -------
        X_new : array or frame of shape (n_rows, ...)
            Of the same kind as X, with the same columns and dtypes.
        """
        raise NotImplementedError

    # What others call

    def fit(self, X, sample_weight=None):
        """Learn from rows. They are kept as they are, not copied.

        Parameters
        ----------
        X : array or frame of shape (n_rows, n_columns), or array (n_rows, c, h, w) of images
        sample_weight : array of shape (n_rows,), default=None
            A row is drawn in proportion to its weight.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For a sparse matrix, for images where tables are meant, and the other way round.
        """
        self.validate()
        X = self.check_rows(X)
        self._cumulated_weight = None
        if sample_weight is not None:
            self._cumulated_weight = np.cumsum(np.asarray(sample_weight, dtype=np.float64))
        self._fit_X = X
        self.learn(X)
        return self

    def sample(self, n_rows: int, rng: np.random.Generator):
        """Draw new rows.

        The memory needed is in proportion to ``n_rows``: ask for many in several calls.

        Parameters
        ----------
        n_rows : int
        rng : numpy.random.Generator
            The same state gives the same rows.

        Returns
        -------
        X_new : array or frame of shape (n_rows, ...)
            Of the same kind as the fit rows, with the same columns and dtypes.

        Raises
        ------
        ValueError
            Where :meth:`make` gave something else.
        """
        check_is_fitted(self, "_fit_X")
        X_new = self.make(self._fit_X, self.draw(n_rows, rng), rng)
        self._check_new(X_new, n_rows)
        return X_new

    def draw(self, n_rows: int, rng: np.random.Generator) -> np.ndarray:
        """Numbers of random fit rows, in proportion to their weights.

        Parameters
        ----------
        n_rows : int
        rng : numpy.random.Generator

        Returns
        -------
        index : int ndarray of shape (n_rows,)
        """
        if self._cumulated_weight is None:
            return rng.integers(self._fit_X.shape[0], size=n_rows)
        levels = rng.random(n_rows) * self._cumulated_weight[-1]
        return np.searchsorted(self._cumulated_weight, levels, side="right")

    def validate(self) -> None:
        """Check the parameters; raise a ValueError that names the wrong one."""
        self._validate_params()

    def check_rows(self, X):
        """Check that rows can be learned from, before any work.

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

    def _check_new(self, X_new, n_rows: int) -> None:
        """Raise a ValueError unless new rows look like the fit rows."""
        X, name = self._fit_X, type(self).__name__
        if not isinstance(X_new, type(X) if is_frame(X) else np.ndarray):
            raise ValueError(f"{name} made {_kind(X_new)} from {_kind(X)}.")
        if X_new.shape != (n_rows, *X.shape[1:]):
            raise ValueError(
                f"{name} made rows of shape {X_new.shape}; expected {(n_rows, *X.shape[1:])}."
            )
        for new, old in zip(described(X_new), described(X), strict=True):
            if new != old:
                raise ValueError(f"{name} made {new}; expected {old}.")


def _kind(X) -> str:
    return f"{type(X).__module__.partition('.')[0]}.{type(X).__name__}"

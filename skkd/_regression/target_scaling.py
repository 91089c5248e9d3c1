"""Between y in the user's unit and the outputs of the student's net."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

# The least that a logarithm is taken of, as a share of the mean of y.
_LEAST = 1e-6

# Sizes of y that float32 holds with all likely predictions, and the farthest mean in deviations.
_MOST_OF_SINGLE, _FAR = 1e30, 1e4


@dataclass(frozen=True)
class TargetScaling:
    r"""How y is standardized, such that all outputs of a net are of the size of one.

    Attributes
    ----------
    mean, scale : ndarray of shape (n_outputs,)
        Mean and standard deviation of y. With the link "log", 0 and the mean of y.
    link : {"identity", "log"}
        "identity": an output f stands for :math:`mean + scale\, f`; "log": for
        :math:`scale\, e^f`.
    is_flat : bool
        Whether y had one dimension.

    Examples
    --------
    >>> import numpy as np
    >>> from skkd._regression import TargetScaling
    >>> scaling = TargetScaling(np.array([10.0]), np.array([2.0]), "identity", is_flat=True)
    >>> scaling.values(np.array([[0.5], [-1.0]]))
    array([11.,  8.])
    """

    mean: np.ndarray
    scale: np.ndarray
    link: Literal["identity", "log"]
    is_flat: bool

    @classmethod
    def of(cls, y: np.ndarray, weight: np.ndarray | None, link, *, is_flat: bool):
        """Return the scaling of y, of shape (n_rows, n_outputs)."""
        mean = np.average(y, axis=0, weights=weight)
        if link == "log":
            return cls(np.zeros_like(mean), mean, link, is_flat)
        scale = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
        scale[scale <= 10 * np.finfo(scale.dtype).eps * np.abs(mean)] = 1.0
        return cls(mean, scale, link, is_flat)

    def standardized(self, y: np.ndarray) -> np.ndarray:
        """Return y, of shape (n_rows, n_outputs), as the losses take it."""
        return (y - self.mean) / self.scale

    def outputs(self, y: np.ndarray) -> np.ndarray:
        """Return the outputs of a net that predicts y, of shape (n_rows, n_outputs)."""
        y = self.standardized(y)
        return np.log(np.maximum(y, _LEAST)) if self.link == "log" else y

    def positive(self, y: np.ndarray) -> np.ndarray:
        """Return y, at least a millionth of its mean where outputs are logarithms."""
        return np.maximum(y, _LEAST * self.scale) if self.link == "log" else y

    def dtype_for(self, dtype: np.dtype) -> np.dtype:
        """Return the dtype of predictions for outputs of a dtype: float64 where float32 is short.

        That is for y too large for float32, or so far from 0 that its differences would be lost.
        """
        size = np.abs(self.mean) + self.scale
        fits = (size < _MOST_OF_SINGLE) & (np.abs(self.mean) <= _FAR * self.scale)
        return np.dtype(dtype) if fits.all() else np.dtype(np.float64)

    def values(self, outputs: np.ndarray) -> np.ndarray:
        """Return what outputs stand for, of shape (n_rows, n_outputs), or (n_rows,) for flat y."""
        exact = outputs.astype(np.float64)
        values = self.scale * (np.exp(exact) if self.link == "log" else exact) + self.mean
        values = values.astype(self.dtype_for(outputs.dtype), copy=False)
        return values[:, 0] if self.is_flat else values

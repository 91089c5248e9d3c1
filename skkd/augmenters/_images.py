"""Augmenters for images."""

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np

from .._sklearn_private import Interval
from ._augmenter import Augmenter

__all__ = ["ShiftFlipCrop"]


@dataclass(eq=False, repr=False)
class ShiftFlipCrop(Augmenter):
    """Shift, zoom and flip images.

    Each synthetic image is cut from a random training image and stretched to its size. Pixels are
    copied, never averaged, so any dtype stays as it is. Beyond the edge, the edge is repeated.

    Parameters
    ----------
    shift : float, default=0.1
        Largest shift in each direction. A share of height or width, in [0, 1).
    crop : float, default=0.1
        Largest share that is cut off, in [0, 1). The same for height and width.
    flip : bool, default=False
        Flip half of the images left to right. A flipped digit, letter or sign may change its
        class.
    n_new, refresh, loss_weight
        As in :class:`Augmenter`.

    Examples
    --------
    >>> import numpy as np
    >>> from skkd.augmenters import ShiftFlipCrop
    >>> X = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    >>> ShiftFlipCrop(shift=0.25, crop=0.0).fit(X).sample(1, np.random.default_rng(0))[0, 0]
    array([[ 0,  0,  1,  2],
           [ 4,  4,  5,  6],
           [ 8,  8,  9, 10],
           [12, 12, 13, 14]], dtype=uint8)
    """

    takes: ClassVar[Literal["tables", "images"]] = "images"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Augmenter._parameter_constraints,
        "shift": [Interval(Real, 0, 1, closed="left")],
        "crop": [Interval(Real, 0, 1, closed="left")],
        "flip": ["boolean"],
    }

    shift: float = 0.1
    crop: float = 0.1
    flip: bool = False

    def make(self, X: Any, index: np.ndarray, rng: np.random.Generator) -> Any:
        zoom = 1 - rng.uniform(0, self.crop, size=len(index))
        y = self._pixels(X.shape[2], zoom, rng)
        x = self._pixels(X.shape[3], zoom, rng)
        if self.flip:
            flipped = rng.random(len(index)) < 0.5
            x[flipped] = x[flipped, ::-1]
        # numpy puts the dimensions of separated indices in front: (n_rows, h, w, c).
        new = X[index[:, None, None], :, y[:, :, None], x[:, None, :]]
        return np.ascontiguousarray(np.moveaxis(new, 3, 1))

    def _pixels(self, size: int, zoom: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Find the old pixel of each new pixel, along one side."""
        center = (size - 1) / 2
        shift = rng.uniform(-self.shift, self.shift, size=len(zoom)) * size
        places = center + shift[:, None] + zoom[:, None] * (np.arange(size) - center)
        return np.rint(places).clip(0, size - 1).astype(np.intp)

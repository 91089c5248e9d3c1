"""Take a torch Dataset as X: an image is read when it is needed.

The teacher is asked about each image once, as it is read then.
"""

from collections.abc import Callable

import numpy as np
import torch
from skorch.helper import SliceDataset
from torch.utils.data import Dataset, Subset

from .._random import PrivateTorchState
from .containers import LARGE, LazyRows


class DatasetRows(LazyRows):
    """Present the images of a dataset as an array that reads what is indexed.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset or skorch.helper.SliceDataset
        Its items are images, or tuples that begin with one. All images have one shape.
    dtype : numpy dtype or None
        The dtype of the rows. None: that of the first image.
    """

    def __init__(self, dataset, dtype=None):
        if len(dataset) == 0:
            raise ValueError("Found a dataset with 0 images; a minimum of 1 is required.")
        self.dataset = dataset
        # What a dataset changes at random must neither depend on the global state nor move it.
        self.torch_state = PrivateTorchState(0)
        [first] = self._read([0], _image)
        self.shape = (len(dataset), *first.shape)
        self.dtype = np.dtype(first.dtype if dtype is None else dtype)

    def __getitem__(self, rows) -> np.ndarray:
        images = np.stack(self._read(np.arange(len(self))[rows], _image))
        if not np.isfinite(images.sum()) and not np.isfinite(images).all():
            raise ValueError("Images of the dataset contain NaN or infinity.")
        return images.astype(self.dtype, copy=False)

    def take(self, index: np.ndarray) -> "DatasetRows":
        """Return some of these rows."""
        return DatasetRows(Subset(self.dataset, index.tolist()), self.dtype)

    def labels(self) -> np.ndarray:
        """Return the labels of a dataset of pairs, for which all of it is read."""
        return np.array(self._read(range(len(self)), _label))

    def _read(self, rows, part: Callable) -> list[np.ndarray]:
        with self.torch_state.active():
            return [part(self.dataset[int(i)]) for i in rows]

    @property
    def nbytes(self) -> int:
        """Return a large number: a copy would freeze what the dataset changes at random."""
        return max(super().nbytes, LARGE)


class NumberedImages(Dataset):
    """Give pairs of an image and its row number to a DataLoader.

    Parameters
    ----------
    rows : DatasetRows
    """

    def __init__(self, rows: DatasetRows):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
        image = _image(self.rows.dataset[i])
        return image.astype(self.rows.dtype, copy=False), i


def as_rows(X):
    """Return X itself, or the rows of a torch Dataset.

    Raises
    ------
    TypeError
        If the dataset has no length, or gives no arrays or tensors.
    """
    if not isinstance(X, (Dataset, SliceDataset)):
        return X
    if not hasattr(X, "__len__"):
        raise TypeError(
            f"The dataset {type(X).__name__} has no length. Give one that has, or its rows in "
            "chunks to partial_fit."
        )
    return DatasetRows(X)


def _image(item) -> np.ndarray:
    image = item[0] if isinstance(item, (tuple, list)) else item
    if isinstance(image, torch.Tensor):
        image = image.numpy()
    if not isinstance(image, np.ndarray) or image.dtype.kind not in "biuf":
        raise TypeError(
            f"The dataset gives {type(image).__name__}; its images must be arrays or tensors of "
            "numbers, as torchvision.transforms.ToTensor makes them."
        )
    return image


def _label(item) -> np.ndarray:
    if not isinstance(item, (tuple, list)) or len(item) < 2:
        raise ValueError(
            "y is None, and the items of the dataset are no pairs of an image and a label. Give y."
        )
    return np.asarray(item[1])

"""Make batches of rows by one index operation each, without a loop over rows."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import sparse
from skorch.dataset import Dataset
from skorch.utils import to_device
from torch import Tensor
from torch.utils.data import DataLoader

from .._input import LARGE, DatasetRows, NumberedImages, as_tensor
from .._random import PrivateTorchState
from .windows import windows

# What a DataLoader may be told such that a batch stays some rows of X.
_PLAIN_OPTIONS = {"batch_size", "shuffle", "drop_last", "num_workers", "pin_memory"}


class RowBatches:
    """Shuffle an array or CSR matrix into batches of sizes as equal as can be.

    Equal sizes spare a last batch of a single row, whose step would count as much as any other.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_rows, ...)
        Dense rows move to the device once, large ones window by window; sparse ones become dense
        batch by batch.
    """

    def __init__(self, X, *, batch_size: int, shuffle: bool, drop_last: bool, device, seed: int):
        self.is_large = getattr(X, "nbytes", 0) >= LARGE
        self.X = X if sparse.issparse(X) or self.is_large else as_tensor(X, device)
        self.n_rows = X.shape[0]
        self.n_batches = max(
            self.n_rows // batch_size if drop_last else -(-self.n_rows // batch_size), 1
        )
        self.n_used = min(self.n_batches * batch_size, self.n_rows)
        self.shuffle = shuffle
        self.device = device
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | slice]]:
        if self.n_batches == 1 and self.n_used == self.n_rows:
            # In the order given: then a sum over rows rounds the same way in every epoch.
            yield as_tensor(self.X, self.device), slice(None)
            return
        if self.is_large:
            yield from self._in_windows()
            return
        if self.shuffle:
            order = torch.randperm(self.n_rows, generator=self.generator)[: self.n_used]
        else:
            order = torch.arange(self.n_used)
        for rows in order.to(self.device).tensor_split(self.n_batches):
            if isinstance(self.X, Tensor):
                yield self.X.index_select(0, rows), rows
            else:
                yield as_tensor(self.X[rows.cpu().numpy()], self.device), rows

    def endless(self) -> Iterator[tuple[Tensor, Tensor | slice]]:
        """Yield one epoch after the other."""
        while True:
            yield from self

    def _in_windows(self) -> Iterator[tuple[Tensor, Tensor]]:
        n_larger = self.n_used % self.n_batches
        sizes = [self.n_used // self.n_batches + (i < n_larger) for i in range(self.n_batches)]
        generator = self.generator if self.shuffle else None
        for part, part_numbers, of_batches in windows(self.X, sizes, generator):
            X, numbers = as_tensor(part, self.device), as_tensor(part_numbers, self.device)
            order = torch.arange(len(X))
            if self.shuffle:
                order = torch.randperm(len(X), generator=self.generator)
            for rows in order.to(self.device).split(of_batches):
                yield X.index_select(0, rows), numbers.index_select(0, rows)


class LoaderBatches:
    """Take the batches of a loader whose labels are row numbers."""

    def __init__(self, loader, device, torch_state: PrivateTorchState):
        self.loader, self.device, self.torch_state = loader, device, torch_state

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self):
        with self.torch_state.active():
            batches = iter(self.loader)
        while True:
            with self.torch_state.active():
                batch = next(batches, None)
            if batch is None:
                return
            X, rows = to_device(batch, self.device)
            yield X, torch.as_tensor(rows, dtype=torch.int64, device=self.device)


def are_plain(net) -> bool:
    """Whether the net's batches are rows of X as they are."""
    return (
        net.dataset is Dataset
        and net.iterator_train is DataLoader
        and set(net.get_params_for("iterator_train")) <= _PLAIN_OPTIONS
    )


def batch_size_of(net, n_rows: int) -> int:
    """Return the rows of a batch: all of them where skorch's -1 says so."""
    size = net.get_params_for("iterator_train").get("batch_size", net.batch_size)
    return n_rows if size == -1 else size


def make_batches(net, X, *, seed: int, torch_state: PrivateTorchState):
    """Return batches as the net's parameters ask for; shuffled unless told not to."""
    rows = np.arange(X.shape[0])
    dataset = NumberedImages(X) if isinstance(X, DatasetRows) else None
    if not are_plain(net):
        dataset = net.get_dataset(X, rows) if dataset is None else dataset
        loader = net.get_iterator(dataset, training=True)
        return LoaderBatches(loader, net.device, torch_state)
    options = net.get_params_for("iterator_train")
    options.pop("batch_size", None)
    batches = RowBatches(
        X if dataset is None else rows,
        batch_size=batch_size_of(net, X.shape[0]),
        shuffle=options.pop("shuffle", True),
        drop_last=options.pop("drop_last", False),
        device=net.device if dataset is None else "cpu",
        seed=seed,
    )
    if dataset is None:
        return batches
    loader = DataLoader(dataset, batch_sampler=_Numbers(batches), **options)
    return LoaderBatches(loader, net.device, torch_state)


class _Numbers:
    """Yield batches of row numbers as lists, which a DataLoader takes."""

    def __init__(self, batches: RowBatches):
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return (numbers.tolist() for numbers, _ in self.batches)

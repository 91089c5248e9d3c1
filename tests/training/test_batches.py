import gc
import warnings
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from skorch import NeuralNetClassifier
from skorch.dataset import Dataset
from torch import nn
from torch.utils.data import DataLoader, SequentialSampler, WeightedRandomSampler

from skkd._random import PrivateTorchState
from skkd._training.batches import LoaderBatches, RowBatches, as_tensor, make_batches


class PlusOneDataset(Dataset):
    """A dataset that changes its rows."""

    def transform(self, X, y):
        return super().transform(X + 1, y)


def numbered_rows(n_rows, n_features=2):
    """Rows which say their number in every entry."""
    return np.repeat(np.arange(n_rows, dtype=np.float32)[:, None], n_features, axis=1)


def row_batches(X, batch_size=4, *, shuffle=True, drop_last=False, seed=0):
    return RowBatches(
        X, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, device="cpu", seed=seed
    )


def made_for(X, *, batch_size=4, seed=0, **params):
    net = NeuralNetClassifier(nn.Linear(2, 2), batch_size=batch_size, train_split=None, **params)
    return make_batches(net.initialize(), X, seed=seed, torch_state=PrivateTorchState(seed))


def rows_of(batches):
    """Row numbers of an epoch in order, checked against the rows that came with them."""
    numbers = []
    for X, rows in batches:
        if isinstance(rows, slice):
            rows = torch.arange(batches.n_rows)[rows]
        assert torch.equal(X[:, 0].long(), rows)
        numbers.extend(rows.tolist())
    return numbers


@given(st.integers(1, 50), st.integers(1, 60), st.booleans())
def test_every_row_comes_once_in_batches_of_near_equal_size(n_rows, batch_size, shuffle):
    batches = row_batches(numbered_rows(n_rows), batch_size, shuffle=shuffle)
    assert sorted(rows_of(batches)) == list(range(n_rows))
    sizes = [len(X) for X, _ in batches]
    assert len(sizes) == len(batches) == -(-n_rows // batch_size)
    assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1


@given(st.integers(1, 50), st.integers(1, 60))
def test_drop_last_gives_full_batches_only(n_rows, batch_size):
    batches = row_batches(numbered_rows(n_rows), batch_size, drop_last=True)
    numbers = rows_of(batches)
    assert len(set(numbers)) == len(numbers)
    assert [len(X) for X, _ in batches] == [min(batch_size, n_rows)] * max(n_rows // batch_size, 1)


def test_full_batch_keeps_the_order():
    assert rows_of(row_batches(numbered_rows(9), batch_size=9)) == list(range(9))


def test_unshuffled_batches_keep_the_order():
    assert rows_of(row_batches(numbered_rows(9), shuffle=False)) == list(range(9))


def test_order_changes_by_epoch_and_by_seed_alone():
    before = torch.get_rng_state()
    batches = row_batches(numbered_rows(30))
    epochs = [rows_of(batches), rows_of(batches)]
    again = row_batches(numbered_rows(30))
    assert [rows_of(again), rows_of(again)] == epochs
    assert epochs[0] != epochs[1]
    assert rows_of(row_batches(numbered_rows(30), seed=1)) != epochs[0]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("batch_size", [4, 9])
def test_sparse_rows_become_dense(batch_size):
    X = sparse.csr_array(numbered_rows(9))
    batches = row_batches(X, batch_size)
    assert sorted(rows_of(batches)) == list(range(9))
    assert all(type(X) is torch.Tensor and X.dtype == torch.float32 for X, _ in batches)


def test_rows_of_any_shape():
    X = numbered_rows(6, n_features=8).reshape(6, 2, 2, 2)
    for rows, numbers in row_batches(X):
        assert rows.shape[1:] == (2, 2, 2)
        assert torch.equal(rows[:, 1, 1, 1].long(), numbers)


@pytest.fixture
def memmap(tmp_path):
    np.save(tmp_path / "X.npy", numbered_rows(9))
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def test_read_only_memory_is_shared_without_a_warning(memmap):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = as_tensor(memmap)
        batches = row_batches(memmap)
    assert tensor.data_ptr() == batches.X.data_ptr() == memmap.ctypes.data
    assert sorted(rows_of(batches)) == list(range(9))
    assert not memmap.flags.writeable


def test_tensor_keeps_the_memory_that_it_shares_alive():
    X = numbered_rows(9)
    X.flags.writeable = False
    tensor, memory = as_tensor(X), weakref.ref(X)
    del X
    gc.collect()
    assert memory() is not None
    del tensor
    gc.collect()
    assert memory() is None


def test_writeable_memory_and_tensors_are_shared():
    X = numbered_rows(9)
    tensor = as_tensor(X)
    assert tensor.data_ptr() == X.ctypes.data
    assert as_tensor(tensor) is tensor


@pytest.mark.parametrize(
    "X",
    [
        numbered_rows(9)[::-1],
        numbered_rows(9)[::-1][:1],
        numbered_rows(9).T,
        numbered_rows(9)[::2],
    ],
)
def test_any_strides(X):
    np.testing.assert_array_equal(as_tensor(X), X)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [3, 3, 3]),
        ({"batch_size": -1}, [9]),
        ({"iterator_train__batch_size": 3}, [3, 3, 3]),
        ({"iterator_train__drop_last": True}, [4, 4]),
    ],
    ids=str,
)
def test_plain_nets_get_row_batches(params, expected):
    batches = made_for(numbered_rows(9), **params)
    assert isinstance(batches, RowBatches)
    assert [len(X) for X, _ in batches] == expected


@pytest.mark.parametrize(
    ("params", "shuffles"), [({}, True), ({"iterator_train__shuffle": False}, False)]
)
def test_plain_nets_are_shuffled_unless_told_otherwise(params, shuffles):
    order = rows_of(made_for(numbered_rows(30), **params))
    assert (order != sorted(order)) is shuffles


@pytest.mark.parametrize("batch_size", [4, 9])
@pytest.mark.parametrize(
    "params",
    [
        {"iterator_train": type("MyLoader", (DataLoader,), {}), "iterator_train__shuffle": True},
        {"iterator_train__sampler": SequentialSampler(range(9))},
    ],
    ids=["own loader", "own sampler"],
)
def test_custom_iterator_gives_row_numbers_that_match(params, batch_size):
    batches = made_for(numbered_rows(9), batch_size=batch_size, **params)
    assert isinstance(batches, LoaderBatches)
    assert len(batches) == -(-9 // batch_size) == len(list(batches))
    assert sorted(rows_of(batches)) == list(range(9))


def test_custom_dataset_may_change_rows():
    batches = made_for(numbered_rows(9), dataset=PlusOneDataset)
    assert isinstance(batches, LoaderBatches)
    for X, rows in batches:
        assert torch.equal(X[:, 0].long(), rows + 1)


def test_custom_iterator_draws_by_seed_alone():
    def order(global_seed, seed):
        sampler = WeightedRandomSampler(torch.ones(9), 50)
        batches = made_for(numbered_rows(9), seed=seed, iterator_train__sampler=sampler)
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        epochs = [rows_of(batches), rows_of(batches)]
        assert torch.equal(torch.get_rng_state(), before)
        return epochs

    assert order(1, seed=0) == order(2, seed=0) != order(1, seed=1)
    assert order(1, seed=0)[0] != order(1, seed=0)[1]

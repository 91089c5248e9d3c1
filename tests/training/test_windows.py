import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from skkd._input.containers import SomeRows
from skkd._training import windows as _windows
from skkd._training.batches import RowBatches
from skkd._training.windows import windows
from tests.helpers import patch_everywhere


def numbered_rows(n_rows, n_features=4):
    """Rows of 16 bytes which say their number in every entry."""
    return np.repeat(np.arange(n_rows, dtype=np.float32)[:, None], n_features, axis=1)


@pytest.fixture(autouse=True)
def few_rows_are_many(monkeypatch):
    """Blocks of 4 rows, windows of 32, and every X is large."""
    patch_everywhere(monkeypatch, "LARGE", 1)
    monkeypatch.setattr(_windows, "_BLOCK_BYTES", 4 * 16)
    monkeypatch.setattr(_windows, "_WINDOW_BYTES", 32 * 16)


def batches_of(X, batch_size, *, shuffle=True, drop_last=False, seed=0):
    return RowBatches(
        X, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, device="cpu", seed=seed
    )


def order_of(batches) -> list[int]:
    """Row numbers of an epoch, checked against the rows that came with them."""
    numbers = []
    for X, rows in batches:
        assert torch.equal(X[:, 0].long(), rows) and torch.equal(X[:, -1].long(), rows)
        numbers.extend(rows.tolist())
    return numbers


@given(st.integers(2, 150), st.integers(1, 40), st.booleans(), st.booleans())
def test_every_row_comes_once_in_the_batches_of_rows_in_memory(n_rows, size, shuffle, drop_last):
    assume(size < n_rows)
    X, kind = numbered_rows(n_rows), {"shuffle": shuffle, "drop_last": drop_last}
    batches = batches_of(X, size, **kind)
    order = order_of(batches)
    assert len(set(order)) == len(order) == batches.n_used
    sizes = [len(rows) for _, rows in batches]
    with pytest.MonkeyPatch.context() as patch:
        patch_everywhere(patch, "LARGE", 2**30)
        in_memory = batches_of(X, size, **kind)
        assert sizes == [len(rows) for _, rows in in_memory]
        if not shuffle:
            assert order == order_of(in_memory)


def test_order_changes_by_epoch_and_by_seed_alone():
    X, before = numbered_rows(200), torch.get_rng_state()
    batches, again = batches_of(X, 8), batches_of(X, 8)
    epochs = [order_of(batches), order_of(batches)]
    assert [order_of(again), order_of(again)] == epochs
    assert epochs[0] != epochs[1]
    assert order_of(batches_of(X, 8, seed=1)) != epochs[0]
    assert torch.equal(torch.get_rng_state(), before)


def test_any_kind_of_rows_comes_in_the_same_order(tmp_path):
    X = numbered_rows(200)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    some = SomeRows(np.repeat(X, 2, axis=0), np.arange(0, 400, 2))
    orders = [order_of(batches_of(rows, 8)) for rows in (X, mapped, some, np.asfortranarray(X))]
    assert orders[0] == orders[1] == orders[2] == orders[3]


def test_rows_that_are_sorted_are_mixed():
    """Each window of 8 blocks holds about as many rows of the first half as of the second."""
    is_late = np.array(order_of(batches_of(numbered_rows(3200), 8))) >= 1600
    shares = is_late.reshape(-1, 32).mean(axis=1)
    # The spread of 8 draws of a coin, and not of 32.
    assert abs(shares.std() - 0.5 / np.sqrt(8)) < 0.05
    # Within a window nothing of the blocks is left.
    order = np.array(order_of(batches_of(numbered_rows(3200), 8)))
    assert np.mean(np.diff(order) == 1) < 0.05


def test_reads_long_runs():
    class Watched:
        def __init__(self, X):
            self.X, self.shape, self.dtype = X, X.shape, X.dtype
            self.read = []

        def __getitem__(self, rows):
            self.read.append(rows.stop - rows.start)
            return self.X[rows]

    X = Watched(numbered_rows(320))
    for _ in windows(X, [10] * 32, torch.Generator().manual_seed(0)):
        pass
    assert sum(X.read) == 320
    # 80 blocks, of which one is cut at the end of each of the 11 windows.
    assert len(X.read) <= 80 + 11


def test_windows_hold_whole_batches_and_no_more_than_their_size():
    sizes = [10] * 20
    parts = [(len(rows), of_batches) for rows, _, of_batches in windows(X200, sizes, None)]
    assert [part for _, of_batches in parts for part in of_batches] == sizes
    assert all(n_rows == sum(of_batches) <= 32 for n_rows, of_batches in parts)


def test_a_batch_larger_than_a_window_is_a_window():
    parts = [of_batches for _, _, of_batches in windows(X200, [100, 100], None)]
    assert parts == [[100], [100]]


X200 = numbered_rows(200)

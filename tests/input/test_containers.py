import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skkd._input.containers import SomeRows, is_large, release, row_slices, take
from tests.helpers import patch_everywhere


@pytest.fixture
def X():
    return np.arange(60, dtype=np.float32).reshape(20, 3)


@pytest.fixture
def small_is_large(monkeypatch):
    patch_everywhere(monkeypatch, "LARGE", 100)  # bytes


@pytest.fixture
def mapped(X, tmp_path):
    """A function that maps a file of the rows of X in a given mode."""
    np.save(tmp_path / "X.npy", X)
    return lambda mode: np.load(tmp_path / "X.npy", mmap_mode=mode)


def resident_bytes(array) -> int:
    """How much of a mapping counts as resident, by the kernel's own account."""
    address, size = array.ctypes.data, 0
    inside = False
    with open("/proc/self/smaps") as lines:
        for line in lines:
            first = line.split()[0]
            if "-" in first and not first.endswith(":"):
                start, stop = (int(part, 16) for part in first.split("-"))
                inside = start <= address < stop
            elif inside and first == "Rss:":
                size = 1024 * int(line.split()[1])
    return size


@given(st.integers(0, 40), st.integers(1, 5), st.integers(1, 30))
def test_slices_cover_all_rows_once_and_in_order(n_rows, width, n_entries):
    slices = list(row_slices(np.empty((n_rows, width)), n_entries))
    rows = [row for part in slices for row in range(part.start, part.stop)]
    assert rows == list(range(n_rows))
    assert all((part.stop - part.start - 1) * width < n_entries for part in slices)


def test_a_row_wider_than_a_chunk_comes_alone():
    assert len(list(row_slices(np.empty((4, 10)), 3))) == 4


@pytest.mark.usefixtures("small_is_large")
def test_some_rows_are_copied_when_they_are_asked_for(X):
    index = np.array([1, 2, 3, 5, 8, 13, 14, 15, 19])
    rows = take(X, index)
    assert isinstance(rows, SomeRows) and is_large(rows)
    assert rows.shape == (9, 3) and rows.dtype == X.dtype
    np.testing.assert_array_equal(rows[:], X[index])
    np.testing.assert_array_equal(rows[2:4], X[[3, 5]])
    np.testing.assert_array_equal(rows[np.array([8, 0])], X[[19, 1]])
    X[5] = -1
    np.testing.assert_array_equal(rows[3:4], [[-1, -1, -1]])


@pytest.mark.usefixtures("small_is_large")
def test_some_of_some_rows(X):
    rows = take(take(X, np.arange(0, 20, 2)), np.arange(1, 10))
    assert isinstance(rows, SomeRows)
    np.testing.assert_array_equal(rows[:], X[2::2])


def test_rows_in_another_dtype(X):
    rows = SomeRows(X.astype(np.uint8), None, np.float32)
    assert rows.dtype == rows[2:4].dtype == np.float32 and rows.shape == X.shape
    np.testing.assert_array_equal(rows.take(np.array([3, 7]))[:], X[[3, 7]])


@pytest.mark.usefixtures("small_is_large")
def test_few_rows_of_a_large_array_are_copied_at_once(X):
    rows = take(X, np.array([4, 5]))
    assert isinstance(rows, np.ndarray)
    np.testing.assert_array_equal(rows, X[4:6])


def test_size_decides_what_is_large(X, monkeypatch):
    patch_everywhere(monkeypatch, "LARGE", X.nbytes)
    assert is_large(X) and not is_large(X[1:])


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_release_keeps_what_a_mapping_holds(X, mapped, mode):
    rows = mapped(mode)
    if mode != "r":
        X[7] = rows[7] = -1.0
    for view in (rows, np.asarray(rows), rows[3:9], np.asarray(rows)[::-1]):
        release(view)
    np.testing.assert_array_equal(rows, X)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_reading_in_chunks_leaves_no_page_mapped(tmp_path):
    np.save(tmp_path / "X.npy", np.ones((4096, 512)))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert X.sum() == X.size and resident_bytes(X) > X.nbytes / 2
    total = 0.0
    for rows in row_slices(np.asarray(X), 2**16):
        total += X[rows].sum()
    assert total == X.size and resident_bytes(X) < X.nbytes / 20


@pytest.mark.parametrize("X", [np.ones((2, 2)), None, [[1.0]]], ids=["array", "none", "list"])
def test_release_ignores_what_is_not_mapped(X):
    release(X)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from skkd._input.validation_split import hash_rows, split_validation_rows


@pytest.fixture
def X():
    return np.random.default_rng(0).standard_normal((90, 3))


@pytest.fixture
def labels():
    return np.repeat([0, 1, 2], [60, 20, 10])


def validation_rows(X, labels, seed=0):
    """The content of the held-out rows, sorted."""
    _, validation = split_validation_rows(X, labels, 0.2, seed)
    return np.unique(X[validation], axis=0)


def test_sides_are_ascending_and_complete(X, labels):
    train, validation = split_validation_rows(X, labels, 0.2, 0)
    assert (np.diff(train) > 0).all() and (np.diff(validation) > 0).all()
    assert sorted([*train, *validation]) == list(range(90))


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.2, [12, 4, 2]), (0.05, [3, 1, 1]), (0.99, [58, 18, 8])]
)
def test_counts_are_stratified_and_rounded_up(X, labels, fraction, expected):
    _, validation = split_validation_rows(X, labels, fraction, 0)
    assert np.bincount(labels[validation]).tolist() == expected


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.data())
def test_equal_rows_fall_on_one_side(values, data):
    labels = data.draw(st.lists(st.integers(0, 2), min_size=len(values), max_size=len(values)))
    X = np.array(values, dtype=float)[:, None]
    train, validation = split_validation_rows(X, np.array(labels), 0.3, 0)
    assert not set(X[train, 0]) & set(X[validation, 0])


def test_order_of_rows_does_not_matter(X, labels):
    X, labels = np.tile(X, (2, 1)), np.concatenate([labels, labels[::-1]])  # equal rows disagree
    order = np.random.default_rng(1).permutation(len(X))
    expected = validation_rows(X, labels)
    np.testing.assert_array_equal(validation_rows(X[order], labels[order]), expected)


def test_repeated_rows_change_no_side(X, labels):
    repeats = np.repeat(np.arange(len(X)), np.random.default_rng(1).integers(1, 5, len(X)))
    expected = validation_rows(X, labels)
    np.testing.assert_array_equal(validation_rows(X[repeats], labels[repeats]), expected)


def test_seeds_differ(X, labels):
    chosen = {split_validation_rows(X, labels, 0.2, seed)[1].tobytes() for seed in range(10)}
    assert len(chosen) == 10


def test_every_row_is_held_out_by_some_seed(X, labels):
    counts = np.zeros(len(X))
    for seed in range(200):
        counts[split_validation_rows(X, labels, 0.2, seed)[1]] += 1
    # 200 draws with probability .2 each: 40 +- 5.7.
    assert 15 < counts.min() and counts.max() < 65


@pytest.mark.parametrize("n_distinct", [1, 2])
def test_too_few_rows_give_no_held_out_part(n_distinct):
    X = np.repeat(np.arange(float(n_distinct)), 10)[:, None]
    train, validation = split_validation_rows(X, np.zeros(len(X), dtype=int), 0.5, 0)
    assert len(validation) == 0
    assert len(train) == len(X)


def test_rare_class_stays_in_training(X):
    labels = np.array([1, 1] + [0] * 88)
    train, _ = split_validation_rows(X, labels, 0.5, 0)
    assert (labels[train] == 1).sum() == 2


def test_sparse_and_dense_rows_hash_alike(X):
    X = np.where(np.abs(X) < 1, 0.0, X)
    np.testing.assert_array_equal(hash_rows(sparse.csr_array(X), 0), hash_rows(X, 0))


def test_dtype_and_shape_do_not_matter():
    X = np.arange(24).reshape(2, 12)
    expected = hash_rows(X.astype(np.float64), 0)
    np.testing.assert_array_equal(hash_rows(X.astype(np.float32), 0), expected)
    np.testing.assert_array_equal(hash_rows(X.reshape(2, 3, 2, 2), 0), expected)


def test_minus_zero_is_zero_and_every_nan_is_nan():
    other_nan = np.array([0x7FF8000000000001], dtype=np.uint64).view(np.float64)[0]
    X = np.array([[0.0, np.nan], [-0.0, np.nan], [0.0, other_nan], [0.0, -np.nan]])
    assert len(set(hash_rows(X, 0))) == 1


def test_hash_does_not_write_to_its_input():
    X = np.array([[-0.0, np.nan]])
    hash_rows(X, 0)
    assert np.signbit(X[0, 0])


def test_different_rows_have_different_hashes():
    grid = np.stack(np.meshgrid(*[np.arange(-5.0, 5.0)] * 4), axis=-1).reshape(-1, 4)
    assert len(np.unique(hash_rows(grid, 0))) == len(grid) == 10_000


def test_hash_of_a_row_does_not_depend_on_its_place():
    X = np.random.default_rng(0).standard_normal((5000, 2))  # more than one chunk
    np.testing.assert_array_equal(hash_rows(X, 0)[4990:], hash_rows(X[4990:], 0))

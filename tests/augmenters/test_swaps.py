import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from skkd.augmenters import NeighborSwap, RandomSwap

both_swaps = pytest.mark.parametrize("kind", [NeighborSwap, RandomSwap])


def labelled_rows(n_rows, n_columns):
    """Rows whose entries say which row they come from."""
    return np.repeat(np.arange(n_rows, dtype=np.float64)[:, None], n_columns, axis=1)


def sampled(augmenter, X, n_rows=400, seed=0):
    return augmenter.fit(X).sample(n_rows, np.random.default_rng(seed))


@both_swaps
def test_every_row_is_put_together_from_two(kind):
    X_new = sampled(kind(prob=0.5), labelled_rows(50, 8))
    assert max(len(np.unique(row)) for row in X_new) == 2


@both_swaps
@given(prob=st.floats(0.05, 1.0))
def test_a_share_of_prob_is_swapped(kind, prob):
    X = labelled_rows(40, 300)
    start = np.zeros(50, dtype=int)
    X_new = kind(prob=prob).fit(X).make(X, start, np.random.default_rng(0))
    swapped = X_new > 0
    swapped = swapped[swapped.any(axis=1)]  # a random donor can be the row itself
    low, high = binom.interval(1 - 1e-6, swapped.size, prob)
    assert low <= swapped.sum() <= high


@both_swaps
def test_all_entries_are_swapped_at_a_probability_of_one(kind):
    X_new = sampled(kind(prob=1.0), labelled_rows(50, 6))
    assert (X_new == X_new[:, :1]).all()


@both_swaps
def test_values_stay_in_their_columns(kind):
    X = np.arange(60).reshape(20, 3)
    X_new = sampled(kind(prob=0.5), X)
    for column in range(3):
        assert set(X_new[:, column]) <= set(X[:, column])


def test_neighbor_swap_takes_from_near_rows_only():
    X_new = sampled(NeighborSwap(prob=0.5, n_neighbors=2), labelled_rows(50, 8))
    distance = X_new.max(axis=1) - X_new.min(axis=1)
    assert distance.max() == 2  # at both ends; one elsewhere
    assert set(distance) == {0, 1, 2}


def test_random_swap_takes_from_any_row():
    X_new = sampled(RandomSwap(prob=0.5), labelled_rows(50, 8))
    assert np.ptp(X_new, axis=1).max() > 40


def test_random_swap_takes_from_rows_by_their_weight():
    augmenter = RandomSwap(prob=0.5).fit(labelled_rows(9, 8), sample_weight=np.arange(9) % 2)
    assert set(augmenter.sample(400, np.random.default_rng(0)).ravel()) == {1, 3, 5, 7}


@both_swaps
def test_texts_in_a_column_of_objects_stay_objects(kind):
    X = pd.DataFrame({"text": pd.Series(["a", "b", "c"] * 4, dtype=object), "number": range(12)})
    X_new = sampled(kind(prob=0.5), X)
    assert X_new.dtypes.tolist() == X.dtypes.tolist()


def test_missing_values_are_swapped_as_any_other():
    X = np.array([[0.0, np.nan], [1.0, 5.0]])
    X_new = sampled(NeighborSwap(prob=0.5), X)
    seen = {(a, str(b)) for a, b in X_new}
    assert seen == {(0.0, "nan"), (0.0, "5.0"), (1.0, "nan"), (1.0, "5.0")}

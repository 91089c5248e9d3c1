import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from skkd.augmenters import GaussianJitter, MixUp


def sampled(augmenter, X, n_rows=2000, seed=0):
    return augmenter.fit(X).sample(n_rows, np.random.default_rng(seed))


# GaussianJitter


@pytest.mark.parametrize("scale", [0.01, 0.1])
def test_jitter_is_normal_in_units_of_the_standard_deviation(scale):
    # One row far inside of the column's range, which all the new rows start from.
    rng = np.random.default_rng(0)
    X = rng.normal(scale=[1.0, 50.0], size=(500, 2))
    X[0] = 0.5
    weight = np.zeros(500)
    weight[0] = 1.0
    augmenter = GaussianJitter(scale=scale).fit(X, sample_weight=weight)
    noise = augmenter.sample(2000, rng) - X[0]
    for column in range(2):
        assert kstest(noise[:, column] / (scale * X[:, column].std()), "norm").pvalue > 0.01
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.1


def test_jitter_stays_in_the_range_of_the_column():
    X = np.random.default_rng(0).exponential(size=(100, 2))
    X_new = sampled(GaussianJitter(scale=2.0), X)
    assert (X_new >= X.min(axis=0)).all()
    assert (X_new <= X.max(axis=0)).all()
    assert X_new.min() == X.min()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_jitter_leaves_whole_numbers_and_missing_values(dtype):
    X = np.array([[1.0, 0.5, np.nan], [2.0, np.nan, np.nan], [4.0, 1.5, np.nan]], dtype=dtype)
    X_new = sampled(GaussianJitter(), X)
    assert set(X_new[:, 0]) == {1.0, 2.0, 4.0}
    np.testing.assert_array_equal(np.isnan(X_new[:, 1]), X_new[:, 0] == 2)
    assert len(np.unique(X_new[:, 1])) > 100
    assert np.isnan(X_new[:, 2]).all()


def test_jitter_takes_numbers_among_objects():
    X = np.array([["a", 0.5], ["b", 1.5], ["b", None]], dtype=object)
    X_new = sampled(GaussianJitter(), X)
    assert set(X_new[:, 0]) == {"a", "b"}
    assert {type(value) for value in X_new[:, 1]} == {float, type(None)}


@pytest.mark.parametrize(
    "X", [np.arange(6.0).reshape(3, 2), pd.DataFrame({"a": ["x", "y"]})], ids=["whole", "text"]
)
def test_jitter_without_a_column_to_change_says_so(X):
    with pytest.raises(ValueError, match=r"GaussianJitter finds no column.*NeighborSwap"):
        GaussianJitter().fit(X)


# MixUp


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@given(alpha=st.floats(0.05, 20.0))
def test_mixed_rows_lie_on_the_segment_between_two(dtype, alpha):
    X = np.array([[0.5, -3.25, 1e6 + 0.5], [7.5, 0.1, 1e6 + 1.5]], dtype=dtype)
    X_new = sampled(MixUp(alpha=alpha), X, n_rows=200)
    assert (X_new >= X.min(axis=0)).all()
    assert (X_new <= X.max(axis=0)).all()
    share = (X_new[:, :2] - X[0, :2]) / (X[1, :2] - X[0, :2])
    np.testing.assert_allclose(share[:, 0], share[:, 1], atol=1e-5)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.0])
def test_share_of_the_two_rows_is_beta_distributed(alpha):
    X = np.array([[0.25], [1.25]])
    share = sampled(MixUp(alpha=alpha), X).ravel() - 0.25
    of_two = share[(share > 0) & (share < 1)]  # the others are mixed with themselves
    assert kstest(of_two, "beta", (alpha, alpha)).pvalue > 0.01


def test_categories_and_whole_numbers_are_never_averaged():
    frame = pd.DataFrame({"x": [0.5, 1.5], "code": [1, 9], "city": ["Rome", "Oslo"]})
    new = sampled(MixUp(), frame)
    assert set(new["code"]) == {1, 9}
    assert set(new["city"]) == {"Rome", "Oslo"}
    assert len(set(new["x"])) > 500


def test_category_is_taken_in_proportion_to_the_share():
    frame = pd.DataFrame({"x": [0.5, 1.5], "city": ["Rome", "Oslo"]})
    new = sampled(MixUp(), frame, n_rows=20_000)
    new = new[(new["x"] > 0.5) & (new["x"] < 1.5)]
    for low in np.arange(0.0, 1.0, 0.1):
        of_bin = new[new["x"].between(0.5 + low, 0.6 + low)]
        spread = np.sqrt(0.25 / len(of_bin))
        assert (of_bin["city"] == "Oslo").mean() == pytest.approx(low + 0.05, abs=4 * spread)


def test_missing_number_is_taken_not_averaged():
    X = np.array([[0.5, np.nan], [1.5, 2.5]])
    X_new = sampled(MixUp(), X)
    assert np.isnan(X_new[:, 1]).mean() == pytest.approx(0.5, abs=0.05)
    assert set(X_new[~np.isnan(X_new[:, 1]), 1]) == {2.5}

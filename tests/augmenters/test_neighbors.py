import numpy as np
import pandas as pd
import polars as pl
import pytest

from skkd.augmenters import NeighborSwap, _neighbors
from skkd.augmenters._neighbors import neighbors_of, points_of
from tests.augmenters.tables import pandas_frame, polars_frame


def brute_force(points):
    """Squared distances between all pairs of rows, a row to itself being farthest of all."""
    distance = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(distance, np.inf)
    return distance


def test_neighbors_of_few_rows_are_the_nearest():
    X = np.random.default_rng(0).normal(scale=[1, 10, 100], size=(80, 3))
    distance = brute_force((X - X.mean(axis=0)) / X.std(axis=0))
    expected = np.argsort(distance, axis=1)[:, :4]
    np.testing.assert_array_equal(neighbors_of(X, 4), expected)


def test_neighbors_are_small_integers():
    assert neighbors_of(np.eye(9), 3).dtype == np.int32


@pytest.mark.parametrize(("n_rows", "k"), [(1, 1), (2, 1), (5, 4), (9, 5)])
def test_fewer_rows_than_neighbors_are_all_neighbors(n_rows, k):
    neighbors = neighbors_of(np.arange(n_rows * 2.0).reshape(n_rows, 2), 5)
    assert neighbors.shape == (n_rows, k)
    if n_rows > 1:
        assert (neighbors != np.arange(n_rows)[:, None]).all()


def test_repeated_rows_are_neighbors_of_each_other_but_not_of_themselves():
    X = np.repeat([[0.0], [1.0], [5.0]], 3, axis=0)
    neighbors = neighbors_of(X, 2)
    assert (neighbors != np.arange(9)[:, None]).all()
    np.testing.assert_array_equal(X[neighbors, 0], np.repeat(X, 2, axis=1))


def test_two_categories_are_as_far_apart_as_two_random_numbers():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=500), "city": rng.choice(list("abc"), size=500)})
    points = points_of(frame)
    first = frame["city"] == "a"
    of_number, of_city = points[:, 0], points[:, 1:]
    pairs = rng.integers(500, size=(2, 5000))
    mean = ((of_number[pairs[0]] - of_number[pairs[1]]) ** 2).mean()
    between = ((of_city[first][:1] - of_city[~first]) ** 2).sum(axis=1)
    np.testing.assert_allclose(between, 2.0)
    assert mean == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("frame", [pandas_frame(), polars_frame()], ids=["pandas", "polars"])
def test_mixed_columns_with_missing_values_have_finite_points(frame):
    points = points_of(frame)
    assert points.dtype == np.float32
    assert np.isfinite(points).all()


def test_columns_without_values_are_no_trouble():
    X = np.column_stack([np.ones(20), np.full(20, np.nan), np.arange(20.0)])
    np.testing.assert_array_equal(neighbors_of(X, 1), neighbors_of(X[:, 2:], 1))


def test_many_rows_have_near_neighbors(monkeypatch):
    monkeypatch.setattr(_neighbors, "_GROUP", 100)
    X = np.random.default_rng(0).normal(size=(1500, 3))
    neighbors = neighbors_of(X, 3)
    assert neighbors.shape == (1500, 3)
    assert (neighbors != np.arange(1500)[:, None]).all()
    distance = brute_force(X / X.std(axis=0))
    found = np.take_along_axis(distance, neighbors, axis=1).mean()
    nearest = np.sort(distance, axis=1)[:, :3].mean()
    random = distance[np.arange(1500), (np.arange(1500) + 7) % 1500].mean()
    assert found < nearest + 0.1 * (random - nearest)


def test_wide_tables_have_near_neighbors_in_few_dimensions():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 200)) + 0.1 * rng.normal(size=(300, 200))
    assert points_of(X).shape == (300, 64)
    exact = np.argsort(brute_force((X - X.mean(axis=0)) / X.std(axis=0)), axis=1)[:, :3]
    same = [len(set(a) & set(b)) for a, b in zip(exact, neighbors_of(X, 3), strict=True)]
    assert np.mean(same) > 2.7


def test_chunks_make_no_difference(monkeypatch):
    X = np.random.default_rng(0).normal(size=(70, 4))
    whole = points_of(X)
    monkeypatch.setattr(_neighbors, "_CHUNK", 13)
    np.testing.assert_array_equal(points_of(X), whole)


def test_many_levels_stay_narrow():
    names = np.random.default_rng(0).integers(0, 150, size=6000).astype(str)
    assert points_of(pd.DataFrame({"name": names})).shape[1] <= 32


def test_no_part_of_a_date_outweighs_the_others():
    days = pd.date_range("2020-01-01", periods=99, freq="17h")
    np.testing.assert_allclose(points_of(pd.DataFrame({"day": days})).std(axis=0), 1, rtol=1e-4)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"day": pd.period_range("2020-01-01", periods=2)}),
        pl.DataFrame({"day": [[1], [2]]}),
    ],
    ids=["pandas", "polars"],
)
def test_columns_without_distances_are_refused(frame):
    with pytest.raises(ValueError, match=r"NeighborSwap measures distances.*RandomSwap") as caught:
        NeighborSwap().fit(frame)
    assert "'day'" in str(caught.value.__cause__)

"""Which numbers get bins."""

import numpy as np
import pytest
from scipy import sparse

from skkd._classification.task import Classification
from skkd._input import Targets
from skkd._regression import read_numbers_of_rows
from skkd._student.sizes import sized
from skkd.students import default_student, make_student

N_ROWS = 2000

#: Means of a label along a number of twelve values, and whether it should have bins.
SHAPES = {
    "nothing": (lambda month: 0.5 + 0.0 * month, False),
    "line": (lambda month: 0.1 + 0.07 * month, False),
    "curve": (lambda month: 0.1 + 0.7 * (month / 11) ** 2, False),
    "level": (lambda month: 1.0 / (1.0 + np.exp(4.0 - month)), False),
    "zigzag": (lambda month: np.where(month % 2, 0.8, 0.2), True),
    "one month": (lambda month: np.where(month == 4, 0.9, 0.3), True),
}


def columns_with_bins(X, targets, name="mlp", task="classification"):
    return sorted(set(sized(make_student(name, task=task), X, targets)["module__bins"]))


def rows_of(shape, seed=0, n_rows=N_ROWS):
    rng = np.random.default_rng(seed)
    months = rng.integers(12, size=n_rows)
    labels = (rng.random(n_rows) < SHAPES[shape][0](months)).astype(int)
    return months.astype(np.float32), labels


@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_of_few_values_get_bins_where_labels_go_up_and_down(shape):
    months, labels = rows_of(shape)
    X = np.stack([np.zeros_like(months), months], axis=1)
    targets = Targets(Classification(np.arange(2)), labels, None, None)
    expected = [1] if SHAPES[shape][1] else []
    assert columns_with_bins(X, targets) == expected
    assert columns_with_bins(sparse.csr_matrix(X), targets) == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_so_do_they_in_regression(shape):
    months, labels = rows_of(shape)
    y = 1e6 * (labels[:, np.newaxis] + np.random.default_rng(1).normal(size=(N_ROWS, 1)) / 10)
    targets = read_numbers_of_rows(months, y, None, loss="squared_error", level=0.5)
    expected = [0] if SHAPES[shape][1] else []
    assert columns_with_bins(months[:, np.newaxis], targets, task="regression") == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("unit", "origin"), [(1e-300, 0.0), (1e306, -5e306), (1.0, 1e9)])
def test_the_unit_does_not_matter(shape, unit, origin):
    months, labels = rows_of(shape)
    X = (unit * months.astype(np.float64) + origin)[:, np.newaxis]
    targets = Targets(Classification(np.arange(2)), labels, None, None)
    with np.errstate(all="raise"):
        assert columns_with_bins(X, targets) == ([0] if SHAPES[shape][1] else [])


def test_sentinels_beside_few_values():
    months, labels = rows_of("zigzag")
    X = np.where(np.arange(N_ROWS) % 50 == 0, -1e308, months.astype(np.float64))[:, np.newaxis]
    columns_with_bins(X, Targets(Classification(np.arange(2)), labels, None, None))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_weights_count_whatever_their_sum(scale):
    """Rows of a weight near zero could be left out: without them the label is a line."""
    line, zigzag = rows_of("line"), rows_of("zigzag")
    months = np.concatenate([line[0], zigzag[0]])[:, np.newaxis]
    labels = np.concatenate([line[1], zigzag[1]])
    for weights, expected in (([1.0, 1e-9], []), ([1e-9, 1.0], [0]), ([1.0, 1.0], [0])):
        weight = scale * np.repeat(weights, N_ROWS)
        targets = Targets(Classification(np.arange(2)), labels, weight, None)
        assert columns_with_bins(months, targets) == expected


def test_weights_next_to_nothing():
    months, labels = rows_of("zigzag")
    weight = np.where(months == 3, 1e-320, 1e9)
    targets = Targets(Classification(np.arange(2)), labels, weight, None)
    assert columns_with_bins(months[:, np.newaxis], targets) == [0]


def test_chance_gives_hardly_a_table_bins():
    n_tables = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        X = rng.integers(12, size=(300, 30)).astype(np.float32)
        targets = Targets(Classification(np.arange(3)), rng.integers(3, size=300), None, None)
        n_tables += len(columns_with_bins(X, targets)) > 0
    assert n_tables <= 5  # one in a hundred is expected


def test_as_many_bins_as_there_are_steps_between_values():
    months, labels = rows_of("zigzag", n_rows=20_000)
    targets = Targets(Classification(np.arange(2)), labels, None, None)
    bins = sized(default_student(), months[:, np.newaxis], targets)["module__bins"]
    assert bins == (0,) * 11


def test_without_labels_few_values_have_no_bins():
    months, _ = rows_of("zigzag")
    assert columns_with_bins(months[:, np.newaxis], None) == []


@pytest.mark.parametrize("values", [1, 2, 5])
def test_too_few_values_have_no_bins(values):
    rng = np.random.default_rng(0)
    X = rng.integers(values, size=(N_ROWS, 1)).astype(np.float32)
    labels = (X[:, 0].astype(int) % 2 == 0).astype(int)
    targets = Targets(Classification(np.arange(2)), labels, None, None)
    assert columns_with_bins(X, targets) == []

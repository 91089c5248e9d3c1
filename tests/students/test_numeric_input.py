"""How numbers enter a net: against numpy's quantiles and the formula, and in a fit."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from skkd import DistilledClassifier
from skkd._student import net as _student
from skkd.export import load, save, to_onnx, to_torch_program
from skkd.students import TabularMLP
from skkd.students._numeric_input import (
    NumericInput,
    bins_between,
    distinct_values,
    n_distinct_values,
    rows_to_learn_from,
    weighted_moments,
    where_bins_meet,
)

RNG = np.random.default_rng(0)
# Two classes in bands of a skewed column, one of them next to zero; and three that say nothing.
X = np.column_stack([RNG.lognormal(0, 1.5, 900), RNG.normal(size=(900, 2)), np.arange(900) % 2])
Y = ((X[:, 0] < 0.2) | ((X[:, 0] > 1) & (X[:, 0] < 3))).astype(int)
PROBA = np.eye(2)[Y] * 0.9 + 0.05


def fitted(rows=X, n_epochs=15, **params):
    clf = DistilledClassifier(None, augmenter=None, random_state=0)
    clf.set_params(**{"student__max_epochs": n_epochs} | params)
    return clf.fit(rows, Y, teacher_proba=PROBA)


def net_of(clf):
    return _student.net_of(clf.student_)


def bins_of(values, n_bins, targets=None, weight=None):
    """Lower ends and widths of a column's bins."""
    weight = np.ones(len(values)) if weight is None else weight.astype(float)
    distinct, rank, share = distinct_values(values, weight)
    meet = where_bins_meet(rank, weight, targets, share, n_bins)
    return bins_between(distinct, meet, n_bins)


# Where bins meet


@pytest.mark.parametrize("n_bins", [1, 4, 7])
def test_without_targets_they_meet_at_quantiles_of_the_weighted_rows(n_bins):
    values, weight = RNG.exponential(size=200), RNG.integers(0, 4, 200)
    low, width = bins_of(values, n_bins, weight=weight)
    repeated = np.repeat(values, weight)
    edges = np.quantile(repeated, np.arange(n_bins + 1) / n_bins, method="inverted_cdf")
    np.testing.assert_array_equal(low, edges[:-1])
    np.testing.assert_allclose(width, np.diff(edges))


def test_a_value_that_is_a_quantile_several_times_has_a_bin_to_itself():
    values = np.concatenate([np.arange(50.0), np.full(300, 50.0), np.arange(51.0, 101.0)])
    low, _ = bins_of(values, 8)
    assert {50, 51} <= set(low)


def test_with_targets_there_is_a_step_where_those_change():
    values = np.sort(RNG.lognormal(0, 2, 500))
    targets = np.where((values < values[40]) | (values > values[450]), 1.0, 0.0)[:, np.newaxis]
    low, width = bins_of(values, 12, targets)
    for i in (40, 451):
        (place,) = np.flatnonzero(low == values[i - 1])
        assert width[place] == values[i] - values[i - 1]
    assert not {values[39], values[450]} <= set(bins_of(values, 12)[0])


@given(
    arrays(np.float64, st.integers(1, 80), elements=st.integers(-(10**6), 10**6)),
    st.integers(1, 12),
    st.booleans(),
)
def test_bins_cover_a_column_from_its_least_to_its_largest_value(values, n_bins, guided):
    targets = np.sin(values)[:, np.newaxis] if guided else None
    low, width = bins_of(values, n_bins, targets)
    assert len(low) == n_bins and (width > 0).all()
    at = np.clip((values[:, np.newaxis] - low) / width, 0, 1)
    # Together they rise by one for each bin, and never fall.
    used = np.isfinite(width)
    np.testing.assert_array_equal(at[values.argmin()], 0)
    np.testing.assert_allclose(at[values.argmax()][used], 1)
    assert (np.diff(at[np.argsort(values)], axis=0) >= 0).all()
    np.testing.assert_allclose(width[used].sum(), np.ptp(values))


def test_few_values_have_a_bin_between_each_two():
    low, width = bins_of(np.array([1.0, 2.0, 4.0, 4.0, 9.0]), 5)
    np.testing.assert_array_equal(low, [1, 2, 4, 9, 9])
    np.testing.assert_array_equal(width, [1, 2, 5, np.inf, np.inf])


def test_values_without_weight_say_nothing():
    values, weight = np.array([0.0, 1.0, 2.0, 1e9]), np.array([1.0, 1.0, 1.0, 0.0])
    distinct, rank, share = distinct_values(values, weight)
    np.testing.assert_array_equal(distinct, [0, 1, 2])
    np.testing.assert_array_equal(rank, [0, 1, 2, 2])
    np.testing.assert_array_equal(share, 1)


# Rows to learn from


def test_columns_know_how_many_values_they_have():
    table = np.column_stack([RNG.normal(size=400), np.arange(400) % 33, np.ones(400)])
    for rows in (table, sparse.csr_array(table), table.reshape(400, 3, 1)):
        np.testing.assert_array_equal(n_distinct_values(rows), [400, 33, 1])


def test_some_rows_of_many_are_enough():
    index = rows_to_learn_from(np.broadcast_to(0.0, (10**6, 1024)))
    assert len(index) == 4096 == len(np.unique(index))
    np.testing.assert_array_equal(rows_to_learn_from(X), np.arange(900))


def test_x_stays_as_it_was():
    before = X.copy()
    n_distinct_values(X)
    NumericInput(4, bins=(0, 0, 0)).learn(X, None, PROBA)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("weighted", [False, True])
def test_moments_are_those_of_repeated_rows(weighted):
    rows = RNG.normal(5, 3, size=(40_000, 30))  # more than one chunk
    weight = RNG.integers(0, 3, len(rows)) if weighted else np.ones(len(rows), dtype=int)
    repeated = np.repeat(rows, weight, axis=0)
    mean, variance = weighted_moments(rows, weight if weighted else None)
    np.testing.assert_allclose(mean, repeated.mean(0))
    np.testing.assert_allclose(variance, repeated.var(0))


# In the module


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_are_the_clipped_number_and_its_bins(dtype):
    module = TabularMLP(4, 2, bins=(2, 2, 2, 0)).to(dtype)
    module.adapt(X)
    rows = torch.from_numpy(X[:50]).to(dtype)
    features = module.features(rows)
    assert features.dtype == dtype
    np.testing.assert_allclose(features[:, 1], (X[:50, 1] - X[:, 1].mean()) / X[:, 1].std(), 1e-4)
    for column in (0, 2):
        ends = [0.005, 0.25, 0.75, 0.995]
        least, lower, upper, most = np.quantile(X[:, column], ends, method="inverted_cdf")
        reach = 5 * (upper - lower)
        clipped = np.clip(X[:, column], max(least, lower - reach), min(most, upper + reach))
        expected = (clipped[:50] - clipped.mean()) / clipped.std()
        np.testing.assert_allclose(features[:, column], expected, 1e-4, 1e-5)
    ordered = np.sort(X[:, 2])
    edges = [ordered[0], ordered[299], ordered[599], ordered[-1]]
    for i in range(3):
        expected = np.interp(X[:50, 2], edges[i : i + 2], [0, 1])
        np.testing.assert_allclose(features[:, 4 + i], expected, atol=1e-4)
    expected = np.interp(X[:50, 0], [X[:, 0].min(), X[:, 0].max()], [0, 1])
    np.testing.assert_allclose(features[:, 7], expected, atol=1e-4)


def test_it_learns_the_same_each_time_also_after_other_targets():
    first, second = TabularMLP(4, 2, bins=(0,) * 12), TabularMLP(4, 2, bins=(0,) * 12)
    first.adapt(X, targets=PROBA)
    second.adapt(X)
    assert not torch.equal(first.numeric_input.low, second.numeric_input.low)
    second.adapt(X, targets=PROBA)
    for name, value in first.numeric_input.state_dict().items():
        assert torch.equal(second.numeric_input.state_dict()[name], value)


def test_a_sparse_x_gives_the_same_bins():
    dense, of_sparse = TabularMLP(4, 2, bins=(0, 0, 0)), TabularMLP(4, 2, bins=(0, 0, 0))
    dense.adapt(X)
    of_sparse.adapt(sparse.csr_array(X))
    torch.testing.assert_close(dense.features(torch.eye(4)), of_sparse.features(torch.eye(4)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_floats_give_finite_answers(dtype):
    largest = np.finfo(dtype).max
    module = TabularMLP(4, 2, bins=(0,) * 9).to(getattr(torch, np.dtype(dtype).name))
    rows = X.astype(dtype)
    for learned_from in (rows, np.vstack([rows, np.full((20, 4), largest), -largest * np.ones(4)])):
        module.adapt(learned_from.astype(dtype))
        extremes = np.array([[-1.0], [1.0], [0.0]]) * np.full((3, 4), largest)
        assert torch.isfinite(module(torch.from_numpy(extremes.astype(dtype)))).all()
        assert torch.isfinite(module(torch.from_numpy(rows))).all()


def test_a_sentinel_does_not_flatten_a_column_either():
    rows = X.copy()
    rows[RNG.random(900) < 0.02, 1] = -999999
    module = TabularMLP(4, 2, bins=(1,) * 8).double()
    module.adapt(rows, targets=PROBA)
    features = module.features(torch.from_numpy(rows[rows[:, 1] > -999999])).numpy()
    assert features[:, 1].std() > 0.5
    assert (features[:, 4:].std(0) > 0.1).sum() >= 6


@pytest.mark.parametrize("huge", [1e5, 1e7, 2.0**31 - 1, -1e30])
def test_one_huge_value_does_not_flatten_a_column(huge):
    rows = X.astype(np.float32)
    module, with_huge = TabularMLP(4, 2, bins=(1,) * 9), TabularMLP(4, 2, bins=(1,) * 9)
    module.adapt(rows)
    rows[3, 1] = huge
    with_huge.adapt(rows)
    usual = torch.from_numpy(rows[10:60])
    before, after = module.features(usual), with_huge.features(usual)
    torch.testing.assert_close(before[:, 1], after[:, 1], rtol=0.05, atol=0.05)
    assert (after[:, 4:].std(0) > 0.1).sum() >= 7


# In a fit


def test_numbers_have_bins_by_default_and_two_values_have_none():
    net = net_of(fitted(student__module__pruning=0.0))
    assert set(net.module__bins) == {0, 1, 2}
    assert net_of(fitted(student__module__bins=())).module_.layers[0].in_features == 4


def test_frames_have_bins_behind_their_categories():
    frame = pd.DataFrame({"kind": pd.Categorical(np.tile(list("abc"), 300)), "x": X[:, 1]})
    net = net_of(fitted(frame, student__module__pruning=0.0))
    (column,) = set(net.module__bins)
    np.testing.assert_allclose(net.module_.numeric_input.low[column], X[:, 1].mean(), atol=0.01)


def test_bands_in_a_skewed_column_are_learned_sooner():
    with_bins, without = (fitted(student__module__bins=one).score(X, Y) for one in ("auto", ()))
    assert with_bins > without + 0.05


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bins_that_are_not_needed_go(dtype):
    rows = X.astype(dtype)
    before, after = fitted(rows, student__module__pruning=0.0), fitted(rows)
    net = net_of(after)
    left = net.module__bins
    assert 0 < len(left) < len(net_of(before).module__bins) and 0 in left
    assert net.module_.layers[0].in_features == 4 + len(left)
    assert len(net.module_.numeric_input.low) == 4 + len(left)
    full, pruned = (clf.predict_proba(rows) for clf in (before, after))
    assert full.dtype == pruned.dtype == dtype
    assert (full * np.log(full / pruned)).sum(1).mean() < 0.003


def test_a_student_with_fewer_is_saved_and_exported(tmp_path):
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-12)):
        rows = X.astype(dtype)
        clf = fitted(rows)
        save(clf, tmp_path / "student.skkd")
        again = load(tmp_path / "student.skkd")
        np.testing.assert_array_equal(again.predict_proba(rows), clf.predict_proba(rows))
        assert net_of(again).module__bins == net_of(clf).module__bins
        assert to_onnx(clf, tmp_path / "student.onnx", rows).max_difference < tolerance
        program = to_torch_program(clf, tmp_path / "student.pt2", rows)
        assert program.max_difference < tolerance
        in_float32 = to_onnx(clf, tmp_path / "student.onnx", rows, dtype="float32")
        assert in_float32.max_difference < 1e-5


def test_partial_fit_goes_on_with_those_that_are_left():
    clf = fitted(n_epochs=3)
    left = net_of(clf).module__bins
    clf.partial_fit(X, Y, teacher_proba=PROBA)
    assert net_of(clf).module__bins == left


@pytest.mark.parametrize(
    ("value", "dtype"), [(1e30, np.float64), (-3e40, np.float64), (1.7e9, np.float32)]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_constant_column_of_huge_values_is_zero(value, dtype, weighted):
    """Its mean has a rounding error, which must not become a large input."""
    rng = np.random.default_rng(0)
    X = np.full((137, 1), value, dtype=dtype)
    numbers = NumericInput(1).to(torch.from_numpy(X).dtype)
    numbers.learn(X, rng.uniform(0.1, 3.0, 137) if weighted else None, None)
    assert numbers(torch.from_numpy(X)).abs().max() < 1e-3

"""Ramps beside numbers: against numpy's quantiles and the formula, and in a fit."""

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
from skkd.students._ramps import columns_to_encode, ramps, rows_to_encode_by

RNG = np.random.default_rng(0)
# Two classes in bands of a skewed column, one of them next to zero; and three that say nothing.
X = np.column_stack([RNG.lognormal(0, 1.5, 900), RNG.normal(size=(900, 2)), np.arange(900) % 9])
Y = ((X[:, 0] < 0.2) | ((X[:, 0] > 1) & (X[:, 0] < 3))).astype(int)
PROBA = np.eye(2)[Y] * 0.9 + 0.05


def fitted(rows=X, n_epochs=15, **params):
    clf = DistilledClassifier(None, augmenter=None, random_state=0)
    clf.set_params(**{"student__max_epochs": n_epochs} | params)
    return clf.fit(rows, Y, teacher_proba=PROBA)


def net_of(clf):
    return _student.net_of(clf.student_)


# Where ramps are


@pytest.mark.parametrize("n_bins", [1, 4, 7])
def test_they_lie_between_quantiles_of_the_weighted_rows(n_bins):
    values, weight = RNG.exponential(size=200), RNG.integers(0, 4, 200)
    low, slope = ramps(values, weight.astype(float), n_bins, 1.0)
    repeated = np.repeat(values, weight)
    edges = np.quantile(repeated, np.arange(n_bins + 1) / n_bins, method="inverted_cdf")
    np.testing.assert_array_equal(low, edges[:-1])
    np.testing.assert_allclose(1 / slope, np.diff(edges))


def test_a_quantile_several_times_is_one_ramp_to_the_next_value():
    values = np.concatenate([np.zeros(90), np.arange(1.0, 11.0)])
    low, slope = ramps(values, np.ones(100), 4, 1.0)
    np.testing.assert_array_equal(low, 0)
    np.testing.assert_allclose(slope, [1.0, 0.0, 0.0, 0.1])


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_what_never_changes_has_none(value):
    assert not ramps(np.full(50, value), np.ones(50), 4, 1.0)[1].any()
    assert not ramps(np.array([value, 9.0]), np.array([1.0, 0.0]), 2, 1.0)[1].any()


def test_rows_without_weight_give_none():
    low, slope = ramps(np.arange(50.0), np.zeros(50), 3, 1.0)
    assert not low.any() and not slope.any()


def test_they_are_not_steeper_than_rounding_allows():
    values = np.concatenate([np.zeros(50), np.full(50, 1e-9), np.ones(100)])
    assert ramps(values, np.ones(200), 4, 2.0)[1].max() == 2000


@given(
    arrays(np.float64, st.integers(1, 60), elements=st.integers(-(10**6), 10**6)),
    st.integers(1, 6),
    st.floats(-2e6, 2e6),
)
def test_all_are_between_zero_and_one_and_rise(values, n_bins, number):
    low, slope = ramps(values, np.ones(len(values)), n_bins, 1.0)
    assert np.isfinite(low).all() and (slope >= 0).all()

    def at(number):
        return np.clip((number - low) * slope, 0, 1)

    assert (at(number) <= at(number + 1)).all()
    assert not at(values.min()).any()
    np.testing.assert_allclose(at(values.max())[slope > 0][-1:], 1)


def test_columns_of_many_values_get_some():
    count = np.arange(400) % 32
    table = np.column_stack([RNG.normal(size=400), count, np.arange(400) % 33, np.ones(400)])
    assert columns_to_encode(table) == (0, 2)
    assert columns_to_encode(sparse.csr_array(table)) == (0, 2)
    assert columns_to_encode(table.reshape(400, 2, 2)) == (0, 2)
    assert columns_to_encode(RNG.normal(size=(40, 64))) == tuple(range(64))
    assert columns_to_encode(RNG.normal(size=(40, 65))) == ()


def test_some_rows_of_many_are_enough():
    index = rows_to_encode_by(np.broadcast_to(0.0, (10**6, 1024)))
    assert len(index) == 4096 == len(np.unique(index))
    np.testing.assert_array_equal(rows_to_encode_by(X), np.arange(900))


def test_rows_too_wide_to_look_at_have_none():
    wide = sparse.random_array((300, 2**23), density=1e-6, format="csr", rng=0)
    assert len(rows_to_encode_by(wide)) == 1
    assert columns_to_encode(wide) == ()


def test_x_stays_as_it_was():
    before = X.copy()
    columns_to_encode(X)
    np.testing.assert_array_equal(X, before)


# In the module


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_are_the_number_and_its_ramps(dtype):
    module = TabularMLP(4, 2, ramps=(2, 2, 0, 0)).to(dtype)
    weight = RNG.integers(1, 3, 900).astype(float)
    module.adapt(X, weight)
    rows = torch.from_numpy(X[:50]).to(dtype)
    features = module.features(rows)
    z = (rows - module.mean[:4]) * module.scale[:4]
    assert features.dtype == dtype and torch.equal(features[:, :4], z)
    for i, column in [(4, 2), (6, 0)]:
        repeated = np.repeat(X[:, column], weight.astype(int))
        edges = np.quantile(repeated, [0, 0.5, 1], method="inverted_cdf")
        for j in (0, 1):
            expected = np.interp(X[:50, column], edges[j : j + 2], [0, 1])
            np.testing.assert_allclose(features[:, i + j], expected, atol=1e-5)


def test_a_sparse_x_has_the_same_ones():
    dense, of_sparse = TabularMLP(4, 2, ramps=(0, 0)), TabularMLP(4, 2, ramps=(0, 0))
    dense.adapt(X)
    of_sparse.adapt(sparse.csr_array(X))
    torch.testing.assert_close(dense.mean, of_sparse.mean)
    torch.testing.assert_close(dense.scale, of_sparse.scale)
    assert dense.scale[4:].all()


# In a fit


def test_numbers_of_many_values_have_them_by_default():
    clf = fitted(student__module__narrowing=0.0)
    assert net_of(clf).module__ramps == tuple(np.repeat([0, 1, 2], 4))
    assert net_of(fitted(student__module__ramps=())).module_.layers[0].in_features == 4


def test_frames_have_them_behind_their_categories():
    frame = pd.DataFrame({"kind": pd.Categorical(np.tile(list("abc"), 300)), "x": X[:, 0]})
    net = net_of(fitted(frame, student__module__narrowing=0.0))
    (column,) = set(net.module__ramps)
    np.testing.assert_allclose(net.module_.mean[column], X[:, 0].mean(), rtol=1e-5)


def test_not_while_all_rows_fit_in_one_batch():
    clf = DistilledClassifier(None, random_state=0).set_params(student__max_epochs=2)
    clf.fit(X[:256], Y[:256], teacher_proba=PROBA[:256])
    assert net_of(clf).module__ramps == ()


def test_bands_in_a_skewed_column_are_learnt_sooner():
    with_ramps, without = (fitted(student__module__ramps=one).score(X, Y) for one in ("auto", ()))
    assert with_ramps > without + 0.05


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_those_that_are_not_needed_go(dtype):
    rows = X.astype(dtype)
    wide, narrow = fitted(rows, student__module__narrowing=0.0), fitted(rows)
    net = net_of(narrow)
    left = net.module__ramps
    assert 0 < len(left) < 12 and 0 in left
    assert net.module_.layers[0].in_features == 4 + len(left)
    assert len(net.module_.mean) == len(net.module_.scale) == 4 + len(left)
    before, after = (clf.predict_proba(rows) for clf in (wide, narrow))
    assert before.dtype == after.dtype == dtype
    assert (before * np.log(before / after)).sum(1).mean() < 0.003


def test_a_student_with_fewer_is_saved_and_exported(tmp_path):
    for dtype, tolerance in ((np.float32, 1e-6), (np.float64, 1e-13)):
        rows = X.astype(dtype)
        clf = fitted(rows)
        save(clf, tmp_path / "student.skkd")
        again = load(tmp_path / "student.skkd")
        np.testing.assert_array_equal(again.predict_proba(rows), clf.predict_proba(rows))
        assert net_of(again).module__ramps == net_of(clf).module__ramps
        assert to_onnx(clf, tmp_path / "student.onnx", rows).max_difference < tolerance
        program = to_torch_program(clf, tmp_path / "student.pt2", rows)
        assert program.max_difference < tolerance
        in_float32 = to_onnx(clf, tmp_path / "student.onnx", rows, dtype="float32")
        assert in_float32.max_difference < 1e-5


def test_partial_fit_goes_on_with_those_that_are_left():
    clf = fitted(n_epochs=3)
    left = net_of(clf).module__ramps
    clf.partial_fit(X, Y, teacher_proba=PROBA)
    assert net_of(clf).module__ramps == left

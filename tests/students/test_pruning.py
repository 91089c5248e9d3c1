"""Pruning: against least squares by numpy, on nets that are wider than they need to be."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, make_moons
from sklearn.ensemble import RandomForestClassifier
from torch import nn

from skkd import DistilledClassifier
from skkd.export import load, save
from skkd.students import PeriodicMLP, TabularMLP, make_student
from skkd.students import _pruning as pruning_module
from skkd.students._pruning import (
    distill_again,
    moments,
    order_of_units,
    outputs,
    pruned,
    refitted_to,
    round_to_half_precision,
    rows_to_judge_by,
    with_fewer_features,
)

RNG = np.random.default_rng(0)
X, Y = make_moons(600, noise=0.2, random_state=0)
X = X.astype(np.float32)
PROBA = RandomForestClassifier(min_samples_leaf=5, random_state=0).fit(X, Y).predict_proba(X)


def fitted(**params):
    clf = DistilledClassifier(None, augmenter=None, random_state=0)
    clf.set_params(**{"student__max_epochs": 20} | params)
    return clf.fit(X, Y, teacher_proba=PROBA)


def of(module):
    """Weights and biases in float64."""
    return [(layer.weight.detach().double(), layer.bias.detach().double()) for layer in module]


def divergence(wide, narrow, features, weight):
    wide, narrow = (torch.log_softmax(outputs(one, features), 1) for one in (wide, narrow))
    return float(weight @ (wide.exp() * (wide - narrow)).sum(1))


# Units


@pytest.fixture
def heard():
    """Eight hidden units of which some say the same, a layer that hears them, and weights."""
    generator = torch.Generator().manual_seed(0)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    weights = draw(8, 5)
    weights[5] = weights[1] + 0.01 * draw(5)
    features, row_weight = draw(300, 5), draw(300).abs()
    return (weights, draw(8)), (draw(2, 8), draw(2)), features, row_weight / row_weight.sum()


def units_of(layer):
    return lambda rows: outputs([layer], rows).relu_()


def least_squares(units, wanted, weight):
    """Weighted squared error and solution, by numpy."""
    root = np.sqrt(weight)[:, None]
    design = np.column_stack([units, np.ones(len(units))])
    solution = np.linalg.lstsq(design * root, wanted * root, rcond=None)[0]
    return ((design @ solution - wanted) ** 2 * weight[:, None]).sum(), solution


def test_units_go_in_the_order_of_least_harm(heard, monkeypatch):
    monkeypatch.setattr(pruning_module, "_RIDGE", 0.0)
    first, second, features, weight = heard
    loudness = torch.tensor([1.0, 3.0], dtype=torch.float64)
    units = outputs([first], features).relu().numpy()
    wanted = units @ second[0].numpy().T * loudness.numpy()
    left, gone = list(range(8)), []
    while len(left) > 1:
        others = ([k for k in left if k != j] for j in left)
        harm = [least_squares(units[:, one], wanted, weight.numpy())[0] for one in others]
        gone.append(left.pop(int(np.argmin(harm))))
    _, covariance = moments(units_of(first), features, weight)
    assert order_of_units(covariance, second[0], loudness).tolist() == [*left, *gone[::-1]]


def test_the_layer_after_is_fitted_by_weighted_least_squares(heard, monkeypatch):
    monkeypatch.setattr(pruning_module, "_RIDGE", 0.0)
    first, second, features, weight = heard
    mean, covariance = moments(units_of(first), features, weight)
    kept = torch.tensor([0, 2, 3, 6])
    weights, biases = refitted_to(kept, second, mean, covariance)
    units = outputs([first], features).relu().numpy()
    wanted = units @ second[0].numpy().T + second[1].numpy()
    _, solution = least_squares(units[:, kept], wanted, weight.numpy())
    np.testing.assert_allclose(weights.numpy(), solution[:4].T, rtol=1e-6)
    np.testing.assert_allclose(biases.numpy(), solution[4], rtol=1e-6)


def test_moments_are_those_of_all_rows(heard):
    first, _, _, _ = heard
    features = torch.randn(3000, 5, dtype=torch.float64)  # more than one chunk
    weight = torch.rand(3000, dtype=torch.float64)
    weight /= weight.sum()
    mean, covariance = moments(units_of(first), features, weight)
    units = outputs([first], features).relu().numpy()
    np.testing.assert_allclose(mean.numpy(), np.average(units, 0, weight.numpy()))
    expected = np.cov(units.T, aweights=weight.numpy(), ddof=0)
    expected += 1e-4 * np.diag(expected).mean() * np.eye(8)
    np.testing.assert_allclose(covariance.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_hidden", [1, 2, 3])
def test_copies_of_units_go_and_nothing_is_lost(n_hidden):
    narrow = TabularMLP(5, 3, hidden=(16,) * n_hidden).double().layers
    copies = [(narrow[0].weight.repeat(4, 1), narrow[0].bias.repeat(4))]
    for layer in list(narrow)[1:-1]:
        copies.append((layer.weight.repeat(4, 4) / 4, layer.bias.repeat(4)))
    copies.append((narrow[-1].weight.repeat(1, 4) / 4, narrow[-1].bias))
    copies = [(weights.detach(), biases.detach()) for weights, biases in copies]
    features = torch.randn(500, 5, dtype=torch.float64)
    torch.testing.assert_close(outputs(copies, features), outputs(of(narrow), features))
    weight = torch.full((500,), 1 / 500, dtype=torch.float64)
    found, _ = pruned(copies, features, weight, 1e-3)
    assert [len(biases) for _, biases in found] == [16] * n_hidden + [3]
    assert divergence(copies, found, features, weight) < 1e-6


@pytest.mark.parametrize("tolerance", [1e-4, 1e-2, 0.3])
def test_answers_stay_within_the_tolerance(tolerance):
    module = TabularMLP(6, 4, hidden=(64, 48))
    with torch.no_grad():
        for layer in module.layers:
            layer.weight.mul_(3)  # so that the classes differ
    wide = of(module.layers)
    features = torch.randn(2000, 6, dtype=torch.float64)
    weight = torch.rand(2000, dtype=torch.float64)
    weight /= weight.sum()
    narrow, _ = pruned(wide, features, weight, tolerance)
    sizes = [len(biases) for _, biases in narrow[:-1]]
    assert divergence(wide, narrow, features, weight) <= tolerance
    looser, _ = pruned(wide, features, weight, 3 * tolerance)
    assert sum(len(biases) for _, biases in looser[:-1]) <= sum(sizes)
    if tolerance == 0.3:
        assert sum(sizes) < 64


def net_with_spare_features(n_spare):
    """A net that hears features of which the last are nearly sums of the first three and noise."""
    generator = torch.Generator().manual_seed(1)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    features = draw(1000, 3 + n_spare)
    features[:, 3:] = features[:, :3] @ draw(3, n_spare) + 0.03 * features[:, 3:]
    layers = [(draw(16, 3 + n_spare), draw(16)), (draw(3, 16) / 4, draw(3))]
    weight = draw(1000).abs()
    return layers, features, weight / weight.sum(), torch.arange(3, 3 + n_spare), torch.arange(3)


@pytest.mark.parametrize("tolerance", [1e-5, 3e-3, 0.03])
def test_spare_features_go_within_the_tolerance(tolerance):
    wide, features, weight, spare, kin = net_with_spare_features(40)
    narrow, kept = pruned(wide, features, weight, tolerance, spare, kin)
    assert set(kin.tolist()) <= set(kept.tolist())
    assert len(kept) == narrow[0][0].shape[1] and (kept.diff() > 0).all()
    after = torch.log_softmax(outputs(narrow, features[:, kept]), 1)
    before = torch.log_softmax(outputs(wide, features), 1)
    assert weight @ (before.exp() * (before - after)).sum(1) <= tolerance
    assert (len(kept) == 43) == (tolerance == 1e-5)


def test_what_spare_features_said_is_said_by_their_kin_alone():
    """By numpy's least squares; a feature that is neither is heard as before."""
    wide, features, weight, spare, kin = net_with_spare_features(8)
    features = torch.cat([features, features[:, :1] + 1], 1)  # which could say it, and must not
    (weights, biases), last = wide
    wide = [(torch.cat([weights, torch.ones(16, 1)], 1), biases), last]
    narrow, kept = with_fewer_features(wide, features, weight, lambda layers: True, spare, kin)
    assert kept.tolist() == [0, 1, 2, 11]
    wanted = (features[:, :11] @ wide[0][0][:, :11].T + biases).numpy()
    error, solution = least_squares(features[:, :3].numpy(), wanted, weight.numpy())
    np.testing.assert_allclose(narrow[0][0][:, :3].T, solution[:3], rtol=2e-3, atol=2e-3)
    assert torch.equal(narrow[0][0][:, 3], wide[0][0][:, 11])
    np.testing.assert_allclose(narrow[0][1], solution[3], rtol=2e-3, atol=2e-3)


def test_distilling_again_brings_the_narrow_net_nearer():
    wide = TabularMLP(4, 3, hidden=(64, 64)).double()
    with torch.no_grad():
        for layer in wide.layers:
            layer.weight.mul_(3)
    features = torch.randn(1000, 4, dtype=torch.float64)
    weight = torch.full((1000,), 1e-3, dtype=torch.float64)
    before = of(wide.layers)
    narrow, _ = pruned(before, features, weight, 0.05)
    layers = nn.Sequential(*(copy.deepcopy(layer) for layer in wide.layers))
    for layer, (weights, biases) in zip(layers, narrow, strict=True):
        layer.weight, layer.bias = nn.Parameter(weights.clone()), nn.Parameter(biases.clone())
    log_proba = torch.log_softmax(outputs(before, features), 1)
    distill_again(layers, features, log_proba, weight, seed=0)
    after = divergence(before, of(layers), features, weight)
    assert after < 0.5 * divergence(before, narrow, features, weight)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_units_that_say_nothing_all_go(value):
    module = TabularMLP(3, 2, hidden=(64, 64), pruning=1e-3)
    with torch.no_grad():
        module.layers[0].weight.zero_()
        module.layers[0].bias.fill_(value)
    rows = RNG.normal(size=(50, 3))
    expected = module(torch.tensor(rows, dtype=torch.float32))
    assert module.prune(rows, None, seed=0)["hidden"] == (16, 16)
    wide, narrow = expected.softmax(1), module(torch.tensor(rows, dtype=torch.float32)).softmax(1)
    assert (wide * (wide / narrow).log()).sum(1).mean() < 1e-3


def test_rounded_weights_are_the_nearest_that_half_precision_holds():
    # 1 + 2^-11 lies between two of them and goes to the even one; 1e5 and what is not finite stay.
    weights = torch.tensor([1.0, 1 + 2**-11, 1 + 2**-10, -1 / 3, 1e-9, 1e5, torch.nan])
    round_to_half_precision(weights)
    third = -1365 / 4096  # 10 binary digits behind the first: -1.0101010101 x 2^-2
    expected = torch.tensor([1.0, 1.0, 1 + 2**-10, third, 0.0, 1e5, torch.nan])
    assert torch.equal(weights.nan_to_num(-9), expected.nan_to_num(-9))
    assert weights.dtype == torch.float32


# Rows to go by


def test_rows_are_training_rows_and_mixtures_of_their_entries():
    given = np.arange(60.0).reshape(20, 3)
    sample_weight = np.arange(1.0, 21.0)
    rows, weight = rows_to_judge_by(given, sample_weight, 8192, seed=0)
    np.testing.assert_array_equal(rows[:20], given)
    np.testing.assert_allclose(weight[:20], sample_weight / sample_weight.sum() / 2)
    assert weight.sum() == pytest.approx(1)
    for made, column in zip(rows.T, given.T, strict=True):
        assert np.isin(made, column).all()
    # A row is the copy of one, but for some of its entries.
    owner = (rows[20:] // 3).astype(int)
    kept = (owner == np.median(owner, axis=1, keepdims=True)).mean()
    assert 0.6 < kept < 0.9


def test_rows_of_a_sparse_matrix_are_the_same():
    given = RNG.normal(size=(30, 4)) * (RNG.random((30, 4)) < 0.5)
    (dense, _), (of_sparse, _) = (
        rows_to_judge_by(one, None, 8192, seed=1) for one in (given, sparse.csr_array(given))
    )
    np.testing.assert_array_equal(dense, of_sparse)


def test_wide_rows_are_left_alone():
    module = TabularMLP(5000, 2, hidden=(32,), pruning=1e-3)
    made_by = module.prune(np.zeros((300, 5000), dtype=np.float32), None, seed=0)
    assert made_by == {"hidden": (32,), "bins": ()}


# In a fit


def test_the_default_student_gets_narrower():
    wide, narrow = fitted(student__module__pruning=0.0), fitted()
    widths = narrow.student_.module__hidden
    assert wide.student_.module__hidden == (256, 256)
    assert sum(widths) < 256
    assert [layer.out_features for layer in narrow.student_.module_.layers] == [*widths, 2]
    moons = make_moons(2000, noise=0.2, random_state=1)[0].astype(np.float32)
    before, after = (clf.predict_proba(moons) for clf in (wide, narrow))
    assert (before * np.log(before / after)).sum(1).mean() < 0.003
    assert len(pickle.dumps(narrow)) < 0.5 * len(pickle.dumps(wide))
    np.testing.assert_array_equal(wide.history_["loss"], narrow.history_["loss"])


@pytest.mark.parametrize("student", [None, "mlp_plr"])
def test_half_precision_is_enough_for_the_weights(student, monkeypatch):
    as_it_is = fitted(student=student, student__max_epochs=5)
    for layer in as_it_is.student_.module_.layers:
        assert layer.weight.dtype == torch.float32
        assert torch.equal(layer.weight, layer.weight.half().float())
    monkeypatch.setattr("skkd.students._pruning.round_to_half_precision", lambda weights: None)
    unrounded = fitted(student=student, student__max_epochs=5)
    before, after = (clf.predict_proba(X).astype(np.float64) for clf in (unrounded, as_it_is))
    # Far below the 0.003 nats that pruning may cost.
    assert (before != after).any()
    assert (before * np.log(before / after)).sum(1).mean() < 1e-6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_computes_in_the_dtype_of_x_and_is_the_same_each_time(dtype):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    clfs = [
        DistilledClassifier(None, augmenter=None, random_state=0)
        .set_params(student__max_epochs=3)
        .fit(X.astype(dtype), Y, teacher_proba=PROBA)
        for _ in range(2)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    first, second = (clf.predict_proba(X) for clf in clfs)
    assert first.dtype == dtype
    np.testing.assert_array_equal(first, second)


def test_widths_that_somebody_chose_are_kept():
    clf = fitted(student__module__hidden=(64, 32), student__max_epochs=2)
    assert clf.student_.module__hidden == (64, 32)
    clf = fitted(
        student__module__hidden=(64, 32),
        student__module__pruning=0.003,
        student__max_epochs=2,
    )
    assert clf.student_.module__hidden < (64, 32)


def test_partial_fit_goes_on_with_what_is_left_and_takes_nothing():
    clf = fitted(student__max_epochs=3)
    widths = clf.student_.module__hidden
    clf.partial_fit(X, Y, teacher_proba=PROBA)
    assert clf.student_.module__hidden == widths
    clf = DistilledClassifier(None, augmenter=None, random_state=0)
    clf.partial_fit(X, Y, teacher_proba=PROBA)
    assert clf.student_.module__hidden == (256, 256)


def test_the_optimizer_knows_the_units_that_are_left():
    net = fitted(student__max_epochs=2).student_
    known = {id(p) for group in net.optimizer_.param_groups for p in group["params"]}
    assert known == {id(parameter) for parameter in net.module_.parameters()}


def test_a_narrow_student_is_saved_and_cloned(tmp_path):
    clf = fitted(student__max_epochs=3)
    save(clf, tmp_path / "a.skkd")
    for again in (load(tmp_path / "a.skkd"), pickle.loads(pickle.dumps(clf)), copy.deepcopy(clf)):
        np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
        assert again.student_.module__hidden == clf.student_.module__hidden
    # Another fit begins with all units again.
    assert clone(clf).student.module__hidden == "auto"
    np.testing.assert_array_equal(
        clone(clf).fit(X, Y, teacher_proba=PROBA).predict_proba(X), clf.predict_proba(X)
    )


def test_periodic_embeddings_stay_as_they_are():
    clf = fitted(student="mlp_plr", student__max_epochs=3)
    module, widths = clf.student_.module_, clf.student_.module__hidden
    assert isinstance(module, PeriodicMLP) and sum(widths) < 512
    wide = fitted(student="mlp_plr", student__max_epochs=3, student__module__pruning=0.0)
    for name, value in wide.student_.module_.embedding.state_dict().items():
        assert torch.equal(module.embedding.state_dict()[name], value)
    np.testing.assert_allclose(wide.predict_proba(X), clf.predict_proba(X), atol=0.1)


def test_ten_classes_and_weights_of_rows():
    digits, labels = load_digits(return_X_y=True)
    digits = digits.astype(np.float32)
    proba = 0.9 * np.eye(10)[labels] + 0.01
    clf = DistilledClassifier(None, make_student("mlp"), augmenter=None, random_state=0)
    clf.set_params(student__max_epochs=10)
    clf.fit(digits, labels, 1.0 + labels, teacher_proba=proba)
    assert sum(clf.student_.module__hidden) < 512
    assert clf.score(digits, labels) > 0.95

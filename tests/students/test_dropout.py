"""Dropout: its share, its mean, and the generator that it draws from."""

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from skkd.students._mlp import Dropout, HiddenLayer, seed_dropout

N_ROWS, N_COLUMNS = 500, 400


@pytest.fixture
def dropped():
    torch.manual_seed(0)
    return lambda p, X: Dropout(p)(X)


@pytest.mark.parametrize("p", [0.01, 0.2, 0.5, 0.93])
def test_as_many_values_are_dropped_as_chance_allows(p, dropped):
    n_dropped = int((dropped(p, torch.ones(N_ROWS, N_COLUMNS)) == 0).sum())
    assert stats.binomtest(n_dropped, N_ROWS * N_COLUMNS, p).pvalue > 1e-3


def test_dropped_values_are_independent_of_their_neighbours(dropped):
    """The four values that share 64 bits among them."""
    lost = (dropped(0.2, torch.ones(N_ROWS * N_COLUMNS)) == 0).double().numpy()
    for distance in (1, 2, 3, 4, 5):
        correlation = np.corrcoef(lost[:-distance], lost[distance:])[0, 1]
        assert abs(correlation) < 4 / np.sqrt(len(lost))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 2, 3), (0, 4)])
def test_what_remains_is_scaled_such_that_the_mean_stays(shape, dtype, dropped):
    X = torch.arange(1, 1 + int(np.prod(shape)), dtype=dtype).reshape(shape).requires_grad_()
    out = dropped(0.25, X)
    assert out.dtype == dtype
    factors = (out / X).detach().unique().tolist()
    assert set(np.round(factors, 6)) <= {0.0, round(1 / 0.75, 6)}
    out.sum().backward()
    torch.testing.assert_close(X.grad, (out / X).detach())


def test_a_share_between_two_of_its_steps_keeps_the_mean():
    p = 1.4 / 2**16  # dropped is one value of 65,536
    torch.manual_seed(0)
    kept = Dropout(p)(torch.ones(100, dtype=torch.float64))
    assert kept.max() == 2**16 / (2**16 - 1)


def test_the_seed_decides(dropped):
    X = torch.ones(20, 20)
    first = dropped(0.5, X)
    assert not torch.equal(first, dropped(0.5, X))
    torch.manual_seed(0)
    assert torch.equal(first, dropped(0.5, X))


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_none_or_all_are_dropped_as_pytorch_does(p, dropped):
    X = torch.ones(4, 4)
    assert torch.equal(dropped(p, X), nn.Dropout(p)(X))


def test_nothing_is_dropped_outside_of_training():
    X = torch.ones(4, 4)
    assert Dropout(0.5).eval()(X) is X


# A private generator


def test_a_seeded_one_neither_reads_nor_moves_the_global_generator():
    X, state = torch.ones(20, 20), torch.get_rng_state()
    masks = []
    for global_seed in (0, 1):
        layer = Dropout(0.5)
        layer.seed(3)
        torch.manual_seed(global_seed)
        masks.append([layer(X), layer(X)])
    assert torch.equal(masks[0][0], masks[1][0]) and torch.equal(masks[0][1], masks[1][1])
    assert not torch.equal(masks[0][0], masks[0][1])
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state)


def test_draws_of_other_threads_change_nothing():
    def masks(layer, n):
        return [layer(torch.ones(50, 50)) for _ in range(n)]

    alone, beside = Dropout(0.5), Dropout(0.5)
    alone.seed(0)
    beside.seed(0)
    expected = masks(alone, 50)
    other = threading.Thread(target=masks, args=(Dropout(0.5), 500))
    other.start()
    drawn = masks(beside, 50)
    other.join()
    assert all(map(torch.equal, expected, drawn))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("n_draws", [0, 3])
def test_copies_go_on_where_the_original_is(copied, n_draws):
    X, layer = torch.ones(30, 30), Dropout(0.3)
    layer.seed(5)
    for _ in range(n_draws):
        layer(X)
    twin = copied(layer)
    assert torch.equal(layer(X), twin(X))
    assert torch.equal(layer(X), twin(X))


def test_each_layer_of_a_module_gets_a_seed_of_its_own():
    module = nn.Sequential(HiddenLayer(3, 40, 0.5), HiddenLayer(40, 40, 0.5))
    seed_dropout(module, 0)
    first, second = (layer.dropout(torch.ones(10, 40)) for layer in module)
    assert not torch.equal(first, second)
    seed_dropout(module, 0)
    assert torch.equal(first, module[0].dropout(torch.ones(10, 40)))


@pytest.mark.parametrize("p", [float("nan"), -0.1, 1.5])
def test_a_share_that_is_none(p):
    with pytest.raises(ValueError, match="dropout=.*from 0 to 1"):
        Dropout(p)

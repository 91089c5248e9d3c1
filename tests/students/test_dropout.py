import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from skkd.students._dropout import Dropout

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

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from skkd._training.gram import LastLayerInput
from skkd._training.look_ahead import LookAhead
from tests.helpers import Net, make_data, quick_net

X, Y = make_data(n_rows=24)
WEIGHT = np.random.default_rng(0).uniform(0.5, 3, len(X))


def make(*, last_layer, weight=None, batch_size=24, seed=0, rows=X, dtype=None, **module):
    """A look-ahead, and the parameters whose gradients it takes."""
    # As the package tells a net that ends in a softmax.
    ends_in_softmax = isinstance(module.get("end"), nn.Softmax)
    criterion = nn.NLLLoss if ends_in_softmax else nn.CrossEntropyLoss
    net = quick_net(module__n_features=5, module__n_classes=3, criterion=criterion)
    net.set_params(**{f"module__{name}": value for name, value in module.items()})
    net.initialize()
    net.module_.to(dtype or torch.float64)
    linear = [part for part in net.module_.modules() if isinstance(part, nn.Linear)][-1]
    parameters = list(net.module_.parameters())
    ahead = LookAhead(
        net,
        rows,
        Y,
        weight,
        n_classes=3,
        layer_input=LastLayerInput(linear) if last_layer else None,
        parameters=parameters,
        batch_size=batch_size,
        seed=seed,
    )
    return ahead, net.module_, [linear.weight] if last_layer else parameters


def pair_for(parameters):
    """Any two vectors."""
    generator = torch.Generator().manual_seed(0)
    n = sum(p.numel() for p in parameters)
    return torch.randn(2, n, generator=generator, dtype=torch.float64).to(parameters[0].dtype)


def by_autograd(module, parameters, rows=slice(None), weight=None):
    """Inner products with the gradient of the mean task loss, in evaluation mode."""
    flags = [(part, part.training) for part in module.modules()]
    module.eval()
    output = module(torch.as_tensor(X[rows], dtype=parameters[0].dtype))
    for part, flag in flags:
        part.training = flag
    loss = nn.functional.cross_entropy(output, torch.as_tensor(Y[rows]), reduction="none")
    if weight is not None:
        loss = loss * torch.as_tensor(weight[rows] / weight.mean())
    gradients = torch.autograd.grad(loss.mean(), parameters)
    return pair_for(parameters) @ torch.cat([gradient.flatten() for gradient in gradients])


everywhere = pytest.mark.parametrize("last_layer", [True, False], ids=["last_layer", "all"])


@everywhere
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "own"])
@pytest.mark.parametrize("end", [None, nn.LogSoftmax(-1)], ids=["logits", "log_softmax"])
def test_slopes_equal_autograd(last_layer, weight, end):
    ahead, module, parameters = make(last_layer=last_layer, weight=weight, end=end)
    expected = by_autograd(module, parameters, weight=weight)
    got = ahead.slopes(pair_for(parameters))
    torch.testing.assert_close(got.double(), expected, rtol=1e-10, atol=0)


@everywhere
def test_slopes_of_a_student_that_gives_probabilities(last_layer):
    ahead, module, parameters = make(last_layer=last_layer, end=nn.Softmax(-1))
    slopes = ahead.slopes(pair_for(parameters))
    module.layers[-1] = nn.LogSoftmax(-1)
    expected = by_autograd(module, parameters)
    torch.testing.assert_close(slopes.double(), expected, rtol=1e-9, atol=0)


@everywhere
def test_slopes_of_a_batch_of_sparse_rows(last_layer):
    ahead, module, parameters = make(last_layer=last_layer, rows=sparse.csr_array(X))
    expected = by_autograd(module, parameters)
    torch.testing.assert_close(ahead.slopes(pair_for(parameters)).double(), expected)


@everywhere
def test_batches_go_round_all_rows_and_are_unbiased(last_layer):
    ahead, module, parameters = make(last_layer=last_layer, weight=WEIGHT, batch_size=8)
    seen = []
    forward = module.forward
    module.forward = lambda rows: (seen.append(rows), forward(rows))[1]
    for _ in range(2):
        slopes = [ahead.slopes(pair_for(parameters)) for _ in range(3)]
        expected = by_autograd(module, parameters, weight=WEIGHT)
        mean = torch.stack(slopes).double().mean(0)
        torch.testing.assert_close(mean, expected, rtol=1e-10, atol=1e-14)
    for start in (0, 4):  # the fourth look of each round is the one by autograd
        rows = torch.cat(seen[start : start + 3]).numpy()
        np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(X, axis=0))
        assert not np.array_equal(rows, X)
    assert not torch.equal(seen[0], seen[4])


def test_order_follows_the_seed():
    def first_batch(seed):
        torch.manual_seed(0)
        ahead, _, parameters = make(last_layer=True, batch_size=4, seed=seed)
        return ahead.slopes(pair_for(parameters)).tolist()

    assert first_batch(0) == first_batch(0) != first_batch(1)


@everywhere
def test_looks_in_evaluation_mode_and_leaves_no_trace(last_layer):
    extra = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(8).double())
    ahead, module, parameters = make(last_layer=last_layer, extra=extra)
    module.train()
    extra[0].eval()  # a part that its owner has set by hand
    before = {name: value.clone() for name, value in module.state_dict().items()}
    flags = [part.training for part in module.modules()]
    random_state = torch.get_rng_state()
    expected = by_autograd(module, parameters)
    torch.testing.assert_close(ahead.slopes(pair_for(parameters)).double(), expected)
    assert [part.training for part in module.modules()] == flags
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


@everywhere
def test_parameters_that_play_no_part_have_no_slope(last_layer):
    class WithSpare(Net):
        def __init__(self, n_features, n_classes):
            super().__init__(n_features, n_classes)
            self.spare = nn.Parameter(torch.ones(3))

    sizes = {"module__n_features": 5, "module__n_classes": 3}
    net = quick_net(WithSpare, criterion=nn.CrossEntropyLoss, **sizes).initialize()
    net.module_.double()
    parameters = [p for name, p in net.module_.named_parameters() if name != "spare"]
    everything = [*parameters, net.module_.spare]
    layer_input = LastLayerInput(net.module_.layers[2]) if last_layer else None
    ahead = LookAhead(
        net,
        X,
        Y,
        None,
        n_classes=3,
        layer_input=layer_input,
        parameters=everything,
        batch_size=24,
        seed=0,
    )
    of = [net.module_.layers[2].weight] if last_layer else everything
    pair = pair_for(of)
    slopes = ahead.slopes(pair)
    assert torch.isfinite(slopes).all()
    if not last_layer:
        pair[:, -3:] = 7.0
        torch.testing.assert_close(ahead.slopes(pair), slopes, rtol=1e-12, atol=0)


@everywhere
def test_single_precision(last_layer):
    ahead, module, parameters = make(
        last_layer=last_layer, weight=WEIGHT, rows=X.astype(np.float32), dtype=torch.float32
    )
    expected = by_autograd(module, parameters, weight=WEIGHT)
    slopes = ahead.slopes(pair_for(parameters))
    torch.testing.assert_close(slopes.double(), expected.double(), rtol=1e-4, atol=1e-6)

import pytest
import torch
from torch import nn

from skkd._training.gram import (
    LastLayerInput,
    find_last_layer,
    gram,
    in_last_layer,
    in_parameters,
    over_logits,
)

N_CLASSES = 3


class Reordered(nn.Module):
    """Layers run in another order than they were registered in."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, N_CLASSES)
        self.first = nn.Linear(5, 4)

    def forward(self, X):
        return self.last(self.first(X))


class PooledOutput(nn.Module):
    """The last layer works on four patches of a row, whose outputs are averaged."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, N_CLASSES)

    def forward(self, X):
        return self.layer(X.unsqueeze(-1)).mean(1)


class Affine(nn.Module):
    """A linear layer by another name."""

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.ones(5, N_CLASSES))

    def forward(self, X):
        return X @ self.matrix


def losses_of(logits):
    """Any two different losses."""
    return logits.square().mean(), logits.exp().mean()


def gram_by_autograd(losses, parameters):
    """A, C, C, B: inner products of the gradients, parameter by parameter."""
    pair = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
    products = [sum((a * b).sum() for a, b in zip(g, h, strict=True)) for g in pair for h in pair]
    return torch.stack(products)


def gradients_in(logits):
    """Shape (2, n_rows, n_classes)."""
    return torch.stack(
        [torch.autograd.grad(of, logits, retain_graph=True)[0] for of in losses_of(logits)]
    )


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, N_CLASSES)).double()


@pytest.fixture
def X():
    return torch.randn(6, 5, dtype=torch.float64)


def test_in_last_layer_equals_autograd(net, X):
    kept = LastLayerInput(net[2])
    logits = net(X)
    got = gram(in_last_layer(gradients_in(logits), kept.value))
    expected = gram_by_autograd(losses_of(logits), [net[2].weight])
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=0)


def test_over_logits_equals_autograd(net, X):
    logits = net(X)
    expected = gram_by_autograd(losses_of(logits), [logits])
    torch.testing.assert_close(over_logits(gradients_in(logits)), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("over", [over_logits, lambda e: in_last_layer(e, torch.ones(6, 4))])
def test_memory_layout_does_not_matter(over):
    gradients = torch.randn(2, 6, N_CLASSES)
    strided = gradients.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(over(strided), over(gradients))


def test_in_parameters_equals_autograd(net, X):
    parameters = list(net.parameters())
    losses = losses_of(net(X))
    pair = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
    expected = gram_by_autograd(losses, parameters)
    torch.testing.assert_close(gram(in_parameters(*pair)), expected, rtol=1e-12, atol=0)


def test_last_layer_input_is_detached_and_goes_away(net, X):
    kept = LastLayerInput(net[2])
    net(X)
    torch.testing.assert_close(kept.value, net[1](net[0](X)).detach())
    assert not kept.value.requires_grad
    kept.close()
    net(X)
    assert not kept.value.numel()


@pytest.mark.parametrize(
    ("net", "last"),
    [
        (nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)), "2"),
        (nn.Sequential(nn.Linear(5, 3), nn.Softmax(-1)), "0"),
        (nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5), nn.Sequential(nn.Linear(4, 3))), "2.0"),
        (Reordered(), "last"),
    ],
    ids=["plain", "softmax", "nested", "reordered"],
)
def test_find_last_layer(net, last):
    found = find_last_layer(net, lambda: net(torch.zeros(2, 5)), N_CLASSES)
    assert found is net.get_submodule(last)


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Linear(5, 3), nn.LayerNorm(3)),
        nn.Sequential(nn.Linear(5, 4)),
        nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 3, 5), nn.Flatten()),
        nn.Sequential(nn.ReLU()),
        Affine(),
        PooledOutput(),
    ],
    ids=["norm last", "other width", "convolution", "no parameters", "no layers", "pooled"],
)
def test_find_last_layer_gives_none_without_a_final_linear(net):
    assert find_last_layer(net, lambda: net(torch.zeros(2, 5)), N_CLASSES) is None


def test_find_last_layer_leaves_no_hooks_behind(net):
    def failing():
        raise RuntimeError("no forward pass")

    with pytest.raises(RuntimeError, match="no forward pass"):
        find_last_layer(net, failing, N_CLASSES)
    assert not any(part._forward_hooks for part in net.modules())


def test_a_row_of_weight_two_is_two_rows_over_the_logits():
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    weight = torch.tensor([[1.0, 2.0, 1.0, 3.0, 1.0]], dtype=torch.float64)
    times = weight.squeeze().long()
    repeated = over_logits(gradients.repeat_interleave(times, dim=1))
    weighted = over_logits(gradients * weight.unsqueeze(-1), weight)
    torch.testing.assert_close(weighted, repeated)

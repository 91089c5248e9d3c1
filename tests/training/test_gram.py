import pytest
import torch
from torch import nn

from skkd._training.gram import gram, in_parameters, over_logits

N_CLASSES = 3


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


def test_over_logits_equals_autograd(net, X):
    logits = net(X)
    expected = gram_by_autograd(losses_of(logits), [logits])
    torch.testing.assert_close(over_logits(gradients_in(logits)), expected, rtol=1e-12, atol=0)


def test_memory_layout_does_not_matter():
    gradients = torch.randn(2, 6, N_CLASSES)
    strided = gradients.transpose(1, 2).contiguous().transpose(1, 2)
    torch.testing.assert_close(over_logits(strided), over_logits(gradients))


def test_in_parameters_equals_autograd(net, X):
    parameters = list(net.parameters())
    losses = losses_of(net(X))
    pair = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
    expected = gram_by_autograd(losses, parameters)
    torch.testing.assert_close(gram(in_parameters(*pair)), expected, rtol=1e-12, atol=0)


def test_a_row_of_weight_two_is_two_rows_over_the_logits():
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    weight = torch.tensor([[1.0, 2.0, 1.0, 3.0, 1.0]], dtype=torch.float64)
    times = weight.squeeze().long()
    repeated = over_logits(gradients.repeat_interleave(times, dim=1))
    weighted = over_logits(gradients * weight.unsqueeze(-1), weight)
    torch.testing.assert_close(weighted, repeated)

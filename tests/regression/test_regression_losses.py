"""Losses of regression against scikit-learn's, and their gradients against finite differences."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from skkd._regression import LOG_LINK, REGRESSION_LOSSES, TargetScaling, loss_at
from skkd._regression.regression import Numeric

ORACLES = {
    "squared_error": metrics.mean_squared_error,
    "absolute_error": metrics.mean_absolute_error,
    "quantile": lambda y, found: metrics.mean_pinball_loss(y, found, alpha=0.8),
    "poisson": lambda y, found: metrics.mean_poisson_deviance(y, np.exp(found)),
    "gamma": lambda y, found: metrics.mean_gamma_deviance(y, np.exp(found)),
}


def drawn(n_outputs=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(50, n_outputs)), rng.gamma(2.0, size=(50, n_outputs))


@pytest.mark.parametrize("name", ORACLES)
def test_losses_are_those_of_scikit_learn(name):
    outputs, y = drawn()
    losses = loss_at(name, 0.8)(torch.from_numpy(outputs), torch.from_numpy(y))
    expected = [ORACLES[name](*pair) for pair in zip(y, outputs, strict=True)]
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-12)


def test_huber_is_squared_near_and_linear_afar():
    outputs, targets = torch.tensor([[0.5], [3.0]]), torch.zeros(2, 1)
    assert REGRESSION_LOSSES["huber"](outputs, targets).tolist() == [0.125, 2.5]


@pytest.mark.parametrize("name", REGRESSION_LOSSES)
def test_gradients_are_those_of_the_weighted_means(name):
    outputs, y = drawn(2)
    answers, weight = drawn(2, seed=1)[1], drawn()[1][:, 0]
    loss = loss_at(name, 0.3)
    objective = Numeric(np.stack([y, answers]), weight, (loss, loss), "cpu", torch.float64)
    rows = torch.arange(10, 30)
    losses, gradients = objective(torch.from_numpy(outputs[10:30]), rows)
    for i, targets in enumerate((y, answers)):
        part = torch.from_numpy(outputs[10:30]).requires_grad_()
        values = loss(part, torch.from_numpy(targets[10:30]))
        expected = (torch.from_numpy(weight / weight.mean())[10:30] * values).mean()
        (gradient,) = torch.autograd.grad(expected, part)
        torch.testing.assert_close(losses[i], expected.detach())
        torch.testing.assert_close(gradients[i], gradient)


def test_two_losses_at_once():
    outputs, y = drawn()
    pair = REGRESSION_LOSSES["squared_error"], REGRESSION_LOSSES["absolute_error"]
    objective = Numeric(np.stack([y, y]), None, pair, "cpu", torch.float64)
    losses, _ = objective(torch.from_numpy(outputs), slice(None))
    expected = metrics.mean_squared_error(y, outputs), metrics.mean_absolute_error(y, outputs)
    np.testing.assert_allclose(losses, expected)


@pytest.mark.parametrize("link", ["identity", "log"])
def test_scaling_goes_forth_and_back(link):
    y = drawn(3)[1]
    scaling = TargetScaling.of(y, None, link, is_flat=False)
    np.testing.assert_allclose(scaling.values(scaling.outputs(y)), y)
    if link == "identity":
        np.testing.assert_allclose(scaling.standardized(y).mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(scaling.standardized(y).std(axis=0), 1)


def test_log_links_are_known():
    assert set(LOG_LINK) < set(REGRESSION_LOSSES)

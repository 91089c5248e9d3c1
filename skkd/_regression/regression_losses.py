r"""Losses of regression, as functions of outputs and standardized targets.

Each takes Tensors of shape (..., n_rows, n_outputs) and returns one value a row, the mean over the
outputs. The losses of :data:`LOG_LINK` take outputs that are logarithms of a mean.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

RegressionLoss = Callable[[Tensor, Tensor], Tensor]


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the squared error."""
    return (outputs - targets).square().mean(-1)


def absolute_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the absolute error."""
    return (outputs - targets).abs().mean(-1)


def huber(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return half the squared error, linear from one standard deviation on."""
    return F.huber_loss(outputs, targets, reduction="none").mean(-1)


def quantile(outputs: Tensor, targets: Tensor, level: float = 0.5) -> Tensor:
    """Return the pinball loss, which is least at the quantile of a level."""
    above = targets - outputs
    return torch.maximum(level * above, (level - 1.0) * above).mean(-1)


def poisson(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the Poisson deviance."""
    of_targets = torch.xlogy(targets, targets) - targets
    return 2.0 * (of_targets - targets * outputs + outputs.exp()).mean(-1)


def gamma(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the gamma deviance."""
    above = targets.log() - outputs
    return 2.0 * (above.expm1() - above).mean(-1)


REGRESSION_LOSSES: dict[str, RegressionLoss] = {
    "squared_error": squared_error,
    "absolute_error": absolute_error,
    "huber": huber,
    "quantile": quantile,
    "poisson": poisson,
    "gamma": gamma,
}

#: Losses of outputs that are logarithms.
LOG_LINK = ("poisson", "gamma")


def loss_at(name: str, level: float) -> RegressionLoss:
    """Return a loss by its name; the one of quantiles is that of a level."""
    return partial(quantile, level=level) if name == "quantile" else REGRESSION_LOSSES[name]

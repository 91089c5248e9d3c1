"""Both losses of a batch and their gradients in the logits, in one go.

The gradients end at the logits: whatever a balancer decides, the student is passed backwards once,
from ``w_task * g_task + w_distill * g_distill``.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .losses import cross_entropy, kl, soften, takes_labels

Rows = Tensor | slice


def make_objective(
    labels: np.ndarray,
    proba: np.ndarray,
    sample_weight: np.ndarray | None,
    *,
    loss: Callable[..., Tensor],
    temperature: float,
    device,
    dtype: torch.dtype,
) -> "ClosedForm | Autograd":
    """The objective over the training rows, with the teacher's targets softened once.

    Parameters
    ----------
    labels : int ndarray of shape (n_rows,)
    proba : ndarray of shape (n_rows, n_classes)
        The teacher's probabilities.
    sample_weight : ndarray of shape (n_rows,) or None
        Positive. Divided by its mean, so that a batch's loss is an unbiased part of
        ``sum(w * loss) / sum(w)``, and exactly that where the batch is all rows.
    """
    label_tensor = torch.as_tensor(labels, dtype=torch.int64, device=device)
    soft_targets = soften(torch.as_tensor(proba, dtype=torch.float64), temperature)
    soft_targets = soft_targets.to(device=device, dtype=dtype)
    weight = None
    if sample_weight is not None:
        weight = torch.as_tensor(sample_weight / sample_weight.mean(), dtype=dtype, device=device)
        weight = weight.unsqueeze(0)
    kind = ClosedForm if loss is kl else Autograd
    return kind(label_tensor, soft_targets, weight, loss, temperature)


class Objective:
    """What both kinds share: the weights of the rows."""

    weight: Tensor | None

    def row_weight(self, rows: Rows) -> Tensor | None:
        """Weights of shape (1, n_rows), with a mean of one over all rows; None if all are equal."""
        return None if self.weight is None else take(self.weight, rows)


class ClosedForm(Objective):
    r"""Cross-entropy and divergence, whose gradients in the logits are known.

    With p the softmax of the logits, y the one-hot label, q the soft target and :math:`p_T` the
    softened student: :math:`g_t = p - y` and :math:`g_d = T (p_T - q)` a row.
    """

    def __init__(self, labels, soft_targets, weight, loss, temperature):
        n_rows, n_classes = soft_targets.shape
        # Both losses' targets side by side: one index operation fetches what both need.
        self.targets = soft_targets.new_zeros(2, n_rows, n_classes)
        self.targets[0].scatter_(1, labels.unsqueeze(1), 1.0)
        self.targets[1] = soft_targets
        # The targets' own entropy makes a divergence of the cross-entropy; zero for the labels.
        self.entropy = torch.xlogy(self.targets, self.targets).sum(-1)
        self.weight = weight
        self.inverse_temperature = None
        if temperature != 1.0:
            self.inverse_temperature = (
                1.0 / soft_targets.new_tensor([1.0, temperature])[:, None, None]
            )
        self.temperatures = soft_targets.new_tensor([1.0, temperature])
        self.scales: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, logits: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """Mean losses of shape (2,) and gradients of shape (2, n_rows, n_classes)."""
        targets, entropy = take(self.targets, rows), take(self.entropy, rows)
        if self.inverse_temperature is not None:
            logits = logits * self.inverse_temperature
        # Log-softmax; torch's own is three times slower on rows as short as these.
        logits = logits - logits.amax(-1, keepdim=True)
        log_p = logits - logits.exp().sum(-1, keepdim=True).log()
        row_losses = entropy - (targets * log_p).sum(-1)
        gradients = log_p.exp() - targets
        weight = self.row_weight(rows)
        if weight is not None:
            row_losses = row_losses * weight
            gradients = gradients * weight.unsqueeze(-1)
        loss_scale, gradient_scale = self._scale(logits.shape[-2])
        return row_losses.sum(-1) * loss_scale, gradients * gradient_scale

    def _scale(self, n_rows: int) -> tuple[Tensor, Tensor]:
        """T^2 for the losses and T for their gradients, divided by the number of rows."""
        if n_rows not in self.scales:
            means = self.temperatures / n_rows
            self.scales[n_rows] = (self.temperatures * means, means[:, None, None])
        return self.scales[n_rows]


def take(values: Tensor, rows: Rows) -> Tensor:
    """Rows of a tensor whose second dimension they are."""
    return values if isinstance(rows, slice) else values.index_select(1, rows)


class Autograd(Objective):
    """Any distillation loss of :mod:`skkd.losses`' form, differentiated by torch."""

    def __init__(self, labels, soft_targets, weight, loss, temperature):
        self.labels = labels
        self.soft_targets = soft_targets
        self.weight = weight
        self.loss = loss
        self.temperature = temperature
        self.takes_labels = takes_labels(loss)

    @torch.enable_grad()
    def __call__(self, logits: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:
        """Mean losses of shape (2,) and gradients of shape (2, n_rows, n_classes)."""
        logits = logits.detach().requires_grad_()
        labels = self.labels[rows]
        extra = {"labels": labels} if self.takes_labels else {}
        row_losses = [
            cross_entropy(logits, labels),
            self.loss(logits, self.soft_targets[rows], self.temperature, **extra),
        ]
        weight = self.row_weight(rows)
        if weight is not None:
            row_losses = [weight.squeeze(0) * values for values in row_losses]
        losses = [values.mean() for values in row_losses]
        gradients = [torch.autograd.grad(value, logits)[0] for value in losses]
        return torch.stack(losses).detach(), torch.stack(gradients)

"""Both losses of a batch and their gradients in the logits, in one go.

The gradients end at the logits: whatever a balancer decides, the student is passed backwards once,
from ``w_task * g_task + w_distill * g_distill``.
"""

import math

import torch
from torch import Tensor

from .._input import MANY_TARGETS, as_tensor
from .._objective import Numbers, Objective
from ..balancers import BatchRows
from ..losses import cross_entropy, soften, takes_labels

# A row's largest temperature under "teacher_entropy": Hinton's choice for sure teachers.
_LARGEST_TEMPERATURE = 4.0


def temperature_of_rows(proba: Tensor) -> Tensor:
    r"""Return a temperature for each row by the teacher's entropy: :math:`4^{1 - H(q) / \log K}`.

    A row on which the teacher is sure is softened, which shows what it says of the other classes. A
    row on which it is unsure is left as it is.

    Parameters
    ----------
    proba : Tensor of shape (n_rows, n_classes)

    Returns
    -------
    temperature : Tensor of shape (n_rows,), between 1 and 4
    """
    entropy = -torch.xlogy(proba, proba).sum(-1) / math.log(proba.shape[-1])
    return _LARGEST_TEMPERATURE ** (1.0 - entropy)


class SoftTargets(Objective):
    """Both losses over some rows, as functions of a batch's logits. What both kinds share.

    Targets are made once for all rows. Many targets are made batch by batch instead, from the
    teacher's answers and in their dtype: they would take several times the answers' memory.

    Parameters
    ----------
    labels : int ndarray of shape (n_rows,)
    proba : ndarray of shape (n_rows, n_classes)
        The teacher's probabilities.
    loss : callable
        The distillation loss.
    sample_weight, device, dtype
        As in :class:`Objective`.
    """

    def __init__(self, labels, proba, sample_weight, loss, device, dtype):
        labels = torch.as_tensor(labels, dtype=torch.int64, device=device)
        super().__init__(labels, sample_weight, device, dtype)
        self.by_batch = proba.size > MANY_TARGETS
        proba = as_tensor(proba)
        self.proba = proba if self.by_batch else proba.double()
        self.loss = loss
        self.temperature: float | Tensor = 1.0
        self._asked: float | str | None = None
        self._teacher: Tensor | None = None

    def soften(self, temperature: float | str) -> None:
        """Make the soft targets of this temperature, or of one a row for "teacher_entropy"."""
        if temperature == self._asked:
            return
        self._asked = temperature
        if isinstance(temperature, str):
            parts = [temperature_of_rows(part.double()) for part in self.proba.split(2**16)]
            self.temperature = torch.cat(parts).to(device=self.device, dtype=self.dtype)
        else:
            self.temperature = temperature
        self._set_targets()

    def _set_targets(self) -> None:
        raise NotImplementedError

    def _soft_targets(self, rows: Numbers) -> Tensor:
        """Return the teacher's probabilities of some rows, softened."""
        proba = self.proba[rows if isinstance(rows, slice) else rows.to(self.proba.device)].double()
        if isinstance(self.temperature, Tensor):
            proba = soften(proba, temperature_of_rows(proba).unsqueeze(-1))
        elif self.temperature != 1.0:
            proba = soften(proba, self.temperature)
        return proba.to(device=self.device, dtype=self.dtype)

    @property
    def settings(self) -> dict[str, float]:
        """The temperature, or the mean of the rows'."""
        temperature = self.temperature
        if isinstance(temperature, Tensor):
            weight = 1.0 if self.weight is None else self.weight[-1]
            temperature = (weight * temperature).mean()
        return {"temperature": float(temperature)}

    def batch_rows(self, logits: Tensor, rows: Numbers) -> BatchRows:
        """Return a batch row by row, with the teacher's answers before they are softened."""
        if self.by_batch:
            teacher = self.proba[rows if isinstance(rows, slice) else rows.to(self.proba.device)]
            teacher = teacher.to(device=self.device, dtype=self.dtype)
            return BatchRows(logits, self.labels[rows], teacher)
        if self._teacher is None:
            self._teacher = self.proba.to(device=self.device, dtype=self.dtype)
        return BatchRows(logits, self.labels[rows], self._teacher[rows])


class ClosedForm(SoftTargets):
    r"""Cross-entropy and divergence, whose gradients in the logits are known.

    p is the softmax of the logits, y the one-hot label, q the soft target and :math:`p_T` the
    softened student. For each row, :math:`g_t = p - y` and :math:`g_d = T (p_T - q)`.
    """

    def _set_targets(self) -> None:
        if not self.by_batch:
            self.targets = self._targets_of(slice(None))
        self.row_temperature: Tensor | None = None
        self.inverse_temperature: Tensor | None = None
        of_batch = 1.0
        if isinstance(self.temperature, Tensor):
            ones = torch.ones_like(self.temperature)
            self.row_temperature = torch.stack([ones, self.temperature])
        else:
            of_batch = self.temperature
        self.temperatures = torch.tensor([1.0, of_batch], device=self.device, dtype=self.dtype)
        if of_batch != 1.0:
            self.inverse_temperature = 1.0 / self.temperatures[:, None, None]
        self.scales: dict[int, tuple[Tensor, Tensor]] = {}

    def _targets_of(self, rows: Numbers) -> tuple[Tensor, Tensor]:
        """Return targets of shape (2, n_rows, n_classes), and minus their entropies."""
        soft_targets = self._soft_targets(rows)
        # Both losses' targets side by side: one index operation fetches what both need.
        targets = soft_targets.new_zeros(2, *soft_targets.shape)
        targets[0].scatter_(1, self.labels[rows].unsqueeze(1), 1.0)
        targets[1] = soft_targets
        # The targets' own entropy makes a divergence of the cross-entropy; zero for the labels.
        return targets, torch.xlogy(targets, targets).sum(-1)

    def __call__(self, logits: Tensor, rows: Numbers) -> tuple[Tensor, Tensor]:
        targets, entropy = self._targets_of(rows) if self.by_batch else self.targets
        weight, temperature = self.weight, self.row_temperature
        if not isinstance(rows, slice):
            # The rows are the second dimension of all of these.
            if not self.by_batch:
                targets, entropy = targets.index_select(1, rows), entropy.index_select(1, rows)
            weight = None if weight is None else weight.index_select(1, rows)
            temperature = None if temperature is None else temperature.index_select(1, rows)
        if self.inverse_temperature is not None:
            logits = logits * self.inverse_temperature
        elif temperature is not None:
            logits = logits / temperature.unsqueeze(-1)
        # Log-softmax; torch's own is three times slower on rows as short as these.
        logits = logits - logits.amax(-1, keepdim=True)
        log_p = logits - logits.exp().sum(-1, keepdim=True).log()
        row_losses = entropy - (targets * log_p).sum(-1)
        gradients = log_p.exp() - targets
        if temperature is not None:
            row_losses = row_losses * temperature**2
            gradients = gradients * temperature.unsqueeze(-1)
        if weight is not None:
            row_losses = row_losses * weight
            gradients = gradients * weight.unsqueeze(-1)
        n_rows = logits.shape[-2]
        if n_rows not in self.scales:
            # T^2 for the losses and T for their gradients, divided by the number of rows.
            means = self.temperatures / n_rows
            self.scales[n_rows] = (self.temperatures * means, means[:, None, None])
        loss_scale, gradient_scale = self.scales[n_rows]
        if self.keeps_rows:
            self.row_losses = row_losses * loss_scale.unsqueeze(-1)
        return row_losses.sum(-1) * loss_scale, gradients * gradient_scale


class Autograd(SoftTargets):
    """Any distillation loss of :mod:`skkd.losses`' form, differentiated by torch."""

    def _set_targets(self) -> None:
        if not self.by_batch:
            self.soft_targets = self._soft_targets(slice(None))
        self.takes_labels = takes_labels(self.loss)

    @torch.enable_grad()
    def __call__(self, logits: Tensor, rows: Numbers) -> tuple[Tensor, Tensor]:
        logits = logits.detach().requires_grad_()
        labels = self.labels[rows]
        row_losses = [cross_entropy(logits, labels), self._distillation(logits, labels, rows)]
        if self.weight is not None:
            weight = self.weight.expand(2, -1)[:, rows]
            row_losses = [weight[i] * values for i, values in enumerate(row_losses)]
        losses = [values.mean() for values in row_losses]
        if self.keeps_rows:
            self.row_losses = torch.stack(row_losses).detach() / len(labels)
        gradients = [torch.autograd.grad(value, logits)[0] for value in losses]
        return torch.stack(losses).detach(), torch.stack(gradients)

    def _distillation(self, logits: Tensor, labels: Tensor, rows: Numbers) -> Tensor:
        extra = {"labels": labels} if self.takes_labels else {}
        targets = self._soft_targets(rows) if self.by_batch else self.soft_targets[rows]
        if not isinstance(self.temperature, Tensor):
            return self.loss(logits, targets, self.temperature, **extra)
        # A loss softens by dividing the logits and multiplying by T^2, here row by row.
        of_rows = self.temperature[rows]
        softened = logits / of_rows.unsqueeze(-1)
        return of_rows**2 * self.loss(softened, targets, 1.0, **extra)

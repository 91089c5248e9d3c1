r"""Task and distillation losses: pure functions of the student's logits.

Every distillation loss has the signature ``loss(student_logits, soft_targets, temperature=1.0)``
and returns one value a row, shape (n_rows,), differentiable in the logits. The *soft targets* are
the teacher's probabilities already softened by :func:`soften`, so that this is done once and not
in every step. The student's side is softened inside, and the value is multiplied by
:math:`T^2`, which keeps the size of the gradient independent of the temperature [1]_.

References
----------
.. [1] Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531,
   section 2.
"""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

__all__ = [
    "DISTILLATION_LOSSES",
    "cross_entropy",
    "dkd",
    "js",
    "kl",
    "logit_mse",
    "reverse_kl",
    "soften",
]

DistillationLoss = Callable[..., Tensor]


def soften(proba: Tensor, temperature: float | Tensor = 1.0) -> Tensor:
    r"""Soften probabilities: :math:`q_k^{1/T} / \sum_j q_j^{1/T}`.

    This is the softmax of the teacher's logits divided by T, written in its probabilities, so that
    it serves teachers which have no logits. Exact zeros stay zero.

    Parameters
    ----------
    proba : Tensor of shape (n_rows, n_classes)
        Probabilities; every row sums to one.
    temperature : float or Tensor of shape (n_rows, 1), default=1.0
        T > 0, or one a row. Above one the distribution gets flatter, below one sharper.

    Returns
    -------
    soft_targets : Tensor of shape (n_rows, n_classes), same dtype

    Examples
    --------
    >>> soften(torch.tensor([[0.9, 0.1]]), temperature=2.0)
    tensor([[0.7500, 0.2500]])
    """
    if not isinstance(temperature, Tensor) and temperature == 1.0:
        return proba
    # The largest entry becomes one before the power: no row underflows to 0/0 at a small T.
    powered = (proba / proba.amax(-1, keepdim=True)) ** (1.0 / temperature)
    return powered / powered.sum(-1, keepdim=True)


def cross_entropy(student_logits: Tensor, labels: Tensor) -> Tensor:
    """Task loss: minus the log-probability of each row's label.

    Parameters
    ----------
    student_logits : Tensor of shape (n_rows, n_classes)
    labels : int64 Tensor of shape (n_rows,)
        Column numbers, 0 .. n_classes - 1.

    Returns
    -------
    loss : Tensor of shape (n_rows,)

    Examples
    --------
    >>> cross_entropy(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor([0.6931])
    """
    return -log_softmax(student_logits, -1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)


def kl(student_logits: Tensor, soft_targets: Tensor, temperature: float = 1.0) -> Tensor:
    r"""Kullback-Leibler divergence from teacher to student, :math:`T^2 KL(q_T \| p_T)`.

    Not the soft cross-entropy: the teacher's own entropy is subtracted, so that zero means that the
    student has reached its teacher.

    Parameters
    ----------
    student_logits : Tensor of shape (n_rows, n_classes)
    soft_targets : Tensor of shape (n_rows, n_classes)
        The teacher's probabilities softened at the same temperature; zeros are allowed.
    temperature : float, default=1.0

    Returns
    -------
    loss : Tensor of shape (n_rows,), at least 0

    Examples
    --------
    >>> kl(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
    tensor([0.6931])
    """
    log_p = log_softmax(student_logits / temperature, -1)
    return temperature**2 * (
        torch.xlogy(soft_targets, soft_targets).sum(-1) - (soft_targets * log_p).sum(-1)
    )


def reverse_kl(student_logits: Tensor, soft_targets: Tensor, temperature: float = 1.0) -> Tensor:
    r"""Reverse divergence :math:`T^2 KL(p_T \| q_T)`: the student keeps to the teacher's modes.

    Infinite where the teacher says zero and the student does not, so the teacher's
    log-probabilities are floored at the log of the dtype's resolution.

    Parameters
    ----------
    student_logits, soft_targets, temperature
        As in :func:`kl`.

    Returns
    -------
    loss : Tensor of shape (n_rows,)

    Examples
    --------
    >>> reverse_kl(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
    tensor([0.])
    """
    log_p = log_softmax(student_logits / temperature, -1)
    return temperature**2 * (log_p.exp() * (log_p - _floored_log(soft_targets))).sum(-1)


def js(student_logits: Tensor, soft_targets: Tensor, temperature: float = 1.0) -> Tensor:
    r"""Jensen-Shannon divergence, :math:`T^2 [KL(q \| m) + KL(p \| m)] / 2`, m = (p + q) / 2.

    Symmetric and bounded by :math:`T^2 \log 2`, so a few badly matched rows can't rule the batch.

    Parameters
    ----------
    student_logits, soft_targets, temperature
        As in :func:`kl`.

    Returns
    -------
    loss : Tensor of shape (n_rows,), between 0 and T^2 log 2

    Examples
    --------
    >>> js(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
    tensor([0.])
    """
    log_p = log_softmax(student_logits / temperature, -1)
    p = log_p.exp()
    log_m = _floored_log((p + soft_targets) / 2)
    teacher_side = (torch.xlogy(soft_targets, soft_targets) - soft_targets * log_m).sum(-1)
    student_side = (p * (log_p - log_m)).sum(-1)
    return temperature**2 * (teacher_side + student_side) / 2


def logit_mse(student_logits: Tensor, soft_targets: Tensor, temperature: float = 1.0) -> Tensor:
    r"""Mean squared difference of the centred logits of student and teacher.

    Logits are known up to a constant a row, so both sides are centred. The teacher's are
    :math:`T \log q_T`; probabilities of zero are floored at the dtype's resolution.

    Parameters
    ----------
    student_logits, soft_targets, temperature
        As in :func:`kl`. The result does not depend on the temperature, apart from the floor.

    Returns
    -------
    loss : Tensor of shape (n_rows,)

    Examples
    --------
    >>> logit_mse(torch.tensor([[3.0, 1.0]]), torch.tensor([[0.5, 0.5]]))
    tensor([1.])
    """
    teacher_logits = temperature * _floored_log(soft_targets)
    difference = _centred(student_logits) - _centred(teacher_logits)
    return difference.square().mean(-1)


def dkd(
    student_logits: Tensor,
    soft_targets: Tensor,
    temperature: float = 1.0,
    labels: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 8.0,
) -> Tensor:
    r"""Decoupled distillation, :math:`T^2 [\alpha\, TCKD + \beta\, NCKD]` [1]_.

    TCKD is the divergence of (target class, all others), NCKD that among the others. The plain
    divergence is their sum with :math:`\alpha = 1` and :math:`\beta = 1 - q_{target}`.

    Parameters
    ----------
    student_logits, soft_targets, temperature
        As in :func:`kl`.
    labels : int64 Tensor of shape (n_rows,), default=None
        The target classes; None: the class that the teacher finds most likely.
    alpha, beta : float, default=1.0 and 8.0
        The weights of the two parts, the defaults of [1]_.

    Returns
    -------
    loss : Tensor of shape (n_rows,)

    References
    ----------
    .. [1] Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022, arXiv 2203.08679, eq. 7.

    Examples
    --------
    >>> dkd(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.5, 0.5]]), labels=torch.tensor([0]))
    tensor([0.])
    """
    if labels is None:
        labels = soft_targets.argmax(-1)
    target = labels.unsqueeze(-1)
    log_p = log_softmax(student_logits / temperature, -1)
    others = torch.ones_like(log_p, dtype=torch.bool).scatter_(-1, target, False)

    log_p_target = log_p.gather(-1, target).squeeze(-1)
    log_p_others = log_p.masked_fill(~others, -torch.inf).logsumexp(-1)
    q_target = soft_targets.gather(-1, target).squeeze(-1)
    # Summed, not 1 - q_target: the difference would lose every digit of a confident teacher.
    q_others = soft_targets.masked_fill(~others, 0.0).sum(-1)
    tckd = (
        torch.xlogy(q_target, q_target)
        - q_target * log_p_target
        + torch.xlogy(q_others, q_others)
        - q_others * log_p_others
    )

    tiny = torch.finfo(soft_targets.dtype).tiny
    q_rest = soft_targets.masked_fill(~others, 0.0) / q_others.clamp_min(tiny).unsqueeze(-1)
    log_p_rest = (log_p - log_p_others.unsqueeze(-1)).masked_fill(~others, 0.0)
    nckd = (torch.xlogy(q_rest, q_rest) - q_rest * log_p_rest).sum(-1)
    return temperature**2 * (alpha * tckd + beta * nckd)


def _floored_log(proba: Tensor) -> Tensor:
    return proba.clamp_min(torch.finfo(proba.dtype).eps).log()


def _centred(logits: Tensor) -> Tensor:
    return logits - logits.mean(-1, keepdim=True)


DISTILLATION_LOSSES: dict[str, DistillationLoss] = {
    "kl": kl,
    "reverse_kl": reverse_kl,
    "js": js,
    "logit_mse": logit_mse,
    "dkd": dkd,
}


def takes_labels(loss: DistillationLoss) -> bool:
    """Whether a distillation loss asks for the labels besides the soft targets."""
    return "labels" in inspect.signature(loss).parameters

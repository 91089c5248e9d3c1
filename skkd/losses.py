r"""Task and distillation losses: pure functions of the student's logits.

Every distillation loss has the signature ``loss(student_logits, soft_targets, temperature=1.0)``
and returns one value per row, shape (n_rows,), differentiable in the logits. A loss of your own
may also take ``labels``. The *soft targets* are the teacher's probabilities, already softened by
:func:`soften`. The loss softens the student's side itself and multiplies its value by :math:`T^2`,
so that the size of the gradient does not depend on the temperature [1]_.

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

    This is the softmax of the teacher's logits divided by T, for teachers without logits. Exact
    zeros stay zero.

    Parameters
    ----------
    proba : Tensor of shape (n_rows, n_classes)
        Probabilities; every row sums to one.
    temperature : float or Tensor of shape (n_rows, 1), default=1.0
        T > 0, one for all rows or one per row. Above one the distribution gets flatter.

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
    """Compute the task loss: minus the log-probability of each row's label.

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
    r"""Compute the Kullback-Leibler divergence :math:`T^2 KL(q_T \| p_T)`.

    It is the soft cross-entropy less the teacher's entropy. Zero means that the student equals its
    teacher.

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
    r"""Compute the reverse divergence :math:`T^2 KL(p_T \| q_T)`.

    The student concentrates on the teacher's modes. The divergence is infinite where the teacher's
    probability is zero, so its log-probabilities are floored at the log of the dtype's resolution.

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
    r"""Compute the Jensen-Shannon divergence :math:`T^2 [KL(q \| m) + KL(p \| m)] / 2`.

    Here m = (p + q) / 2. The divergence is symmetric and bounded by :math:`T^2 \log 2`, so a few
    badly matched rows can't dominate the batch.

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
    r"""Compute the mean squared difference of the centered logits.

    Logits are known up to a constant per row, so both sides are centered. The teacher's logits are
    :math:`T \log q_T`, with probabilities floored at the dtype's resolution.

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
    difference = _centered(student_logits) - _centered(teacher_logits)
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
    r"""Compute decoupled distillation, :math:`T^2 [\alpha\, TCKD + \beta\, NCKD]` [1]_.

    TCKD is the divergence between target class and all others, NCKD the one among the others.
    :func:`kl` is their sum with :math:`\alpha = 1` and :math:`\beta = 1 - q_{target}`.

    Parameters
    ----------
    student_logits, soft_targets, temperature
        As in :func:`kl`.
    labels : int64 Tensor of shape (n_rows,), default=None
        The target classes. None: the teacher's most probable classes.
    alpha, beta : float, default=1.0 and 8.0
        Weights of the two parts, with the defaults of [1]_.

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
    # Not 1 - q_target, which loses every digit of a confident teacher.
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
    """Logarithm of probabilities, floored at the resolution of their dtype."""
    return proba.clamp_min(torch.finfo(proba.dtype).eps).log()


def _centered(logits: Tensor) -> Tensor:
    """Logits less their mean over the classes."""
    return logits - logits.mean(-1, keepdim=True)


DISTILLATION_LOSSES: dict[str, DistillationLoss] = {
    "kl": kl,
    "reverse_kl": reverse_kl,
    "js": js,
    "logit_mse": logit_mse,
    "dkd": dkd,
}


def takes_labels(loss: DistillationLoss) -> bool:
    """Whether a distillation loss has a parameter ``labels``."""
    return "labels" in inspect.signature(loss).parameters


def check_loss_values(values: object, logits: Tensor) -> None:
    """Check what a distillation loss returned for a batch.

    Parameters
    ----------
    values : object
        What the loss returned.
    logits : Tensor of shape (n_rows, n_classes)
        The student's logits that it was given.

    Raises
    ------
    TypeError
        If it is no Tensor of floating-point numbers.
    ValueError
        If there is not one value per row, or the values have no gradient in the logits.

    Examples
    --------
    >>> logits = torch.zeros(2, 3, requires_grad=True)
    >>> check_loss_values(kl(logits, torch.full((2, 3), 1 / 3)), logits)
    """
    expected = f"expected a Tensor of shape ({len(logits)},), one value per row"
    if not isinstance(values, Tensor) or not values.is_floating_point():
        got = f"a Tensor of {values.dtype}" if isinstance(values, Tensor) else repr(values)
        raise TypeError(f"distillation_loss returned {got}; {expected}.")
    if values.shape != logits.shape[:1]:
        hint = " Leave out the mean over the rows." if values.ndim == 0 else ""
        raise ValueError(
            f"distillation_loss returned a Tensor of shape {tuple(values.shape)}; {expected}.{hint}"
        )
    if logits.requires_grad and not values.requires_grad:
        raise ValueError(
            "distillation_loss returned values without a gradient in the student's logits. Compute "
            "it from them with torch, without detach() or numpy."
        )

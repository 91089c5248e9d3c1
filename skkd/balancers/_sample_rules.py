"""Rules that give every row a weight of its own."""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from .._sklearn_private import StrOptions
from ._balancer import BELOW_ONE, Balancer
from ._step_state import BatchRows, Need, Scalar, StepState, clip

__all__ = ["SampleWise"]


def wsl(rows: BatchRows) -> Tensor:
    """Less for rows that the student finds easy and the teacher hard: 1 - exp(-CE_s / CE_t)."""
    labels = rows.labels.unsqueeze(-1)
    of_student = -torch.log_softmax(rows.logits, -1).gather(-1, labels).squeeze(-1)
    of_teacher = -rows.teacher_proba.gather(-1, labels).squeeze(-1).log()
    return -torch.expm1(-of_student / of_teacher.clamp_min(1e-7))


def teacher_correct(rows: BatchRows) -> Tensor:
    """1 where the teacher's most probable class is the label, 0 elsewhere."""
    return (rows.teacher_proba.argmax(-1) == rows.labels).to(rows.logits.dtype)


def student_entropy(rows: BatchRows) -> Tensor:
    """The student's entropy as a share of the largest possible: more where it is unsure."""
    log_p = torch.log_softmax(rows.logits, -1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    return entropy / math.log(log_p.shape[-1])


def agreement(rows: BatchRows) -> Tensor:
    """One less the total variation between student and teacher: less where they differ."""
    difference = torch.softmax(rows.logits, -1) - rows.teacher_proba
    return 1.0 - difference.abs().sum(-1) / 2.0


RULES: dict[str, Callable[[BatchRows], Tensor]] = {
    "wsl": wsl,
    "teacher_correct": teacher_correct,
    "student_entropy": student_entropy,
    "agreement": agreement,
}


@dataclass(eq=False, repr=False)
class SampleWise(Balancer):
    r"""Give each row its own balancing parameter, from what student and teacher say about it.

    A rule gives each row a factor :math:`f_i \in [0, 1]` on the ratio of its weights,

    .. math:: \frac{\lambda_i}{1-\lambda_i} = \frac{\lambda_{max}}{1-\lambda_{max}} f_i,

    * ``"wsl"``: weighted soft labels [1]_, :math:`f_i = 1 - \exp(-CE_{s,i} / CE_{t,i})`. CE is the
      cross-entropy of student or teacher to the label.
    * ``"teacher_correct"``: 1 where the teacher is right, 0 where it is wrong.
    * ``"student_entropy"``: :math:`f_i = H(p_{s,i}) / \log K` [2]_.
    * ``"agreement"``: One less the total variation between student and teacher.

    Costs a few tensor operations of the size of a batch. "teacher_correct" trusts the labels as
    much as the teacher, so it fails where labels are noisy.

    Parameters
    ----------
    rule : {"wsl", "teacher_correct", "student_entropy", "agreement"} or callable, default="wsl"
        The rule of the factors. A callable takes :class:`BatchRows`. It returns a Tensor of shape
        (n_rows,).
    min_weight, max_weight : float, default=0.0 and 1.0
        As in :class:`Balancer`, applied to each row.
    smoothing, conflict_clamp, admissible_step, gradients
        Keep the defaults, for these describe one parameter of all rows. :meth:`validate` raises
        a ValueError for other values.
    fade : {"auto", True, False}, default=False
        As in :class:`Balancer`, applied to each row.
    weight : float, default=0.7
        The parameter :math:`\lambda_{max}` of a row with factor 1, in [0, 1). The default is
        about :math:`\alpha = 2.5` of [1]_.

    Notes
    -----
    NOTE: a row's two weights sum to one. In the sources the task loss keeps a weight of one, so
    that a row with more distillation also counts more.

    References
    ----------
    .. [1] Zhou et al., "Rethinking Soft Labels for Knowledge Distillation: A Bias-Variance
       Tradeoff Perspective", ICLR 2021.
    .. [2] Li, Li, Yang, et al., "Dynamic Knowledge Distillation for Pre-trained Language Models",
       EMNLP 2021.

    Examples
    --------
    >>> import torch
    >>> from skkd.balancers import BatchRows, SampleWise, StepState
    >>> rows = BatchRows(
    ...     logits=torch.zeros(2, 2),
    ...     labels=torch.tensor([0, 1]),
    ...     teacher_proba=torch.tensor([[0.8, 0.2], [0.8, 0.2]]),
    ... )
    >>> SampleWise("teacher_correct", weight=0.5).reset().weights(StepState(rows=rows))[1]
    tensor([0.5000, 0.0000])
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"rows"})

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Balancer._parameter_constraints,
        "rule": [StrOptions(set(RULES)), callable],
        "weight": [BELOW_ONE],
    }

    rule: (
        Literal["wsl", "teacher_correct", "student_entropy", "agreement"]
        | Callable[[BatchRows], Tensor]
    ) = "wsl"
    _: KW_ONLY
    weight: float = 0.7

    def validate(self) -> None:
        super().validate()
        for name in ("smoothing", "conflict_clamp", "admissible_step", "gradients"):
            value, default = getattr(self, name), getattr(Balancer, name)
            if value != default:
                raise ValueError(
                    f"{name}={value!r} of SampleWise is not allowed, because each row has a weight "
                    f"of its own; leave it at {default!r}."
                )

    def propose(self, state: StepState) -> Tensor:
        """Give the balancing parameters of all rows, of shape (n_rows,).

        Parameters
        ----------
        state : StepState
            Holds the batch in ``rows``.
        """
        rows = state.rows
        assert rows is not None
        rule = self.rule if callable(self.rule) else RULES[self.rule]
        factors = rule(rows)
        if factors.shape != rows.logits.shape[:1]:
            raise ValueError(
                f"The rule of SampleWise gave factors of shape {tuple(factors.shape)}; expected "
                f"one per row, {tuple(rows.logits.shape[:1])}."
            )
        factors = torch.nan_to_num(factors.to(rows.logits.dtype), nan=0.0).clamp(0.0, 1.0)
        distillation = self.weight * factors
        return distillation / (1.0 - self.weight + distillation)

    def _guarded(self, weight: Scalar, state: StepState) -> Scalar:
        """Apply the bounds. The other guards compare a step with the one before."""
        return clip(weight, self.min_weight, self.max_weight)

"""Rules that give every row a weight of its own."""

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from ._balancer import Balancer, check_choice, check_real
from ._step_state import BatchRows, StepState

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
    """The student's entropy, as a share of the largest possible: more where it is unsure."""
    log_p = torch.log_softmax(rows.logits, -1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    return entropy / math.log(log_p.shape[-1])


def agreement(rows: BatchRows) -> Tensor:
    """One less the total variation between student and teacher: less where they contradict."""
    difference = torch.softmax(rows.logits, -1) - rows.teacher_proba
    return 1.0 - difference.abs().sum(-1) / 2.0


RULES: dict[str, Callable[[BatchRows], Tensor]] = {
    "wsl": wsl,
    "teacher_correct": teacher_correct,
    "student_entropy": student_entropy,
    "agreement": agreement,
}


class SampleWise(Balancer):
    r"""A balancing parameter for each row, by what student and teacher make of it.

    A rule gives each row a factor :math:`f_i \in [0, 1]` on the ratio of its weights,

    .. math:: \frac{\lambda_i}{1-\lambda_i} = \frac{\lambda_{max}}{1-\lambda_{max}} f_i,

    - ``"wsl"``: :math:`f_i = 1 - \exp(-CE_{s,i} / CE_{t,i})` with the cross-entropies of student
      and teacher to the label, weighted soft labels [1]_;
    - ``"teacher_correct"``: 1 where the teacher is right, 0 where it is wrong;
    - ``"student_entropy"``: :math:`f_i = H(p_{s,i}) / \log K` [2]_;
    - ``"agreement"``: one less the total variation between student and teacher.

    Costs a few operations on tensors of the size of a batch. Helps where the teacher is wrong on
    some rows and known to be; "teacher_correct" on out-of-fold targets trusts the labels as much as
    the teacher, and so fails where labels are noisy.

    Parameters
    ----------
    rule : {"wsl", "teacher_correct", "student_entropy", "agreement"} or callable, default="wsl"
        A callable takes :class:`BatchRows` and returns the factors as a Tensor of shape (n_rows,).
    weight : float, default=0.7
        :math:`\lambda_{max}` in [0, 1), the parameter of a row that counts in full. The default is
        about the source's :math:`\alpha = 2.5` for "wsl".

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

    # NOTE: a row's two weights sum to one. In the sources the task loss keeps its weight of one, so
    # that a row with more distillation also counts for more.

    needs: ClassVar[frozenset[str]] = frozenset({"rows"})

    def __init__(self, rule: str | Callable[[BatchRows], Tensor] = "wsl", *, weight: float = 0.7):
        super().__init__()
        self.rule = rule
        self.weight = weight

    def validate(self) -> None:
        if not callable(self.rule):
            check_choice("rule", self.rule, RULES, self)
        check_real("weight", self.weight, 0, 1, self, closed="left")

    def weights(self, state: StepState) -> tuple[Tensor, Tensor]:
        """Weights of both losses for each row, of shape (n_rows,)."""
        rule = self.rule if callable(self.rule) else RULES[self.rule]
        factors = rule(state.rows)  # type: ignore[arg-type]
        if factors.shape != state.rows.labels.shape:  # type: ignore[union-attr]
            raise ValueError(
                f"The rule of SampleWise gave factors of shape {tuple(factors.shape)}; expected "
                f"one a row, {tuple(state.rows.labels.shape)}."  # type: ignore[union-attr]
            )
        factors = factors.to(state.rows.logits.dtype)  # type: ignore[union-attr]
        factors = torch.nan_to_num(factors, nan=0.0).clamp(0.0, 1.0)
        distillation = self.weight * factors
        self.weight_ = distillation / (1.0 - self.weight + distillation)
        return 1.0 - self.weight_, self.weight_

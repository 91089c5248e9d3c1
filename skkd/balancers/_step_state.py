"""What the training loop reports to a balancing rule, and arithmetic on its scalars."""

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

__all__ = ["BatchRows", "Need", "Pilot", "StepState", "TeacherKnowledge"]

#: A float, a numpy.float64, or a Tensor without dimension.
Scalar = Any

Need = Literal["losses", "losses_after", "gradients", "rows", "teacher", "pilot"]
"""What a rule can ask of the training loop, and the fields of `StepState` that it gets:

- "losses": ``task_loss`` and ``distillation_loss``;
- "losses_after": ``task_loss_after`` and ``distillation_loss_after``, in ``update``;
- "gradients": ``A``, ``B`` and ``C``;
- "rows": ``rows``;
- "teacher": ``teacher``;
- "pilot": ``pilot``.

All other fields are always there.
"""

# In standard errors.
_CERTAIN = 3.0
_PROBABLE = 1.5
_LIKELY = 1.0

# Stacking weights at which bounds of λ begin to move, and how far they move.
_MOSTLY_STUDENT, _MOSTLY_TEACHER, _WIDTH = 0.3, 0.7, 0.2
_GREATER_PART = 0.6


@dataclass(slots=True)
class BatchRows:
    """The rows of one batch, for rules that give each row its own λ.

    In regression, all three have shape (n_rows, n_outputs): the student's outputs, and y and the
    teacher's predictions, standardized.

    Attributes
    ----------
    logits : Tensor of shape (n_rows, n_classes)
        The student's logits, detached.
    labels : int64 Tensor of shape (n_rows,)
        Column numbers, 0 .. n_classes - 1.
    teacher_proba : Tensor of shape (n_rows, n_classes)
        The teacher's probabilities, not softened.
    """

    logits: Tensor
    labels: Tensor
    teacher_proba: Tensor


@dataclass(frozen=True, slots=True)
class Pilot:
    """The result of two short trainings, on labels only and on the teacher only.

    Attributes
    ----------
    gain : float
        Final validation accuracy, less that when the student's training loss fell below the
        teacher's log-loss. Near zero if it never did.
    error : float
        Standard error of the gain.
    trust : float, default=0.5
        The stacking weight of the teacher. Of all mixtures with the student of labels, this share
        gives the lowest log-loss on the validation rows. Shrunk if these are few, and if the
        student of the teacher is worse than that of labels.
    floor : float
        λ is not below this, whatever ``trust`` says.
    """

    gain: float
    error: float
    trust: float = 0.5
    floor: float = 0.0

    @property
    def prefers_teacher(self) -> bool:
        """Whether the mixture is mostly teacher."""
        return self.trust > _MOSTLY_TEACHER

    @property
    def least_weight(self) -> float:
        """What λ is at least: the floor, up to 1 where the mixture is nearly all teacher."""
        return max(self.floor, min(max((self.trust - _MOSTLY_TEACHER) / _WIDTH, 0.0), 1.0))

    @property
    def most_weight(self) -> float:
        """What λ is at most: 1, down to the floor where the mixture is nearly all student."""
        return max(self.floor, min(max((self.trust - _MOSTLY_STUDENT) / _WIDTH, 0.0), 1.0))

    @property
    def labels_teach_on(self) -> bool:
        """Whether the labels taught the student more than its teacher knows.

        Not where the teacher is the greater part of the mixture. There the gain may be chance, and
        a student without its teacher would be too sure of itself.
        """
        return self.trust < _GREATER_PART and self.gain > _CERTAIN * self.error + 1e-9

    @property
    def labels_mislead(self) -> bool:
        """Whether the student got worse once it learned more than its teacher knows: noise."""
        return self.gain < -_PROBABLE * self.error - 1e-9


@dataclass(frozen=True, slots=True)
class TeacherKnowledge:
    """How well the teacher's probabilities predict the labels of the training rows.

    Attributes
    ----------
    loss : float
        Log-loss of the probabilities.
    gain : float
        Log-loss of the class frequencies, less ``loss``.
    error : float
        Standard error of the gain.
    """

    loss: float
    gain: float
    error: float

    @property
    def is_any(self) -> bool:
        """Whether the teacher is likely to know more than the class frequencies."""
        return self.gain > _LIKELY * self.error + 1e-9


@dataclass(slots=True)
class StepState:
    """What a balancing rule knows in one optimizer step.

    Scalars are ``numpy.float64`` on the CPU. On other devices they are tensors without
    dimension, because reading a number would stop the device in every step. Operators work on
    both kinds. Functions such as ``log`` are in :attr:`xp`.

    Attributes
    ----------
    step, epoch : int
        Optimizer steps and epochs done so far, from 0.
    progress : float
        Finished share of all planned steps. The first step has 0, the last one 1.
    seed : int
        Seed of this training, for rules that draw random numbers.
    task_loss, distillation_loss : scalar or None
        The batch's losses before the step.
    A, B, C : scalar or None
        Squared norms of the gradients of both losses, and their inner product.
        ``balancer.gradients`` says where they are measured.
    task_loss_after, distillation_loss_after : scalar or None
        The batch's losses after the step. :meth:`Balancer.update` reads them.
    epoch_losses : list of (float, float)
        Mean task and distillation loss of each finished epoch.
    rows : BatchRows or None
        The batch row by row.
    teacher, pilot : TeacherKnowledge, Pilot or None
        None also in ``partial_fit``, and without enough rows or epochs for a short training.
    """

    step: int = 0
    epoch: int = 0
    progress: float = 0.0
    seed: int = 0
    task_loss: Scalar = None
    distillation_loss: Scalar = None
    A: Scalar = None
    B: Scalar = None
    C: Scalar = None
    task_loss_after: Scalar = None
    distillation_loss_after: Scalar = None
    epoch_losses: list[tuple[float, float]] = field(default_factory=list)
    rows: BatchRows | None = None
    teacher: TeacherKnowledge | None = None
    pilot: Pilot | None = None

    @property
    def xp(self) -> ModuleType:
        """The module with functions for these scalars: numpy or torch."""
        one = self.task_loss if self.A is None else self.A
        return torch if isinstance(one, Tensor) else np


def where(condition: Scalar, value: Scalar, other: Scalar) -> Scalar:
    """Choose between two scalars without reading them from the device."""
    if isinstance(condition, Tensor):
        return torch.where(condition, value, other)
    return value if condition else other


def clip(value: Scalar, low: Scalar, high: Scalar) -> Scalar:
    """Limit a scalar to an interval."""
    if isinstance(value, Tensor):
        return value.clamp(low, high)
    if isinstance(low, Tensor):
        return low.new_tensor(value).clamp(low, high)
    return min(max(value, low), high)

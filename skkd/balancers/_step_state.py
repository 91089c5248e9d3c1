"""What the training loop tells a balancing rule."""

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["BatchRows", "HeldOutLosses", "Pilot", "StepState", "TeacherKnowledge"]

Scalar = Any  # float, numpy.float64 or Tensor without dimension

# In standard errors: when labels surely teach on, when they probably mislead, and when a teacher is
# likely to know anything.
_SURE = 3.0
_PROBABLE = 1.5
_LIKELY = 1.0


@dataclass(slots=True)
class BatchRows:
    """The rows of one batch, for rules that weigh each by itself.

    Attributes
    ----------
    logits : Tensor of shape (n_rows, n_classes)
        The student's, detached.
    labels : int64 Tensor of shape (n_rows,)
        Column numbers.
    teacher_proba : Tensor of shape (n_rows, n_classes)
        The teacher's probabilities, not softened.
    """

    logits: Tensor
    labels: Tensor
    teacher_proba: Tensor


@dataclass(frozen=True, slots=True)
class HeldOutLosses:
    """Log-loss of student and teacher by class, a new one after each epoch.

    Attributes
    ----------
    student : ndarray of shape (n_classes,)
        The student's mean log-loss on the held-out rows of each class after the last epoch; NaN
        where there is none.
    teacher : ndarray of shape (n_classes,)
        The teacher's, over all fit rows of the class; honest only if its probabilities are.
    share : ndarray of shape (n_classes,)
        Share of each class in the weight of all fit rows.
    n_rows : int ndarray of shape (n_classes,)
        Distinct held-out rows of each class.
    """

    student: np.ndarray
    teacher: np.ndarray
    share: np.ndarray
    n_rows: np.ndarray


@dataclass(frozen=True, slots=True)
class Pilot:
    """What a short training on labels alone told, in which a part of the rows was held out.

    Attributes
    ----------
    gain : float
        Held-out accuracy at its end, less that when the student's own loss had fallen below its
        teacher's log-loss; near zero where it never did.
    error : float
        Standard error of the gain.
    """

    gain: float
    error: float

    @property
    def labels_teach_on(self) -> bool:
        """Whether labels taught the student more than its teacher knows, beyond chance."""
        return self.gain > _SURE * self.error + 1e-9

    @property
    def labels_mislead(self) -> bool:
        """Whether the student got worse as it learned what its teacher does not know: the noise."""
        return self.gain < -_PROBABLE * self.error - 1e-9


@dataclass(frozen=True, slots=True)
class TeacherKnowledge:
    """What the teacher's probabilities tell of the labels of the fit rows.

    Attributes
    ----------
    loss : float
        Their log-loss.
    gain : float
        The log-loss of the classes' frequencies less it.
    error : float
        Standard error of the gain.
    """

    loss: float
    gain: float
    error: float

    @property
    def is_any(self) -> bool:
        """Whether the teacher is likely to know more than the classes' frequencies."""
        return self.gain > _LIKELY * self.error + 1e-9


@dataclass(slots=True)
class StepState:
    r"""What the training loop tells a balancer about one optimizer step.

    Scalars are ``numpy.float64`` on the CPU, where reading memory costs nothing, and tensors
    without dimension on other devices, where it would stop the device in every step. Operators work
    on both; functions are found in ``xp``.

    Attributes
    ----------
    step, epoch : int
        Optimizer steps and epochs done so far, from 0.
    progress : float
        Share of all planned steps that is done, from 0 at the first step to 1 at the last.
    seed : int
        Of this training; where a rule that draws numbers starts from.
    task_loss, distillation_loss : scalar or None
        The two losses of this batch, before the step.
    A, B, C : scalar or None
        Squared norms of the gradients of task and distillation loss, and their inner product, over
        what ``balancer.gradients`` names.
    task_loss_after, distillation_loss_after : scalar or None
        The two losses of the same batch after the step, for :meth:`Balancer.update`.
    epoch_losses : list of (float, float)
        Mean task and distillation loss of each finished epoch.
    rows : BatchRows or None
        The batch row by row.
    held_out : HeldOutLosses or None
        None before the end of the first epoch, and where there are too few rows to hold any out.
    teacher : TeacherKnowledge or None
        None where nothing asks for it, and in parts of a training (``partial_fit``).
    pilot : Pilot or None
        None where nothing asks for it, and where rows or epochs are too few to tell.
    held_out_slope_task, held_out_slope_distillation : scalar or None
        :math:`\langle \nabla L_v(\theta'), g_i \rangle`: inner products of the gradient of a
        held-out batch's task loss after the step with those of both losses before it, for
        :meth:`Balancer.update`.
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
    held_out: HeldOutLosses | None = None
    teacher: TeacherKnowledge | None = None
    pilot: Pilot | None = None
    held_out_slope_task: Scalar = None
    held_out_slope_distillation: Scalar = None

    @property
    def xp(self) -> ModuleType:
        """The module that the scalars' functions are found in."""
        one = self.task_loss if self.A is None else self.A
        return torch if isinstance(one, Tensor) else np

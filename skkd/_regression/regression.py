"""Regression as a task: how a teacher is asked, and how answers are judged."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from .._input import Rows, asked_in_parts, call_with_protected
from .._objective import Numbers, Objective
from ..balancers import Balancer, BatchRows, Pilot, SampleWise, TeacherKnowledge
from ..losses import check_loss_values
from .regression_losses import RegressionLoss, squared_error
from .target_scaling import TargetScaling

# The teacher's least weight with so many rows.
_LEAST_WEIGHT, _FEW_ROWS = 0.25, 4000


@dataclass(frozen=True)
class Regression:
    """The task of a fit. All other modules see y and answers as plain arrays, in the unit of y.

    Attributes
    ----------
    scaling : TargetScaling
    loss : callable
        The task loss, of outputs and standardized targets.
    """

    name: ClassVar[str] = "regression"
    #: The largest trust in a teacher: a student of the teacher only would copy its bias.
    most_trust: ClassVar[float] = 0.8
    #: The distillation loss of the pilot.
    pilot_loss: ClassVar[RegressionLoss] = staticmethod(squared_error)

    scaling: TargetScaling
    loss: RegressionLoss

    @property
    def n_outputs(self) -> int:
        """Outputs of the student's net."""
        return len(self.scaling.mean)

    @property
    def columns(self) -> np.ndarray:
        """What the columns of all answers stand for."""
        return np.arange(self.n_outputs)

    def learned(self) -> dict:
        """Return what an estimator learns of its targets."""
        return {"target_scaling_": self.scaling}

    def given(self, y: np.ndarray) -> np.ndarray:
        """Return y as the user gave it; a single column without its dimension."""
        return y[:, 0] if self.n_outputs == 1 else y

    def strata(self, y: np.ndarray) -> np.ndarray:
        """Return groups of rows of which each split has its share: here one."""
        return np.zeros(len(y), dtype=np.int64)

    def for_net(self, y: np.ndarray) -> np.ndarray:
        """Return y as the net is to give it."""
        return self.scaling.standardized(y)

    def most_likely(self, answers: np.ndarray) -> np.ndarray:
        """Return a y for each answer, for rows that have none."""
        return answers

    def as_answers(self, y: np.ndarray) -> np.ndarray:
        """Return y as answers."""
        return y

    # The teacher's answers

    def ask(self, teacher, X) -> np.ndarray:
        """Return a fitted teacher's predictions for X, of shape (n_rows, n_outputs)."""

        def answers(part) -> np.ndarray:
            return self.scaling.positive(self.raw_answers(teacher, part)[0])

        return asked_in_parts(answers, X, self.n_outputs)

    def raw_answers(self, teacher, X) -> tuple[np.ndarray, None]:
        """Return a fitted teacher's predictions for X as a table."""
        source = f"{type(teacher).__name__}.predict"
        values = call_with_protected(teacher.predict, X)
        return check_values(values, X.shape[0], self.n_outputs, source), None

    def raw_oob_answers(self, teacher) -> tuple[np.ndarray, None]:
        """Return a bagged teacher's out-of-bag predictions."""
        return np.asarray(teacher.oob_prediction_, dtype=np.float64), None

    def oob_answers(self, values: np.ndarray, _: None, y: np.ndarray) -> np.ndarray:
        """Return out-of-bag predictions as a table, with the mean where there is none."""
        values = values.reshape(len(y), -1)
        mean = y.reshape(len(y), -1).mean(axis=0)
        return self.scaling.positive(np.where(np.isfinite(values), values, mean))

    def fold_answers(self, results: list, y: np.ndarray, sample_weight) -> list[np.ndarray]:
        """Return the answers of each fold's teacher."""
        return [self.scaling.positive(values) for values, _ in results]

    @staticmethod
    def note_on_fit(y: np.ndarray, message: str) -> str:
        """Say what of y may have made a teacher's fit fail: nothing."""
        return ""

    def read_answers(self, teacher_prediction, n_rows: int) -> np.ndarray:
        """Return ``teacher_prediction`` as a table."""
        values = check_values(teacher_prediction, n_rows, self.n_outputs, "teacher_prediction")
        return self.scaling.positive(values)

    def has_seen(self, teacher, rows: Rows) -> bool:
        """Return False: nothing is known of a fitted teacher."""
        return False

    def knowledge(self, rows: Rows) -> TeacherKnowledge:
        """Return the loss of the teacher's answers, and its gain over the mean of y."""
        answers, y, weight = rows.of_teacher()
        mean = np.average(y, axis=0, weights=weight)
        losses = self._losses_of(answers, y)
        gains = self._losses_of(np.broadcast_to(mean, y.shape), y) - losses
        weight = np.ones(len(gains)) if weight is None else weight
        share = weight / weight.sum()
        gain = share @ gains
        error = np.sqrt(share**2 @ (gains - gain) ** 2)
        return TeacherKnowledge(float(share @ losses), float(gain), float(error))

    # The student's training

    def objective(
        self, y, answers, sample_weight, loss: RegressionLoss, device, dtype: torch.dtype
    ) -> "Numeric":
        """Return both losses over some rows, as functions of the student's outputs."""
        targets = np.stack([self.for_net(y), self.for_net(answers)])
        return Numeric(targets, sample_weight, (self.loss, loss), device, dtype)

    def check_loss(self, loss: Callable[..., Tensor]) -> None:
        """Raise an error unless a user's distillation loss gives a value a row."""
        outputs = torch.zeros(2, self.n_outputs, requires_grad=True)
        check_loss_values(loss(outputs, torch.ones_like(outputs).detach()), outputs)

    def trusts_teacher(self, pilot: Pilot | None) -> bool:
        """Whether a teacher may label synthetic rows: if it is clearly better than the student.

        Between the training rows, a teacher of numbers can be wrong without bound.
        """
        return pilot is not None and pilot.prefers_teacher

    @staticmethod
    def weight_floor(stacking_weight: float, n_rows: int) -> float:
        """Return what λ is at least: a mixture of both takes noise of the labels away.

        The fewer the rows, the more their noise matters. A teacher with no share in the best
        mixture has no weight.
        """
        of_rows = min(1.0, math.sqrt(_FEW_ROWS / n_rows))
        return of_rows * min(_LEAST_WEIGHT, stacking_weight / 2)

    def check_balancer(self, balancer: Balancer) -> None:
        """Raise a ValueError for a rule that compares probabilities."""
        if isinstance(balancer, SampleWise) and not callable(balancer.rule):
            raise ValueError(
                f"rule={balancer.rule!r} of SampleWise compares probabilities, and a regressor has "
                "none. Give a callable, or another balancer."
            )

    def calibrate(self, method: str, rows: Rows) -> None:
        """Return None: nothing is calibrated."""

    def variance_left(self, history: dict) -> float:
        """Return how far y is from the student's outputs, as a variance."""
        return max(float(history["task_loss"][-1]), 1e-9)

    @staticmethod
    def for_scores(outputs: Tensor) -> Tensor:
        """Return what validation scores are made of."""
        return outputs

    def losses(self, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the task loss of each row."""
        targets = torch.from_numpy(self.for_net(y))
        return self.loss(torch.from_numpy(outputs).double(), targets).numpy()

    def scores(self, outputs: np.ndarray, rows: Rows) -> dict[str, float]:
        """Return minus the task loss of validation rows (higher is better)."""
        losses = self.losses(outputs, rows.labels)
        return {"valid_score": -float(np.average(losses, weights=rows.sample_weight))}

    def gain_after(self, history: dict, teacher_loss: float, n_rows: int) -> tuple[float, float]:
        """Return zeros: to fit the training rows closely does a student of numbers no harm."""
        return 0.0, 0.0

    @staticmethod
    def described_gain(gain: float, error: float) -> str:
        """Say nothing of it."""
        return ""

    def stacking_weight(self, outputs: np.ndarray, rows: Rows) -> float:
        """Return the teacher's share in its best mixture with a student, on validation rows."""
        answers, y, weight = rows.of_teacher()
        own = self.scaling.values(outputs[rows.answered]).reshape(answers.shape)

        def loss(share: float) -> float:
            losses = self._losses_of(share * answers + (1 - share) * own, y)
            return float(np.average(losses, weights=weight))

        return float(minimize_scalar(loss, bounds=(0, 1), method="bounded").x)

    def _losses_of(self, values: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the task loss of each row for predictions in the unit of y."""
        return self.losses(self.scaling.outputs(values), y)


class Numeric(Objective):
    """Two losses of outputs against numbers: against y, and against the teacher's answers.

    Parameters
    ----------
    targets : ndarray of shape (2, n_rows, n_outputs)
        Both standardized.
    losses : pair of callables
        The task loss and the distillation loss.
    sample_weight, device, dtype
        As in :class:`Objective`.
    """

    def __init__(self, targets: np.ndarray, sample_weight, losses: tuple, device, dtype):
        self.targets = torch.as_tensor(targets, device=device, dtype=dtype)
        super().__init__(self.targets[0], sample_weight, device, dtype)
        self.losses = losses

    @torch.enable_grad()
    def __call__(self, outputs: Tensor, rows: Numbers) -> tuple[Tensor, Tensor]:
        targets, weight = self.targets, self.weight
        if not isinstance(rows, slice):
            targets = targets.index_select(1, rows)
            weight = None if weight is None else weight.index_select(1, rows)
        pair = outputs.detach().expand_as(targets).clone().requires_grad_()
        task, distillation = self.losses
        if task is distillation:
            row_losses = task(pair, targets)
        else:
            row_losses = torch.stack([task(pair[0], targets[0]), distillation(pair[1], targets[1])])
        row_losses = (row_losses if weight is None else row_losses * weight) / len(outputs)
        (gradients,) = torch.autograd.grad(row_losses.sum(), pair)
        row_losses = row_losses.detach()
        if self.keeps_rows:
            self.row_losses = row_losses
        return row_losses.sum(-1), gradients

    def batch_rows(self, outputs: Tensor, rows: Numbers) -> BatchRows:
        """Return a batch row by row, with standardized targets."""
        return BatchRows(outputs, *self.targets[:, rows])


def check_values(values: Any, n_rows: int, n_outputs: int, source: str) -> np.ndarray:
    """Return predictions as a table of float64; raise a ValueError if they are none."""
    values = values.detach().cpu() if isinstance(values, Tensor) else values
    values = np.asarray(values)
    if values.shape not in ((n_rows, n_outputs), (n_rows,) if n_outputs == 1 else ()):
        raise ValueError(
            f"{source} has shape {values.shape}; expected {(n_rows, n_outputs)}: one row for each "
            "row of X, one column for each output."
        )
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{source} has dtype {values.dtype}; expected numbers.")
    if not np.isfinite(values).all():
        raise ValueError(f"{source} contains NaN or infinity.")
    return values.reshape(n_rows, n_outputs).astype(np.float64)

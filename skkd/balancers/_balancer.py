"""What every balancing rule shares: its bounds and its guards."""

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from ._step_state import Scalar, StepState

__all__ = ["Balancer"]

# Share of a step's gain that a move of the balancing parameter may use up.
_SPENDABLE = 0.9

# How fast a say fades with the student's own loss (of .5, 1 and 2 the one that harmed no set), and
# from what the teacher's does: no more than that of the labels, or the student can't leave it.
_FADING_POWER = 2.0
_FADING_FROM = 0.5

# The most that a rule may propose in an epoch, and what is left of the teacher's and labels' say.
_UNFADED = (1.0, 1.0, 1.0)

GRADIENTS = ("logits", "last_layer", "all")


@dataclass(eq=False, repr=False, kw_only=True)
class Balancer(BaseEstimator):
    r"""Base of all balancing rules: decides how much distillation counts in each step.

    A subclass says what it ``needs`` and gives the balancing parameter :math:`\lambda` in
    :meth:`propose`; the step then follows
    :math:`(1 - \lambda) \nabla L_{task} + \lambda \nabla L_{distill}`. The weights sum to one, so
    that a moving :math:`\lambda` does not become a learning-rate schedule. What a rule proposes
    passes, in this order: the fading, a guard (NaN becomes the last one), the conflict
    clamp, the moving average, the bounds, the conflict clamp again, the admissible-step cap.

    Parameters
    ----------
    min_weight, max_weight : float, default=0.0 and 1.0
        Bounds of the balancing parameter.
    smoothing : float, default=0.0
        Share of the last balancing parameter in the next one, in [0, 1): an exponential moving
        average over about ``1 / (1 - smoothing)`` steps.
    conflict_clamp : bool, default=False
        Where the gradients conflict (C < 0), keep the parameter where both losses fall to first
        order: :math:`|C|/B \le x \le A/|C|` with :math:`x = \lambda/(1-\lambda)`. With exactly
        opposed gradients no such step exists, and the parameter is held. Goes over the bounds.
    admissible_step : bool, default=False
        Let the parameter move only as far as the step's gain pays for. With R the distillation
        less the task loss after the step, the total of the batch still falls if
        :math:`\Delta\lambda R < L(\theta, \lambda) - L(\theta', \lambda)`; at most nine tenths
        of the right side are spent, so that it does fall. Costs a forward pass.
    gradients : {"logits", "last_layer", "all"}, default="logits"
        Where gradients are measured, if they are: over the student's logits or the weights of its
        last linear layer (both in closed form), or over all parameters (a second backward pass).
        A guarantee holds for what was measured. Accuracy was the same within noise with logits and
        last layer, and logits are cheapest and there in every student.
    fade : {"auto", True, False}, default=False
        Let the teacher's say fade as the student comes to know the labels better than its teacher:
        what the rule proposes, at most one half, is multiplied by
        :math:`f = \mathrm{clip}(L_{task} / L_T, 0, 1)^2`, with the mean task loss of the last
        epoch and the log-loss of the teacher's probabilities on the same labels. Right where labels
        are clean and the teacher is not good enough for them; where they are noisy, the student's
        own loss falls because it learns the noise. "auto" tells the two apart by a short training
        on labels alone before the real one, of at most 1,000 steps and on at most 10,000 rows (see
        :class:`Pilot`); from 250 rows and six epochs on, without an accelerator. Where what labels
        teach beyond the teacher made that student better, the teacher's say fades; where it made it
        worse, that of the labels does, :math:`1 - \lambda` being multiplied by :math:`f`; and
        otherwise nothing is changed. In any case a teacher that knows no more than how frequent the
        classes are has no say. The idea is ours. Without effect with a teacher that knows the rows
        by heart itself, and in ``partial_fit``.

    Examples
    --------
    A rule of one's own:

    >>> from skkd.balancers import Balancer
    >>> class MatchLosses(Balancer):
    ...     needs = frozenset({"losses"})
    ...
    ...     def propose(self, state):
    ...         return state.task_loss / (state.task_loss + state.distillation_loss)
    """

    #: What the rule asks of the training loop, which computes only what is asked: "losses",
    #: "losses_after", "gradients", "rows", "held_out_losses", "held_out_slopes", "teacher",
    #: "pilot". The rest of the state costs nothing and is always there.
    needs: ClassVar[frozenset[str]] = frozenset()

    #: What the rule can do without: where there are too few rows to hold any out, it gets none.
    wants: ClassVar[frozenset[str]] = frozenset()

    min_weight: float = 0.0
    max_weight: float = 1.0
    smoothing: float = 0.0
    conflict_clamp: bool = False
    admissible_step: bool = False
    gradients: str = "logits"
    fade: bool | str = False

    # What a rule writes itself

    @property
    def target_share(self) -> float | None:
        """The share of importance that the rule aims at; None if it has no such aim."""
        return None

    @property
    def hears_teacher(self) -> bool:
        """Whether the teacher ever has a say; where not, there is no use in making new rows."""
        return True

    def propose(self, state: StepState) -> Scalar:
        """Propose the balancing parameter for this step.

        Parameters
        ----------
        state : StepState
            Holds what ``needs`` asks for.

        Returns
        -------
        weight : float or scalar
        """
        raise NotImplementedError

    def importance(self, trace: dict[str, np.ndarray]) -> np.ndarray:
        """Share of the distillation in the importance that the rule looks at.

        Parameters
        ----------
        trace : dict of arrays, one entry a step
            ``task_loss``, ``distillation_loss``, ``weight`` and, where gradients were measured,
            ``A``, ``B``, ``C``.

        Returns
        -------
        share : ndarray
            Here the share of the distillation in the value of the weighted loss.
        """
        return share_of(
            trace["weight"] * trace["distillation_loss"],
            (1 - trace["weight"]) * trace["task_loss"],
        )

    def validate(self) -> None:
        """Check the parameters; raise a ValueError that names the wrong one."""
        check_real("min_weight", self.min_weight, 0, 1, self)
        check_real("max_weight", self.max_weight, 0, 1, self)
        if self.min_weight > self.max_weight:
            raise ValueError(
                f"min_weight={self.min_weight!r} of {type(self).__name__} is above "
                f"max_weight={self.max_weight!r}; give 0 <= min_weight <= max_weight <= 1."
            )
        check_real("smoothing", self.smoothing, 0, 1, self, closed="left")
        check_choice("gradients", self.gradients, GRADIENTS, self)
        if not isinstance(self.fade, (bool, np.bool_)) and self.fade != "auto":
            raise ValueError(
                f"fade={self.fade!r} of {type(self).__name__} is not known; give 'auto', True or "
                "False."
            )
        if "held_out_slopes" in self.needs and self.gradients == "logits":
            raise ValueError(
                f"gradients='logits' of {type(self).__name__} is not allowed: held-out rows have "
                "other logits than the batch. Give 'last_layer' or 'all'."
            )

    # What the training loop calls

    def requirements(self) -> frozenset[str]:
        """All that the loop must compute: what the rule and what its guards need."""
        return (
            frozenset(self.needs)
            | self.wants
            | ({"gradients"} if self.conflict_clamp or "held_out_slopes" in self.needs else set())
            | ({"losses", "losses_after"} if self.admissible_step else set())
            | ({"teacher"} if self.fade else set())
            | ({"pilot"} if self.fade == "auto" else set())
        )

    def reset(self) -> "Balancer":
        """Forget what was learned in an earlier training. Called before the first step."""
        self.weight_: Scalar = None
        self._room: Scalar = None
        self._fading_epoch: int | None = None
        self._fading = _UNFADED
        return self

    def weights(self, state: StepState) -> tuple[Scalar, Scalar]:
        """Weights of the task and of the distillation loss in this step; they sum to one."""
        weight = self.propose(state)
        if self.fade:
            weight = self._faded(weight, state)
        weight = self._guarded(weight, state)
        self.weight_ = weight if isinstance(weight, Tensor) else float(weight)
        return 1.0 - self.weight_, self.weight_

    def update(self, state: StepState) -> None:
        """Look at what there is after the step, where ``needs`` asks for such."""
        if self.admissible_step:
            task, distillation = state.task_loss_after, state.distillation_loss_after
            task_fall = state.task_loss - task
            distillation_fall = state.distillation_loss - distillation
            gain = (1 - self.weight_) * task_fall + self.weight_ * distillation_fall
            self._slope = distillation - task
            self._room = _SPENDABLE * where(gain > 0, gain, 0.0) / (abs(self._slope) + 1e-30)

    # The guards

    def _faded(self, weight: Scalar, state: StepState) -> Scalar:
        if state.epoch != self._fading_epoch:
            self._fading_epoch, self._fading = state.epoch, self._fading_in(state)
        if self._fading == _UNFADED:
            return weight
        most, teacher, labels = self._fading
        return 1.0 - (1.0 - clip(weight, 0.0, most) * teacher) * labels

    def _fading_in(self, state: StepState) -> tuple[float, float, float]:
        teacher, pilot = state.teacher, state.pilot
        if teacher is None:
            return _UNFADED
        if not teacher.is_any:
            return 1.0, 0.0, 1.0
        own_loss = state.epoch_losses[-1][0] if state.epoch_losses else np.inf
        known = min(own_loss / teacher.loss, 1.0) if teacher.loss > 0 else 1.0
        factor = known**_FADING_POWER
        if self.fade != "auto" or (pilot is not None and pilot.labels_teach_on):
            return _FADING_FROM, factor, 1.0
        if pilot is not None and pilot.labels_mislead:
            return 1.0, 1.0, factor
        return _UNFADED

    def _guarded(self, weight: Scalar, state: StepState) -> Scalar:
        last = self.weight_
        if last is None:
            last = (self.min_weight + self.max_weight) / 2
        weight = where(weight != weight, last, weight)  # only NaN differs from itself
        if self.conflict_clamp:
            weight = self._without_conflict(weight, last, state)
        if self.smoothing and self.weight_ is not None:
            weight = last + (1.0 - self.smoothing) * (weight - last)
        weight = clip(weight, self.min_weight, self.max_weight)
        if self.conflict_clamp:
            weight = self._without_conflict(weight, last, state)
        if self._room is not None:
            weight = self._admissible(weight, last)
        return weight

    def _without_conflict(self, weight: Scalar, last: Scalar, state: StepState) -> Scalar:
        """Clamp into the interval where both losses fall; C >= 0 leaves everything open."""
        A, B, conflict = state.A, state.B, -state.C
        clamped = clip(weight, conflict / (conflict + B), A / (A + conflict))
        opposed = conflict * conflict >= (1 - 1e-9) * A * B
        return where(conflict > 0, where(opposed, last, clamped), weight)

    def _admissible(self, weight: Scalar, last: Scalar) -> Scalar:
        move = weight - last
        capped = last + clip(move, -self._room, self._room)
        return where(move * self._slope > 0, capped, weight)


class RatioBalancer(Balancer):
    """A rule that keeps distillation's importance at a multiple of the task's."""

    ratio: float

    def validate(self) -> None:
        super().validate()
        check_real("ratio", self.ratio, 0, float("inf"), self, closed="neither")

    @property
    def target_share(self) -> float:
        """``ratio / (1 + ratio)``."""
        return self.ratio / (1 + self.ratio)


def where(condition: Scalar, value: Scalar, other: Scalar) -> Scalar:
    """A choice without a look at the device; on the CPU simply a choice."""
    if isinstance(condition, Tensor):
        return torch.where(condition, value, other)
    return value if condition else other


def clip(value: Scalar, low: Scalar, high: Scalar) -> Scalar:
    if isinstance(value, Tensor):
        return value.clamp(low, high)
    if isinstance(low, Tensor):
        return low.new_tensor(value).clamp(low, high)
    return min(max(value, low), high)


def share_of(distillation: np.ndarray, task: np.ndarray) -> np.ndarray:
    total = distillation + task
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, distillation / total, np.nan)


def check_real(
    name: str,
    value: Any,
    low: float,
    high: float,
    owner: object,
    *,
    closed: str = "both",
) -> None:
    """Raise a ValueError unless ``value`` is a real number in the interval."""
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    above = is_real and (low <= value if closed in ("both", "left") else low < value)
    below = is_real and (value <= high if closed in ("both", "right") else value < high)
    if not (above and below):
        left = "[" if closed in ("both", "left") else "("
        right = "]" if closed in ("both", "right") else ")"
        raise ValueError(
            f"{name}={value!r} of {type(owner).__name__} is not allowed; "
            f"give a number in {left}{low}, {high}{right}."
        )


def check_choice(name: str, value: Any, choices: Iterable[str], owner: object) -> None:
    """Raise a ValueError unless ``value`` is one of the choices."""
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(
            f"{name}={value!r} of {type(owner).__name__} is not known; "
            f"choose one of {', '.join(map(repr, choices))}."
        )

"""The base of all balancing rules, the simplest rule, and rules by name."""

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor

from .._estimator import BaseEstimator
from .._sklearn_private import Interval, StrOptions
from ._fading import Fade, faded
from ._step_state import Need, Scalar, StepState, clip, where

__all__ = ["BALANCERS", "Balancer", "FixedBalance", "make_balancer"]

Gradients = Literal["logits", "all"]

SHARE = Interval(Real, 0, 1, closed="both")
BELOW_ONE = Interval(Real, 0, 1, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")

# Share of a step's gain that a move of λ may use up.
_SPENDABLE = 0.9


@dataclass(eq=False, repr=False, kw_only=True)
class Balancer(BaseEstimator):
    r"""Base of all balancing rules: choose the weight of distillation in each step.

    A subclass lists what it ``needs`` and returns the balancing parameter :math:`\lambda` from
    :meth:`propose`. The step then follows
    :math:`(1 - \lambda) \nabla L_{task} + \lambda \nabla L_{distill}`. The weights sum to one, so
    a moving :math:`\lambda` is no hidden learning-rate schedule.

    A proposed :math:`\lambda` passes through these, in this order: decay (``fade``), conflict
    clamp, moving average, bounds, conflict clamp again, cap on the move. The last :math:`\lambda`
    replaces one that is NaN.

    Parameters
    ----------
    min_weight, max_weight : float, default=0.0 and 1.0
        Bounds of :math:`\lambda`.
    smoothing : float, default=0.0
        Share of the last :math:`\lambda` in the next one, in [0, 1). This is an exponential
        moving average over about ``1 / (1 - smoothing)`` steps.
    conflict_clamp : bool, default=False
        Where the gradients conflict, keep :math:`\lambda` where both losses fall to first order.
        Takes precedence over the bounds. See Notes.
    admissible_step : bool, default=False
        Limit each move of :math:`\lambda` so that the weighted loss of the batch still falls.
        Costs a forward pass. See Notes.
    gradients : {"logits", "all"}, default="logits"
        Where gradients are measured: over the student's logits, or over all parameters by a
        second backward pass. Guarantees hold for what was measured.
    fade : {"auto", True, False}, default=False
        Let :math:`\lambda` decay once the student outgrows its teacher (True). "auto" lets two
        short trainings decide whose weight decays, if any. See Notes.

    Notes
    -----
    *Conflict clamp.* With :math:`C < 0` both losses fall for
    :math:`|C|/B \le x \le A/|C|`, :math:`x = \lambda/(1-\lambda)`. Exactly opposed gradients leave
    no such :math:`x`, and :math:`\lambda` stays as it is.

    *Admissible step.* R is the distillation loss less the task loss after the step. The weighted
    loss still falls if :math:`\Delta\lambda R < L(\theta, \lambda) - L(\theta', \lambda)`. A move
    spends at most nine tenths of the right side.

    *Decay.* The factor is :math:`f = \mathrm{clip}(L_{task} / L_T, 0, 1)^2`. Here
    :math:`L_{task}` is the mean task loss of the last epoch. :math:`L_T` is the log-loss of the
    teacher's probabilities.
    ``True`` caps :math:`\lambda` at one half and multiplies it by f. "auto" does so if labels teach
    more than the teacher knows, and multiplies :math:`1 - \lambda` by f if labels mislead, see
    :class:`Pilot`. With both, a teacher that knows no more than the class frequencies has no
    weight. There is no decay in ``partial_fit``, nor with a teacher that was trained on these rows.
    The method is ours.

    Examples
    --------
    A rule of your own:

    >>> from skkd.balancers import Balancer
    >>> class MatchLosses(Balancer):
    ...     needs = frozenset({"losses"})
    ...
    ...     def propose(self, state):
    ...         return state.task_loss / (state.task_loss + state.distillation_loss)
    """

    #: What the rule asks of the training loop, which computes nothing else. See :data:`Need`.
    needs: ClassVar[frozenset[Need]] = frozenset()

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "min_weight": [SHARE],
        "max_weight": [SHARE],
        "smoothing": [BELOW_ONE],
        "conflict_clamp": ["boolean"],
        "admissible_step": ["boolean"],
        "gradients": [StrOptions({"logits", "all"})],
        "fade": ["boolean", StrOptions({"auto"})],
    }

    min_weight: float = 0.0
    max_weight: float = 1.0
    smoothing: float = 0.0
    conflict_clamp: bool = False
    admissible_step: bool = False
    gradients: Gradients = "logits"
    fade: Fade = False

    # What a rule writes itself

    def propose(self, state: StepState) -> Scalar:
        r"""Propose :math:`\lambda` for this step.

        Parameters
        ----------
        state : StepState
            Holds what ``needs`` asks for.

        Returns
        -------
        weight : float or scalar
        """
        raise NotImplementedError

    @property
    def target_share(self) -> float | None:
        """The share of importance that the rule aims at, or None."""
        return None

    @property
    def hears_teacher(self) -> bool:
        """Whether the teacher ever has a weight; if not, synthetic rows are useless."""
        return True

    def importance(self, trace: dict[str, np.ndarray]) -> np.ndarray:
        """Share of distillation in what the rule balances: here, in the weighted loss.

        Parameters
        ----------
        trace : dict of arrays, one entry a step
            ``task_loss``, ``distillation_loss``, ``weight`` and, where gradients were measured,
            ``A``, ``B``, ``C``.

        Returns
        -------
        share : ndarray
        """
        return share_of(
            trace["weight"] * trace["distillation_loss"],
            (1 - trace["weight"]) * trace["task_loss"],
        )

    def validate(self) -> None:
        """Check the parameters; raise a ValueError that names the wrong one."""
        self._validate_params()
        if self.min_weight > self.max_weight:
            raise ValueError(
                f"min_weight={self.min_weight!r} of {type(self).__name__} is above "
                f"max_weight={self.max_weight!r}; give 0 <= min_weight <= max_weight <= 1."
            )
        unknown = set(self.needs) - set(get_args(Need))
        if unknown:
            raise ValueError(
                f"{type(self).__name__}.needs holds {sorted(unknown)}, which the training loop "
                f"does not know; choose from {', '.join(map(repr, get_args(Need)))}."
            )

    # What the training loop calls

    def requirements(self) -> frozenset[Need]:
        """What the training loop must compute: for the rule, its guards and its decay."""
        required: set[Need] = set(self.needs)
        if self.conflict_clamp:
            required.add("gradients")
        if self.admissible_step:
            required.update(("losses", "losses_after"))
        if self.fade:
            required.add("teacher")
        if self.fade == "auto":
            required.add("pilot")
        return frozenset(required)

    def reset(self) -> Self:
        """Forget an earlier training. Called before the first step."""
        self.weight_: Scalar = None
        self._room: Scalar = None
        return self

    def weights(self, state: StepState) -> tuple[Scalar, Scalar]:
        """Weights of the task and the distillation loss in this step; they sum to one.

        Parameters
        ----------
        state : StepState
            Holds what :meth:`requirements` asks for.
        """
        weight = self.propose(state)
        if self.fade:
            weight = faded(weight, self.fade, state)
        weight = self._guarded(weight, state)
        self.weight_ = weight if isinstance(weight, Tensor) else float(weight)
        return 1.0 - self.weight_, self.weight_

    def update(self, state: StepState) -> None:
        """Learn from the losses after the step, if ``needs`` asks for them.

        Parameters
        ----------
        state : StepState
            The state of this step, now with the losses after it.
        """
        if self.admissible_step:
            task, distillation = state.task_loss_after, state.distillation_loss_after
            task_fall = state.task_loss - task
            distillation_fall = state.distillation_loss - distillation
            gain = (1 - self.weight_) * task_fall + self.weight_ * distillation_fall
            self._slope = distillation - task
            self._room = _SPENDABLE * where(gain > 0, gain, 0.0) / (abs(self._slope) + 1e-30)

    # The guards

    def _guarded(self, weight: Scalar, state: StepState) -> Scalar:
        """Apply NaN guard, conflict clamp, moving average, bounds and cap."""
        last = self.weight_
        if last is None:
            last = (self.min_weight + self.max_weight) / 2
        # Only NaN differs from itself. A tensor is never read from its device.
        if isinstance(weight, Tensor):
            weight = torch.where(weight != weight, last, weight)
        elif weight != weight:
            weight = last
        if self.conflict_clamp:
            weight = self._without_conflict(weight, last, state)
        if self.smoothing and self.weight_ is not None:
            weight = last + (1.0 - self.smoothing) * (weight - last)
        if isinstance(weight, Tensor):
            weight = weight.clamp(self.min_weight, self.max_weight)
        else:
            weight = min(max(weight, self.min_weight), self.max_weight)
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
        """Cap the move if it raises the weighted loss."""
        move = weight - last
        capped = last + clip(move, -self._room, self._room)
        return where(move * self._slope > 0, capped, weight)


@dataclass(eq=False, repr=False)
class FixedBalance(Balancer):
    r"""Keep the balancing parameter constant, the classic choice [1]_.

    .. math:: \lambda = weight

    0 trains on labels only, 1 on the teacher only. The best constant differs between data sets.
    Costs nothing per step.

    Parameters
    ----------
    weight : float, default=0.5
        The balancing parameter, in [0, 1].
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`. The clamp and the decay move the parameter if they are set.

    References
    ----------
    .. [1] Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network",
       arXiv 1503.02531.

    Examples
    --------
    >>> from skkd.balancers import FixedBalance, StepState
    >>> FixedBalance(0.7).reset().weights(StepState())[1]
    0.7
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Balancer._parameter_constraints,
        "weight": [SHARE],
    }

    weight: float = 0.5

    @property
    def hears_teacher(self) -> bool:
        return min(max(self.weight, self.min_weight), self.max_weight) > 0

    def propose(self, state: StepState) -> float:
        return self.weight


class RatioBalancer(Balancer):
    """Base of rules that keep distillation's importance at a multiple of the task's."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Balancer._parameter_constraints,
        "ratio": [POSITIVE],
    }

    ratio: float

    @property
    def target_share(self) -> float:
        """``ratio / (1 + ratio)``."""
        return self.ratio / (1 + self.ratio)


def share_of(distillation: np.ndarray, task: np.ndarray) -> np.ndarray:
    """Share of distillation in the sum of both, NaN where the sum is not positive."""
    total = distillation + task
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, distillation / total, np.nan)


#: Balancing rules by name, in the order of the guide; filled by ``skkd.balancers``.
BALANCERS: dict[str, type[Balancer]] = {}


def make_balancer(balancer: str | Balancer) -> Balancer:
    """Make a fresh, checked rule from a name or an instance.

    Parameters
    ----------
    balancer : str or Balancer
        A name in :data:`BALANCERS`, or an instance, which is copied without its state.

    Returns
    -------
    balancer : Balancer
        Ready for the first step.

    Raises
    ------
    ValueError
        If the name is unknown or a parameter is wrong.
    TypeError
        If it is neither a name nor a Balancer.

    Examples
    --------
    >>> from skkd.balancers import make_balancer
    >>> make_balancer("descent_share")
    DescentShare()
    """
    if isinstance(balancer, str):
        if balancer not in BALANCERS:
            raise ValueError(
                f"balancer={balancer!r} is not known; choose one of "
                f"{', '.join(map(repr, BALANCERS))}, or give an instance of "
                "skkd.balancers.Balancer."
            )
        fresh: Balancer = BALANCERS[balancer]()
    elif isinstance(balancer, Balancer):
        fresh = clone(balancer)
    else:
        raise TypeError(
            f"balancer must be a name or an instance of skkd.balancers.Balancer; got {balancer!r}."
        )
    fresh.validate()
    return fresh.reset()

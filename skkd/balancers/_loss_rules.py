"""Rules that look at the values of the two losses."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

from ._balancer import POSITIVE, Balancer, RatioBalancer
from ._step_state import Need, Scalar, StepState, where

__all__ = ["DynamicWeightAverage", "LossShare"]


@dataclass(eq=False, repr=False)
class LossShare(RatioBalancer):
    r"""Let distillation outweigh the task: :math:`\lambda L_d \ge \rho (1 - \lambda) L_t`.

    .. math:: \lambda = \frac{\rho L_t}{L_d + \rho L_t}

    is the smallest balancing parameter that does so. Inspired by [1]_, the derivation is ours. With
    :math:`\rho = 1` the step follows the gradient of the losses' geometric mean [2]_. Costs four
    scalar operations per step.

    A larger :math:`\lambda` lowers :math:`L_d`, which raises :math:`\lambda` again. On noisy or
    hard data this ends in distillation only. :class:`DescentShare` has no such feedback.

    Parameters
    ----------
    ratio : float, default=1.0
        The ratio :math:`\rho` > 0. Weighted distillation loss over weighted task loss.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`. The inequality holds in every step with their defaults.
    monotone : bool, default=False
        Never let the parameter fall while the weighted loss falls from one step to the next.

    Notes
    -----
    NOTE: only the abstract of [1]_ was available. This rule reads "outweighs" as a share of loss
    values.

    References
    ----------
    .. [1] Kim, Kim, Kim, Jo, "Importance Analysis for Dynamic Control of Balancing Parameter in a
       Simple Knowledge Distillation Setting", arXiv 2505.06270.
    .. [2] Chennupati et al., "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss
       Strategy for Multi-Task Learning", CVPR Workshops 2019.

    Examples
    --------
    >>> from skkd.balancers import LossShare, StepState
    >>> state = StepState(task_loss=0.5, distillation_loss=1.5)
    >>> LossShare(ratio=1.0).reset().weights(state)[1]
    0.25
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"losses"})

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **RatioBalancer._parameter_constraints,
        "monotone": ["boolean"],
    }

    ratio: float = 1.0
    _: KW_ONLY
    monotone: bool = False

    def reset(self) -> Self:
        super().reset()
        self._last_losses: tuple[Scalar, Scalar] | None = None
        return self

    def propose(self, state: StepState) -> Scalar:
        task = self.ratio * state.task_loss
        weight = task / (state.distillation_loss + task)
        return self._never_falling(weight, state) if self.monotone else weight

    def _never_falling(self, weight: Scalar, state: StepState) -> Scalar:
        if self._last_losses is not None:
            # The weighted loss is compared at one parameter, or a move of it would count as a fall.
            last_task, last_distillation = self._last_losses
            task_rise = state.task_loss - last_task
            distillation_rise = state.distillation_loss - last_distillation
            rise = (1 - self.weight_) * task_rise + self.weight_ * distillation_rise
            weight = where((rise <= 0) & (weight < self.weight_), self.weight_, weight)
        self._last_losses = state.task_loss, state.distillation_loss
        return weight


@dataclass(eq=False, repr=False)
class DynamicWeightAverage(Balancer):
    r"""Give more weight to the loss that falls more slowly: DWA [1]_.

    .. math:: \frac{\lambda}{1-\lambda} = \exp\left(\frac{r_d - r_t}{\tau}\right), \qquad
       r_i = \frac{L_i(e-1)}{L_i(e-2)},

    with the mean losses of the last two epochs. In the first two epochs :math:`\lambda` is one
    half. It stays close to that, because both ratios are close to one. Costs nothing per step.

    Parameters
    ----------
    tau : float, default=2.0
        :math:`\tau` > 0: the larger, the closer to one half. It has nothing to do with the
        temperature of the distillation.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.

    References
    ----------
    .. [1] Liu, Johns, Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019.

    Examples
    --------
    >>> from skkd.balancers import DynamicWeightAverage, StepState
    >>> state = StepState(epoch=2, epoch_losses=[(1.0, 1.0), (0.5, 0.9)])
    >>> round(DynamicWeightAverage().reset().weights(state)[1], 3)
    0.55
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Balancer._parameter_constraints,
        "tau": [POSITIVE],
    }

    tau: float = 2.0

    def propose(self, state: StepState) -> float:
        if len(state.epoch_losses) < 2:
            return 0.5
        (task_before, distillation_before), (task, distillation) = state.epoch_losses[-2:]
        if task_before <= 0 or distillation_before <= 0:
            return math.nan  # a loss of zero has no ratio: keep the last λ
        difference = distillation / distillation_before - task / task_before
        return 0.5 + 0.5 * math.tanh(difference / (2 * self.tau))

"""Rules that look at the values of the two losses."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from ._balancer import Balancer, RatioBalancer, check_real, where
from ._step_state import Scalar, StepState

__all__ = ["DynamicWeightAverage", "GeometricMean", "LossShare"]


@dataclass(eq=False, repr=False)
class LossShare(RatioBalancer):
    r"""Distillation outweighs the task, literally: :math:`\lambda L_d \ge \rho (1 - \lambda) L_t`.

    .. math:: \lambda = \frac{\rho L_t}{L_d + \rho L_t}

    is the smallest balancing parameter for which it holds. Inspired by [1]_; the derivation is
    ours. Costs four scalar operations a step.

    Helps where task and distillation loss fall together. Known to fail on noisy or hard data: a
    larger :math:`\lambda` lowers :math:`L_d`, which raises :math:`\lambda` again, up to
    distillation alone. :class:`DescentShare` has no such feedback.

    Parameters
    ----------
    ratio : float, default=1.0
        :math:`\rho` > 0: how many times the task's share the distillation's must be.
    monotone : bool, default=False
        Never let the parameter fall while the weighted loss falls from one step to the next.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`. The inequality holds in every step with their defaults; an upper
        bound, smoothing and the clamps come before it where they are set.

    References
    ----------
    .. [1] Kim, Kim, Kim, Jo, "Importance Analysis for Dynamic Control of Balancing Parameter in a
       Simple Knowledge Distillation Setting", arXiv 2505.06270.

    Examples
    --------
    >>> from skkd.balancers import LossShare, StepState
    >>> state = StepState(task_loss=0.5, distillation_loss=1.5)
    >>> LossShare(ratio=1.0).reset().weights(state)[1]
    0.25
    """

    # NOTE: only the paper's abstract was at hand; this reads "outweighs" as a share of loss values.

    needs: ClassVar[frozenset[str]] = frozenset({"losses"})

    ratio: float = 1.0
    monotone: bool = field(default=False, kw_only=True)

    def reset(self) -> "LossShare":
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
class GeometricMean(Balancer):
    r"""The step follows the gradient of the losses' geometric mean: GLS [1]_.

    .. math:: \nabla \sqrt{L_t L_d} = \frac{1}{2} \left( \sqrt{L_d / L_t}\, g_t
       + \sqrt{L_t / L_d}\, g_d \right), \qquad \lambda = \frac{L_t}{L_t + L_d},

    so that relative decreases of both losses count the same. Costs two operations a step. With two
    losses it is :class:`LossShare` with a ratio of one, and fails where that fails: a distillation
    loss close to zero takes all the weight.

    Parameters
    ----------
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.

    References
    ----------
    .. [1] Chennupati et al., "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss
       Strategy for Multi-Task Learning", CVPR Workshops 2019.

    Examples
    --------
    >>> from skkd.balancers import GeometricMean, StepState
    >>> GeometricMean().reset().weights(StepState(task_loss=0.5, distillation_loss=1.5))[1]
    0.25
    """

    # NOTE: the weights are scaled to sum to one; those of the source also change the step's length.

    needs: ClassVar[frozenset[str]] = frozenset({"losses"})

    @property
    def target_share(self) -> float:
        """One half: in value both weighted losses are equal."""
        return 0.5

    def propose(self, state: StepState) -> Scalar:
        return state.task_loss / (state.task_loss + state.distillation_loss)


@dataclass(eq=False, repr=False)
class DynamicWeightAverage(Balancer):
    r"""The loss that falls more slowly from epoch to epoch counts more: DWA [1]_.

    .. math:: \frac{\lambda}{1-\lambda} = \exp\left(\frac{r_d - r_t}{\tau}\right), \qquad
       r_i = \frac{L_i(e-1)}{L_i(e-2)},

    with the mean losses of the last two epochs; one half in the first two. Costs nothing a step.
    Both ratios are close to one most of the time, and so the weight stays close to one half.

    Parameters
    ----------
    tau : float, default=2.0
        :math:`\tau` > 0, the source's temperature: the larger, the closer to one half. (Not the
        temperature of the distillation.)
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

    tau: float = 2.0

    def validate(self) -> None:
        super().validate()
        check_real("tau", self.tau, 0, float("inf"), self, closed="neither")

    def propose(self, state: StepState) -> float:
        if len(state.epoch_losses) < 2:
            return 0.5
        (task_before, distillation_before), (task, distillation) = state.epoch_losses[-2:]
        if task_before <= 0 or distillation_before <= 0:
            return math.nan  # a loss that is solved has no ratio: hold
        difference = distillation / distillation_before - task / task_before
        return 0.5 + 0.5 * math.tanh(difference / (2 * self.tau))

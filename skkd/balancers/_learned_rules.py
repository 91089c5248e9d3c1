"""Rules that learn their weights by gradient descent beside the student's."""

import math
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, ClassVar, Self

from torch import Tensor

from .._sklearn_private import Interval
from ._balancer import NOT_NEGATIVE, POSITIVE, Balancer
from ._step_state import Need, Scalar, StepState, clip, where

__all__ = ["Famo", "GradNorm", "UncertaintyWeighting"]

# Losses count as at least this, because a distillation loss of zero has no logarithm.
_SMALLEST_LOSS = 1e-8
_LARGEST_LOG = -math.log(_SMALLEST_LOSS)


class ScalarAdam:
    """Adam [1]_ on one number, because torch's would cost a tenth of a whole step.

    Parameters
    ----------
    lr : float
        Learning rate.
    value : float
        The number at the start.

    References
    ----------
    .. [1] Kingma, Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
    """

    def __init__(self, lr: float, value: float = 0.0):
        self.lr = lr
        self.value: Scalar = value
        self._mean: Scalar = 0.0
        self._square: Scalar = 0.0
        self._mean_decay = self._square_decay = 1.0

    def step(self, slope: Scalar) -> None:
        """Move against a slope; one that is NaN or infinite counts as zero."""
        if not isinstance(slope, Tensor):
            slope = float(slope)  # half as slow as numpy's numbers
        slope = where(abs(slope) < math.inf, slope, 0.0)
        self._mean = 0.9 * self._mean + 0.1 * slope
        self._square = 0.999 * self._square + 0.001 * slope * slope
        self._mean_decay *= 0.9
        self._square_decay *= 0.999
        root = (self._square / (1.0 - self._square_decay)) ** 0.5
        mean = self._mean / (1.0 - self._mean_decay)
        self.value = self.value - self.lr * mean / (root + 1e-8)


def sigmoid(value: Scalar) -> Scalar:
    """The logistic function of a number that is not far below zero."""
    return 1.0 / (1.0 + math.e**-value)


@dataclass(eq=False, repr=False)
class UncertaintyWeighting(Balancer):
    r"""Divide each loss by its own noise, which is learned [1]_.

    Minimizes :math:`\frac{1}{2} \sum_i (e^{-s_i} L_i + s_i)` over the student and over both log
    variances :math:`s_i`, so that

    .. math:: \lambda = \frac{e^{-s_d}}{e^{-s_t} + e^{-s_d}}, \qquad
       \frac{\partial}{\partial s_i} = \frac{1}{2} \left( 1 - e^{-s_i} L_i \right).

    Where the losses are constant, :math:`s_i = \log L_i`, which is :class:`LossShare` with a ratio
    of one. A distillation loss close to zero takes all the weight. Costs a dozen scalar operations
    per step.

    Parameters
    ----------
    lr : float, default=0.05
        Learning rate of the log variances. They follow the losses over about ``2 / lr`` steps.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.
    initial : float, default=0.0
        Both log variances at the start.

    Notes
    -----
    NOTE: the weights are scaled to sum to one; the source's also change the step's length. Plain
    gradient descent replaces the student's optimizer. One exploding loss moves the log variances
    only a little, because their slopes stay above -1.

    References
    ----------
    .. [1] Kendall, Gal, Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene
       Geometry and Semantics", CVPR 2018.

    Examples
    --------
    >>> from skkd.balancers import StepState, UncertaintyWeighting
    >>> rule = UncertaintyWeighting().reset()
    >>> for _ in range(1000):
    ...     weight = rule.weights(StepState(task_loss=0.5, distillation_loss=1.5))[1]
    >>> round(weight, 2)
    0.25
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"losses"})

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Balancer._parameter_constraints,
        "lr": [POSITIVE],
        "initial": [Interval(Real, -_LARGEST_LOG, _LARGEST_LOG, closed="both")],
    }

    lr: float = 0.05
    _: KW_ONLY
    initial: float = 0.0

    def reset(self) -> Self:
        super().reset()
        self._of_task: Scalar = self.initial
        self._of_distillation: Scalar = self.initial
        return self

    def propose(self, state: StepState) -> Scalar:
        # x = e^(s_t - s_d), lambda = x / (1 + x)
        task, distillation = math.e**-self._of_task, math.e**-self._of_distillation
        self._of_task = self._descended(self._of_task, task * state.task_loss)
        self._of_distillation = self._descended(
            self._of_distillation, distillation * state.distillation_loss
        )
        return distillation / (task + distillation)

    def _descended(self, log_variance: Scalar, ratio: Scalar) -> Scalar:
        """One step on (ratio + log_variance) / 2, with ratio the loss over the variance."""
        slope = where(ratio < 3.0, 0.5 * (1.0 - ratio), -1.0)
        return clip(log_variance - self.lr * slope, -_LARGEST_LOG, _LARGEST_LOG)


@dataclass(eq=False, repr=False)
class Famo(Balancer):
    r"""Make the logarithms of both losses fall at the same rate: FAMO [1]_.

    With :math:`z = \mathrm{softmax}(\xi)` the step follows the gradient of
    :math:`\sum_i z_i \log L_i`. Adam then moves :math:`\xi` by what the step achieved:

    .. math:: \frac{\lambda}{1-\lambda} = \frac{z_d L_t}{z_t L_d}, \qquad
       \nabla_\xi = J_z^\top \left( \log L(\theta) - \log L(\theta') \right) + \gamma \xi,

    so that the loss that fell less gets more weight. A distillation loss close to zero takes all
    the weight. Costs a forward pass per step, and no gradients.

    Parameters
    ----------
    lr : float, default=0.025
        Learning rate of :math:`\xi`.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.
    decay : float, default=0.001
        The decay :math:`\gamma` >= 0. It pulls z back to one half.

    Notes
    -----
    NOTE: with two losses, one number v describes :math:`\xi = (-v, v)`. The weights are scaled to
    sum to one.

    References
    ----------
    .. [1] Liu, Feng, Stone, Liu, "FAMO: Fast Adaptive Multitask Optimization", NeurIPS 2023.

    Examples
    --------
    >>> from skkd.balancers import Famo, StepState
    >>> Famo().reset().weights(StepState(task_loss=0.5, distillation_loss=1.5))[1]
    0.25
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"losses", "losses_after"})

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Balancer._parameter_constraints,
        "lr": [POSITIVE],
        "decay": [NOT_NEGATIVE],
    }

    lr: float = 0.025
    _: KW_ONLY
    decay: float = 1e-3

    def reset(self) -> Self:
        super().reset()
        self._v = ScalarAdam(self.lr)
        return self

    def propose(self, state: StepState) -> Scalar:
        z = sigmoid(2.0 * self._v.value)
        distillation = z * state.task_loss
        return distillation / (distillation + (1.0 - z) * state.distillation_loss)

    def update(self, state: StepState) -> None:
        """Move towards the loss whose logarithm fell less in this step.

        Parameters
        ----------
        state : StepState
            The losses before and after the step.
        """
        super().update(state)
        z = sigmoid(2.0 * self._v.value)
        log = state.xp.log
        task, task_after = state.task_loss, state.task_loss_after
        distillation, distillation_after = state.distillation_loss, state.distillation_loss_after
        fall_of_task = log((task + _SMALLEST_LOSS) / (task_after + _SMALLEST_LOSS))
        fall_of_distillation = log(
            (distillation + _SMALLEST_LOSS) / (distillation_after + _SMALLEST_LOSS)
        )
        slope = z * (1.0 - z) * (fall_of_distillation - fall_of_task)
        self._v.step(slope + self.decay * self._v.value)
        self._v.value = clip(self._v.value, -_LARGEST_LOG, _LARGEST_LOG)


@dataclass(eq=False, repr=False)
class GradNorm(Balancer):
    r"""Learn weights that give slower losses longer gradients: GradNorm [1]_.

    Let :math:`G_t = (1-\lambda)|g_t|` and :math:`G_d = \lambda |g_d|`, with mean :math:`\bar G`.
    Let :math:`\tilde L_i = L_i / L_i(0)` and :math:`r_i = \tilde L_i / \mathrm{mean}(\tilde L)`.
    These are the relative losses. The parameter descends on

    .. math:: \left| G_t - \bar G\, r_t^\alpha \right| + \left| G_d - \bar G\, r_d^\alpha \right|

    with the targets held constant. :math:`L_i(0)` is the loss of the first batch, so its noise
    stays in the weights. Costs the measuring of gradients and two dozen scalar operations per step.

    Parameters
    ----------
    alpha : float, default=1.5
        How much a slow loss gains. At 0, both gradients are equally long.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.
    lr : float, default=0.025
        Learning rate (Adam) of the balancing parameter.

    Notes
    -----
    NOTE: the source learns one weight per loss and rescales them to a constant sum after each
    step. With two weights that sum to one there is one to learn.

    References
    ----------
    .. [1] Chen, Badrinarayanan, Lee, Rabinovich, "GradNorm: Gradient Normalization for Adaptive
       Loss Balancing in Deep Multitask Networks", ICML 2018.

    Examples
    --------
    >>> from skkd.balancers import GradNorm, StepState
    >>> rule = GradNorm(alpha=0.0).reset()
    >>> for _ in range(300):
    ...     state = StepState(task_loss=1.0, distillation_loss=1.0, A=4.0, B=1.0, C=0.0)
    ...     weight = rule.weights(state)[1]
    >>> round(weight, 1)
    0.7
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"losses", "gradients"})

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Balancer._parameter_constraints,
        "alpha": [NOT_NEGATIVE],
        "lr": [POSITIVE],
    }

    alpha: float = 1.5
    _: KW_ONLY
    lr: float = 0.025

    def reset(self) -> Self:
        super().reset()
        self._learned = ScalarAdam(self.lr, 0.5)
        self._first_losses: tuple[Scalar, Scalar] | None = None
        return self

    def propose(self, state: StepState) -> Scalar:
        if self._first_losses is None:
            self._first_losses = (
                clip(state.task_loss, _SMALLEST_LOSS, math.inf),
                clip(state.distillation_loss, _SMALLEST_LOSS, math.inf),
            )
        weight = self._learned.value
        self._learned.step(self._slope_at(weight, state))
        self._learned.value = clip(self._learned.value, 0.0, 1.0)
        return weight

    def _slope_at(self, weight: Scalar, state: StepState) -> Scalar:
        task_length, distillation_length = state.A**0.5, state.B**0.5
        first_task, first_distillation = self._first_losses  # type: ignore[misc]
        task = state.task_loss / first_task
        distillation = state.distillation_loss / first_distillation
        mean_loss = (task + distillation) / 2.0 + _SMALLEST_LOSS
        of_task, of_distillation = (1.0 - weight) * task_length, weight * distillation_length
        mean_length = (of_task + of_distillation) / 2.0
        aim_of_task = mean_length * (task / mean_loss) ** self.alpha
        aim_of_distillation = mean_length * (distillation / mean_loss) ** self.alpha
        return where(of_task < aim_of_task, task_length, -task_length) + where(
            of_distillation < aim_of_distillation, -distillation_length, distillation_length
        )

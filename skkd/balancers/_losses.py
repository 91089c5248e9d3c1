"""Rules that look at the values of the two losses."""

from ._base import Balancer, Scalar, StepState, check_real, where

__all__ = ["LossShare"]


class LossShare(Balancer):
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
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients
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

    needs = frozenset({"losses"})

    def __init__(
        self,
        ratio: float = 1.0,
        *,
        monotone: bool = False,
        min_weight: float = 0.0,
        max_weight: float = 1.0,
        smoothing: float = 0.0,
        conflict_clamp: bool = False,
        admissible_step: bool = False,
        gradients: str = "logits",
    ):
        super().__init__(
            min_weight=min_weight,
            max_weight=max_weight,
            smoothing=smoothing,
            conflict_clamp=conflict_clamp,
            admissible_step=admissible_step,
            gradients=gradients,
        )
        self.ratio = ratio
        self.monotone = monotone

    def validate(self) -> None:
        super().validate()
        check_real("ratio", self.ratio, 0, float("inf"), self, closed="neither")

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

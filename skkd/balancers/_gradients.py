"""Rules that look at the gradients of the two losses."""

import numpy as np

from ._base import Balancer, Scalar, StepState, check_real, share_of

__all__ = ["DescentShare"]


class DescentShare(Balancer):
    r"""Distillation's share of each step's descent is kept constant: the Taylor rule.

    A step along :math:`-g`, :math:`g = (1-\lambda) g_t + \lambda g_d`, lowers the weighted loss to
    first order by :math:`\eta |g|^2 = \eta[(1-\lambda) D_t + \lambda D_d]` with
    :math:`D_i = \langle g_i, g \rangle`. The rule chooses :math:`\lambda` such that
    :math:`\lambda D_d = \rho (1-\lambda) D_t`. With :math:`A = |g_t|^2`, :math:`B = |g_d|^2`,
    :math:`C = \langle g_t, g_d \rangle` and :math:`x = \lambda/(1-\lambda)` this is

    .. math:: B x^2 + (1-\rho) C x - \rho A = 0, \qquad
       x = \frac{\sqrt{(1-\rho)^2 C^2 + 4 \rho A B} - (1-\rho) C}{2 B}.

    There always is such a weight, and both losses fall to first order at it, unless their gradients
    are exactly opposed: no other definition of importance has that. At :math:`\rho = 1` it is
    :math:`x = \sqrt{A/B}`, the two-task case of IMTL-G [2]_ and of Nash bargaining [3]_. Inspired
    by [1]_; the derivation is ours.

    Costs a small matrix product and a dozen scalar operations a step (``gradients="all"``: a
    second backward pass). Near the best fixed weight on most data; but it does not know
    how good the teacher is, and a teacher worse than the student misleads it.

    Parameters
    ----------
    ratio : float, default=0.05
        :math:`\rho` > 0: distillation's part of the descent as a multiple of the task's.
    min_weight, max_weight, conflict_clamp, admissible_step, gradients
        As in :class:`Balancer`.
    smoothing : float, default=0.9
        As in :class:`Balancer`. Gradients of a minibatch are noisy; with 0 the equation holds in
        every single step.

    References
    ----------
    .. [1] Kim, Kim, Kim, Jo, "Importance Analysis for Dynamic Control of Balancing Parameter in a
       Simple Knowledge Distillation Setting", arXiv 2505.06270.
    .. [2] Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021.
    .. [3] Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022.

    Examples
    --------
    >>> from skkd.balancers import DescentShare, StepState
    >>> rule = DescentShare(ratio=1.0).reset()
    >>> round(rule.weights(StepState(A=4.0, B=1.0, C=0.0))[1], 4)
    0.6667
    """

    # NOTE: the paper speaks of a parameter that moves while the loss decreases; only its abstract
    # was at hand. Here importance is each loss's part of the first-order decrease.

    needs = frozenset({"gradients"})

    def __init__(
        self,
        ratio: float = 0.05,
        *,
        min_weight: float = 0.0,
        max_weight: float = 1.0,
        smoothing: float = 0.9,
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

    def validate(self) -> None:
        super().validate()
        check_real("ratio", self.ratio, 0, float("inf"), self, closed="neither")

    def propose(self, state: StepState) -> Scalar:
        # x = root / (2 B), so lambda = x / (1 + x) = root / (root + 2 B): no division by B. There
        # is no cancellation to fear: C^2 <= A B bounds the linear term by the square root.
        A, B, C = state.A, state.B, state.C
        linear = (1.0 - self.ratio) * C
        root = (linear * linear + 4.0 * self.ratio * A * B) ** 0.5 - linear
        return root / (root + 2.0 * B)

    def importance(self, trace: dict[str, np.ndarray]) -> np.ndarray:
        """Share of the distillation in the first-order decrease of the weighted loss.

        Parameters
        ----------
        trace : dict of arrays, one entry a step

        Returns
        -------
        share : ndarray
            ``ratio / (1 + ratio)`` wherever the equation holds exactly.
        """
        weight, A, B, C = (trace[name] for name in ("weight", "A", "B", "C"))
        task = (1 - weight) * ((1 - weight) * A + weight * C)
        distillation = weight * ((1 - weight) * C + weight * B)
        return share_of(distillation, task)

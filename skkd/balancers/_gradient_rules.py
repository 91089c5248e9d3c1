"""Rules that look at the gradients of the two losses."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ._balancer import (
    Balancer,
    RatioBalancer,
    check_choice,
    check_real,
    clip,
    share_of,
    where,
)
from ._step_state import Scalar, StepState

__all__ = ["ConflictAverse", "DescentShare", "GradientNorm", "GradientSurgery", "MinNorm"]


class GradientBalancer(Balancer):
    """What looks at gradients: importance is a loss's part of the first-order decrease."""

    needs: ClassVar[frozenset[str]] = frozenset({"gradients"})

    def importance(self, trace: dict[str, np.ndarray]) -> np.ndarray:
        """Share of the distillation in the first-order decrease of the weighted loss.

        Parameters
        ----------
        trace : dict of arrays, one entry a step

        Returns
        -------
        share : ndarray
        """
        weight, A, B, C = (trace[name] for name in ("weight", "A", "B", "C"))
        task = (1 - weight) * ((1 - weight) * A + weight * C)
        distillation = weight * ((1 - weight) * C + weight * B)
        return share_of(distillation, task)


@dataclass(eq=False, repr=False)
class DescentShare(RatioBalancer, GradientBalancer):
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
    how good the teacher is, which ``fade`` is for.

    Parameters
    ----------
    ratio : float, default=0.05
        :math:`\rho` > 0: distillation's part of the descent as a multiple of the task's.
    min_weight, max_weight, conflict_clamp, admissible_step, gradients
        As in :class:`Balancer`.
    smoothing : float, default=0.9
        As in :class:`Balancer`. Gradients of a minibatch are noisy; with 0 the equation holds in
        every single step.
    fade : {"auto", True, False}, default="auto"
        As in :class:`Balancer`. Where the teacher's say fades, its share is smaller than what
        ``ratio`` says.

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

    ratio: float = 0.05
    smoothing: float = field(default=0.9, kw_only=True)
    fade: bool | str = field(default="auto", kw_only=True)

    def propose(self, state: StepState) -> Scalar:
        # x = root / (2 B), so lambda = x / (1 + x) = root / (root + 2 B): no division by B. There
        # is no cancellation to fear: C^2 <= A B bounds the linear term by the square root.
        A, B, C = state.A, state.B, state.C
        linear = (1.0 - self.ratio) * C
        root = (linear * linear + 4.0 * self.ratio * A * B) ** 0.5 - linear
        return root / (root + 2.0 * B)


@dataclass(eq=False, repr=False)
class GradientNorm(RatioBalancer, GradientBalancer):
    r"""The weighted gradients keep a constant ratio of lengths.

    .. math:: \lambda |g_d| = \rho (1-\lambda) |g_t|, \qquad
       \lambda = \frac{\rho \sqrt A}{\rho \sqrt A + \sqrt B}.

    At :math:`\rho = 1` it is the two-task case of IMTL-G [1]_ and of Nash bargaining [2]_, and what
    :class:`GradNorm` with ``alpha=0`` moves towards. Costs the measuring of gradients and three
    operations a step.

    Looks at lengths only: where the gradients conflict, one of the losses may rise
    (``conflict_clamp=True`` prevents it). Large ratios run to distillation alone, for a larger
    weight shortens :math:`g_d`, which raises the weight; :class:`DescentShare` settles.

    Parameters
    ----------
    ratio : float, default=0.1
        :math:`\rho` > 0: length of the distillation's gradient as a multiple of the task's.
    min_weight, max_weight, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.
    smoothing : float, default=0.9
        As in :class:`Balancer`. Gradients of a minibatch are noisy.

    References
    ----------
    .. [1] Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021.
    .. [2] Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022.

    Examples
    --------
    >>> from skkd.balancers import GradientNorm, StepState
    >>> rule = GradientNorm(ratio=1.0).reset()
    >>> round(rule.weights(StepState(A=4.0, B=1.0, C=0.0))[1], 4)
    0.6667
    """

    ratio: float = 0.1
    smoothing: float = field(default=0.9, kw_only=True)

    def propose(self, state: StepState) -> Scalar:
        task = self.ratio * state.A**0.5
        return task / (task + state.B**0.5)

    def importance(self, trace: dict[str, np.ndarray]) -> np.ndarray:
        """Share of the distillation in the sum of the weighted gradients' lengths.

        Parameters
        ----------
        trace : dict of arrays, one entry a step

        Returns
        -------
        share : ndarray
        """
        weight, A, B = (trace[name] for name in ("weight", "A", "B"))
        return share_of(weight * np.sqrt(B), (1 - weight) * np.sqrt(A))


@dataclass(eq=False, repr=False)
class MinNorm(GradientBalancer):
    r"""The shortest combination of both gradients: MGDA [1]_.

    .. math:: \lambda = \arg\min_{0 \le \lambda \le 1} |(1-\lambda) g_t + \lambda g_d|^2
       = \mathrm{clip}\left(\frac{A - C}{A + B - 2C}, 0, 1\right).

    Along it both losses fall by the same amount to first order (or one gradient is so short that it
    is followed alone), and where none of them can, the step is zero. The gradients can be scaled
    before: to length one (``"l2"``), which is :class:`GradientNorm` with a ratio of one; or as
    those of the losses' logarithms (``"log"``), so that relative decreases are equal. Costs the
    measuring of gradients and a few operations a step.

    Known to favour the shorter gradient, which is the loss that is nearly solved: unscaled, a
    distillation loss close to zero takes all the weight.

    Parameters
    ----------
    normalize : {None, "l2", "log"}, default=None
        How the gradients are scaled.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.

    References
    ----------
    .. [1] Sener, Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018.

    Examples
    --------
    >>> from skkd.balancers import MinNorm, StepState
    >>> MinNorm().reset().weights(StepState(A=1.0, B=3.0, C=0.0))[1]
    0.25
    """

    # NOTE: the scaling stays in the step's direction, as in the geometry. The authors' code gives
    # the weights found for scaled gradients to unscaled losses; with two of them and "l2" that
    # would always be one half.

    normalize: str | None = None

    def validate(self) -> None:
        super().validate()
        if self.normalize is not None:
            check_choice("normalize", self.normalize, ("l2", "log"), self)

    def requirements(self) -> frozenset[str]:
        """Gradients, and the losses where they scale them."""
        return super().requirements() | ({"losses"} if self.normalize == "log" else set())

    def propose(self, state: StepState) -> Scalar:
        A, B, C = state.A, state.B, state.C
        if self.normalize == "l2":
            return A**0.5 / (A**0.5 + B**0.5)
        if self.normalize is None:
            return clip((A - C) / (A + B - 2.0 * C), 0.0, 1.0)
        task, distillation = state.task_loss, state.distillation_loss
        # The shortest combination of g_t / L_t and g_d / L_d, both times L_t L_d.
        A, B, C = distillation**2 * A, task**2 * B, task * distillation * C
        of_scaled = clip((A - C) / (A + B - 2.0 * C), 0.0, 1.0)
        return of_scaled * task / (of_scaled * task + (1.0 - of_scaled) * distillation)


@dataclass(eq=False, repr=False)
class GradientSurgery(GradientBalancer):
    r"""Conflicting gradients lose the part that works against the other one: PCGrad [1]_.

    The step follows :math:`g_t + g_d`; where :math:`C < 0`, each is first projected on the plane
    normal to the other, :math:`g_t - (C/B) g_d` and :math:`g_d - (C/A) g_t`. In weights this is

    .. math:: \frac{\lambda}{1-\lambda} = \frac{1 - C/B}{1 - C/A} \ (C < 0), \qquad
       \lambda = 1/2 \ (C \ge 0).

    Both losses then fall to first order, unless the gradients are exactly opposed. Costs the
    measuring of gradients and a few operations a step. Without conflict, the usual case with a good
    teacher, it is a fixed weight of one half.

    Parameters
    ----------
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.

    References
    ----------
    .. [1] Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020.

    Examples
    --------
    >>> from skkd.balancers import GradientSurgery, StepState
    >>> rule = GradientSurgery().reset()
    >>> [round(rule.weights(StepState(A=1.0, B=3.0, C=C))[1], 3) for C in (0.5, -0.5)]
    [0.5, 0.438]
    """

    # NOTE: the weights are scaled to sum to one, as everywhere in skkd; the source's sum to more.

    def propose(self, state: StepState) -> Scalar:
        A, B, C = state.A, state.B, state.C
        distillation, task = A * (B - C), B * (A - C)
        return where(C < 0, distillation / (distillation + task), 0.5)


@dataclass(eq=False, repr=False)
class ConflictAverse(GradientBalancer):
    r"""The step near the mean gradient that helps the worse-off loss most: CAGrad [1]_.

    Among all d within :math:`c |g_0|` of the mean :math:`g_0 = (g_t + g_d)/2` it is the one with
    the largest :math:`\min_i \langle g_i, d \rangle`:

    .. math:: d = g_0 + \frac{c |g_0|}{|g_w|} g_w, \quad g_w = (1-w) g_t + w g_d, \quad
       w = \arg\min_{0 \le w \le 1} \langle g_w, g_0 \rangle + c |g_0| |g_w|.

    With two gradients the minimum has a closed form. Costs the measuring of gradients and some
    thirty operations a step. ``c=0`` is a fixed weight of one half; the larger c, the closer to
    :class:`MinNorm`, whose failing it shares by as much.

    Parameters
    ----------
    c : float, default=0.5
        Radius in [0, 1) around the mean gradient, as a share of its length.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.

    References
    ----------
    .. [1] Liu et al., "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS 2021.

    Examples
    --------
    >>> from skkd.balancers import ConflictAverse, StepState
    >>> rule = ConflictAverse(c=0.5).reset()
    >>> round(rule.weights(StepState(A=1.0, B=9.0, C=-1.0))[1], 3)
    0.293
    """

    # NOTE: the source searches w numerically, and its weights sum to more than one; here they are
    # scaled to sum to one.

    c: float = 0.5

    def validate(self) -> None:
        super().validate()
        check_real("c", self.c, 0, 1, self, closed="left")

    def propose(self, state: StepState) -> Scalar:
        A, B, C = state.A, state.B, state.C
        radius = self.c * clip(A + B + 2.0 * C, 0.0, math.inf) ** 0.5 / 2.0
        w = self._worst_case(A, B, C, radius)
        square = ((1.0 - w) * A + 2.0 * w * C) * (1.0 - w) + w * w * B
        length = clip(square, 0.0, math.inf) ** 0.5
        # d = (1/2 + k (1 - w)) g_t + (1/2 + k w) g_d with k = radius / length, times length.
        return (length / 2.0 + radius * w) / (length + radius)

    @staticmethod
    def _worst_case(A: Scalar, B: Scalar, C: Scalar, radius: Scalar) -> Scalar:
        """The w that minimises slope * w + radius * sqrt(curve (w - middle)^2 + rest)."""
        curve = A + B - 2.0 * C
        middle, slope = (A - C) / curve, (B - A) / 2.0
        rest = (A * B - C * C) / curve
        steepness = curve * (radius * radius * curve - slope * slope)
        offset = (slope * slope * clip(rest, 0.0, math.inf) / abs(steepness)) ** 0.5
        inner = clip(middle - where(slope > 0, offset, -offset), 0.0, 1.0)
        # Where the linear part is too steep for a minimum inside, it is at an end.
        return where(steepness > 0, inner, where(slope > 0, 0.0, where(slope < 0, 1.0, 0.5)))

"""Rules that look at the gradients of the two losses."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from .._sklearn_private import StrOptions
from ._balancer import BELOW_ONE, Balancer, RatioBalancer, share_of
from ._fading import Fade
from ._step_state import Need, Scalar, StepState, clip, where

__all__ = ["ConflictAverse", "DescentShare", "EqualGradients", "GradientSurgery", "MinNorm"]


class GradientBalancer(Balancer):
    """Base of rules that look at gradients: importance is a share of first-order decrease."""

    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})

    def importance(self, trace: dict[str, np.ndarray]) -> np.ndarray:
        """Share of distillation in the first-order decrease of the weighted loss."""
        weight, A, B, C = trace["weight"], trace["A"], trace["B"], trace["C"]
        task = (1 - weight) * ((1 - weight) * A + weight * C)
        distillation = weight * ((1 - weight) * C + weight * B)
        return share_of(distillation, task)


@dataclass(eq=False, repr=False)
class DescentShare(RatioBalancer, GradientBalancer):
    r"""Keep distillation's share of each step's descent constant: the Taylor rule.

    Let :math:`g = (1-\lambda) g_t + \lambda g_d` and :math:`D_i = \langle g_i, g \rangle`. To first
    order, a step along :math:`-g` lowers the weighted loss by
    :math:`\eta |g|^2 = \eta[(1-\lambda) D_t + \lambda D_d]`. The rule chooses :math:`\lambda` with
    :math:`\lambda D_d = \rho (1-\lambda) D_t`. With :math:`A = |g_t|^2`, :math:`B = |g_d|^2`,
    :math:`C = \langle g_t, g_d \rangle` and :math:`x = \lambda/(1-\lambda)` this is

    .. math:: B x^2 + (1-\rho) C x - \rho A = 0, \qquad
       x = \frac{\sqrt{(1-\rho)^2 C^2 + 4 \rho A B} - (1-\rho) C}{2 B}.

    Such a weight always exists. Both losses fall to first order at it, unless their gradients are
    exactly opposed. At :math:`\rho = 1` it is :math:`x = \sqrt{A/B}`, the two-task case of IMTL-G
    [2]_ and of Nash bargaining [3]_. Inspired by [1]_, the derivation is ours.

    Costs a small matrix product and a dozen scalar operations per step. The rule itself does not
    know how good the teacher is; ``fade`` takes care of that.

    Parameters
    ----------
    ratio : float, default=0.05
        :math:`\rho` > 0: distillation's part of the descent as a multiple of the task's.
    min_weight, max_weight, smoothing : float, default=0.0, 1.0 and 0.9
        As in :class:`Balancer`. Gradients of a minibatch are noisy. With a smoothing of 0 the
        equation holds in every single step.
    conflict_clamp, admissible_step, gradients
        As in :class:`Balancer`.
    fade : {"auto", True, False}, default="auto"
        As in :class:`Balancer`. Where :math:`\lambda` decays, distillation's share is below
        ``ratio``.

    Notes
    -----
    NOTE: only the abstract of [1]_ was available, which speaks of a parameter that moves while the
    loss decreases. Here importance is each loss's part of the first-order decrease.

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

    ratio: float = 0.05
    _: KW_ONLY
    smoothing: float = 0.9
    fade: Fade = "auto"

    def propose(self, state: StepState) -> Scalar:
        # x = root / (2 B), so lambda = x / (1 + x) = root / (root + 2 B): no division by B. There
        # is no cancellation to fear: C^2 <= A B bounds the linear term by the square root.
        A, B, C = state.A, state.B, state.C
        linear = (1.0 - self.ratio) * C
        root = (linear * linear + 4.0 * self.ratio * A * B) ** 0.5 - linear
        return root / (root + 2.0 * B)


@dataclass(eq=False, repr=False)
class EqualGradients(RatioBalancer, GradientBalancer):
    r"""Keep the lengths of the weighted gradients at a constant ratio.

    .. math:: \lambda |g_d| = \rho (1-\lambda) |g_t|, \qquad
       \lambda = \frac{\rho \sqrt A}{\rho \sqrt A + \sqrt B}.

    At :math:`\rho = 1` it is the two-task case of IMTL-G [1]_ and of Nash bargaining [2]_, and what
    :class:`GradNorm` with ``alpha=0`` moves towards. Costs the measuring of gradients and three
    scalar operations per step.

    The rule ignores directions, so one loss may rise where the gradients conflict;
    ``conflict_clamp=True`` prevents this. A large ratio ends in distillation only, because a larger
    weight shortens :math:`g_d`. :class:`DescentShare` has no such feedback.

    Parameters
    ----------
    ratio : float, default=0.1
        :math:`\rho` > 0: length of the distillation's gradient as a multiple of the task's.
    min_weight, max_weight, smoothing : float, default=0.0, 1.0 and 0.9
        As in :class:`Balancer`. Gradients of a minibatch are noisy.
    conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.

    References
    ----------
    .. [1] Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021.
    .. [2] Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022.

    Examples
    --------
    >>> from skkd.balancers import EqualGradients, StepState
    >>> rule = EqualGradients(ratio=1.0).reset()
    >>> round(rule.weights(StepState(A=4.0, B=1.0, C=0.0))[1], 4)
    0.6667
    """

    ratio: float = 0.1
    _: KW_ONLY
    smoothing: float = 0.9

    def propose(self, state: StepState) -> Scalar:
        task = self.ratio * state.A**0.5
        return task / (task + state.B**0.5)

    def importance(self, trace: dict[str, np.ndarray]) -> np.ndarray:
        """Share of distillation in the sum of the weighted gradients' lengths.

        Parameters
        ----------
        trace : dict of arrays, one entry a step
            As in :meth:`Balancer.importance`.
        """
        weight = trace["weight"]
        return share_of(weight * np.sqrt(trace["B"]), (1 - weight) * np.sqrt(trace["A"]))


@dataclass(eq=False, repr=False)
class MinNorm(GradientBalancer):
    r"""Follow the shortest combination of both gradients: MGDA [1]_.

    .. math:: \lambda = \arg\min_{0 \le \lambda \le 1} |(1-\lambda) g_t + \lambda g_d|^2
       = \mathrm{clip}\left(\frac{A - C}{A + B - 2C}, 0, 1\right).

    Along it both losses fall by the same amount to first order, or one short gradient is followed
    alone. If no direction lowers both, the step is zero. The gradients can be scaled first.
    ``"l2"`` scales them to length one, which is :class:`EqualGradients` with a ratio of one.
    ``"log"`` takes those of the losses' logarithms, so that relative decreases are equal. Costs the
    measuring of gradients and a few scalar operations per step.

    Without scaling, a distillation loss close to zero takes all the weight.

    Parameters
    ----------
    normalize : {None, "l2", "log"}, default=None
        How the gradients are scaled. None: not at all.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.

    Notes
    -----
    NOTE: the direction keeps the scaling. The authors' code gives the weights found for scaled
    gradients to unscaled losses; with two losses and "l2" that would always be one half.

    References
    ----------
    .. [1] Sener, Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018.

    Examples
    --------
    >>> from skkd.balancers import MinNorm, StepState
    >>> MinNorm().reset().weights(StepState(A=1.0, B=3.0, C=0.0))[1]
    0.25
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Balancer._parameter_constraints,
        "normalize": [StrOptions({"l2", "log"}), None],
    }

    normalize: Literal["l2", "log"] | None = None

    def requirements(self) -> frozenset[Need]:
        """Gradients, and the losses if they scale the gradients."""
        required = super().requirements()
        return required | {"losses"} if self.normalize == "log" else required

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
    r"""Remove from each gradient what works against the other: PCGrad [1]_.

    The step follows :math:`g_t + g_d`. Where :math:`C < 0`, each gradient is first projected on the
    plane normal to the other, :math:`g_t - (C/B) g_d` and :math:`g_d - (C/A) g_t`. In weights this
    is

    .. math:: \frac{\lambda}{1-\lambda} = \frac{1 - C/B}{1 - C/A} \ (C < 0), \qquad
       \lambda = 1/2 \ (C \ge 0).

    Both losses then fall to first order, unless the gradients are exactly opposed. Without
    conflict, the usual case with a good teacher, :math:`\lambda` is one half. Costs the measuring
    of gradients and a few scalar operations per step.

    Parameters
    ----------
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.

    Notes
    -----
    NOTE: the weights are scaled to sum to one, as everywhere in skkd.

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

    def propose(self, state: StepState) -> Scalar:
        A, B, C = state.A, state.B, state.C
        distillation, task = A * (B - C), B * (A - C)
        return where(C < 0, distillation / (distillation + task), 0.5)


@dataclass(eq=False, repr=False)
class ConflictAverse(GradientBalancer):
    r"""Help the worse-off loss most, near the mean gradient: CAGrad [1]_.

    Among all d within :math:`c |g_0|` of the mean :math:`g_0 = (g_t + g_d)/2` the step follows the
    one with the largest :math:`\min_i \langle g_i, d \rangle`:

    .. math:: d = g_0 + \frac{c |g_0|}{|g_w|} g_w, \quad g_w = (1-w) g_t + w g_d, \quad
       w = \arg\min_{0 \le w \le 1} \langle g_w, g_0 \rangle + c |g_0| |g_w|.

    With two gradients the minimum has a closed form. ``c=0`` is a fixed weight of one half; a
    larger c comes closer to :class:`MinNorm`. Costs the measuring of gradients and about thirty
    scalar operations per step.

    Parameters
    ----------
    c : float, default=0.5
        Radius in [0, 1) around the mean gradient, as a share of its length.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.

    Notes
    -----
    NOTE: the source searches w numerically, and its weights sum to more than one. Here they are
    scaled to sum to one.

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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Balancer._parameter_constraints,
        "c": [BELOW_ONE],
    }

    c: float = 0.5

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
        """The w that minimizes slope * w + radius * sqrt(curve (w - middle)^2 + rest)."""
        curve = A + B - 2.0 * C
        middle, slope = (A - C) / curve, (B - A) / 2.0
        rest = (A * B - C * C) / curve
        steepness = curve * (radius * radius * curve - slope * slope)
        offset = (slope * slope * clip(rest, 0.0, math.inf) / abs(steepness)) ** 0.5
        inner = clip(middle - where(slope > 0, offset, -offset), 0.0, 1.0)
        # Where the linear part is too steep for a minimum inside, it is at an end.
        return where(steepness > 0, inner, where(slope > 0, 0.0, where(slope < 0, 1.0, 0.5)))

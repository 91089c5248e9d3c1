"""Rules that look at nothing but training progress: a constant, the schedules, and chance."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from .. import schedules
from ._balancer import Balancer, check_choice, check_real
from ._step_state import StepState

__all__ = ["FixedBalance", "RandomBalance", "ScheduledBalance"]


class FixedBalance(Balancer):
    r"""A constant balancing parameter, the classic choice [1]_.

    .. math:: \lambda = weight

    Costs nothing a step. 0 is plain training on labels, 1 is distillation alone. Right where the
    weight was tuned on this very problem; the best
    constant differs from set to set.

    Parameters
    ----------
    weight : float, default=0.5
        The balancing parameter, in [0, 1].
    conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`; off by default. With the clamp the parameter is constant only as
        long as the gradients do not conflict.

    References
    ----------
    .. [1] Hinton, Vinyals, Dean, arXiv 1503.02531.

    Examples
    --------
    >>> from skkd.balancers import FixedBalance, StepState
    >>> FixedBalance(0.7).reset().weights(StepState())[1]
    0.7
    """

    def __init__(
        self,
        weight: float = 0.5,
        *,
        conflict_clamp: bool = False,
        admissible_step: bool = False,
        gradients: str = "logits",
        fade: bool | str = False,
    ):
        super().__init__(
            conflict_clamp=conflict_clamp,
            admissible_step=admissible_step,
            gradients=gradients,
            fade=fade,
        )
        self.weight = weight

    def validate(self) -> None:
        super().validate()
        check_real("weight", self.weight, 0, 1, self)

    @property
    def hears_teacher(self) -> bool:
        return self.weight > 0

    def propose(self, state: StepState) -> float:
        return self.weight


class ScheduledBalance(Balancer):
    r"""A balancing parameter that follows a schedule over the training.

    .. math:: \lambda = start + (end - start)\, s(q)

    with *s* a function of :mod:`skkd.schedules` and *q* the progress after warm-up and hold. From 1
    to 0, linear, it is teacher annealing [1]_; ``hold=0.5`` is hold-then-decay; ``stop`` gives
    early-stopped distillation [2]_; rising schedules are used by [3]_. Costs nothing a step.
    Falling late is the largest clean effect in print; when to fall has to be tuned.

    Parameters
    ----------
    schedule : {"linear", "cosine", "exponential", "step", "logistic"} or callable, default="linear"
        A function of progress that rises from 0 to 1.
    start, end : float, default=1.0 and 0.0
        First and last balancing parameter: up or down.
    warmup : float, default=0.0
        Share of the training over which the parameter first rises linearly from 0 to ``start``.
    hold : float, default=0.0
        Share of the training over which it then stays at ``start``.
    stop : float or None, default=None
        Share of the training after which it is 0.
    conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`; off by default.

    References
    ----------
    .. [1] Clark et al., "BAM! Born-Again Multi-Task Networks", ACL 2019.
    .. [2] Cho, Hariharan, "On the Efficacy of Knowledge Distillation", ICCV 2019.
    .. [3] Kim et al., "Self-Knowledge Distillation with Progressive Refinement of Targets",
       ICCV 2021.

    Examples
    --------
    >>> from skkd.balancers import ScheduledBalance, StepState
    >>> rule = ScheduledBalance(start=0.8, end=0.0, hold=0.5).reset()
    >>> [round(rule.weights(StepState(progress=t))[1], 2) for t in (0.0, 0.5, 0.75, 1.0)]
    [0.8, 0.8, 0.4, 0.0]
    """

    def __init__(
        self,
        schedule: str | Callable[[float], float] = "linear",
        *,
        start: float = 1.0,
        end: float = 0.0,
        warmup: float = 0.0,
        hold: float = 0.0,
        stop: float | None = None,
        conflict_clamp: bool = False,
        admissible_step: bool = False,
        gradients: str = "logits",
        fade: bool | str = False,
    ):
        super().__init__(
            conflict_clamp=conflict_clamp,
            admissible_step=admissible_step,
            gradients=gradients,
            fade=fade,
        )
        self.schedule = schedule
        self.start = start
        self.end = end
        self.warmup = warmup
        self.hold = hold
        self.stop = stop

    def validate(self) -> None:
        super().validate()
        if not callable(self.schedule):
            check_choice("schedule", self.schedule, schedules.SCHEDULES, self)
        for name in ("start", "end", "warmup", "hold"):
            check_real(name, getattr(self, name), 0, 1, self)
        if self.stop is not None:
            check_real("stop", self.stop, 0, 1, self)
        if self.warmup + self.hold > 1:
            raise ValueError(
                f"warmup={self.warmup!r} and hold={self.hold!r} of ScheduledBalance are longer "
                "than the training together; their sum must be at most 1."
            )

    def propose(self, state: StepState) -> float:
        progress = state.progress
        if self.stop is not None and progress >= self.stop:
            return 0.0
        if progress < self.warmup:
            return self.start * progress / self.warmup
        moving = 1.0 - self.warmup - self.hold
        elapsed = progress - self.warmup - self.hold
        if elapsed <= 0:
            return self.start
        schedule = self.schedule if callable(self.schedule) else schedules.SCHEDULES[self.schedule]
        return self.start + (self.end - self.start) * schedule(min(elapsed / moving, 1.0))


@dataclass(eq=False, repr=False)
class RandomBalance(Balancer):
    r"""A control: the weights of each step are drawn at random [1]_.

    .. math:: \lambda = \frac{e^{z_d}}{e^{z_t} + e^{z_d}}, \qquad z_i \sim N(0, 1).

    Costs nothing a step. A rule that does no better than this has learned nothing from what it
    looks at; in the source's tests many do not.

    Parameters
    ----------
    random_state : int or None, default=None
        None draws from a state of its own that follows the ``random_state`` of the classifier.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.

    References
    ----------
    .. [1] Lin, Ye, Zhang, Tsang, "Reasonable Effectiveness of Random Weighting: A Litmus Test for
       Multi-Task Learning", TMLR 2022.

    Examples
    --------
    >>> from skkd.balancers import RandomBalance, StepState
    >>> rule = RandomBalance(random_state=0).reset()
    >>> [round(rule.weights(StepState())[1], 2) for _ in range(3)]
    [0.31, 0.57, 0.19]
    """

    random_state: int | None = None

    def validate(self) -> None:
        super().validate()
        seed = self.random_state
        if seed is not None and not (isinstance(seed, Integral) and seed >= 0):
            raise ValueError(
                f"random_state={seed!r} of RandomBalance is not allowed; give an int of at least "
                "0, or None."
            )

    def reset(self) -> "RandomBalance":
        super().reset()
        self._rng: np.random.Generator | None = None
        self._drawn: list[float] = []
        return self

    def propose(self, state: StepState) -> float:
        if self._rng is None:
            seed = state.seed if self.random_state is None else self.random_state
            self._rng = np.random.default_rng(seed)
        if not self._drawn:  # many at a time: one by one is slow
            task, distillation = self._rng.standard_normal((2, 256))
            self._drawn = (1.0 / (1.0 + np.exp(task - distillation))).tolist()
        return self._drawn.pop(0)

"""Rules that follow the progress of the training, or chance."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np

from .. import schedules
from .._sklearn_private import Interval, StrOptions
from ._balancer import SHARE, Balancer
from ._step_state import StepState

__all__ = ["RandomBalance", "ScheduledBalance"]

# Random numbers drawn at a time, because drawing one by one is slow.
_N_DRAWN = 256


@dataclass(eq=False, repr=False)
class ScheduledBalance(Balancer):
    r"""Let the balancing parameter follow a schedule over the training.

    .. math:: \lambda = start + (end - start)\, s(q)

    with *s* a function of :mod:`skkd.schedules` and *q* the progress after warm-up and hold. The
    default is teacher annealing [1]_, ``hold=0.5`` holds and then falls, ``stop`` gives
    early-stopped distillation [2]_, and a rising schedule follows [3]_. Costs nothing per step.

    Parameters
    ----------
    schedule : {"linear", "cosine", "exponential", "step", "logistic"} or callable, default="linear"
        A function of progress that rises from 0 to 1.
    min_weight, max_weight, smoothing, conflict_clamp, admissible_step, gradients, fade
        As in :class:`Balancer`.
    start, end : float, default=1.0 and 0.0
        First and last balancing parameter. Either may be the larger one.
    warmup, hold : float, default=0.0
        Shares of the training in which the parameter rises linearly from 0 to ``start``, and then
        stays there.
    stop : float or None, default=None
        Share of the training after which the parameter is 0. None: no stop.

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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Balancer._parameter_constraints,
        "schedule": [StrOptions(set(schedules.SCHEDULES)), callable],
        "start": [SHARE],
        "end": [SHARE],
        "warmup": [SHARE],
        "hold": [SHARE],
        "stop": [SHARE, None],
    }

    schedule: (
        Literal["linear", "cosine", "exponential", "step", "logistic"] | Callable[[float], float]
    ) = "linear"
    _: KW_ONLY
    start: float = 1.0
    end: float = 0.0
    warmup: float = 0.0
    hold: float = 0.0
    stop: float | None = None

    def validate(self) -> None:
        super().validate()
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
    r"""Draw the weights of each step at random, as a control [1]_.

    .. math:: \lambda = \frac{e^{z_d}}{e^{z_t} + e^{z_d}}, \qquad z_i \sim N(0, 1).

    A rule that does no better has learned nothing from what it looks at. Costs nothing per step.

    Parameters
    ----------
    random_state : int or None, default=None
        Seed of the draws. None: follows the ``random_state`` of the classifier.
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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Balancer._parameter_constraints,
        "random_state": [Interval(Integral, 0, None, closed="left"), None],
    }

    random_state: int | None = None

    def reset(self) -> Self:
        super().reset()
        self._rng: np.random.Generator | None = None
        self._drawn: list[float] = []
        return self

    def propose(self, state: StepState) -> float:
        if self._rng is None:
            seed = state.seed if self.random_state is None else self.random_state
            self._rng = np.random.default_rng(seed)
        if not self._drawn:
            task, distillation = self._rng.standard_normal((2, _N_DRAWN))
            self._drawn = (1.0 / (1.0 + np.exp(task - distillation))).tolist()
        return self._drawn.pop(0)

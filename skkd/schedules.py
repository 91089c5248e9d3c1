r"""Schedules: functions of training progress that rise from 0 at its start to 1 at its end.

Each takes ``progress`` in [0, 1], the finished share of the optimizer steps, and returns a float in
[0, 1]. :class:`skkd.balancers.ScheduledBalance` stretches them between two weights, so the same
shape serves a rising and a falling weight.
"""

import math
from collections.abc import Callable
from numbers import Real

from sklearn.base import BaseEstimator

__all__ = [
    "SCHEDULES",
    "TemperatureSchedule",
    "cosine",
    "exponential",
    "linear",
    "logistic",
    "step",
]


def linear(progress: float) -> float:
    """Rise at a constant rate.

    Examples
    --------
    >>> linear(0.25)
    0.25
    """
    return progress


def cosine(progress: float) -> float:
    r"""Rise by :math:`(1 - \cos \pi t) / 2`: slow at both ends.

    Examples
    --------
    >>> round(cosine(0.25), 3)
    0.146
    """
    return 0.5 - 0.5 * math.cos(math.pi * progress)


def exponential(progress: float, rate: float = 5.0) -> float:
    r"""Rise by :math:`(1 - e^{-r t}) / (1 - e^{-r})`: fast at first.

    Parameters
    ----------
    progress : float
    rate : float, default=5.0
        r. Half of the way is done after about ``0.69 / rate`` of the training; negative rates are
        slow at first.

    Examples
    --------
    >>> round(exponential(0.25), 3)
    0.718
    """
    return math.expm1(-rate * progress) / math.expm1(-rate)


def step(progress: float, n_steps: int = 3) -> float:
    """Rise in ``n_steps`` equal jumps with equal plateaus between them.

    Examples
    --------
    >>> [round(step(t, n_steps=2), 2) for t in (0.0, 0.4, 0.7, 1.0)]
    [0.0, 0.5, 1.0, 1.0]
    """
    return min(math.floor(progress * (n_steps + 1)) / n_steps, 1.0)


def logistic(progress: float, steepness: float = 10.0) -> float:
    r"""Rise along a sigmoid centred at half-time, rescaled to run from exactly 0 to exactly 1.

    Parameters
    ----------
    progress : float
    steepness : float, default=10.0
        Slope of the sigmoid's argument; the larger, the closer to a jump at half-time.

    Examples
    --------
    >>> round(logistic(0.25), 3)
    0.07
    """

    rising = math.tanh(steepness * (progress - 0.5) / 2) / math.tanh(steepness / 4)
    return 0.5 + 0.5 * rising


SCHEDULES: dict[str, Callable[..., float]] = {
    "linear": linear,
    "cosine": cosine,
    "exponential": exponential,
    "step": step,
    "logistic": logistic,
}


class TemperatureSchedule(BaseEstimator):
    r"""A temperature that moves over the training, for ``DistilledClassifier(temperature=...)``.

    .. math:: T = start + (end - start)\, s(progress)

    Falling, it is a curriculum from easy to hard: targets are flat at first and sharpen [1]_. It
    moves from epoch to epoch. Searched as ``temperature__start``.

    Parameters
    ----------
    start, end : float, default=4.0 and 1.0
        First and last temperature, above 0.
    schedule : str or callable, default="linear"
        A name in :data:`SCHEDULES`, or a function of progress that rises from 0 to 1.

    References
    ----------
    .. [1] Li et al., "Curriculum Temperature for Knowledge Distillation", AAAI 2023; there the
       temperature is learned against the student, here it is given.

    Examples
    --------
    >>> TemperatureSchedule(start=4.0, end=1.0)(0.5)
    2.5
    """

    def __init__(
        self,
        start: float = 4.0,
        end: float = 1.0,
        schedule: str | Callable[[float], float] = "linear",
    ):
        self.start = start
        self.end = end
        self.schedule = schedule

    def validate(self) -> None:
        """Check the parameters; raise a ValueError that names the wrong one."""
        for name in ("start", "end"):
            value = getattr(self, name)
            if isinstance(value, bool) or not (
                isinstance(value, Real) and 0 < float(value) < math.inf
            ):
                raise ValueError(
                    f"{name}={value!r} of TemperatureSchedule is not allowed; give a finite number "
                    "above 0."
                )
        if not callable(self.schedule) and self.schedule not in tuple(SCHEDULES):
            raise ValueError(
                f"schedule={self.schedule!r} of TemperatureSchedule is not known; choose one of "
                f"{', '.join(map(repr, SCHEDULES))}, or give a function of progress that rises "
                "from 0 to 1."
            )

    def __call__(self, progress: float) -> float:
        """The temperature at a progress in [0, 1]."""
        schedule = self.schedule if callable(self.schedule) else SCHEDULES[self.schedule]
        return self.start + (self.end - self.start) * schedule(progress)

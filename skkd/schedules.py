"""Schedules: functions of training progress that rise from 0 to 1.

Each takes ``progress`` in [0, 1], the finished share of the optimizer steps. Each returns a float
in [0, 1]. :class:`skkd.balancers.ScheduledBalance` stretches them between two weights.
:class:`TemperatureSchedule` stretches them between two temperatures.
"""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

from ._estimator import BaseEstimator
from ._sklearn_private import Interval, StrOptions

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

    Parameters
    ----------
    progress : float
        Finished share of the training, in [0, 1].

    Examples
    --------
    >>> linear(0.25)
    0.25
    """
    return progress


def cosine(progress: float) -> float:
    r"""Rise by :math:`(1 - \cos \pi t) / 2`: slow at both ends.

    Parameters
    ----------
    progress : float
        Finished share of the training, in [0, 1].

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
        r. Half of the way is done after about ``0.69 / rate`` of the training. Negative rates are
        slow at first.

    Examples
    --------
    >>> round(exponential(0.25), 3)
    0.718
    """
    return math.expm1(-rate * progress) / math.expm1(-rate)


def step(progress: float, n_steps: int = 3) -> float:
    """Rise in equal jumps with equal plateaus between them.

    Parameters
    ----------
    progress : float
    n_steps : int, default=3
        Number of jumps.

    Examples
    --------
    >>> [round(step(t, n_steps=2), 2) for t in (0.0, 0.4, 0.7, 1.0)]
    [0.0, 0.5, 1.0, 1.0]
    """
    return min(math.floor(progress * (n_steps + 1)) / n_steps, 1.0)


def logistic(progress: float, steepness: float = 10.0) -> float:
    """Rise along a sigmoid centered at half-time, rescaled to run from 0 to 1.

    Parameters
    ----------
    progress : float
    steepness : float, default=10.0
        Slope of the sigmoid's argument. The larger, the closer to a jump at half-time.

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
    r"""Move the temperature over the training, from epoch to epoch.

    .. math:: T = start + (end - start)\, s(progress)

    A falling temperature is a curriculum from easy to hard: targets are flat at first and sharpen
    [1]_. A grid search reaches the parameters as ``temperature__start``, for example.

    Parameters
    ----------
    start, end : float, default=4.0 and 1.0
        First and last temperature, above 0.
    schedule : str or callable, default="linear"
        A name in :data:`SCHEDULES`, or a function that rises from 0 to 1.

    Notes
    -----
    NOTE: in [1]_ the temperature is learned against the student. Here it is given.

    References
    ----------
    .. [1] Li et al., "Curriculum Temperature for Knowledge Distillation", AAAI 2023.

    Examples
    --------
    >>> TemperatureSchedule(start=4.0, end=1.0)(0.5)
    2.5
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "start": [Interval(Real, 0, None, closed="neither")],
        "end": [Interval(Real, 0, None, closed="neither")],
        "schedule": [StrOptions(set(SCHEDULES)), callable],
    }

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
        self._validate_params()

    def __call__(self, progress: float) -> float:
        """Give the temperature at a progress in [0, 1]."""
        schedule = self.schedule if callable(self.schedule) else SCHEDULES[self.schedule]
        return self.start + (self.end - self.start) * schedule(progress)

"""Balancing rules: how much distillation and task count in each optimizer step."""

from ._base import Balancer, StepState
from ._gradients import DescentShare
from ._losses import LossShare
from ._progress import FixedBalance, ScheduledBalance

__all__ = [
    "BALANCERS",
    "Balancer",
    "DescentShare",
    "FixedBalance",
    "LossShare",
    "ScheduledBalance",
    "StepState",
]

BALANCERS: dict[str, type[Balancer]] = {
    "fixed": FixedBalance,
    "scheduled": ScheduledBalance,
    "loss_share": LossShare,
    "descent_share": DescentShare,
}

"""From parameters as a user gives them to the objects that training needs, checked."""

from numbers import Integral, Real

from sklearn.base import clone

from . import losses
from ._sklearn_private import Interval
from .balancers import BALANCERS, Balancer

CONSTRAINTS: dict = {
    "temperature": [Interval(Real, 0, None, closed="neither")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "class_weight": [dict, str, None],
    "n_jobs": [Integral, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def make_balancer(balancer) -> Balancer:
    """A fresh balancer from a name or an instance, which is not changed."""
    if isinstance(balancer, str):
        if balancer not in BALANCERS:
            raise ValueError(
                f"balancer={balancer!r} is not known; choose one of {_names(BALANCERS)}, or give "
                "an instance of skkd.balancers.Balancer."
            )
        fresh = BALANCERS[balancer]()
    elif isinstance(balancer, Balancer):
        fresh = clone(balancer)
    else:
        raise TypeError(
            f"balancer must be a name or an instance of skkd.balancers.Balancer; got {balancer!r}."
        )
    fresh.validate()
    return fresh.reset()


def make_loss(loss) -> losses.DistillationLoss:
    """A distillation loss from a name or a callable."""
    if callable(loss):
        return loss
    if not isinstance(loss, str) or loss not in losses.DISTILLATION_LOSSES:
        raise ValueError(
            f"distillation_loss={loss!r} is not known; choose one of "
            f"{_names(losses.DISTILLATION_LOSSES)}, or give a function of student_logits, "
            "soft_targets and temperature."
        )
    return losses.DISTILLATION_LOSSES[loss]


def _names(known: dict) -> str:
    return ", ".join(map(repr, known))

"""Balancing rules by name."""

from sklearn.base import clone

from ._balancer import Balancer

BALANCERS: dict[str, type[Balancer]] = {}


def make_balancer(balancer) -> Balancer:
    """A fresh, checked balancer from a name or an instance, which is not changed."""
    if isinstance(balancer, str):
        if balancer not in BALANCERS:
            raise ValueError(
                f"balancer={balancer!r} is not known; choose one of "
                f"{', '.join(map(repr, BALANCERS))}, or give an instance of "
                "skkd.balancers.Balancer."
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

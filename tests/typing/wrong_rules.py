"""Calls that mypy must refuse, each in the line that ends with "wrong". Nothing here runs."""

import torch

from skkd import losses, schedules
from skkd.augmenters import MixUp, NeighborSwap, make_augmenter
from skkd.balancers import (
    Balancer,
    DescentShare,
    FixedBalance,
    LossShare,
    MinNorm,
    SampleWise,
    ScheduledBalance,
    StepState,
    make_balancer,
)


class Wishful(Balancer):
    needs = frozenset({"tomorrow"})  # wrong


def rules() -> None:
    FixedBalance("half")  # wrong
    FixedBalance(wieght=0.5)  # wrong
    FixedBalance(0.5, 0.1)  # wrong
    FixedBalance(0.5, smoothing=None)  # wrong
    ScheduledBalance("cosinus")  # wrong
    ScheduledBalance(lambda: 0.5)  # wrong
    LossShare(1.0, monotone="yes")  # wrong
    DescentShare(gradients="last_layer")  # wrong
    DescentShare(fade="never")  # wrong
    DescentShare(ratio=None)  # wrong
    MinNorm("l1")  # wrong
    SampleWise("easy")  # wrong
    make_balancer(0.5)  # wrong
    make_balancer(FixedBalance)  # wrong
    FixedBalance(0.5).weights(0.5)  # wrong
    StepState(loss=0.5)  # wrong


def others() -> None:
    NeighborSwap(weight=2.0)  # wrong
    NeighborSwap(n_neighbors=2.5)  # wrong
    MixUp("much")  # wrong
    make_augmenter(None)  # wrong
    schedules.TemperatureSchedule("hot")  # wrong
    schedules.linear("half")  # wrong
    losses.kl(torch.zeros(2, 3), 0.5)  # wrong
    losses.soften([0.5, 0.5])  # wrong

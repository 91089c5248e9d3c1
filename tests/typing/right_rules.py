"""Calls of rules, augmenters, losses and schedules that mypy must accept. Nothing here runs."""

import torch

from skkd import losses, schedules
from skkd.augmenters import AUGMENTERS, Augmenter, MixUp, NeighborSwap, make_augmenter
from skkd.balancers import (
    BALANCERS,
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


class MatchLosses(Balancer):
    """A rule as a user writes it."""

    needs = frozenset({"losses"})

    def propose(self, state: StepState) -> float:
        return float(state.task_loss / (state.task_loss + state.distillation_loss))


def own_distillation_loss(
    student_logits: torch.Tensor, soft_targets: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    return losses.kl(student_logits, soft_targets, temperature) / 2


def rules() -> list[Balancer]:
    return [
        FixedBalance(0.5),
        FixedBalance(1, min_weight=0, smoothing=0.5),
        ScheduledBalance("cosine", start=0.8, stop=None),
        ScheduledBalance(lambda progress: progress**2),
        LossShare(2.0, monotone=True),
        DescentShare(ratio=0.05, fade="auto", gradients="all", conflict_clamp=True),
        DescentShare(fade=False),
        MinNorm("l2", admissible_step=True),
        SampleWise(lambda rows: rows.teacher_proba.amax(-1), weight=0.5),
        MatchLosses(max_weight=0.9),
        make_balancer("descent_share"),
        make_balancer(MatchLosses()),
        BALANCERS["fixed"](),
    ]


def augmenters() -> list[Augmenter]:
    return [
        NeighborSwap(prob=0.3, n_neighbors=5, n_new=4.0, loss_weight=2.0),
        MixUp(0.4, refresh=5),
        make_augmenter("random_swap"),
        AUGMENTERS["mix_up"](n_new=1),
    ]


def weights() -> float:
    rule = FixedBalance(0.5).reset()
    task, distillation = rule.weights(StepState(progress=0.5))
    falling = schedules.TemperatureSchedule(4.0, 1.0, "cosine")
    rising = schedules.TemperatureSchedule(1, 4, schedules.linear)
    return float(task + distillation) + rule.weight + falling(0.5) + rising(0.5)

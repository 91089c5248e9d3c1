"""Balancing rules: choose the weight of distillation and task in each optimizer step."""

from ._balancer import BALANCERS, Balancer, FixedBalance, make_balancer
from ._gradient_rules import (
    ConflictAverse,
    DescentShare,
    EqualGradients,
    GradientSurgery,
    MinNorm,
)
from ._learned_rules import Famo, GradNorm, UncertaintyWeighting
from ._learned_rules import ScalarAdam as ScalarAdam  # which saved files may hold
from ._loss_rules import DynamicWeightAverage, LossShare
from ._progress_rules import RandomBalance, ScheduledBalance
from ._sample_rules import SampleWise
from ._step_state import BatchRows, Need, Pilot, StepState, TeacherKnowledge

__all__ = [
    "BALANCERS",
    "Balancer",
    "BatchRows",
    "ConflictAverse",
    "DescentShare",
    "DynamicWeightAverage",
    "EqualGradients",
    "Famo",
    "FixedBalance",
    "GradNorm",
    "GradientSurgery",
    "LossShare",
    "MinNorm",
    "Need",
    "Pilot",
    "RandomBalance",
    "SampleWise",
    "ScheduledBalance",
    "StepState",
    "TeacherKnowledge",
    "UncertaintyWeighting",
    "make_balancer",
]

BALANCERS.update(
    {
        "fixed": FixedBalance,
        "scheduled": ScheduledBalance,
        "random": RandomBalance,
        "loss_share": LossShare,
        "uncertainty": UncertaintyWeighting,
        "dynamic_weight_average": DynamicWeightAverage,
        "famo": Famo,
        "descent_share": DescentShare,
        "equal_gradients": EqualGradients,
        "grad_norm": GradNorm,
        "min_norm": MinNorm,
        "gradient_surgery": GradientSurgery,
        "conflict_averse": ConflictAverse,
        "sample_wise": SampleWise,
    }
)

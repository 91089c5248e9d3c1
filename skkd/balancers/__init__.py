"""Balancing rules: how much distillation and task count in each optimizer step."""

from ._base import Balancer
from ._gradients import ConflictAverse, DescentShare, GradientNorm, GradientSurgery, MinNorm
from ._held_out import Competence, Gated, Hypergradient
from ._learned import Famo, GradNorm, UncertaintyWeighting
from ._losses import DynamicWeightAverage, GeometricMean, LossShare
from ._progress import FixedBalance, RandomBalance, ScheduledBalance
from ._registry import BALANCERS
from ._rows import SampleWise
from ._state import BatchRows, HeldOutLosses, Pilot, StepState, TeacherKnowledge

__all__ = [
    "BALANCERS",
    "Balancer",
    "BatchRows",
    "Competence",
    "ConflictAverse",
    "DescentShare",
    "DynamicWeightAverage",
    "Famo",
    "FixedBalance",
    "Gated",
    "GeometricMean",
    "GradNorm",
    "GradientNorm",
    "GradientSurgery",
    "HeldOutLosses",
    "Hypergradient",
    "LossShare",
    "MinNorm",
    "Pilot",
    "RandomBalance",
    "SampleWise",
    "ScheduledBalance",
    "StepState",
    "TeacherKnowledge",
    "UncertaintyWeighting",
]

BALANCERS.update(
    {
        "fixed": FixedBalance,
        "scheduled": ScheduledBalance,
        "random": RandomBalance,
        "loss_share": LossShare,
        "geometric_mean": GeometricMean,
        "uncertainty": UncertaintyWeighting,
        "dynamic_weight_average": DynamicWeightAverage,
        "famo": Famo,
        "descent_share": DescentShare,
        "gradient_norm": GradientNorm,
        "grad_norm": GradNorm,
        "min_norm": MinNorm,
        "gradient_surgery": GradientSurgery,
        "conflict_averse": ConflictAverse,
        "sample_wise": SampleWise,
        "hypergradient": Hypergradient,
        "competence": Competence,
        "gated": Gated,
    }
)

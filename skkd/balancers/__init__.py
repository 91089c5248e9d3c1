"""Balancing rules: how much distillation and task count in each optimizer step."""

from ._balancer import Balancer
from ._gradient_rules import ConflictAverse, DescentShare, GradientNorm, GradientSurgery, MinNorm
from ._learned_rules import Famo, GradNorm, UncertaintyWeighting
from ._loss_rules import DynamicWeightAverage, GeometricMean, LossShare
from ._make_balancer import BALANCERS
from ._progress_rules import FixedBalance, RandomBalance, ScheduledBalance
from ._sample_rules import SampleWise
from ._step_state import BatchRows, HeldOutLosses, Pilot, StepState, TeacherKnowledge
from ._validation_rules import Competence, Gated, Hypergradient

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

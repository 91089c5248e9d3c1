"""skkd: knowledge distillation for scikit-learn.

Train a small, fast PyTorch student on labels and on the soft targets of any fitted classifier, with
a balancing parameter that moves by itself.
"""

from . import augmenters, balancers, losses, report, schedules, students
from ._classifier import DistilledClassifier
from ._plots import BalanceDisplay, BalanceLandscapeDisplay, FidelityDisplay, LatencyDisplay
from .exceptions import TrainingDivergedError

__version__ = "0.1.0"

__all__ = [
    "BalanceDisplay",
    "BalanceLandscapeDisplay",
    "DistilledClassifier",
    "FidelityDisplay",
    "LatencyDisplay",
    "TrainingDivergedError",
    "augmenters",
    "balancers",
    "losses",
    "report",
    "schedules",
    "students",
]

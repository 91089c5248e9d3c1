"""skkd: knowledge distillation for scikit-learn.

Train a small, fast PyTorch student on labels and on the soft targets of any classifier. A balancing
parameter decides in every step how much each counts, and moves by itself.
"""

from . import augmenters, balancers, exceptions, export, losses, report, schedules, students
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
    "exceptions",
    "export",
    "losses",
    "report",
    "schedules",
    "students",
]

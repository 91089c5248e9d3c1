"""skkd: knowledge distillation for scikit-learn.

Train a small, fast PyTorch student on labels and on the soft targets of any fitted classifier, with
a balancing parameter that moves by itself.
"""

from . import augmenters, balancers, losses, schedules, students
from ._classifier import DistilledClassifier
from ._display import BalanceDisplay
from ._landscape import BalanceLandscapeDisplay
from .exceptions import TrainingDivergedError

__version__ = "0.1.0"

__all__ = [
    "BalanceDisplay",
    "BalanceLandscapeDisplay",
    "DistilledClassifier",
    "TrainingDivergedError",
    "augmenters",
    "balancers",
    "losses",
    "schedules",
    "students",
]

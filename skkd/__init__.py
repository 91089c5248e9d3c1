"""skkd: knowledge distillation for scikit-learn.

Train a small, fast PyTorch student on labels and on the soft targets of any classifier. A balancing
parameter decides in every step how much each counts, and moves by itself.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .exceptions import TrainingDivergedError

if TYPE_CHECKING:
    from . import augmenters, balancers, exceptions, export, losses, report, schedules, students
    from ._classifier import DistilledClassifier
    from ._deferral import DeferringClassifier
    from ._plots.balance import BalanceDisplay
    from ._plots.deferral import DeferralDisplay
    from ._plots.fidelity import FidelityDisplay
    from ._plots.landscape import BalanceLandscapeDisplay
    from ._plots.latency import LatencyDisplay
    from ._regressor import DistilledRegressor
    from .export._choose_student import StudentChoice, choose_student

__version__ = "0.1.0"

__all__ = [
    "BalanceDisplay",
    "BalanceLandscapeDisplay",
    "DeferralDisplay",
    "DeferringClassifier",
    "DistilledClassifier",
    "DistilledRegressor",
    "FidelityDisplay",
    "LatencyDisplay",
    "StudentChoice",
    "TrainingDivergedError",
    "augmenters",
    "balancers",
    "choose_student",
    "exceptions",
    "export",
    "losses",
    "report",
    "schedules",
    "students",
]

# Imported when first used, so that skkd.export.OnnxStudent runs without torch.
_MODULES = {
    "BalanceDisplay": "._plots.balance",
    "BalanceLandscapeDisplay": "._plots.landscape",
    "DeferralDisplay": "._plots.deferral",
    "DeferringClassifier": "._deferral",
    "DistilledClassifier": "._classifier",
    "DistilledRegressor": "._regressor",
    "FidelityDisplay": "._plots.fidelity",
    "LatencyDisplay": "._plots.latency",
    "StudentChoice": ".export._choose_student",
    "choose_student": ".export._choose_student",
}

if not TYPE_CHECKING:

    def __getattr__(name: str):
        if name in _MODULES:
            return getattr(import_module(_MODULES[name], __name__), name)
        if name in __all__:
            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

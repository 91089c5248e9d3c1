"""What a distilled model lost, what it gained, and whether to deploy it."""

from ._bootstrap import Difference
from ._regression_report import RegressionReport, regression_report
from ._report import distillation_report
from ._result import DistillationReport

__all__ = [
    "Difference",
    "DistillationReport",
    "RegressionReport",
    "distillation_report",
    "regression_report",
]

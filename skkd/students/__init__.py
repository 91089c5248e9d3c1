"""Students by name, and their parts."""

from ._convnet import ResidualConvNet
from ._make_student import STUDENTS, default_student, make_student
from ._mlp import TabularMLP
from ._periodic import PeriodicMLP
from ._schedule import LearningRateSchedule

__all__ = [
    "STUDENTS",
    "LearningRateSchedule",
    "PeriodicMLP",
    "ResidualConvNet",
    "TabularMLP",
    "default_student",
    "make_student",
]

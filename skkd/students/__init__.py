"""Students by name and their parts, to be used as they are or built upon."""

from ._convnet import ResidualConvNet
from ._make_student import STUDENTS, default_student, make_student
from ._mlp import PeriodicMLP, TabularMLP
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

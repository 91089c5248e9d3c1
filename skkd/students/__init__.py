"""Make students by name, or of their parts."""

from .._input import TableEncoder
from ._convnet import ResidualConvNet
from ._make_student import STUDENTS, default_student, make_student
from ._mlp import TabularMLP
from ._mlp import seed_dropout as seed_dropout  # which training calls
from ._numeric_input import NumericInput as NumericInput
from ._numeric_input import dense as dense
from ._numeric_input import n_distinct_values as n_distinct_values
from ._numeric_input import rows_to_learn_from as rows_to_learn_from
from ._periodic import PeriodicMLP
from ._schedule import LearningRateSchedule

__all__ = [
    "STUDENTS",
    "LearningRateSchedule",
    "PeriodicMLP",
    "ResidualConvNet",
    "TableEncoder",
    "TabularMLP",
    "default_student",
    "make_student",
]

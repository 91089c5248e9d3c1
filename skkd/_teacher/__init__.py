"""The teacher's signal: what it says of the training rows, calibrated, and of other rows."""

from .average import TeacherAverage, as_teacher, check_teachers
from .cache import Cache, Shelved, check_memory
from .checks import check_cv_parameter, is_fitted
from .cost import Cost
from .hashing import content_hash
from .signal import TeacherSignal, ask_teacher, make_signal

__all__ = [
    "Cache",
    "Cost",
    "Shelved",
    "TeacherAverage",
    "TeacherSignal",
    "as_teacher",
    "ask_teacher",
    "check_cv_parameter",
    "check_memory",
    "check_teachers",
    "content_hash",
    "is_fitted",
    "make_signal",
]

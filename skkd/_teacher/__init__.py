"""The teacher's signal: what it says of the training rows, calibrated, and of other rows."""

from .cache import Cache, Shelved, check_memory
from .cost import Cost
from .hashing import content_hash
from .signal import (
    TeacherSignal,
    ask_teacher,
    check_cv_parameter,
    check_teacher,
    is_fitted,
    make_signal,
    signal_of_part,
)

__all__ = [
    "Cache",
    "Cost",
    "Shelved",
    "TeacherSignal",
    "ask_teacher",
    "check_cv_parameter",
    "check_memory",
    "check_teacher",
    "content_hash",
    "is_fitted",
    "make_signal",
    "signal_of_part",
]

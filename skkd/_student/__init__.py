"""The student: made ready for its rows, and asked about others."""

from . import prediction_methods
from .copies import copied, copied_for_training
from .given_net import as_net, is_default, is_known, split_student
from .net import (
    DEFAULT_CALLBACKS,
    Forward,
    drop_default_callbacks,
    guide,
    looks_at_validation_rows,
    net_dtype,
    net_of,
    prepare_student,
    prune,
)
from .predict import (
    has_own_encoder,
    input_tags,
    preprocessed,
    run_steps,
    student_input,
    student_outputs,
)
from .student_only import StudentOnly, StudentOnlyRegressor, student_only, without_training

__all__ = [
    "DEFAULT_CALLBACKS",
    "Forward",
    "StudentOnly",
    "StudentOnlyRegressor",
    "as_net",
    "copied",
    "copied_for_training",
    "drop_default_callbacks",
    "guide",
    "has_own_encoder",
    "input_tags",
    "is_default",
    "is_known",
    "looks_at_validation_rows",
    "net_dtype",
    "net_of",
    "prediction_methods",
    "prepare_student",
    "preprocessed",
    "prune",
    "run_steps",
    "split_student",
    "student_input",
    "student_only",
    "student_outputs",
    "without_training",
]

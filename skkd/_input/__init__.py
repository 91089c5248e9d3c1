"""Reading what the user gives: rows in any container, as teacher and student take them."""

from .asking import asked_in_parts, call_with_protected
from .containers import (
    LARGE,
    MANY_TARGETS,
    LazyRows,
    is_frame,
    is_large,
    materialized,
    release,
    row_slices,
    take,
)
from .data import Rows, Targets, check_rows_of_targets, check_total, read_weight
from .datasets import DatasetRows, NumberedImages
from .dates import DateEncoder, date_parts
from .describe import described
from .kinds import column_kinds, dtypes_of, kind_of_dtype, needs_encoder
from .rare_levels import forget_rare_levels
from .read import (
    as_tensor,
    check_finite,
    float_for,
    read_container,
    read_numbers,
    read_rows,
)
from .table_encoder import TableEncoder, table_encoder, to_float, with_plain_missing
from .unlabeled import read_unlabeled
from .validation_split import hash_rows, split_rows, split_validation_rows

__all__ = [
    "LARGE",
    "MANY_TARGETS",
    "DatasetRows",
    "DateEncoder",
    "LazyRows",
    "NumberedImages",
    "Rows",
    "TableEncoder",
    "Targets",
    "as_tensor",
    "asked_in_parts",
    "call_with_protected",
    "check_finite",
    "check_rows_of_targets",
    "check_total",
    "column_kinds",
    "described",
    "dtypes_of",
    "date_parts",
    "float_for",
    "forget_rare_levels",
    "hash_rows",
    "is_frame",
    "is_large",
    "kind_of_dtype",
    "needs_encoder",
    "materialized",
    "read_container",
    "read_numbers",
    "read_rows",
    "read_unlabeled",
    "read_weight",
    "release",
    "row_slices",
    "split_rows",
    "split_validation_rows",
    "table_encoder",
    "take",
    "to_float",
    "with_plain_missing",
]

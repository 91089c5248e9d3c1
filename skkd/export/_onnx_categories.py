"""Turn encoders of categories into nodes of an ONNX graph.

Where scikit-learn raises an error, as for an unknown category, the encoded row is NaN. Its
probabilities are then NaN as well.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from ..exceptions import ExportError
from ._onnx_columns import Block, Table
from ._onnx_graph import ML_DOMAIN, Graph
from ._onnx_inputs import MISSING_TEXT, is_missing

_MISSING = object()

# Numbers of no column: for values that are 0 in all columns, and for values that are refused.
_NOWHERE, _REFUSED = -1, -2

# Numbers in the table that several columns of texts share, which is faster; it grows with the
# columns times the levels of all of them.
_MOST_IN_ONE_TABLE = 8192


@dataclass(frozen=True)
class _Codes:
    """Number the values of a column, the missing ones and the unknown ones."""

    known: dict
    missing: int
    unknown: int


def one_hot(graph: Graph, step: OneHotEncoder, table: Table, where: str) -> Table:
    """Encode each value by the number of the output column that is 1."""
    codes, owners, start = [], [], 0
    for place in range(len(step.categories_)):
        of_column, width = _one_hot_codes(step, place, start)
        codes.append(of_column)
        owners += [place] * width
        start += width
    numbers = _coded(graph, table, codes, where, np.float32)
    # Repeat the number of each feature under all of its output columns.
    spread = graph.spread(numbers, len(codes), owners, np.float32)
    hot = graph.node("Equal", spread, graph.constant(np.arange(start)[None, :], np.float32))
    encoded = graph.cast(hot, np.float64)
    known: str | None = hot
    if any(_REFUSED in (one.missing, one.unknown) for one in codes):
        lowest = graph.node("ReduceMin", numbers, graph.constant([1], np.int64), keepdims=1)
        is_refused = graph.node("Equal", lowest, graph.constant(_REFUSED, np.float32))
        nan, zero = graph.constant(np.nan, np.float64), graph.constant(0.0, np.float64)
        encoded = graph.node("Add", encoded, graph.node("Where", is_refused, nan, zero))
        known = None
    return Table((Block(encoded, start, is_text=False, hot=known),))


def _one_hot_codes(step: OneHotEncoder, place: int, start: int) -> tuple[_Codes, int]:
    """Return the output columns of a feature's values, and their number."""
    categories = _keys(step.categories_[place])
    groups, n_groups, has_rare = _groups(categories, _rare(step, place))
    dropped = None
    if step.drop_idx_ is not None and step.drop_idx_[place] is not None:
        dropped = groups[categories[step.drop_idx_[place]]]

    def column(group: int) -> int:
        if group == dropped:
            return _NOWHERE
        return start + group - (dropped is not None and group > dropped)

    unknown = _REFUSED if step.handle_unknown == "error" else _NOWHERE
    if has_rare and step.handle_unknown in ("infrequent_if_exist", "warn"):
        unknown = column(n_groups - 1)
    known = {key: column(group) for key, group in groups.items()}
    missing = known.pop(_MISSING, unknown)
    # Levels that are encoded as unknown ones stay out of the file: they may be names of people.
    known = {key: number for key, number in known.items() if number != unknown}
    return _Codes(known, missing, unknown), n_groups - (dropped is not None)


def ordinal(graph: Graph, step: OrdinalEncoder, table: Table, where: str) -> Table:
    """Encode each value by its place in a list of numbers."""
    codes: list[_Codes] = []
    values: list[float] = []
    for place in range(len(step.categories_)):
        categories = _keys(step.categories_[place])
        has_missing = _MISSING in categories
        categories = [key for key in categories if key is not _MISSING]
        groups, n_groups, _ = _groups(categories, _rare(step, place))
        unknown = np.nan if step.handle_unknown == "error" else step.unknown_value
        missing = step.encoded_missing_value if has_missing else unknown
        start = len(values)
        known = {key: start + group for key, group in groups.items()}
        codes.append(_Codes(known, missing=start + n_groups, unknown=start + n_groups + 1))
        values += [*range(n_groups), missing, unknown]
    of_codes = graph.constant(values, np.float64)
    tensor = graph.node("Gather", of_codes, _coded(graph, table, codes, where, np.int32), axis=0)
    return Table((Block(tensor, len(codes), is_text=False),), table.names)


def _keys(categories: np.ndarray) -> list:
    keys = [_MISSING if is_missing(value) else value for value in categories.tolist()]
    if keys.count(_MISSING) > 1:
        raise ExportError(
            f"None and NaN are two categories of one column, {categories.tolist()}, and ONNX "
            "cannot tell them apart. Use only one of them for missing values, before fit."
        )
    return keys


def _rare(step, place: int) -> list:
    """Return the infrequent categories of a feature, which share a number."""
    if step.min_frequency is None and step.max_categories is None:
        return []
    rare = step.infrequent_categories_[place]
    return [] if rare is None else _keys(rare)


def _groups(keys: list, rare: list) -> tuple[dict, int, bool]:
    """Number the categories, the last for rare ones; return the count as well."""
    common = [key for key in keys if key not in rare]
    groups = {key: number for number, key in enumerate(common)}
    groups.update({key: len(common) for key in rare})
    return groups, len(common) + bool(rare), bool(rare)


def _coded(graph: Graph, table: Table, codes: list[_Codes], where: str, dtype) -> str:
    """Return the code of each value of a table, as a tensor of int32 or float32."""
    table = table.merged(graph)
    are_text = [block.is_text for block in table.blocks for _ in range(block.width)]
    for is_text, of_column in zip(are_text, codes, strict=True):
        _check(is_text, of_column, where)
    n_levels = len({level for one in codes for level in one.known}) + 2
    if all(are_text) and len(codes) * n_levels <= _MOST_IN_ONE_TABLE:
        return _coded_together(graph, table.joined(graph, where).tensor, codes, dtype)
    columns = [
        (_coded_text if column.is_text else _coded_numbers)(graph, column.tensor, of_column)
        for column, of_column in zip(table.columns(graph), codes, strict=True)
    ]
    return graph.cast(graph.joined(columns), dtype)


def _check(is_text: bool, codes: _Codes, where: str) -> None:
    """Raise an ExportError unless a column can be coded."""
    are_text = [isinstance(key, str) for key in codes.known]
    if is_text != (all(are_text) if are_text else is_text):
        raise ExportError(
            f"The step {where} knows the categories {list(codes.known)[:5]}, and the column in "
            f"X_sample is {'text' if is_text else 'numbers'}, or always missing. Give an "
            "X_sample with some values of this column, of the same type as in fit."
        )
    if is_text and codes.known.get(MISSING_TEXT, codes.missing) != codes.missing:
        raise ExportError(
            f"The step {where} knows the empty text as a category. In ONNX, the empty text is a "
            "missing value. Replace it by another text, such as 'none', before fit."
        )
    if not is_text and np.array([*codes.known], dtype=np.float64).tolist() != [*codes.known]:
        raise ExportError(
            f"The step {where} has categories above 2**53, which float64 cannot tell apart. Turn "
            "them into text before fit."
        )


def _coded_together(graph: Graph, texts: str, codes: list[_Codes], dtype) -> str:
    """Number the levels of all columns once, and look up their codes in each column."""
    levels = sorted({MISSING_TEXT}.union(*(one.known for one in codes)))
    of_levels = [
        [one.known.get(level, one.unknown) if level else one.missing for one in codes]
        for level in levels
    ]
    of_levels.append([one.unknown for one in codes])
    numbers = _encoded_levels(graph, texts, levels, range(len(levels)), len(levels))
    return graph.node("GatherElements", graph.constant(of_levels, dtype), numbers, axis=0)


def _coded_text(graph: Graph, tensor: str, codes: _Codes) -> str:
    known = codes.known | {MISSING_TEXT: codes.missing}
    return _encoded_levels(graph, tensor, list(known), known.values(), codes.unknown)


def _encoded_levels(graph: Graph, tensor: str, levels: list[str], values, unknown: int) -> str:
    return graph.node(
        "LabelEncoder",
        tensor,
        domain=ML_DOMAIN,
        keys_strings=levels,
        values_int64s=list(values),
        default_int64=unknown,
    )


def _coded_numbers(graph: Graph, tensor: str, codes: _Codes) -> str:
    keys = np.array(list(codes.known), dtype=np.float64)
    moves = np.array(list(codes.known.values()), dtype=np.int64) - codes.unknown
    hits = graph.cast(graph.node("Equal", tensor, graph.constant(keys[None, :])), np.int64)
    moved = graph.node("Mul", hits, graph.constant(moves[None, :]))
    moved = graph.node("ReduceSum", moved, graph.constant([1], np.int64), keepdims=1)
    if codes.missing != codes.unknown:
        is_nan = graph.cast(graph.node("IsNaN", tensor), np.int64)
        of_nan = graph.node("Mul", is_nan, graph.constant(codes.missing - codes.unknown, np.int64))
        moved = graph.node("Add", moved, of_nan)
    return graph.node("Add", moved, graph.constant(codes.unknown, np.int64))

"""Turn a student's preprocessing into nodes of an ONNX graph.

The steps of tables are written here, exact in float64, with missing values and unknown categories
as in scikit-learn. skl2onnx converts all other steps.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from .._input import DateEncoder, TableEncoder, to_float, with_plain_missing
from ..exceptions import ExportError
from ._onnx_categories import one_hot, ordinal
from ._onnx_columns import Block, Table
from ._onnx_dates import dates
from ._onnx_graph import ML_DOMAIN, ML_OPSET, OPSET, Graph
from ._onnx_inputs import MISSING_TEXT, is_missing
from ._onnx_net import quiet
from ._require import require

# What skkd does to columns before it encodes them; the inputs of a file are like that already.
_DONE_BY_FEEDING = (with_plain_missing, to_float)


def add_steps(graph: Graph, steps: list, table: Table, where: str = "") -> Table:
    """Apply fitted steps one after the other.

    Parameters
    ----------
    steps : list of (name, transformer)
    table : Table
    where : str
        Names of the steps around these ones, for messages.
    """
    for name, step in steps:
        table = add_step(graph, step, table, f"{where}{name}")
    return table


def add_step(graph: Graph, step, table: Table, where: str) -> Table:
    """Apply one fitted transformer.

    Raises
    ------
    ExportError
        Which names the step, if it can't be written in ONNX.
    """
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return table
    return _CONVERTERS.get(type(step), _by_skl2onnx)(graph, step, table, where)


def _pipeline(graph: Graph, step: Pipeline, table: Table, where: str) -> Table:
    return add_steps(graph, step.steps, table, f"{where} -> ")


def _column_transformer(graph: Graph, step: ColumnTransformer, table: Table, where: str) -> Table:
    blocks: list[Block] = []
    for name, part, columns in step.transformers_:
        if isinstance(part, str) and part == "drop":
            continue
        inside = f"{where} -> {name}"
        places = _places(columns, table, inside)
        if not places:
            continue
        made = add_step(graph, part, table.only(places), inside)
        weight = (step.transformer_weights or {}).get(name)
        if weight is not None:
            block = made.numbers(graph, _titled(inside, part))
            scaled = graph.node("Mul", block.tensor, graph.constant(weight, np.float64))
            made = Table((Block(scaled, block.width, is_text=False),))
        blocks += made.parts(graph)
    return Table(tuple(blocks))


def _places(columns, table: Table, where: str) -> list[int]:
    """Return the numbers of the columns that a fitted ColumnTransformer selects."""
    names = list(table.names or ())

    def place(column) -> int:
        if isinstance(column, str) and column not in names:
            raise ExportError(
                f"The step {where} selects the column {column!r} of an earlier step's output, "
                "which has no names in ONNX. Select the column by its number."
            )
        return names.index(column) if isinstance(column, str) else int(column) % table.width

    if isinstance(columns, slice):
        start, stop = columns.start, columns.stop
        start = place(start) if isinstance(start, str) else start
        stop = place(stop) + 1 if isinstance(stop, str) else stop  # a name includes its column
        return list(range(table.width))[start : stop : columns.step]
    chosen = np.atleast_1d(np.asarray(columns, dtype=None if len(np.shape(columns)) else object))
    if chosen.dtype.kind == "b":
        return np.flatnonzero(chosen).tolist()
    return [place(column) for column in chosen.tolist()]


def _function(graph: Graph, step: FunctionTransformer, table: Table, where: str) -> Table:
    if step.func is None or step.func in _DONE_BY_FEEDING:
        return table
    raise ExportError(
        f"{_titled(where, step)} calls {getattr(step.func, '__name__', repr(step.func))}, and "
        "Python functions cannot be written in ONNX. Move the function into the net's module, use "
        "a transformer of scikit-learn, or apply it to X before the student."
    )


def _standard_scaler(graph: Graph, step: StandardScaler, table: Table, where: str) -> Table:
    block = table.numbers(graph, _titled(where, step))
    tensor = block.tensor
    if step.with_mean:
        tensor = graph.node("Sub", tensor, graph.constant(step.mean_, np.float64))
    if step.with_std:
        tensor = graph.node("Div", tensor, graph.constant(step.scale_, np.float64))
    return Table((Block(tensor, block.width, is_text=False),), table.names)


def _imputer(graph: Graph, step: SimpleImputer, table: Table, where: str) -> Table:
    fills = np.asarray(step.statistics_, dtype=object)
    kept = [step.keep_empty_features or not is_missing(fill) for fill in fills]
    filled: list[Block] = []
    masks: list[Block] = []
    start = 0
    for block in table.merged(graph).blocks:
        places = slice(start, start + block.width)
        start += block.width
        mask = _is_missing(graph, block, step.missing_values)
        row = np.where(kept[places], fills[places], MISSING_TEXT if block.is_text else 0.0)
        fill = graph.constant(row[None, :], object if block.is_text else np.float64)
        tensor = graph.node("Where", mask, fill, block.tensor)
        filled.append(Block(tensor, block.width, block.is_text))
        masks.append(Block(graph.cast(mask, np.float64), block.width, is_text=False, hot=mask))
    blocks = Table(tuple(filled)).only(np.flatnonzero(kept).tolist()).parts(graph)
    if step.indicator_ is not None:
        indicated = step.indicator_.features_.tolist()
        blocks += Table(tuple(masks)).only(indicated).parts(graph)
    return Table(blocks)


def _is_missing(graph: Graph, block: Block, marker) -> str:
    """Return where the values of a block are the marker of missing ones."""
    if is_missing(marker):
        if not block.is_text:
            return graph.node("IsNaN", block.tensor)
        marker = MISSING_TEXT
    dtype = object if block.is_text else np.float64
    return graph.node("Equal", block.tensor, graph.constant(marker, dtype))


def _text_counts(graph: Graph, step: CountVectorizer, table: Table, where: str) -> Table:
    cased = (char for word in step.vocabulary_ for char in word if not char.isascii())
    if step.lowercase and any(char != char.upper() for char in cased):
        raise ExportError(
            f"{_titled(where, step)} has lowercase=True and words with letters such as É, which "
            "need an installed locale. Give lowercase=False, and lower the text "
            "before the student, in training and where it is deployed."
        )
    options: dict = {"locale": "C"}  # every system has it, and it lowers A to Z
    if step.analyzer == "char":
        options["tokenexp"] = "(?s)."
    elif step.token_pattern == CountVectorizer().token_pattern:
        options["tokenexp"] = r"[\p{L}\p{N}_]{2,}"  # the same for RE2
    return _by_skl2onnx(graph, step, table, where, {type(step): options})


def _by_skl2onnx(graph: Graph, step, table: Table, where: str, options=None) -> Table:
    block = table.joined(graph, _titled(where, step))
    model, dtype = _converted(step, block, _titled(where, step), options)
    tensor = block.tensor if block.is_text else graph.cast(block.tensor, dtype)
    output = graph.cast(graph.splice(model, [tensor])[0], np.float64)
    width = len(step.get_feature_names_out()) if hasattr(step, "get_feature_names_out") else 0
    return Table((Block(output, width, is_text=False),))


def _converted(step, block: Block, title: str, options) -> tuple:
    """Return a model of skl2onnx, and the dtype of its input."""
    skl2onnx, onnx = require("skl2onnx"), require("onnx")
    types = require("skl2onnx.common.data_types")
    kinds = [(types.DoubleTensorType, np.float64), (types.FloatTensorType, np.float32)]
    for kind, dtype in [(types.StringTensorType, object)] if block.is_text else kinds:
        try:
            with quiet():
                model = skl2onnx.convert_sklearn(
                    step,
                    initial_types=[("X", kind([None, block.width]))],
                    target_opset={"": OPSET, ML_DOMAIN: ML_OPSET},
                    options=options,
                )
            onnx.checker.check_model(model, full_check=True)
            return model, dtype
        except Exception as error:  # each converter has errors of its own
            reason = error
    raise ExportError(
        f"{title} cannot be written in ONNX by skl2onnx: {str(reason).strip().splitlines()[0]} "
        "Apply it to X before the student, in training and where it is deployed, or use another "
        "transformer."
    ) from reason


def _titled(where: str, step) -> str:
    return f"The step {where} ({type(step).__name__}) of the student"


_CONVERTERS: dict[type, Callable[[Graph, Any, Table, str], Table]] = {
    ColumnTransformer: _column_transformer,
    CountVectorizer: _text_counts,
    DateEncoder: dates,
    FunctionTransformer: _function,
    OneHotEncoder: one_hot,
    OrdinalEncoder: ordinal,
    Pipeline: _pipeline,
    SimpleImputer: _imputer,
    StandardScaler: _standard_scaler,
    TableEncoder: lambda graph, step, *rest: _column_transformer(graph, step.transformer_, *rest),
    TfidfVectorizer: _text_counts,
}

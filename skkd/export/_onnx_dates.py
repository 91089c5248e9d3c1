"""Turn the encoder of dates into nodes of an ONNX graph, by the formula that it computes itself."""

from dataclasses import dataclass
from functools import partialmethod

import numpy as np

from .._input import DateEncoder, date_parts
from ._onnx_columns import Block, Table
from ._onnx_graph import Graph


@dataclass(frozen=True)
class _Formula:
    """Write what is computed with a tensor of float64 into a graph."""

    graph: Graph
    tensor: str

    def by(self, op: str, *others: "_Formula | float") -> "_Formula":
        """Apply an operator to this tensor and others."""
        tensors = (
            other.tensor if isinstance(other, _Formula) else self.graph.constant(other, np.float64)
            for other in others
        )
        return _Formula(self.graph, self.graph.node(op, self.tensor, *tensors))

    __add__ = partialmethod(by, "Add")
    __sub__ = partialmethod(by, "Sub")
    __mul__ = partialmethod(by, "Mul")
    __truediv__ = partialmethod(by, "Div")


def dates(graph: Graph, step: DateEncoder, table: Table, where: str) -> Table:
    """Encode seconds since 1970 by the parts of dates."""
    seconds = table.numbers(graph, where)
    parts = date_parts(
        _Formula(graph, seconds.tensor), lambda one: one.by("Floor"), lambda one: one.by("Sin")
    )
    column, part = np.divmod(step.kept_, len(parts))
    together = graph.node("Concat", *(one.tensor for one in parts), axis=1)
    chosen = graph.constant(part * seconds.width + column, np.int64)
    kept = graph.node("Gather", together, chosen, axis=1)
    medians = graph.constant(step.medians_[step.kept_][None, :], np.float64)
    filled = graph.node("Where", graph.node("IsNaN", kept), medians, kept)
    marked = graph.constant(step.marked_, np.int64)
    missing = graph.node("IsNaN", graph.node("Gather", seconds.tensor, marked, axis=1))
    tensor = graph.node("Concat", filled, graph.cast(missing, np.float64), axis=1)
    return Table((Block(tensor, len(step.kept_) + len(step.marked_), is_text=False),))

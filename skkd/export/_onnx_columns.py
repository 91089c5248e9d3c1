"""Hold columns of numbers and texts inside an ONNX graph."""

from dataclasses import dataclass

import numpy as np

from ..exceptions import ExportError
from ._onnx_graph import Graph


@dataclass(frozen=True)
class Block:
    """Hold columns in one tensor of shape (n_rows, width), of float64 or text.

    Where all values are 0 or 1, ``hot`` is a tensor of bool that holds the same.
    """

    tensor: str
    width: int
    is_text: bool
    hot: str | None = None


@dataclass(frozen=True)
class Table:
    """Hold columns in blocks from left to right, with names if they have any.

    Attributes
    ----------
    blocks : tuple of Block
    names : tuple of str or None
    order : tuple of int or None
        Numbers of the columns, counted through all blocks. None: all of them as they stand.
    """

    blocks: tuple[Block, ...]
    names: tuple[str, ...] | None = None
    order: tuple[int, ...] | None = None

    @property
    def width(self) -> int:
        """Return the number of columns."""
        return sum(block.width for block in self.blocks) if self.order is None else len(self.order)

    def only(self, columns: list[int]) -> "Table":
        """Return the given columns in the given order."""
        order = range(self.width) if self.order is None else self.order
        names = None if self.names is None else tuple(self.names[place] for place in columns)
        return Table(self.blocks, names, tuple(order[place] for place in columns))

    def columns(self, graph: Graph) -> list[Block]:
        """Return each column as a block."""
        return [self.only([place]).merged(graph).blocks[0] for place in range(self.width)]

    def numbers(self, graph: Graph, where: str) -> Block:
        """Return all columns in one tensor of numbers."""
        block = self.joined(graph, where)
        if block.is_text:
            raise ExportError(f"{where} takes numbers and gets text. Put an encoder before it.")
        return block

    def joined(self, graph: Graph, where: str) -> Block:
        """Return all columns in one tensor."""
        blocks = self.merged(graph).blocks
        if len(blocks) != 1:
            raise ExportError(
                f"{where} takes numbers and text together, and ONNX keeps them apart. Give it "
                "columns of one kind, by a ColumnTransformer."
            )
        return blocks[0]

    def merged(self, graph: Graph) -> "Table":
        """Return the same columns in fewer blocks, in order: neighbors of one kind are joined."""
        blocks = self.parts(graph)
        merged = []
        for run in runs([block.is_text for block in blocks]):
            parts = [blocks[at] for at in run]
            if len(parts) == 1:
                merged += parts
                continue
            tensor = graph.joined([part.tensor for part in parts])
            width = sum(part.width for part in parts)
            merged.append(Block(tensor, width, parts[0].is_text))
        return Table(tuple(merged), self.names)

    def parts(self, graph: Graph) -> tuple[Block, ...]:
        """Return the same columns in blocks, in order."""
        return self.blocks if self.order is None else self._gathered(graph, self.order)

    def _gathered(self, graph: Graph, order: tuple[int, ...]) -> tuple[Block, ...]:
        """Take the columns out of the blocks, with a node for each run of columns of one block."""
        starts = np.cumsum([0, *(block.width for block in self.blocks)]).tolist()
        owners = (np.searchsorted(starts, order, side="right") - 1).tolist()
        blocks = []
        for run in runs(owners):
            block, start = self.blocks[owners[run[0]]], starts[owners[run[0]]]
            inside, tensor, hot = [order[at] - start for at in run], block.tensor, block.hot
            if inside != list(range(block.width)):
                places = graph.constant(inside, np.int64)
                tensor = graph.node("Gather", tensor, places, axis=1)
                hot = hot and graph.node("Gather", hot, places, axis=1)
            blocks.append(Block(tensor, len(inside), block.is_text, hot))
        return tuple(blocks)


def runs(values: list) -> list[list[int]]:
    """Return the places of equal neighbors, as lists."""
    found: list[list[int]] = []
    for place, value in enumerate(values):
        if found and values[place - 1] == value:
            found[-1].append(place)
        else:
            found.append([place])
    return found

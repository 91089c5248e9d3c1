"""Turn a student's net into a torch module, and into nodes of an ONNX graph."""

import contextlib
import copy
import logging
import math
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from .._student import Forward, net_dtype, net_of
from ..exceptions import ExportError
from ..students import NumericInput, TabularMLP
from ._onnx_columns import Table
from ._onnx_graph import OPSET, Graph
from ._require import require

# Who takes the table, for messages.
_NET = "The student's net"


class Logits(nn.Module):
    """Return the student's logits for the input of its net."""

    def __init__(self, net):
        super().__init__()
        self.module = net.module_
        self.logits = Forward(net)

    def forward(self, X: Tensor) -> Tensor:
        self.logits.call = self.module  # which an exporter may have copied
        return self.logits(X)


class Probabilities(Logits):
    """Return the student's probabilities for the input of its net."""

    def forward(self, X: Tensor) -> Tensor:
        return torch.softmax(super().forward(X), -1)


def check_net(net) -> None:
    """Raise an ExportError unless a net does no more than call its module."""
    if Forward(net).call is not net.module_:
        raise ExportError(
            f"The student's net {type(net).__name__} has an infer method of its own, which cannot "
            "be exported. Move what it does into the module."
        )


def add_net(graph: Graph, student, table: Table, example: np.ndarray, dtype: np.dtype) -> str:
    """Add a student's net to a graph, and return its logits.

    They are NaN in rows with NaN or infinity, which some nets would hide.

    Parameters
    ----------
    graph : Graph
    student : fitted net or Pipeline
    table : Table
        What the preprocessing gives.
    example : ndarray of shape (n_rows, ...)
        Rows of the net's input, in its dtype.
    dtype : dtype
        The dtype of the computation.
    """
    net = net_of(student)
    check_net(net)
    if type(net.module_) is TabularMLP:
        return _tabular_mlp(graph, net.module_, table, example, dtype)
    if dtype == np.float64 and any(isinstance(part, nn.Conv2d) for part in net.module_.modules()):
        raise ExportError(
            f"The student's module {type(net.module_).__name__} has float64 convolutions, which "
            "onnxruntime does not have. Give dtype='float32', or fit on float32 images."
        )
    features = graph.cast(table.numbers(graph, _NET).tensor, example.dtype)
    if example.dtype.kind != "f":
        return graph.splice(_exported(net, example, dtype), [features])[0]
    exported = _exported(net, example.astype(dtype), dtype)
    logits = graph.splice(exported, [graph.cast(features, dtype)])[0]
    if example.ndim > 2:
        features = graph.node("Flatten", features, axis=1)
    n_columns = math.prod(example.shape[1:])
    nothing = _nan_or(graph, np.zeros(1), features, n_columns, example.dtype, dtype)
    return graph.node("Add", logits, nothing)


def _tabular_mlp(
    graph: Graph, module: TabularMLP, table: Table, example: np.ndarray, dtype: np.dtype
) -> str:
    """Add the default student node by node: fast, and without onnxscript."""
    table.numbers(graph, _NET)  # raises an error for text
    layers = [(_array(layer.weight), _array(layer.bias)) for layer in _linear(module.layers)]
    numbers = module.numeric_input
    hot, other, is_hot = _hot_columns(graph, table, numbers)
    columns = _array(numbers.columns)
    hot_inputs, inputs = np.flatnonzero(is_hot[columns]), np.flatnonzero(~is_hot[columns])
    # A standardized 0 of a hot column goes into the bias, and what a 1 adds is a factor.
    zeros = torch.zeros(1, numbers.n_features).to(numbers.low)
    zero, one = (_array(numbers(X).double())[0, hot_inputs] for X in (zeros, zeros + 1))
    weight, bias = layers[0]
    layers[0] = weight[:, [*inputs, *hot_inputs]], bias + weight[:, hot_inputs] @ zero
    last_bias = graph.constant(layers[-1][1], dtype)
    entered = []
    if len(inputs):
        tensor = graph.cast(graph.joined(other), example.dtype)
        if example.ndim > 2:
            tensor = graph.node("Flatten", tensor, axis=1)
        n_columns = int((~is_hot).sum())
        last_bias = _nan_or(graph, layers[-1][1], tensor, n_columns, example.dtype, dtype)
        place = np.cumsum(~is_hot) - 1  # among the columns that are not hot
        tensor = graph.spread(tensor, n_columns, place[columns[inputs]], example.dtype)
        # In the student's own dtype, because numbers may be large against their differences.
        for op, name in (("Sub", "low"), ("Mul", "slope"), ("Max", "least"), ("Min", "most")):
            of_inputs = _array(numbers.get_buffer(name))[inputs]
            tensor = graph.node(op, tensor, graph.constant(of_inputs))
        entered.append(graph.cast(tensor, dtype))
    if hot:
        tensor = graph.cast(graph.joined(hot), dtype)
        entered.append(graph.node("Mul", tensor, graph.constant(one - zero, dtype)))
    tensor = graph.joined(entered)
    for weight, bias in layers[:-1]:
        of_layer = graph.constant(weight, dtype), graph.constant(bias, dtype)
        tensor = graph.node("Relu", graph.node("Gemm", tensor, *of_layer, transB=1))
    return graph.node("Gemm", tensor, graph.constant(layers[-1][0], dtype), last_bias, transB=1)


def _linear(layers: nn.Sequential) -> Iterator[nn.Linear]:
    for layer in layers:
        assert isinstance(layer, nn.Linear)
        yield layer


def _hot_columns(
    graph: Graph, table: Table, numbers: NumericInput
) -> tuple[list[str], list[str], np.ndarray]:
    """Set columns of zeros and ones apart, which have two standardized values each.

    Returns
    -------
    hot, other : list of str
        Tensors of bool, and tensors of all other columns.
    is_hot : bool ndarray of shape (n_columns,)
    """
    encoded = {*numbers.bins, *numbers.clipped}
    hot, other, start = [], [], 0
    is_hot = np.zeros(numbers.n_features, dtype=bool)
    for block in table.parts(graph):
        places = range(start, start + block.width)
        start += block.width
        if block.hot is not None and encoded.isdisjoint(places):
            hot.append(block.hot)
            is_hot[places] = True
        else:
            other.append(block.tensor)
    return hot, other, is_hot


def _nan_or(graph: Graph, value, tensor: str, n_columns: int, given: np.dtype, dtype) -> str:
    """Return a value for each row, or NaN for rows of a tensor with NaN or infinity."""
    shape = graph.constant([n_columns, np.size(value)], np.int64)
    zeros = graph.node("Expand", graph.constant(0.0, given), shape)
    return graph.cast(graph.node("Gemm", tensor, zeros, graph.constant(value, given)), dtype)


def _array(parameter: Tensor) -> np.ndarray:
    return parameter.detach().cpu().numpy()


def _exported(net, example: np.ndarray, dtype: np.dtype):
    """Return a net's logits as an ONNX model, by PyTorch's exporter."""
    require("onnxscript")
    logits = Logits(net)
    if dtype != net_dtype(net):
        logits = copy.deepcopy(logits).to(getattr(torch, dtype.name))
    with quiet():
        try:
            program = torch.onnx.export(
                logits.eval(),
                (two_rows(example, net.device),),
                dynamo=True,
                dynamic_shapes={"X": {0: torch.export.Dim.DYNAMIC}},
                opset_version=OPSET,
                verbose=False,
            )
            assert program is not None  # which it is only if a path is given
            return program.model_proto
        except Exception as error:  # of any kind, because it runs the module's code
            raise not_exportable(net, "torch.onnx.export", error) from error


def two_rows(example: np.ndarray, device) -> Tensor:
    """Return two rows to trace with: one row would fix the number of rows."""
    return torch.from_numpy(np.ascontiguousarray(example[[0, -1]])).to(device)


def not_exportable(net, tool: str, error: Exception) -> ExportError:
    """Return the error for a module that PyTorch cannot export."""
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return ExportError(
        f"The student's module {type(net.module_).__name__} cannot be exported by {tool}: "
        f"{reason[0]} Its forward must take any number of rows, stay in PyTorch, and not branch on "
        "the values of a tensor."
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence an exporter: what matters is raised or measured."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

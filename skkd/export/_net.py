"""A student's net as a torch module of probabilities, and as nodes of an ONNX graph."""

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from .._student import Forward, net_dtype, net_of
from ..exceptions import ExportError
from ..students import TabularMLP
from ..students._mlp import HiddenLayer
from ._graph import OPSET, Graph
from ._require import require


class Logits(nn.Module):
    """The student's logits, as ``decision_function`` has them, from the input of its net."""

    def __init__(self, net):
        super().__init__()
        self.module = net.module_
        self.logits = Forward(net)

    def forward(self, X: Tensor) -> Tensor:
        self.logits.call = self.module
        return self.logits(X)


class Probabilities(Logits):
    """The student's probabilities."""

    def forward(self, X: Tensor) -> Tensor:
        return torch.softmax(super().forward(X), -1)


def check_net(net) -> None:
    """Raise an ExportError unless the net's module is all that is between its input and output."""
    if Forward(net).call is not net.module_:
        raise ExportError(
            f"The student's net {type(net).__name__} has an infer method of its own, which can't "
            "leave Python. Move what it does into the module."
        )


def add_net(graph: Graph, student, tensor: str, example: np.ndarray, dtype: np.dtype) -> str:
    """Add a student's net to a graph; the name of its logits.

    Parameters
    ----------
    graph : Graph
    student : fitted net or Pipeline
    tensor : str
        What goes into the net.
    example : ndarray of shape (n_rows, ...)
        Some rows as they go into the net, in its dtype.
    dtype : dtype
        What to compute in.
    """
    net = net_of(student)
    check_net(net)
    if type(net.module_) is TabularMLP:
        return _tabular_mlp(graph, net.module_, tensor, example, dtype)
    if dtype == np.float64 and any(isinstance(part, nn.Conv2d) for part in net.module_.modules()):
        raise ExportError(
            f"The student's module {type(net.module_).__name__} has convolutions and is float64, "
            "in which onnxruntime has none. Give dtype='float32', or fit on float32 images."
        )
    if example.dtype.kind == "f":
        example = example.astype(dtype)
        tensor = graph.cast(tensor, dtype)
    return graph.splice(_exported(net, example, dtype), [tensor])[0]


def _tabular_mlp(graph: Graph, module: TabularMLP, tensor: str, example, dtype) -> str:
    """Written out by hand, so that the default student needs neither onnxscript nor seconds."""
    if example.ndim > 2:
        tensor = graph.node("Flatten", tensor, axis=1)
    numeric = module.numeric_input
    if len(numeric.columns) > numeric.n_features:
        # Gathering whole rows of the transpose took onnxruntime a third of the time.
        tensor = graph.node("Transpose", tensor, perm=[1, 0])
        tensor = graph.node("Gather", tensor, graph.constant(_array(numeric.columns)), axis=0)
        tensor = graph.node("Transpose", tensor, perm=[1, 0])
    # In the student's own dtype, for numbers may be large against their differences.
    tensor = graph.node("Sub", tensor, graph.constant(_array(numeric.low)))
    tensor = graph.node("Mul", tensor, graph.constant(_array(numeric.slope)))
    tensor = graph.node("Max", tensor, graph.constant(_array(numeric.least)))
    tensor = graph.node("Min", tensor, graph.constant(_array(numeric.most)))
    tensor = graph.cast(tensor, dtype)
    for layer in module.layers:
        assert isinstance(layer, nn.Linear)
        weights = (graph.constant(_array(part), dtype) for part in (layer.weight, layer.bias))
        tensor = graph.node("Gemm", tensor, *weights, transB=1)
        if isinstance(layer, HiddenLayer):
            tensor = graph.node("Relu", tensor)
    return tensor


def _array(parameter: Tensor) -> np.ndarray:
    return parameter.detach().cpu().numpy()


def _exported(net, example: np.ndarray, dtype: np.dtype):
    """A net's logits as an ONNX model, by PyTorch's own exporter."""
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
            assert program is not None  # as it is where a path is given
            return program.model_proto
        except Exception as error:  # of many kinds, for it runs the module's code
            raise not_exportable(net, "torch.onnx.export", error) from error


def two_rows(example: np.ndarray, device) -> Tensor:
    """Two rows for tracing: with one row, PyTorch takes the number of rows for a constant."""
    return torch.from_numpy(np.ascontiguousarray(example[[0, -1]])).to(device)


def not_exportable(net, tool: str, error: Exception) -> ExportError:
    """What to raise where PyTorch can't export a module."""
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return ExportError(
        f"The student's module {type(net.module_).__name__} can't be exported by {tool}, which "
        f"says: {reason[0]} Its forward must not branch on the values of a tensor or leave "
        "PyTorch, and must take any number of rows."
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No warnings and log lines from inside an exporter; what matters is raised or measured."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

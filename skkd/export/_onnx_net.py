"""Turn a student's net into a torch module, and into nodes of an ONNX graph."""

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
from ._onnx_graph import OPSET, Graph
from ._require import require


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


def add_net(graph: Graph, student, tensor: str, example: np.ndarray, dtype: np.dtype) -> str:
    """Add a student's net to a graph, and return its logits.

    Parameters
    ----------
    graph : Graph
    student : fitted net or Pipeline
    tensor : str
        Name of the net's input.
    example : ndarray of shape (n_rows, ...)
        Rows of that input, in its dtype.
    dtype : dtype
        The dtype of the computation.
    """
    net = net_of(student)
    check_net(net)
    if type(net.module_) is TabularMLP:
        return _tabular_mlp(graph, net.module_, tensor, example, dtype)
    if dtype == np.float64 and any(isinstance(part, nn.Conv2d) for part in net.module_.modules()):
        raise ExportError(
            f"The student's module {type(net.module_).__name__} has float64 convolutions, which "
            "onnxruntime does not have. Give dtype='float32', or fit on float32 images."
        )
    if example.dtype.kind == "f":
        example = example.astype(dtype)
        tensor = graph.cast(tensor, dtype)
    return graph.splice(_exported(net, example, dtype), [tensor])[0]


def _tabular_mlp(graph: Graph, module: TabularMLP, tensor: str, example, dtype) -> str:
    """Add the default student node by node: fast, and without onnxscript."""
    if example.ndim > 2:
        tensor = graph.node("Flatten", tensor, axis=1)
    numbers = module.numeric_input
    if numbers.bins:
        # Rows of the transpose, because onnxruntime gathers whole rows faster.
        tensor = graph.node("Transpose", tensor, perm=[1, 0])
        tensor = graph.node("Gather", tensor, graph.constant(_array(numbers.columns)), axis=0)
        tensor = graph.node("Transpose", tensor, perm=[1, 0])
    # In the student's own dtype, because numbers may be large against their differences.
    tensor = graph.node("Sub", tensor, graph.constant(_array(numbers.low)))
    tensor = graph.node("Mul", tensor, graph.constant(_array(numbers.slope)))
    tensor = graph.node("Max", tensor, graph.constant(_array(numbers.least)))
    tensor = graph.node("Min", tensor, graph.constant(_array(numbers.most)))
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

"""Build an ONNX graph node by node."""

from importlib import import_module

import numpy as np

from ..exceptions import ExportError
from ._require import require

# onnxruntime reads it since 1.18. Texts can be compared since 19.
OPSET = 19
ML_OPSET = 3
IR_VERSION = 9

ML_DOMAIN = "ai.onnx.ml"

# A constant of fewer bytes is not worth a node that widens it.
_LEAST_BYTES = 1024

# For so few columns, the matrix that spreads them over many is small.
_FEW_COLUMNS = 64


class Graph:
    """Collect the nodes, constants and inputs of a model.

    Each method returns the name of a tensor. The caller names the inputs; all other names are
    made to differ from them.
    """

    def __init__(self) -> None:
        self._onnx = require("onnx")
        self._inputs: list = []
        self._nodes: list = []
        self._constants: list = []
        self._names: set[str] = set()
        self._opsets = {"": OPSET, ML_DOMAIN: ML_OPSET}

    def input(self, name: str, dtype, shape: tuple) -> str:
        """Add an input; None in its shape stands for the number of rows."""
        shape = tuple("rows" if size is None else size for size in shape)
        self._inputs.append(self._value(name, dtype, shape))
        self._names.add(name)
        return name

    def constant(self, value, dtype=None) -> str:
        """Add a constant; texts are an array of objects."""
        value = np.asarray(value, dtype=dtype)
        name = self.fresh_name("constant")
        if value.dtype.kind in "OU":
            encoded = [_encoded(text) for text in value.ravel().tolist()]
            kind = self._onnx.TensorProto.STRING
            self._constants.append(
                self._onnx.helper.make_tensor(name, kind, list(value.shape), encoded)
            )
        else:
            tensor = self._onnx.numpy_helper.from_array(np.ascontiguousarray(value), name)
            tensor.dims[:] = value.shape  # ascontiguousarray makes a row of a scalar
            self._keep(tensor)
        return name

    def _keep(self, tensor) -> None:
        """Add a constant tensor, in half precision if that holds all its numbers.

        Half precision holds the weights of a pruned student, which then take two bytes each.
        onnxruntime widens them once, when it reads the file.
        """
        self._names.add(tensor.name)
        if tensor.data_type in (self._onnx.TensorProto.FLOAT, self._onnx.TensorProto.DOUBLE):
            half = _in_half_precision(self._onnx.numpy_helper.to_array(tensor))
            if half is not None:
                was, to = tensor.name, tensor.data_type
                tensor = self._onnx.numpy_helper.from_array(half, self.fresh_name(was))
                self._nodes.append(self._onnx.helper.make_node("Cast", [tensor.name], [was], to=to))
        self._constants.append(tensor)

    def node(self, op: str, *inputs: str, domain: str = "", **attributes) -> str:
        """Apply an operator, and return its only output."""
        output = self.fresh_name(op)
        self._nodes.append(
            self._onnx.helper.make_node(op, list(inputs), [output], domain=domain, **attributes)
        )
        return output

    def joined(self, tensors: list[str]) -> str:
        """Put columns side by side."""
        return tensors[0] if len(tensors) == 1 else self.node("Concat", *tensors, axis=1)

    def spread(self, tensor: str, n_columns: int, columns, dtype) -> str:
        """Return the given columns of a tensor of finite numbers; some come several times."""
        if np.array_equal(columns, np.arange(n_columns)):
            return tensor
        if n_columns <= _FEW_COLUMNS:
            # By a product with zeros and ones, which is exact, and faster than to gather columns.
            rows = self.constant(np.arange(n_columns)[:, None], np.int32)
            hits = self.node("Equal", rows, self.constant(columns, np.int32))
            return self.node("MatMul", tensor, self.cast(hits, dtype))
        # Rows of the transpose, because onnxruntime gathers whole rows faster.
        tensor = self.node("Transpose", tensor, perm=[1, 0])
        tensor = self.node("Gather", tensor, self.constant(columns, np.int64), axis=0)
        return self.node("Transpose", tensor, perm=[1, 0])

    def cast(self, tensor: str, dtype) -> str:
        """Convert a tensor to another dtype."""
        return self.node("Cast", tensor, to=self._element_type(dtype))

    def splice(self, model, inputs: list[str]) -> list[str]:
        """Add the nodes of another model, and return its outputs."""
        helper, onnx = self._onnx.helper, self._onnx
        if model.functions:
            model = import_module("onnx.inliner").inline_local_functions(model)
        for opset in model.opset_import:
            self._opsets.setdefault(opset.domain, opset.version)
        prefix = self.fresh_name("part") + "/"
        while any(name.startswith(prefix) for name in self._names):
            prefix = self.fresh_name("part") + "/"
        graph = onnx.compose.add_prefix(model, prefix).graph
        for tensor, value in zip(inputs, graph.input, strict=True):
            self._nodes.append(helper.make_node("Identity", [tensor], [value.name]))
        for tensor in graph.initializer:
            self._keep(tensor)
        self._nodes += graph.node
        return [value.name for value in graph.output]

    def model(self, outputs: dict[str, tuple]):
        """Return a checked model without what no output needs.

        ``outputs`` are (tensor, dtype, shape) by name.
        """
        helper = self._onnx.helper
        nodes = [helper.make_node("Identity", [was[0]], [name]) for name, was in outputs.items()]
        used = _names_in(nodes)
        for node in reversed(self._nodes):
            if not used.isdisjoint(node.output):
                nodes.insert(0, node)
                used |= _names_in([node])
        values = [
            self._value(name, dtype, tuple("rows" if size is None else size for size in shape))
            for name, (_, dtype, shape) in outputs.items()
        ]
        constants = [tensor for tensor in self._constants if tensor.name in used]
        graph = helper.make_graph(nodes, "student", self._inputs, values, constants)
        model = helper.make_model(
            graph,
            producer_name="skkd",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid(*opset) for opset in self._opsets.items()],
        )
        try:
            self._onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # of several kinds
            raise ExportError(f"What was exported is not right: {error}.") from error
        return model

    def fresh_name(self, stem: str) -> str:
        """Return a name that no other tensor has."""
        name, number = stem, 0
        while name in self._names:
            number += 1
            name = f"{stem}_{number}"
        self._names.add(name)
        return name

    def _value(self, name: str, dtype, shape: tuple):
        return self._onnx.helper.make_tensor_value_info(name, self._element_type(dtype), shape)

    def _element_type(self, dtype) -> int:
        dtype = np.dtype(dtype)
        if dtype.kind in "OU":
            return self._onnx.TensorProto.STRING
        return self._onnx.helper.np_dtype_to_tensor_dtype(dtype)


def _names_in(nodes) -> set[str]:
    """Return the tensors that some nodes take, also inside of their branches and loops."""
    names: set[str] = set()
    for node in nodes:
        names.update(node.input)
        for attribute in node.attribute:
            for graph in (*attribute.graphs, attribute.g):
                names |= _names_in(graph.node)
                names.update(value.name for value in graph.output)
    return names


def _in_half_precision(value: np.ndarray) -> np.ndarray | None:
    """Return the same numbers in float16, if it holds them all and they are many."""
    if value.nbytes < _LEAST_BYTES:
        return None
    with np.errstate(over="ignore"):
        half = value.astype(np.float16)
    return half if np.array_equal(half, value, equal_nan=True) else None


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ExportError(
            f"The text {text!r} has a character that no file can hold ({error.reason}). Give such "
            "labels and categories other names before fit."
        ) from error

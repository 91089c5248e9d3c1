"""One ONNX file from raw rows to probabilities and labels."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._sklearn_private import _safe_indexing
from .._student.net import net_dtype, net_of, preprocess
from .._atomic_write import write
from ..exceptions import ExportError
from ._check_rows import inputs_of, net_input, rows_to_check
from ._exported import Exported
from ._feeds import Inputs, as_labels, dtype_name
from ._graph import Graph
from ._net import add_net
from ._parity import TOLERANCE, check_parity
from ._require import require
from ._steps import add_step
from ._table import Block, Table

__all__ = ["to_onnx"]


def to_onnx(clf, path, X_sample=None, *, dtype=None, tolerance: float = TOLERANCE) -> Exported:
    """Write one ONNX file that takes raw rows and gives probabilities and labels.

    The file holds all that is between the rows and ``predict_proba``: the student's preprocessing,
    its standardisation, the net, the softmax and the labels. onnxruntime reads it, without torch,
    scikit-learn or skkd. Before it is written it is run on some rows, and must agree with
    ``predict_proba``.

    Parameters
    ----------
    clf : DistilledClassifier or StudentOnly
        Fitted.
    path : str or path
        Where to write. An existing file is replaced, once all is well.
    X_sample : array, frame or CSR matrix of shape (n_rows, n_features), default=None
        Rows to compare on, as ``predict_proba`` takes them. None: 1,000 rows made up from what the
        student knows: means and deviations, categories, and with them missing values and unknown
        categories. Needed where the student's preprocessing is your own Pipeline.
    dtype : "float32", "float64" or None, default=None
        What the net computes in, behind the standardisation. None: what the student computes in,
        which is float64 for all but float32 arrays. "float32" halves the time, and the bytes of
        weights that need all their digits; it costs some digits, which ``tolerance`` bounds.
    tolerance : float, default=1e-5
        The largest difference allowed between two probabilities.

    Returns
    -------
    exported : Exported
        With the largest difference found, the size of the file, and its inputs and outputs.

    Raises
    ------
    ExportError
        If a step of the preprocessing, or the student's module, can't be written in ONNX (the
        message names it), or if the file does not agree. Nothing is written then.
    ImportError
        If onnx or onnxruntime is not installed: ``pip install 'skkd[onnx]'``.

    Notes
    -----
    *Inputs.* A student that was fitted on an array has one input, ``X``, float32 or float64 as the
    student itself. One that was fitted on a frame, or on an array of mixed types, has an input of
    shape (n_rows, 1) for each column, under its name: float64 for numbers, whole numbers and
    booleans included, with NaN for a missing one; str for texts, with the empty text for a missing
    one.

    *Outputs.* ``probabilities``, of shape (n_rows, n_classes) in the student's dtype, in the order
    of ``classes_``, and ``label``, of shape (n_rows,): str, int64, bool or float64. The classes are
    also in the file's metadata, as JSON.

    *Weights* that half precision holds exactly take two bytes each, and are widened once, when the
    file is read. Those of the default student are rounded so at the end of ``fit``, where it loses
    the hidden units that it does not need.

    *Rows that* ``predict_proba`` *refuses*, such as those with infinity, or with NaN where the
    student does not impute, get NaN as all their probabilities, and a label without meaning.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skkd import DistilledClassifier
    >>> from skkd.export import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = DistilledClassifier(LogisticRegression(max_iter=1000), cv=5, random_state=0)
    >>> clf = clf.set_params(student__max_epochs=20).fit(X, y)
    >>> folder = tempfile.TemporaryDirectory()
    >>> exported = to_onnx(clf, f"{folder.name}/iris.onnx", X)
    >>> exported.max_difference < 1e-5
    True
    >>> exported.inputs
    {'X': ('float64', (None, 4))}

    To ask it, no more is needed than onnxruntime:

    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(exported.path)
    >>> label, probabilities = session.run(["label", "probabilities"], {"X": X[:2]})
    >>> label
    array([0, 0]...)
    >>> folder.cleanup()
    """
    check_is_fitted(clf)
    for name in ("onnx", "onnxruntime"):
        require(name)  # before any work
    dtype = _read_dtype(dtype, net_dtype(net_of(clf.student_)))
    X = rows_to_check(clf, X_sample)
    inputs = inputs_of(clf, X)
    example = net_input(clf, _safe_indexing(X, slice(0, 2)))
    graph = Graph()
    columns, stages = _add_preprocessing(graph, clf.student_, inputs)
    features = graph.cast(columns, example.dtype)
    logits = add_net(graph, clf.student_, features, example, dtype)
    logits = _nan_where_refused(graph, logits, features, example, dtype)
    outputs = _add_outputs(graph, logits, clf.classes_, dtype)
    try:
        data = _serialized(graph, outputs, clf.classes_)
        run = _runner(data, list(outputs), inputs)
        n_rows, difference = check_parity(lambda rows: run(rows)[::-1], clf, X, tolerance)
    except ExportError as error:
        raise ExportError(f"{error} {_blame(graph, stages, inputs, X)}") from None
    write(path, data)
    return Exported(
        Path(path),
        len(data),
        n_rows,
        difference,
        inputs.described(),
        {name: (dtype_name(dtype), shape) for name, (_, dtype, shape) in outputs.items()},
    )


def _add_preprocessing(graph: Graph, student, inputs: Inputs) -> tuple[str, list]:
    """Inputs and preprocessing: what comes out of them, and what came out of each step."""
    tensors = [
        graph.input(name, dtype, inputs.shape)
        for name, dtype in zip(inputs.names, inputs.dtypes, strict=True)
    ]
    is_pipeline = isinstance(student, Pipeline)
    if not is_pipeline and inputs.places is None:
        return tensors[0], []
    blocks = []
    for tensor, dtype in zip(tensors, inputs.dtypes, strict=True):
        is_text = dtype.kind == "O"
        tensor = tensor if is_text else graph.cast(tensor, np.float64)
        blocks.append(Block(tensor, inputs.shape[-1], is_text))
    table = Table(tuple(blocks))
    if inputs.places is not None:
        # Columns that no step uses have no input, but they count in the numbers of columns.
        named = dict(zip(inputs.places, zip(blocks, inputs.names, strict=True), strict=True))
        unused = Block("", 1, is_text=False), ""
        blocks, names = zip(*(named.get(at, unused) for at in range(max(named) + 1)), strict=True)
        table = Table(blocks, names)
    stages = []
    for name, step in student.steps[:-1] if is_pipeline else []:
        table = add_step(graph, step, table, name)
        stages.append((name, step, table))
    return table.numbers(graph, "The student's net").tensor, stages


def _read_dtype(dtype, of_student: np.dtype) -> np.dtype:
    dtype = of_student if dtype is None else np.dtype(dtype)
    if dtype not in (np.float32, np.float64, of_student):
        raise ValueError(f"dtype={dtype.name!r} is not allowed; give 'float32', 'float64' or None.")
    return dtype


def _nan_where_refused(graph: Graph, logits: str, features: str, example, dtype) -> str:
    """NaN in rows with NaN or infinity, which some nets would answer as if nothing were wrong."""
    if example.dtype.kind != "f":
        return logits
    if example.ndim > 2:
        features = graph.node("Flatten", features, axis=1)
    zeros = np.zeros((math.prod(example.shape[1:]), 1), dtype=example.dtype)
    nothing = graph.node("MatMul", features, graph.constant(zeros))
    return graph.node("Add", logits, graph.cast(nothing, dtype))


def _add_outputs(graph: Graph, logits: str, classes: np.ndarray, dtype) -> dict[str, tuple]:
    """Labels and probabilities: from names to tensor, dtype and shape."""
    columns = graph.node("ArgMax", logits, axis=1, keepdims=0)
    labels = as_labels(classes)
    label = graph.node("Gather", graph.constant(labels), columns, axis=0)
    probabilities = graph.node("Softmax", logits, axis=1)
    return {
        graph.fresh_name("label"): (label, labels.dtype, (None,)),
        graph.fresh_name("probabilities"): (probabilities, dtype, (None, len(classes))),
    }


def _serialized(graph: Graph, outputs: dict, classes: np.ndarray) -> bytes:
    from .. import __version__  # late, so that skkd can import this module

    model = graph.model(outputs)
    metadata = {"classes": json.dumps(as_labels(classes).tolist()), "skkd_version": __version__}
    require("onnx.helper").set_model_props(model, metadata)
    return model.SerializeToString()


def _runner(data: bytes, outputs: list[str], inputs: Inputs) -> Callable:
    """A function from rows of X to what the model gives for them."""
    onnxruntime = require("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is raised as well
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has many kinds of its own
        raise ExportError(f"onnxruntime can't read what was exported: {error}.") from error

    def run(rows) -> list[np.ndarray]:
        feed = inputs.feed(rows)
        try:
            return session.run(outputs, feed)
        except Exception as error:
            raise ExportError(f"onnxruntime can't run what was exported: {error}.") from error

    return run


def _blame(graph: Graph, stages: list, inputs: Inputs, X) -> str:
    """Which step of the preprocessing is the first to differ from scikit-learn, if any does."""
    X = expected = _safe_indexing(X, slice(0, 1000))
    for name, step, table in stages:
        expected = preprocess(Pipeline([(name, step), ("end", None)]), expected)
        if any(block.is_text for block in table.blocks):
            continue
        wanted = expected.toarray() if sparse.issparse(expected) else np.asarray(expected, float)
        outputs = {"stage": (table.joined(graph, name).tensor, np.float64, (None, None))}
        try:
            data = graph.model(outputs).SerializeToString()
            (found,) = _runner(data, list(outputs), inputs)(X)
            is_right = found.shape == wanted.shape and np.allclose(
                found, wanted, rtol=1e-4, atol=1e-6, equal_nan=True
            )
        except ExportError:
            is_right = False
        if not is_right:
            return (
                f"The first step to differ is {name} ({type(step).__name__}). Do this to X before "
                "the student, in training and where it is deployed, or take another transformer."
            )
    return "Its preprocessing agrees; the net's module does not."

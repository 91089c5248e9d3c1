"""Write a student to one ONNX file, from raw rows to answers."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._atomic_write import write
from .._classifier import DistilledClassifier
from .._regressor import DistilledRegressor
from .._sklearn_private import _safe_indexing
from .._student import StudentOnly, StudentOnlyRegressor, net_dtype, net_of, run_steps
from ..exceptions import ExportError
from ..report import DistillationReport
from ._archive import written_with
from ._check_rows import encoded_columns, net_input, rows_to_check
from ._exported import Exported
from ._infer_inputs import inputs_of
from ._model_card import model_card
from ._onnx_columns import Block, Table
from ._onnx_graph import Graph
from ._onnx_inputs import Inputs, dtype_name, is_missing
from ._onnx_net import add_net
from ._onnx_session import open_session
from ._onnx_steps import add_step
from ._onnx_student import metadata_of, sealed
from ._parity import TOLERANCE, as_labels, check_parity
from ._require import require

__all__ = ["to_onnx"]


def to_onnx(
    clf: DistilledClassifier | DistilledRegressor | StudentOnly | StudentOnlyRegressor,
    path: str | os.PathLike[str],
    X_sample=None,
    *,
    inputs: Literal["grouped", "columns"] = "grouped",
    dtype: Literal["float32", "float64"] | None = None,
    tolerance: float = TOLERANCE,
    report: DistillationReport | None = None,
) -> Exported:
    """Write one ONNX file that takes raw rows and gives labels and probabilities, or numbers.

    The file holds the student's preprocessing, its standardization, the net, the softmax and the
    labels. onnxruntime runs it without torch, scikit-learn or skkd. The file is compared with
    ``predict_proba`` before it is written, that of a regressor with ``predict``.

    Parameters
    ----------
    clf : DistilledClassifier, DistilledRegressor, StudentOnly or StudentOnlyRegressor
        Fitted.
    path : str or path
        Where to write. An existing file is replaced once everything else has succeeded.
    X_sample : array, frame or CSR matrix of shape (n_rows, n_features), default=None
        Rows to compare on, as ``predict_proba`` takes them. None: 1,000 drawn rows. Needed if the
        student has preprocessing of your own.
    inputs : {"grouped", "columns"}, default="grouped"
        "grouped": a table with text has two inputs, ``numbers`` and ``texts``. "columns": each
        column is an input under its own name, which is slower.
    dtype : {"float32", "float64"} or None, default=None
        What the net computes in, after the standardization. None: the student's dtype, which is
        float64 unless X had only small numbers. "float32" is faster, and less exact.
    tolerance : float, default=1e-5
        The largest difference allowed between two probabilities. For numbers it is relative to the
        larger one of the number and the standard deviation of y.
    report : DistillationReport, default=None
        Its measures and its verdict go into the model card, see :class:`OnnxStudent`.

    Returns
    -------
    exported : Exported
        The largest difference found, the size of the file, its inputs and its outputs.

    Raises
    ------
    ExportError
        If a step of the preprocessing or the module cannot be written in ONNX, or if the file
        differs from ``predict_proba``. The message names the step. Nothing is written then.
    ImportError
        If onnx or onnxruntime is not installed: ``pip install 'skkd[onnx]'``.

    Notes
    -----
    *Inputs.* A student that was fitted on an array of numbers has one input, ``X``, in its dtype.
    Any other student takes the columns that it uses, in their order, as ``numbers`` and ``texts``
    of shape (n_rows, n_columns). Numbers are float64, with NaN for a missing one. Texts are str,
    with the empty text for a missing one. Dates are numbers, as seconds since 1970.
    ``exported.columns`` lists the columns of each input, and ``exported.feed`` fills them.

    *Outputs.* ``probabilities`` has shape (n_rows, n_classes), in the order of ``classes_``.
    ``label`` has shape (n_rows,), and is str, int64, bool or float64. A regressor has the only
    output ``prediction``, of the shape that ``predict`` gives.

    *Metadata.* Classes, columns, categories and versions as JSON, and a model card.
    :class:`OnnxStudent` reads them.

    *Weights* that half precision holds exactly take two bytes each. Those of a pruned student do.

    *Rows that* ``predict_proba`` *refuses*, such as rows with infinity, get NaN as probabilities.

    *Levels* of a category that the student treats as unknown ones are not in the file.

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

    To run the file, onnxruntime is enough. :class:`OnnxStudent` takes frames and dicts as well.

    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(exported.path)
    >>> label, probabilities = session.run(["label", "probabilities"], {"X": X[:2]})
    >>> label
    array([0, 0]...)
    >>> folder.cleanup()
    """
    check_is_fitted(clf)
    for name in ("onnx", "onnxruntime"):
        require(name)  # before the work
    computed_in = _read_dtype(dtype, net_dtype(net_of(clf.student_)))
    X = rows_to_check(clf, X_sample)
    fed = inputs_of(clf, X, _is_grouped(inputs))
    example = net_input(clf, _safe_indexing(X, slice(0, 2)))
    graph = Graph()
    table, stages = _add_preprocessing(graph, clf.student_, fed)
    logits = add_net(graph, clf.student_, table, example, computed_in)
    outputs = _add_outputs(graph, logits, clf, computed_in)
    try:
        data = _serialized(graph, outputs, _metadata(clf, fed, report))
        run = _runner(data, list(outputs), fed)
        n_rows, difference = check_parity(lambda rows: _answers(run(rows)), clf, X, tolerance)
    except ExportError as error:
        raise ExportError(f"{error} {_blame(graph, stages, fed, X)}") from None
    write(path, data)
    return Exported(
        Path(path),
        len(data),
        n_rows,
        difference,
        fed.described(),
        {name: (dtype_name(dtype), shape) for name, (_, dtype, shape) in outputs.items()},
        fed,
    )


def _add_preprocessing(graph: Graph, student, inputs: Inputs) -> tuple[Table, list]:
    """Add inputs and preprocessing; return their output, and the output of each step."""
    tensors = inputs.tensors
    for one in tensors:  # before other tensors, which get names that no input has
        graph.input(one.name, one.dtype, one.shape)
    if not isinstance(student, Pipeline) and inputs.places is None:
        (one,) = tensors
        return Table((Block(one.name, math.prod(one.shape[1:]), is_text=False),)), []
    blocks: list[Block] = []
    columns: list[str] = []
    for one in tensors:
        is_text = one.dtype.kind == "O"
        tensor = one.name if is_text else graph.cast(one.name, np.float64)
        blocks.append(Block(tensor, one.shape[-1], is_text))
        columns += one.columns
    table = Table(tuple(blocks))
    if inputs.places is not None:
        # Columns that no step uses have no input, but they count in column numbers.
        unused = Block("", 1, is_text=False)
        named = dict(zip(inputs.places, inputs.names, strict=True))
        names = [named.get(place) for place in range(max(named) + 1)]
        order = [len(columns) if name is None else columns.index(name) for name in names]
        table = Table((*blocks, unused), tuple(name or "" for name in names), tuple(order))
    stages = []
    for name, step in student.steps[:-1] if isinstance(student, Pipeline) else []:
        table = add_step(graph, step, table, name)
        stages.append((name, step, table))
    return table, stages


def _is_grouped(inputs) -> bool:
    if inputs not in ("grouped", "columns"):
        raise ValueError(f"inputs={inputs!r} is not allowed; give 'grouped' or 'columns'.")
    return inputs == "grouped"


def _read_dtype(dtype, of_student: np.dtype) -> np.dtype:
    dtype = of_student if dtype is None else np.dtype(dtype)
    if dtype not in (np.float32, np.float64, of_student):
        raise ValueError(f"dtype={dtype.name!r} is not allowed; give 'float32', 'float64' or None.")
    return dtype


def _answers(outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return probabilities and labels, or numbers and None."""
    *labels, answers = outputs
    return answers, labels[0] if labels else None


def _add_outputs(graph: Graph, logits: str, clf, dtype) -> dict[str, tuple]:
    """Add labels and probabilities, or numbers; return tensor, dtype and shape by name."""
    if hasattr(clf, "target_scaling_"):
        return _add_prediction(graph, logits, clf.target_scaling_, dtype)
    classes = clf.classes_
    columns = graph.node("ArgMax", logits, axis=1, keepdims=0)
    labels = as_labels(classes)
    label = graph.node("Gather", graph.constant(labels), columns, axis=0)
    probabilities = graph.node("Softmax", logits, axis=1)
    return {
        graph.fresh_name("label"): (label, labels.dtype, (None,)),
        graph.fresh_name("probabilities"): (probabilities, dtype, (None, len(classes))),
    }


def _add_prediction(graph: Graph, outputs: str, scaling, dtype) -> dict[str, tuple]:
    """Add numbers in the unit of y, computed in float64 as ``predict`` does."""
    dtype = scaling.dtype_for(dtype)
    values = graph.cast(outputs, np.float64)
    if scaling.link == "log":
        values = graph.node("Exp", values)
    values = graph.node("Mul", values, graph.constant(scaling.scale))
    values = graph.cast(graph.node("Add", values, graph.constant(scaling.mean)), dtype)
    shape: tuple = (None, len(scaling.mean))
    if scaling.is_flat:
        values, shape = graph.node("Squeeze", values, graph.constant(np.array([1]))), (None,)
    return {graph.fresh_name("prediction"): (values, dtype, shape)}


def _serialized(graph: Graph, outputs: dict, metadata: dict[str, str]) -> bytes:
    model = graph.model(outputs)
    require("onnx.helper").set_model_props(model, metadata)
    return sealed(model.SerializeToString())


def _metadata(clf, inputs: Inputs, report) -> dict[str, str]:
    columns = encoded_columns(clf.student_)
    names = dict(zip(inputs.places or (), inputs.names, strict=False))
    frequent = {} if columns is None else columns.frequent
    levels = {
        names.get(at, f"x{at}"): [one for one in known if not is_missing(one)]
        for at, known in frequent.items()
    }
    versions = written_with()
    card = model_card(clf, inputs, levels, versions, report)
    classes = as_labels(clf.classes_).tolist() if hasattr(clf, "classes_") else None
    return metadata_of(inputs, classes, levels, versions, card)


def _runner(data: bytes, outputs: list[str], inputs: Inputs) -> Callable:
    """Return a function that runs the model on rows of X."""
    try:
        session = open_session(data)
    except Exception as error:  # onnxruntime has errors of its own
        raise ExportError(f"onnxruntime cannot read the export: {error}.") from error

    def run(rows) -> list[np.ndarray]:
        feed = inputs.feed(rows)
        try:
            return session.run(outputs, feed)
        except Exception as error:
            raise ExportError(f"onnxruntime cannot run the export: {error}.") from error

    return run


def _blame(graph: Graph, stages: list, inputs: Inputs, X) -> str:
    """Say which step of the preprocessing is the first to differ from scikit-learn."""
    X = expected = _safe_indexing(X, slice(0, 1000))
    for name, step, table in stages:
        expected = run_steps([(name, step)], expected)
        if any(block.is_text for block in table.merged(graph).blocks):
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
                f"The first step to differ is {name} ({type(step).__name__}). Apply it to X before "
                "the student, in training and where it is deployed, or use another transformer."
            )
    return "The preprocessing agrees; the net's module does not."

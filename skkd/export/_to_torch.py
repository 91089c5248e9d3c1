"""Write a student's net as a program of torch.export."""

import io
import json
import os
from pathlib import Path

import numpy as np
import torch
from sklearn.base import is_regressor
from sklearn.utils.validation import check_is_fitted

from .._atomic_write import write
from .._classifier import DistilledClassifier
from .._input import as_tensor
from .._sklearn_private import _safe_indexing
from .._student import StudentOnly, net_dtype, net_of
from ._check_rows import net_input, rows_to_check
from ._exported import Exported
from ._onnx_net import Probabilities, check_net, not_exportable, quiet, two_rows
from ._parity import TOLERANCE, as_labels, check_parity

__all__ = ["to_torch_program"]


def to_torch_program(
    clf: DistilledClassifier | StudentOnly,
    path: str | os.PathLike[str],
    X_sample=None,
    *,
    tolerance: float = TOLERANCE,
) -> Exported:
    """Write the student's net and its softmax as a program of ``torch.export``.

    For nets that :func:`to_onnx` cannot write, and for services that run PyTorch anyway. PyTorch
    reads the file without the module's class, scikit-learn or skkd. The preprocessing is **not** in
    the file, so its input is the output of the last step. The program is compared with
    ``predict_proba`` before it is written.

    Parameters
    ----------
    clf : DistilledClassifier or StudentOnly
        Fitted.
    path : str or path
        Where to write; the usual ending is ``.pt2``. An existing file is replaced once everything
        else has succeeded.
    X_sample : array, frame or CSR matrix of shape (n_rows, n_features), default=None
        Rows to compare on, as ``predict_proba`` takes them. None: drawn as in :func:`to_onnx`.
    tolerance : float, default=1e-5
        The largest difference allowed between two probabilities.

    Returns
    -------
    exported : Exported
        The largest difference found and the size of the file. The only input is ``X``, the only
        output ``probabilities``. The extra file ``classes.json`` in the program has the labels.

    Raises
    ------
    ExportError
        If the module cannot be exported, or if the program differs. Nothing is written then.
    TypeError
        If ``clf`` is a regressor.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skkd import DistilledClassifier
    >>> from skkd.export import to_torch_program
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = DistilledClassifier(LogisticRegression(max_iter=1000), cv=5, random_state=0)
    >>> clf = clf.set_params(student__max_epochs=20).fit(X, y)
    >>> folder = tempfile.TemporaryDirectory()
    >>> exported = to_torch_program(clf, f"{folder.name}/iris.pt2")
    >>> module = torch.export.load(exported.path).module()
    >>> module(torch.tensor(X[:2])).shape
    torch.Size([2, 3])
    >>> folder.cleanup()
    """
    check_is_fitted(clf)
    if is_regressor(clf):
        raise TypeError("to_torch_program is for classifiers. Use to_onnx for a regressor.")
    X = rows_to_check(clf, X_sample)
    net = net_of(clf.student_)
    check_net(net)
    example = net_input(clf, _safe_indexing(X, slice(0, 2)))
    with quiet():
        data = _exported(net, example, clf.classes_)
        module = torch.export.load(io.BytesIO(data)).module()

    def answer(rows):
        with torch.inference_mode():
            return module(as_tensor(net_input(clf, rows), net.device)).cpu().numpy(), None

    n_rows, difference = check_parity(answer, clf, X, tolerance)
    write(path, data)
    return Exported(
        Path(path),
        len(data),
        n_rows,
        difference,
        {"X": (example.dtype.name, (None, *example.shape[1:]))},
        {"probabilities": (net_dtype(net).name, (None, len(clf.classes_)))},
    )


def _exported(net, example: np.ndarray, classes: np.ndarray) -> bytes:
    try:
        program = torch.export.export(
            Probabilities(net).eval(),
            (two_rows(example, net.device),),
            dynamic_shapes={"X": {0: torch.export.Dim.DYNAMIC}},
        )
    except Exception as error:  # of any kind, because it runs the module's code
        raise not_exportable(net, "torch.export", error) from error
    file = io.BytesIO()
    labels = json.dumps(as_labels(classes).tolist())
    torch.export.save(program, file, extra_files={"classes.json": labels})
    return file.getvalue()

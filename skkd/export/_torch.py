"""A student's net as a program of torch.export."""

import io
import json
from pathlib import Path

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from .._atomic_write import write
from .._sklearn_private import _safe_indexing
from .._student import net_dtype, net_of
from .._training.batches import as_tensor
from ._check_rows import net_input, rows_to_check
from ._exported import Exported
from ._feeds import as_labels
from ._net import Probabilities, check_net, not_exportable, quiet, two_rows
from ._parity import TOLERANCE, check_parity

__all__ = ["to_torch_program"]


def to_torch_program(clf, path, X_sample=None, *, tolerance: float = TOLERANCE) -> Exported:
    """Write the student's net and its softmax as a program of ``torch.export``.

    For nets that :func:`to_onnx` can't write, and for services that run PyTorch anyway. PyTorch
    reads the file without the class of the module, scikit-learn or skkd. The preprocessing before
    the net is **not** in it: what goes in is what its last step gives. It must agree with
    ``predict_proba`` before it is written.

    Parameters
    ----------
    clf : DistilledClassifier or StudentOnly
        Fitted.
    path : str or path
        Where to write, by custom with the ending ``.pt2``. An existing file is replaced, once all
        is well.
    X_sample : array, frame or CSR matrix of shape (n_rows, n_features), default=None
        Rows to compare on, as ``predict_proba`` takes them. None: made up, as in :func:`to_onnx`.
    tolerance : float, default=1e-5
        The largest difference allowed between two probabilities.

    Returns
    -------
    exported : Exported
        With the largest difference found. The program's only input is ``X``, its only output
        ``probabilities``. The extra file ``classes.json`` in it has the labels.

    Raises
    ------
    ExportError
        If the module can't be exported, or if the program does not agree. Nothing is written then.

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
    except Exception as error:  # of many kinds, for it runs the module's code
        raise not_exportable(net, "torch.export", error) from error
    file = io.BytesIO()
    labels = json.dumps(as_labels(classes).tolist())
    torch.export.save(program, file, extra_files={"classes.json": labels})
    return file.getvalue()

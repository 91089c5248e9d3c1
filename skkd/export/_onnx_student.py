"""Ask a student in an ONNX file, without torch, scikit-learn or pandas."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import LoadError
from ._onnx_inputs import Inputs
from ._onnx_session import open_session


class OnnxStudent:
    """Predict with a file of :func:`to_onnx`.

    It needs numpy and onnxruntime, and imports neither torch nor scikit-learn nor pandas.

    Parameters
    ----------
    path : str or path
        The file.
    n_threads : int, default=1
        Threads of one call. 0: onnxruntime decides, which pays off for many rows at once.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of the columns of all answers. A regressor has none.
    inputs : Inputs
        Names, dtypes and places of the columns.
    levels : dict
        Known categories of each categorical column. Filled for the default student.
    card : str
        The model card, as Markdown. It lists task, columns, versions, and the measures of the
        report given to ``to_onnx``.
    versions : dict
        Versions of the packages that wrote the file.

    Raises
    ------
    LoadError
        If :func:`to_onnx` did not write the file, or if a byte of it has changed since.
    ImportError
        If onnxruntime is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skkd import DistilledClassifier
    >>> from skkd.export import OnnxStudent, to_onnx
    >>> X = pd.DataFrame({"age": np.arange(60) % 50, "work": ["private", "state", "self"] * 20})
    >>> clf = DistilledClassifier(None, augmenter=None, random_state=0)
    >>> clf = clf.set_params(student__max_epochs=5)
    >>> clf = clf.fit(X, X["age"] > 25, teacher_proba=np.full((60, 2), 0.5))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     student = OnnxStudent(to_onnx(clf, f"{folder}/student.onnx", X).path)
    >>> student.predict_proba({"age": 31}).shape  # a missing column is a missing value
    (1, 2)
    >>> student.predict([{"age": 31, "work": "state"}, {"work": None}]).shape
    (2,)
    """

    def __init__(self, path: str | os.PathLike[str], n_threads: int = 1):
        self._file, self._n_threads = _checked(path), n_threads
        self._session = open_session(self._file, n_threads)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.inputs = _inputs_from(json.loads(metadata["inputs"]))
        if (classes := json.loads(metadata["classes"])) is not None:
            self.classes_ = np.array(classes)
        self.levels: dict[str, list] = json.loads(metadata["levels"])
        self.versions: dict[str, str] = json.loads(metadata["versions"])
        self.card: str = metadata["card"]
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __getstate__(self) -> dict:
        return {**vars(self), "_session": None}  # a session can't be pickled

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state, _session=open_session(state["_file"], state["_n_threads"]))

    def predict_proba(self, rows) -> np.ndarray:
        """Return the student's probabilities.

        Parameters
        ----------
        rows : frame, array, dict, list of dicts or list of lists
            A dict is one row, or holds columns. A column or key that is missing is a missing value,
            as are None and NaN. An array has all columns of the training rows.

        Returns
        -------
        proba : ndarray of shape (n_rows, n_classes)

        Raises
        ------
        ValueError
            If a column is unknown or has another type, or if the student cannot take a value.
        AttributeError
            If the student is a regressor.
        """
        if not hasattr(self, "classes_"):
            raise AttributeError(
                "The student is a regressor: it has predict, and no probabilities."
            )
        return self._run(self._outputs[1:], rows)[0]

    def predict(self, rows) -> np.ndarray:
        """Return the most probable labels, or a regressor's numbers.

        Parameters
        ----------
        rows : frame, array, dict, list of dicts or list of lists
            As for :meth:`predict_proba`.

        Returns
        -------
        answers : ndarray of shape (n_rows,), or (n_rows, n_outputs) for several numbers
        """
        return self._run(self._outputs, rows)[0]

    def _run(self, outputs: list[str], rows) -> list[np.ndarray]:
        found = self._session.run(outputs, self.inputs.feed(rows))
        # A refused row has only NaN as probabilities or numbers.
        first = found[-1].reshape(len(found[-1]), -1)[:, 0]
        is_refused = first[0] != first[0] if len(first) == 1 else (first != first).any()
        if is_refused:
            raise ValueError(
                f"Rows {np.flatnonzero(first != first)[:5].tolist()} have infinite values, or "
                "missing ones in columns that the student does not impute."
            )
        return found


# An entry "sha256" of an ONNX file's metadata, up to its value of 64 characters. Entries may stand
# anywhere in the file. This one stands at the end, after all that it is a hash of.
_SEAL = b"\x72\x4a\x0a\x06sha256\x12\x40"


def sealed(data: bytes) -> bytes:
    """Return an ONNX file with a hash of it, by which :class:`OnnxStudent` notices a change."""
    return data + _SEAL + hashlib.sha256(data).hexdigest().encode()


def _checked(path) -> bytes:
    """Return a file's bytes; raise a LoadError unless they are as ``sealed`` left them."""
    file = Path(path).read_bytes()
    data = file[: -len(_SEAL) - 64]
    if file != sealed(data):
        raise LoadError(
            f"{path} was not written by skkd.export.to_onnx, or by an older skkd, or has changed "
            "since. Export the student again. onnxruntime itself reads changed ONNX files."
        )
    return file


def metadata_of(
    inputs: Inputs, classes: list | None, levels: dict, versions: dict, card: str
) -> dict:
    """Return what :class:`OnnxStudent` reads, as texts."""
    described = {
        "names": inputs.names,
        "dtypes": [dtype.name for dtype in inputs.dtypes],
        "shape": inputs.shape,
        "places": inputs.places,
        "features": inputs.features,
        "grouped": inputs.grouped,
        "zones": inputs.zones,
    }
    columns = {one.name: one.columns for one in inputs.tensors}
    values = {"inputs": described, "columns": columns, "classes": classes, "levels": levels}
    values["versions"] = versions
    return {name: json.dumps(value) for name, value in values.items()} | {"card": card}


def _inputs_from(described: Mapping[str, Any]) -> Inputs:
    places = described["places"]
    return Inputs(
        tuple(described["names"]),
        tuple(np.dtype(name) for name in described["dtypes"]),
        tuple(described["shape"]),
        None if places is None else tuple(places),
        tuple(described["features"]),
        described["grouped"],
        described["zones"],
    )

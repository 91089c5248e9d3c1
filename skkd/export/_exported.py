"""Describe what an export wrote."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ._onnx_inputs import Inputs


@dataclass(frozen=True)
class Exported:
    """Describe an exported file, which was compared with the student's answers.

    Attributes
    ----------
    path : Path
        Where the file is.
    n_bytes, n_rows_checked : int
        Size of the file, and number of compared rows.
    max_difference : float
        Largest difference of two probabilities, or relative one of two numbers, on these rows.
    inputs, outputs : dict
        Dtype and shape by name. None is the number of rows. "str" is text.
    """

    path: Path
    n_bytes: int
    n_rows_checked: int
    max_difference: float
    inputs: dict[str, tuple[str, tuple]] = field(repr=False)
    outputs: dict[str, tuple[str, tuple]] = field(repr=False)
    _inputs: Inputs | None = field(repr=False, default=None)

    @property
    def columns(self) -> dict[str, list[str]]:
        """Return the names of each input's columns, in their order; empty if they have none."""
        if self._inputs is None:
            return {}
        return {one.name: list(one.columns) for one in self._inputs.tensors}

    def feed(self, rows) -> dict[str, np.ndarray]:
        """Return rows as ``onnxruntime.InferenceSession.run`` takes them.

        Parameters
        ----------
        rows : frame, array, dict, list of dicts or list of lists
            A dict is one row, or holds columns. Missing keys are missing values.

        Raises
        ------
        TypeError
            If the file is not an ONNX file.
        """
        if self._inputs is None:
            raise TypeError("feed is for ONNX files; a torch program takes a tensor.")
        return self._inputs.feed(rows)

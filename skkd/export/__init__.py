"""A student outside of Python, or in a file that runs no code when it is read."""

from .._student import StudentOnly
from ..exceptions import ExportError, LoadError
from ._exported import Exported
from ._onnx import to_onnx
from ._saving import load, save
from ._torch import to_torch_program

__all__ = [
    "ExportError",
    "Exported",
    "LoadError",
    "StudentOnly",
    "load",
    "save",
    "to_onnx",
    "to_torch_program",
]

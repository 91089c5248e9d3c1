"""Write fitted students to files: ONNX, torch programs, and files that are safe to load."""

from .._student import StudentOnly
from ..exceptions import ExportError, LoadError
from ._exported import Exported
from ._save import load, save
from ._to_onnx import to_onnx
from ._to_torch import to_torch_program

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

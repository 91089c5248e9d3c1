"""Write fitted students to files: ONNX, torch programs, and safe files.

Names are imported when they are first used, so that :class:`OnnxStudent` needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ..exceptions import ExportError, LoadError

if TYPE_CHECKING:
    from .._student import StudentOnly, StudentOnlyRegressor
    from ._exported import Exported
    from ._onnx_student import OnnxStudent
    from ._save import load, save
    from ._to_onnx import to_onnx
    from ._to_torch import to_torch_program

__all__ = [
    "ExportError",
    "Exported",
    "LoadError",
    "OnnxStudent",
    "StudentOnly",
    "StudentOnlyRegressor",
    "load",
    "save",
    "to_onnx",
    "to_torch_program",
]

_MODULES = {
    "Exported": "._exported",
    "OnnxStudent": "._onnx_student",
    "StudentOnly": ".._student.student_only",
    "StudentOnlyRegressor": ".._student.student_only",
    "load": "._save",
    "save": "._save",
    "to_onnx": "._to_onnx",
    "to_torch_program": "._to_torch",
}


if not TYPE_CHECKING:

    def __getattr__(name: str):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

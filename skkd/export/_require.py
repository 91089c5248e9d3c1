"""Import optional dependencies."""

from importlib import import_module


def require(name: str, extra: str = "onnx"):
    """Import a module of an optional dependency.

    Raises
    ------
    ImportError
        If it is not installed. The message says what to install.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"This needs {name}, which is not installed. Run: pip install 'skkd[{extra}]'"
        ) from error

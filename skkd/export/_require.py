"""Optional dependencies."""

from importlib import import_module


def require(name: str, extra: str = "onnx"):
    """A module of an optional dependency.

    Raises
    ------
    ImportError
        Which says what to install.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"This needs {name}, which is not installed; pip install 'skkd[{extra}]' brings all "
            "that is needed."
        ) from error

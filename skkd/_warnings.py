"""Warnings in skkd's own category that point at the user's line."""

import sys
import warnings

from .exceptions import DistillationWarning

# Frames of these packages lie between the user's line and the code that warns.
_OUR_SIDE = ("skkd", "sklearn", "joblib")


def warn(message: str) -> None:
    """Warn at the innermost line that is not of skkd, scikit-learn or joblib.

    Parameters
    ----------
    message : str
        What is wrong, what was given, and what to do.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _package(frame) in _OUR_SIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, DistillationWarning, stacklevel=level + 1)


def _package(frame) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]

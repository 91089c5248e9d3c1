"""Colors and line styles of all figures, and the late import of matplotlib."""

from typing import Any

# Okabe and Ito's colors without yellow, which is faint on white. There is one line style less than
# colors, so that a color meets another style when the colors start again.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))

MARKERS = {"teacher": "s", "baseline": "o", "student": "D"}
"""The marker of each model; a model's color and line style are at its position here."""


def import_pyplot(caller: str) -> Any:
    """Import matplotlib for ``caller``, or say how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} requires matplotlib. You can install matplotlib with "
            "`pip install matplotlib`"
        ) from error
    return plt


def line_style(i: int) -> dict[str, Any]:
    """Color and line style of the i-th line, which differ without color as well."""
    return {"color": COLORS[i % len(COLORS)], "linestyle": LINE_STYLES[i % len(LINE_STYLES)]}


def model_style(model: str) -> dict[str, Any]:
    """Color and line style of a model."""
    return line_style(list(MARKERS).index(model))

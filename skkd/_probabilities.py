"""Probabilities that a model gives, checked and mended where they are rounded, without torch."""

import numpy as np

__all__ = ["check_proba", "divided"]

# Off by so much from zero or one, probabilities are taken to be rounded.
_NEGATIVE, _SUM = 1e-6, 0.02


def check_proba(proba: np.ndarray, n_rows: int, n_classes: int, source: str) -> np.ndarray:
    """Return ``proba`` as one distribution over the classes a row; raise a ValueError if it is not.

    What is negative, or does not sum to one, by rounding only is mended.
    """
    if proba.ndim != 2 or proba.shape != (n_rows, n_classes):
        raise ValueError(
            f"{source} has shape {proba.shape}; expected {(n_rows, n_classes)}: one row for each "
            "row of X, one column for each class."
        )
    if proba.dtype.kind not in "fiub":
        raise ValueError(f"{source} has dtype {proba.dtype}; expected numbers.")
    if not np.isfinite(proba).all():
        raise ValueError(f"{source} contains NaN or infinity.")
    if (smallest := proba.min(initial=0.0)) < 0:
        if smallest < -_NEGATIVE:
            raise ValueError(f"{source} contains negative values, down to {smallest:.3g}.")
        proba = np.maximum(proba, 0)
    worst = np.abs(proba.sum(axis=1, dtype=np.float64) - 1).max(initial=0.0)
    if worst > _SUM:
        raise ValueError(
            f"The rows of {source} must sum to one; they are off by up to {worst:.3g}. Divide "
            "each row by its sum if these are unnormalized probabilities."
        )
    return proba


def divided(proba: np.ndarray) -> np.ndarray:
    """Return probabilities whose rows sum to one, without a copy where they do so already."""
    if proba.dtype.kind != "f" or proba.dtype.itemsize < 4:
        proba = proba.astype(np.float32)
    total = proba.sum(axis=1, keepdims=True, dtype=np.float64)
    if np.abs(total - 1).max(initial=0.0) < 1e-5:
        return proba
    return (proba / total).astype(proba.dtype)

"""Dates and durations as numbers."""

import numpy as np


def seconds_of(times: np.ndarray) -> np.ndarray:
    """Return datetime64 or timedelta64 as float64 seconds, with NaN for NaT."""
    times = times.astype(f"{times.dtype.kind}8[us]")
    return np.where(np.isnat(times), np.nan, times.view(np.int64) / 1e6)

"""Displays: what a training, a search or a report holds, as figures."""

from .answers import (
    as_seen_by,
    fitted_in,
    is_fitted,
    label_columns,
    proba_of,
    short,
    teacher_proba_of,
)
from .balance import BalanceDisplay
from .deferral import DeferralDisplay
from .fidelity import FidelityDisplay, compare
from .landscape import BalanceLandscapeDisplay
from .latency import LatencyDisplay
from .styles import COLORS, MARKERS, import_pyplot, line_style, model_style

__all__ = [
    "COLORS",
    "MARKERS",
    "BalanceDisplay",
    "BalanceLandscapeDisplay",
    "DeferralDisplay",
    "FidelityDisplay",
    "LatencyDisplay",
    "as_seen_by",
    "compare",
    "fitted_in",
    "import_pyplot",
    "is_fitted",
    "label_columns",
    "line_style",
    "model_style",
    "proba_of",
    "short",
    "teacher_proba_of",
]

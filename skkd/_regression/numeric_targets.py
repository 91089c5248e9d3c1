"""Numbers to learn and their weights, as ``fit`` is given them and as training needs them."""

import numpy as np
from sklearn.utils import check_array
from torch import Tensor

from .._input import Targets, check_rows_of_targets, check_total, read_weight
from .regression import Regression
from .regression_losses import LOG_LINK, loss_at
from .target_scaling import TargetScaling


def read_numbers_of_rows(
    X, y, sample_weight, loss: str, level: float, scaling: TargetScaling | None = None
) -> Targets:
    """Check numbers and weights, and leave out rows of weight zero.

    Parameters
    ----------
    X, y, sample_weight
        As the user gave them.
    loss, level : str and float
        The task loss, and the level of "quantile".
    scaling : TargetScaling, default=None
        That of an earlier call. None: it is made of ``y``.
    """
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None.")
    y = y.detach().cpu().numpy() if isinstance(y, Tensor) else y
    y = check_array(y, ensure_2d=False, ensure_min_samples=0, dtype="numeric", input_name="y")
    if y.ndim > 2 or y.dtype.kind not in "biuf":
        raise ValueError(
            f"y must be numbers of shape (n_rows,) or (n_rows, n_outputs); got dtype {y.dtype} and "
            f"shape {y.shape}."
        )
    check_rows_of_targets(X, y, sample_weight)
    is_flat = y.ndim == 1
    y = y.reshape(len(y), -1).astype(np.float64)
    _check_range(y, loss)
    weight = None if sample_weight is None else check_total(read_weight(sample_weight, len(y)))
    if scaling is None:
        link = "log" if loss in LOG_LINK else "identity"
        with np.errstate(over="ignore"):
            scaling = TargetScaling.of(y, weight, link, is_flat=is_flat)
        if not np.isfinite(scaling.scale).all():
            raise ValueError(
                f"y has numbers up to {np.abs(y).max():.3g}, whose squares overflow. Divide y by "
                "its standard deviation."
            )
    elif scaling.is_flat != is_flat or len(scaling.mean) != y.shape[1]:
        raise ValueError(
            f"y has {y.shape[1]} outputs; the first call of partial_fit was given "
            f"{len(scaling.mean)}, in an array of {1 if scaling.is_flat else 2} dimensions."
        )
    return Targets.of(Regression(scaling, loss_at(loss, level)), y, weight)


def _check_range(y: np.ndarray, loss: str) -> None:
    """Raise a ValueError for numbers that a loss is not defined for."""
    least = y.min(initial=np.inf)
    if (loss == "poisson" and (least < 0 or not y.sum(axis=0).all())) or (
        loss == "gamma" and least <= 0
    ):
        allowed = "numbers of at least 0, not all 0" if loss == "poisson" else "positive numbers"
        raise ValueError(
            f"loss={loss!r} needs {allowed} in y; the least one is {least:.3g}. Use "
            "loss='squared_error' for other numbers."
        )

"""``teacher_budget``: how long the teacher may work for synthetic rows that nobody asked for."""

import math

from sklearn.base import clone

from .._progress import Progress, duration
from .._teacher import Cost
from .._warnings import warn
from ..augmenters import Augmenter

# "auto" allows these seconds, or the teacher's time so far this often, whichever is more.
_SECONDS, _TIMES = 120.0, 3.0
# Synthetic rows per row come in these steps, so that small differences in time change nothing.
_STEPS = 4


def within_budget(
    augmenter: Augmenter,
    budget: float | str | None,
    cost: Cost,
    n_rows: int,
    n_epochs: int,
    progress: Progress,
) -> Augmenter | None:
    """Return the augmenter with as many synthetic rows as the teacher has time for.

    Parameters
    ----------
    augmenter : Augmenter
    budget : float, "auto" or None
        Seconds; None: no limit.
    cost : Cost
        Of the work that the teacher has done on the training rows.
    n_rows, n_epochs : int
        Of the training.
    progress : Progress

    Returns
    -------
    augmenter : Augmenter or None
        None if there is no time.
    """
    n_asked = augmenter.n_new * math.ceil(n_epochs / augmenter.refresh) * n_rows
    seconds = cost.row_seconds * n_asked
    progress.say(
        f"synthetic rows: the teacher labels {n_asked:,.0f} rows in about {duration(seconds)}"
    )
    limit = math.inf if budget is None else budget
    if isinstance(limit, str):  # "auto"
        limit = max(_SECONDS, _TIMES * cost.seconds)
    if seconds <= limit:
        return augmenter
    thinned = _thinned(augmenter, limit / seconds)
    how_many = "are left out"
    if thinned is not None:
        how_many = f"are only {thinned.n_new:g} per row and not {augmenter.n_new:g}"
    warn(
        f"Synthetic rows {how_many}: to label all of them would take the teacher about "
        f"{duration(seconds)}, and teacher_budget={budget!r} allows {duration(limit)}. Set "
        "teacher_budget=None to get all of them, or augmenter=None to have none."
    )
    return thinned


def _thinned(augmenter: Augmenter, share: float) -> Augmenter | None:
    """Return an augmenter of fewer rows; what they weigh falls with the root of their number."""
    n_new = math.floor(_STEPS * augmenter.n_new * share) / _STEPS
    if not n_new:
        return None
    weight = augmenter.loss_weight * (n_new / augmenter.n_new) ** 0.5
    return clone(augmenter).set_params(n_new=n_new, loss_weight=weight)

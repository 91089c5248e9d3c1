"""``teacher_budget``: how long the teacher may work for synthetic rows that nobody asked for."""

import math
from collections.abc import Sequence

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
    candidates: Sequence[Augmenter],
    budget: float | str | None,
    cost: Cost,
    *,
    n_compared: int,
    n_rows: int,
    n_epochs: int,
    refits: bool,
    progress: Progress,
) -> list[Augmenter]:
    """Return the candidates with as many synthetic rows as the teacher has time for.

    Parameters
    ----------
    candidates : list of Augmenter
        Each labels its rows once for the comparison, and one of them for the training.
    budget : float, "auto" or None
        Seconds; None: no limit.
    cost : Cost
        Of the work that the teacher has done on the training rows.
    n_compared, n_rows, n_epochs : int
        Rows of a short training; rows and epochs of the training.
    refits : bool
        Whether the teacher is cross-fitted again for the comparison.
    progress : Progress

    Returns
    -------
    candidates : list of Augmenter
        Empty if there is no time.
    """
    compared = sum(candidate.n_new for candidate in candidates) * n_compared
    trained = max(one.n_new * math.ceil(n_epochs / one.refresh) for one in candidates) * n_rows
    refit = refits * cost.seconds * n_compared / n_rows
    asking = cost.row_seconds * (compared + trained)
    progress.say(
        f"synthetic rows: the teacher labels up to {compared + trained:,.0f} rows, which takes "
        f"about {duration(refit + asking)}"
    )
    limit = math.inf if budget is None else budget
    if isinstance(limit, str):  # "auto"
        limit = max(_SECONDS, _TIMES * cost.seconds)
    if refit + asking <= limit:
        return list(candidates)
    share = max(limit - refit, 0.0) / asking if asking else 0.0
    thinned = [_thinned(candidate, share) for candidate in candidates]
    left = [candidate for candidate in thinned if candidate.n_new]
    how_many = "are left out"
    if left:
        how_many = f"are only {left[0].n_new:g} per row and not {candidates[0].n_new:g}"
    warn(
        f"Synthetic rows {how_many}: to label all of them would take the teacher about "
        f"{duration(refit + asking)}, and teacher_budget={budget!r} allows {duration(limit)}. Set "
        "teacher_budget=None to get all of them, or augmenter=None to have none."
    )
    return left


def _thinned(augmenter: Augmenter, share: float) -> Augmenter:
    """Return an augmenter of fewer rows; what they weigh falls with the root of their number."""
    n_new = math.floor(_STEPS * augmenter.n_new * share) / _STEPS
    weight = augmenter.loss_weight * (n_new / augmenter.n_new) ** 0.5
    return clone(augmenter).set_params(n_new=n_new, loss_weight=weight)

"""``augmenter="auto"``, the default: synthetic rows where the teacher knows more than the labels.

No candidates are compared in trainings: that took as long as the real training and chose no better
than one kind for all tables (``benchmarks/attempts.md``).
"""

import math

import numpy as np
from skorch import NeuralNet

from .._input import LazyRows, is_frame
from .._progress import Progress
from .._teacher import TeacherSignal
from ..augmenters import Augmenter, NeighborSwap, RandomSwap, ShiftFlipCrop, have_distances
from ..balancers import Balancer
from .batches import are_plain, batch_size_of
from .loop import Recipe
from .synthetic import MOST_ROWS
from .teacher_budget import within_budget

# Synthetic rows that the teacher answers for each row of the user, over all epochs.
_N_ANSWERS = 8
# With so many rows or more, a step has one synthetic row for each row; with half as many, two.
_MANY_ROWS = 8000
# Entries of the rows that an augmenter learns from.
_MOST_ENTRIES = 2**25


def choose_augmenter(
    signal: TeacherSignal,
    net: NeuralNet,
    balancer: Balancer,
    recipe: Recipe,
    X_unlabeled,
    budget: float | str | None,
    progress: Progress,
) -> Augmenter | None:
    """Return what makes synthetic rows; None where the teacher has nothing to say of them.

    Parameters
    ----------
    signal : TeacherSignal
        Of all rows that may be looked at.
    net : NeuralNet
        Initialized for the rows.
    balancer : Balancer
    recipe : Recipe
    X_unlabeled : rows or None
        The user's rows without labels. With these, no others are made.
    budget : float, "auto" or None
        Seconds that the teacher may work for synthetic rows.
    progress : Progress
    """
    if X_unlabeled is not None or signal.are_given or signal.has_seen_rows:
        return None
    X = signal.rows.raw
    if not can_use_synthetic_rows(X, net, balancer):
        return None
    # Synthetic rows regularize any student. That is no reason to have them where the teacher that
    # labels them knows nothing, or less than the labels teach.
    task = recipe.task
    if not (task.trusts_teacher(recipe.pilot) and task.knowledge(signal.rows).is_any):
        return None
    # So many labels teach as much as a teacher, unless it is clearly better.
    if X.shape[0] > MOST_ROWS and not (recipe.pilot and recipe.pilot.prefers_teacher):
        return None
    n_epochs = net.max_epochs
    augmenter = within_budget(
        usual_augmenter(X, n_epochs), budget, signal.cost, X.shape[0], n_epochs, progress
    )
    progress.say(f"augmenter: {augmenter!r}")
    return augmenter


def can_use_synthetic_rows(X, net: NeuralNet, balancer: Balancer) -> bool:
    """Whether a training can have synthetic rows that nobody asked for.

    Not while all rows fit in one batch: then integer weights are the same as repeated rows. Nor
    where the balancer never listens to the teacher: that is training on labels only.
    """
    return (
        balancer.hears_teacher
        and not isinstance(X, LazyRows)
        and X.shape[0] > batch_size_of(net, X.shape[0])
        and are_plain(net)
        and getattr(net, "accelerator", None) is None
        and has_room(X)
    )


def usual_augmenter(X, n_epochs: int) -> Augmenter:
    """Return the augmenter for rows of this kind.

    Parameters
    ----------
    X : array or frame
        All rows as the teacher takes them.
    n_epochs : int
        Of the training.
    """
    if _are_images(X):
        return ShiftFlipCrop(shift=0.05, crop=0.0)
    n_rows = X.shape[0]
    per_row = min(max(_MANY_ROWS / n_rows, 1.0), 2.0)
    share = MOST_ROWS / n_rows  # the more rows, the less the teacher adds to their labels
    params = {
        "n_new": min(per_row, share),
        "loss_weight": min(share, 2.0) ** 0.5,
        "refresh": math.ceil(n_epochs * per_row / _N_ANSWERS),
    }
    return NeighborSwap(**params) if have_distances(X) else RandomSwap(prob=0.1, **params)


def has_room(X) -> bool:
    """Whether synthetic rows can be made from X, and would not be large."""
    is_table = is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2)
    if not (is_table or _are_images(X)) or 0 in X.shape:
        return False
    n_rows = X.shape[0] if _are_images(X) else min(X.shape[0], MOST_ROWS)
    return n_rows <= MOST_ROWS and n_rows * math.prod(X.shape[1:]) <= _MOST_ENTRIES


def _are_images(X) -> bool:
    return isinstance(X, np.ndarray) and X.ndim == 4

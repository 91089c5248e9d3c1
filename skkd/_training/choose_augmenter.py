"""``augmenter="auto"``, the default: which synthetic rows help, by the labels of validation rows.

Short trainings without synthetic rows and with those of each candidate are compared by the log-loss
on the labels of rows that none of them saw. The teacher that labels the synthetic rows has not seen
them either: its answers would leak their labels, even by what it says of other rows.

How often student and teacher agree would be no measure. Bold synthetic rows raise it on almost
every data set, also where the student gets worse.
"""

import math

import numpy as np
from sklearn.base import clone
from skorch import NeuralNet

from .._input import LazyRows, is_frame, split_validation_rows
from .._progress import Progress
from .._random import PrivateTorchState
from .._student import copied_for_training, net_of, student_outputs
from .._teacher import TeacherSignal, signal_of_part
from ..augmenters import Augmenter, NeighborSwap, RandomSwap, ShiftFlipCrop, have_distances
from ..balancers import Balancer
from .batches import are_plain, batch_size_of
from .loop import Recipe, train
from .sources import unlabeled_sources
from .teacher_budget import within_budget

_VALIDATION = 0.2
# Optimizer steps of a short training. It has one epoch or more.
_N_STEPS = 600
# A small table has few steps, so its short trainings have at most this share of the real epochs.
_SHARE_OF_EPOCHS = 0.4
# Synthetic rows for each row of a table, and how often the real training makes them.
# With the comparison, the teacher answers about ten synthetic rows for each row of the user.
_MOST_NEW, _N_POOLS = 2, 3
# Synthetic rows, and entries of them, of all rows together. Where that is less than one for each
# there are none: so many labels leave a teacher little to add.
_NEW_ROWS = 40_000
_NEW_ENTRIES = 2**25
# What a gain must exceed, in its standard errors. Synthetic rows keep long trainings from fitting
# noise, of which short ones show little, so only a clear loss speaks against them. Where the
# teacher may know the validation rows, what it labels looks better than it is.
_NOT_CLEARLY_WORSE, _BETTER_TO_ONE_WHO_KNOWS = -2.0, 0.5


def candidates_for(X, n_epochs: int, *, knows_all: bool) -> list[Augmenter]:
    """Return the augmenters to choose from: few, for each costs a training.

    Parameters
    ----------
    X : array, frame, sparse matrix or other rows
        All rows as the teacher takes them.
    n_epochs : int
        Of the real training.
    knows_all : bool
        Whether the teacher may have seen all of them. Then nobody can tell how much it knows of
        synthetic rows, and no more than one for each is made.
    """
    if _are_images(X):
        return [ShiftFlipCrop(shift=0.05, crop=0.0), ShiftFlipCrop(shift=0.1, crop=0.1)]
    n_new = 1.0 if knows_all else most_synthetic_rows(X)
    many = {"n_new": n_new, "loss_weight": n_new**0.5, "refresh": math.ceil(n_epochs / _N_POOLS)}
    bold = NeighborSwap if have_distances(X) else RandomSwap
    return [bold(prob=0.3, **many), RandomSwap(prob=0.1, **many)]


def most_synthetic_rows(X) -> float:
    """Return how many synthetic rows to make for each row of X; below 1 there are none."""
    is_table = is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2)
    if not (is_table or _are_images(X)) or 0 in X.shape:
        return 0.0
    return min(_MOST_NEW, _NEW_ROWS / X.shape[0], _NEW_ENTRIES / math.prod(X.shape))


def _are_images(X) -> bool:
    return isinstance(X, np.ndarray) and X.ndim == 4


def looks_for_synthetic_rows(X, net: NeuralNet, balancer: Balancer) -> bool:
    """Whether "auto" looks for synthetic rows at all.

    Not while all rows fit in one batch: then integer weights are the same as repeated rows. Nor
    where the balancer never listens to the teacher: that is training on labels only.
    """
    return (
        balancer.hears_teacher
        and not isinstance(X, LazyRows)
        and X.shape[0] > batch_size_of(net, X.shape[0])
        and are_plain(net)
        and getattr(net, "accelerator", None) is None
        and most_synthetic_rows(X) >= 1
    )


def choose_augmenter(
    signal: TeacherSignal,
    student,
    balancer: Balancer,
    recipe: Recipe,
    X_unlabeled,
    seed: int,
    budget: float | str | None,
    progress: Progress,
) -> Augmenter | None:
    """Return the augmenter that is best by short trainings; None where there is none to choose.

    Parameters
    ----------
    signal : TeacherSignal
        Of all rows that may be looked at.
    student : net or Pipeline
        Prepared for the rows; copies of it are trained.
    balancer : Balancer
    recipe : Recipe
    X_unlabeled : rows or None
        The user's rows without labels. With these, no others are made.
    seed : int
    budget : float, "auto" or None
        Seconds that the teacher may work for synthetic rows.
    progress : Progress
    """
    if X_unlabeled is not None or signal.are_given:
        return None
    if not looks_for_synthetic_rows(signal.rows.raw, net_of(student), balancer):
        return None
    augmenter = compare_augmenters(signal, student, balancer, recipe, seed, budget, progress)
    progress.say(f"augmenter: {augmenter!r}")
    return augmenter


def compare_augmenters(
    signal: TeacherSignal,
    student,
    balancer: Balancer,
    recipe: Recipe,
    seed: int,
    budget: float | str | None,
    progress: Progress,
) -> Augmenter | None:
    """Return the best candidate, or None where the validation rows speak against all of them.

    Clones of the balancer are used: synthetic rows help the more, the less a training is
    regularized. A teacher that is fitted again has not seen the validation rows; another may have.
    """
    rows, net, refits = signal.rows, net_of(student), signal.unfitted is not None
    # Synthetic rows regularize any student, and so lower its log-loss also where the teacher that
    # labels them knows nothing, or less than the labels of the training rows.
    knows_more = recipe.pilot is None or not recipe.pilot.labels_teach_on
    if not (knows_more and recipe.task.knowledge(rows).is_any):
        return None
    kept, out = split_validation_rows(rows.X, rows.labels, _VALIDATION, seed)
    if not len(out):
        return None
    candidates = within_budget(
        candidates_for(rows.raw, net.max_epochs, knows_all=not refits),
        budget,
        signal.cost,
        n_compared=len(kept),
        n_rows=len(rows.labels),
        n_epochs=net.max_epochs,
        refits=refits,
        progress=progress,
    )
    if not candidates:
        return None
    validation = rows.take(out)
    part = signal_of_part(signal, rows.take(kept), progress)
    n_batches = -(-len(kept) // batch_size_of(net, len(kept)))
    n_epochs = max(round(min(_N_STEPS / n_batches, _SHARE_OF_EPOCHS * net.max_epochs)), 1)

    def losses_with(augmenter: Augmenter | None) -> np.ndarray:
        sources = []
        if augmenter is not None:
            augmenter = clone(augmenter).set_params(refresh=n_epochs)  # asked once
            sources = unlabeled_sources(augmenter, None, part, student, seed)
        twin = copied_for_training(net, short=True)
        train(
            twin,
            part.rows,
            clone(balancer).reset(),
            recipe,
            n_epochs=n_epochs,
            synthetic=sources,
            seed=seed,
            torch_state=PrivateTorchState(seed),
        )
        log_proba = student_outputs(twin, validation.X, recipe.task.log_proba)
        return recipe.task.losses(log_proba, validation.labels)

    losses = []
    with progress.phase("choosing synthetic rows", 1 + len(candidates)) as phase:
        for augmenter in (None, *candidates):
            losses.append(losses_with(augmenter))
            phase.advance()
    gains = [losses[0] - of_candidate for of_candidate in losses[1:]]
    n_errors = _NOT_CLEARLY_WORSE if refits else _BETTER_TO_ONE_WHO_KNOWS
    best = best_gain(gains, validation.sample_weight, n_errors)
    return None if best is None else candidates[best]


def best_gain(
    gains: list[np.ndarray], sample_weight: np.ndarray | None, n_errors: float
) -> int | None:
    """Return which gains, one a validation row, have the largest mean; None if it is too small.

    It must exceed so many of its standard errors, which may be less than none.
    """
    means = [np.average(gain, weights=sample_weight) for gain in gains]
    best = int(np.argmax(means))
    weight = np.ones(len(gains[best])) if sample_weight is None else sample_weight
    share = weight / weight.sum()
    error = np.sqrt((share**2 * (gains[best] - means[best]) ** 2).sum())
    return best if means[best] > n_errors * error else None

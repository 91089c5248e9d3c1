"""``augmenter="auto"``, the default: which new rows help, by the labels of held-out rows.

Short trainings without new rows and with those of each candidate are compared by the log-loss on
the labels of rows that none of them saw, the teacher who labels the new rows included.

How often student and teacher agree there would be no measure: bold new rows raise it on almost
every set, also where the student gets worse. Nor would a teacher who saw the held-out rows do, who
hands their labels on, even by what it says of others: out-of-fold answers about the fit rows know
the labels of all other folds. On adult, a student looked better by .01 of log-loss for having
learnt more from those, and new rows from a teacher who did not know looked harmful.
"""

import math
from collections.abc import Callable

import numpy as np
from sklearn.base import clone
from skorch import NeuralNet

from .._input.labels import of_labels
from .._input.rows import Rows
from .._input.tables import is_frame
from .._input.validation_split import split_held_out
from .._random import PrivateTorchState
from .._teacher.competence import knowledge_of_teacher
from ..augmenters import Augmenter, NeighborSwap, RandomSwap, ShiftFlipCrop, have_distances
from ..balancers import Balancer, Pilot
from .batches import are_plain, batch_size_of
from .loop import held_out_log_proba, train
from .pilot import copy_for_short_training
from .synthetic import AugmentedRows, Function

_HELD_OUT = 0.2
# Optimizer steps of a short training, at least one epoch, and its epochs as a share of the real
# one's at most: on a small table that many steps would be all of them, four times over.
_N_STEPS = 600
_SHARE_OF_EPOCHS = 0.4
# New rows for each row of a table: the fewer rows, the more a student gains from new ones.
_MOST_NEW = 4
# New rows, and entries of them, of all rows together. Where that is less than one for each there
# are none: so many labels leave a teacher little to add, and new rows would be a copy of a large X.
_NEW_ROWS = 40_000
_NEW_ENTRIES = 2**25
# New rows for each in a short training: two rank the candidates as four do, in half of the time.
_MOST_COMPARED = 2
# What a gain must exceed, in its standard errors. New rows keep long trainings from learning labels
# by heart, of which short ones show little, so that only a clear loss speaks against new rows; but
# where the teacher may know the held-out rows, what it labels looks better than it is.
_NOT_CLEARLY_WORSE, _BETTER_TO_ONE_WHO_KNOWS = -2.0, 0.5


def candidates_for(X, *, knows_all: bool) -> list[Augmenter]:
    """The augmenters to choose from: few, for each costs a training.

    With four new rows for each the student was better by .2 points on average than with one, on
    seven tables of 4,000 rows. That they count twice as much changed nothing on letter.

    Parameters
    ----------
    X : array, frame, sparse matrix or other rows
        All rows as the teacher sees them.
    knows_all : bool
        Whether the teacher may have seen all of them. Then nobody can tell how much it knows of
        new ones, and no more than one for each is made: on letter, where AutoGluon's ensemble is
        worse than the student, four cost half a point.
    """
    if _are_images(X):
        return [ShiftFlipCrop(shift=0.05, crop=0.0), ShiftFlipCrop(shift=0.1, crop=0.1)]
    n_new = 1.0 if knows_all else most_new_rows(X)
    many = {"n_new": n_new, "loss_weight": n_new**0.5}
    swaps: list[Augmenter] = [RandomSwap(prob=0.1, **many), RandomSwap(prob=0.3, **many)]
    return [NeighborSwap(prob=0.3, **many), *swaps] if have_distances(X) else swaps


def most_new_rows(X) -> float:
    """New rows for each row of X at most; below 1 there are none.

    Parameters
    ----------
    X : array, frame, sparse matrix or other rows
        All rows as the teacher sees them.
    """
    is_table = is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2)
    if not (is_table or _are_images(X)) or 0 in X.shape:
        return 0.0
    return min(_MOST_NEW, _NEW_ROWS / X.shape[0], _NEW_ENTRIES / math.prod(X.shape))


def _are_images(X) -> bool:
    return isinstance(X, np.ndarray) and X.ndim == 4


def looks_for_new_rows(X, n_rows: int, net: NeuralNet, balancer: Balancer) -> bool:
    """Whether "auto" looks for new rows at all.

    Not while all rows fit in one batch: then integer weights are the same as repeated rows, and
    how many rows there are must not matter. Nor where the balancer gives the teacher no say: that
    is training on labels alone.

    Parameters
    ----------
    X : array, frame, sparse matrix or other rows
        As the teacher sees them.
    n_rows : int
        Of those, the ones that are not of weight zero.
    net : skorch.NeuralNet
        Initialised.
    balancer : Balancer
    """
    return (
        balancer.hears_teacher
        and n_rows > batch_size_of(net, n_rows)
        and are_plain(net)
        and getattr(net, "accelerator", None) is None
        and most_new_rows(X) >= 1
    )


def choose_augmenter(
    rows: Rows,
    net: NeuralNet,
    teacher_of: Callable[[Rows], tuple[np.ndarray, Function]],
    prepare: Function,
    balancer: Balancer,
    *,
    loss: Callable,
    temperature: Callable,
    knows_all: bool,
    pilot: Pilot | None = None,
    seed: int,
) -> Augmenter | None:
    """The best candidate, or None where the held-out rows speak against all of them.

    Parameters
    ----------
    rows : Rows
        All that may be looked at, with ``raw``.
    net : skorch.NeuralNet
        Initialised for the rows; copies of it are trained.
    teacher_of : callable
        From the rows that remain to what a teacher says of them, and of new rows, who has not seen
        the others.
    prepare : callable
        From rows as the teacher sees them to the net's input.
    balancer : Balancer
        Clones of it are used, for new rows help the more the less a training is regularised
        already. One that looks at held-out rows, of which there are none, gives way to the default.
    knows_all : bool
        Whether the teacher may have seen the others all the same, being fitted before.
    loss, temperature, pilot, seed
        As in :func:`skkd._training.loop.train`.
    """
    # New rows calm any student down, and so lower its log-loss also where the teacher who labels
    # them knows nothing, or less than the labels of the fit rows.
    if not knowledge_of_teacher(rows).is_any or (pilot is not None and pilot.labels_teach_on):
        return None
    kept, held_out = split_held_out(rows.X, rows.labels, _HELD_OUT, seed)
    if not len(held_out):
        return None
    fit_rows, held_out_rows = rows.take(kept), rows.take(held_out)
    fit_rows.proba, ask = teacher_of(fit_rows)

    n_batches = -(-len(kept) // batch_size_of(net, len(kept)))
    n_epochs = max(round(min(_N_STEPS / n_batches, _SHARE_OF_EPOCHS * net.max_epochs)), 1)

    def losses_with(augmenter: Augmenter | None) -> np.ndarray:
        sources = []
        if augmenter is not None:
            n_new = min(augmenter.n_new, _MOST_COMPARED)
            augmenter = clone(augmenter).set_params(n_new=n_new, loss_weight=n_new**0.5)
            if knows_all:  # it may be an ensemble of seconds for so many rows: asked once
                augmenter.set_params(refresh=n_epochs)
            augmenter.fit(fit_rows.raw, fit_rows.sample_weight)
            sources = [AugmentedRows(augmenter, len(kept), ask, prepare, seed)]
        student = copy_for_short_training(net)
        train(
            student,
            fit_rows,
            clone(balancer).reset(),
            loss=loss,
            temperature=temperature,
            n_epochs=n_epochs,
            new_rows=sources,
            pilot=pilot,
            seed=seed,
            torch_state=PrivateTorchState(seed),
        )
        log_proba = held_out_log_proba(student, held_out_rows)
        return -of_labels(log_proba, held_out_rows.labels)

    candidates = candidates_for(rows.raw, knows_all=knows_all)
    without = losses_with(None)
    gains = [without - losses_with(candidate) for candidate in candidates]
    n_errors = _BETTER_TO_ONE_WHO_KNOWS if knows_all else _NOT_CLEARLY_WORSE
    best = best_gain(gains, held_out_rows.sample_weight, n_errors)
    return None if best is None else candidates[best]


def best_gain(
    gains: list[np.ndarray], sample_weight: np.ndarray | None, n_errors: float
) -> int | None:
    """Which gains, one a held-out row, have the largest mean; None where that is too small.

    It must exceed so many of its standard errors, which may be less than none.
    """
    means = [np.average(gain, weights=sample_weight) for gain in gains]
    best = int(np.argmax(means))
    weight = np.ones(len(gains[best])) if sample_weight is None else sample_weight
    share = weight / weight.sum()
    error = np.sqrt((share**2 * (gains[best] - means[best]) ** 2).sum())
    return best if means[best] > n_errors * error else None

"""Two short trainings, on labels only and on the teacher only: how far can the teacher be trusted?

Where labels are noisy, a student that fits them better than its teacher does has learned the noise,
and the teacher should keep its weight. Where they are clean, what the student learns beyond its
teacher is true, and the teacher is in the way. Rows that it trains on can't tell one from the
other, so a fifth of them is kept for validation.

The teacher's answers may know the labels of the validation rows. This flatters a student that
learns from them. One that is worse even so can't learn what this teacher knows, however good the
teacher is.
"""

import math

import numpy as np
from skorch import NeuralNet

from .._input import Rows, hash_rows, split_validation_rows
from .._progress import SILENT, Progress
from .._random import PrivateTorchState
from .._student import copied_for_training, student_outputs
from ..balancers import FixedBalance, Pilot
from .batches import batch_size_of
from .loop import History, Patience, Recipe, train

_VALIDATION = 0.2
# Steps at least, and as a share of the real training's. Fewer would hide what the labels teach.
_N_STEPS, _SHARE = 1000, 0.5
# By so much a student of the teacher must be worse for no trust in it at all. More validation rows
# show smaller differences.
_HARM, _HARM_ROWS = 0.05, 800
# Rows, and entries of them, are copied.
_MAX_ROWS, _MAX_ENTRIES = 100_000, 2**24
# Fewer validation rows would show nothing.
_MIN_VALIDATION = 50
# Fewer epochs have no beginning and end.
_MIN_EPOCHS = 6
# The stacking weight of so few validation rows counts half; without any it is neutral.
_HALF, _NEUTRAL = 100, 0.6


class AboveScore(Patience):
    """End a training once its validation score is above another; its last weights are kept."""

    def __init__(self, score: float):
        super().__init__(n_epochs=1)
        self.score = score

    def ends(self, score: float, module) -> bool:
        return score > self.score


def run_pilot(
    rows: Rows, net: NeuralNet, task, seed: int, progress: Progress = SILENT
) -> Pilot | None:
    """Return what labels only teach, and how far the teacher can be trusted beside them.

    Parameters
    ----------
    rows : Rows
        All that may be looked at, with the teacher's answers; of many, some are taken.
    net : skorch.NeuralNet
        Initialized for the rows; a copy of it is trained.
    task : Classification or Regression
    seed : int
    progress : Progress

    Returns
    -------
    pilot : Pilot or None
        None where rows or epochs are too few to tell, and with an Accelerator.
    """
    if getattr(net, "accelerator", None):
        return None
    n_all = len(rows.labels)
    n_rows = min(n_all, _MAX_ROWS, _MAX_ENTRIES // math.prod(rows.X.shape[1:]))
    n_kept = round((1 - _VALIDATION) * n_rows)
    n_batches = -(-n_kept // batch_size_of(net, n_kept))
    n_steps = max(_N_STEPS, _SHARE * net.max_epochs * n_batches)
    n_epochs = min(round(n_steps / n_batches), net.max_epochs)
    if n_rows - n_kept < _MIN_VALIDATION or n_epochs < _MIN_EPOCHS:
        return None
    if n_rows < n_all:
        some = np.random.default_rng(seed).choice(n_all, n_rows, replace=False, shuffle=False)
        rows = rows.take(np.sort(some))
    kept, out = split_validation_rows(rows.X, task.strata(rows.labels), _VALIDATION, seed)
    validation = rows.take(out)
    # A row that is there ten times tells no more than one of weight ten.
    n_distinct = len(np.unique(hash_rows(validation.X, seed)))
    if n_distinct < _MIN_VALIDATION:
        return None
    fit_rows = rows.take(kept)

    def short_training(weight: float, patience: Patience | None) -> tuple[NeuralNet, History]:
        student = copied_for_training(net, short=True)
        history = train(
            student,
            fit_rows,
            FixedBalance(weight).reset(),
            Recipe(task, task.pilot_loss),
            n_epochs=n_epochs,
            validation=validation,
            patience=patience,
            seed=seed,
            torch_state=PrivateTorchState(seed),
        )
        return student, history

    with progress.phase("pilot, two short trainings", 2) as phase:
        student, of_labels = short_training(0.0, None)
        phase.advance()
        # A student of the teacher that is better already needs no longer training.
        _, of_teacher = short_training(1.0, AboveScore(of_labels["valid_score"][-1]))
        phase.advance()
    gain, error = task.gain_after(of_labels, task.knowledge(fit_rows).loss, n_distinct)
    outputs = student_outputs(student, validation.X).astype(np.float64)
    share = task.stacking_weight(outputs, validation)
    trust = _NEUTRAL + (share - _NEUTRAL) * n_distinct / (n_distinct + _HALF)
    trust *= 1.0 - harm(of_labels["valid_score"][-1], of_teacher["valid_score"][-1], n_distinct)
    pilot = Pilot(gain, error, min(trust, task.most_trust), task.weight_floor(share, n_all))
    progress.say(
        f"pilot: {task.described_gain(gain, error)}the teacher can be trusted by {pilot.trust:.2f}"
    )
    return pilot


def harm(of_labels: float, of_teacher: float, n_rows: int) -> float:
    """Return how much worse a student of the teacher is than one of labels, from 0 to 1.

    Parameters
    ----------
    of_labels, of_teacher : float
        Minus the validation losses of both.
    n_rows : int
        Of validation.
    """
    most = _HARM * min(1.0, math.sqrt(_HARM_ROWS / n_rows)) * abs(of_labels)
    return min(max((of_labels - of_teacher) / (most + 1e-12), 0.0), 1.0)

"""A short training on labels only: does a student learn more from labels than its teacher knows?

Where labels are noisy, a student that fits them better than its teacher does has learned the noise,
and the teacher should keep its weight. Where they are clean, what the student learns beyond its
teacher is true, and the teacher is in the way. Rows that it trains on can't tell one from the
other, so a fifth of them is kept for validation. This student never sees the teacher's answers,
which may know the labels of the validation rows.
"""

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from skorch import NeuralNet

from .._classification import Classification
from .._input import Rows, hash_rows, split_validation_rows
from .._progress import SILENT, Progress
from .._random import PrivateTorchState
from .._student import copied_for_training, student_outputs
from ..balancers import FixedBalance, Pilot
from ..losses import kl
from .batches import batch_size_of
from .loop import History, Recipe, train

_VALIDATION = 0.2
# Steps on few rows. Many rows need more steps to show what the labels teach.
_N_STEPS, _FEW = 1000, 10_000
# From so many rows on, the share of the real training's steps. Between few and many it grows.
_SHARE, _MANY = 0.6, 30_000
# Rows, and entries of them, are copied.
_MAX_ROWS, _MAX_ENTRIES = 100_000, 2**24
# Fewer validation rows would show nothing.
_MIN_VALIDATION = 50
# Epochs whose accuracies are averaged at both ends.
_WINDOW = 3
# The stacking weight of so few validation rows counts half; without any it is neutral.
_HALF, _NEUTRAL = 100, 0.6


def run_pilot(
    rows: Rows, net: NeuralNet, task: Classification, seed: int, progress: Progress = SILENT
) -> Pilot | None:
    """Return what labels only teach after the student fits them as well as its teacher does.

    Parameters
    ----------
    rows : Rows
        All that may be looked at, with the teacher's answers; of many, some are taken.
    net : skorch.NeuralNet
        Initialized for the rows; a copy of it is trained.
    task : Classification
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
    many = min(max((n_rows - _FEW) / (_MANY - _FEW), 0.0), 1.0)
    n_steps = max(_N_STEPS, many * _SHARE * net.max_epochs * n_batches)
    n_epochs = min(round(n_steps / n_batches), net.max_epochs)
    if n_rows - n_kept < _MIN_VALIDATION or n_epochs < 2 * _WINDOW:
        return None
    if n_rows < n_all:
        some = np.random.default_rng(seed).choice(n_all, n_rows, replace=False, shuffle=False)
        rows = rows.take(np.sort(some))
    kept, out = split_validation_rows(rows.X, rows.labels, _VALIDATION, seed)
    validation = rows.take(out)
    # A row that is there ten times tells no more than one of weight ten.
    n_distinct = len(np.unique(hash_rows(validation.X, seed)))
    if n_distinct < _MIN_VALIDATION:
        return None
    fit_rows = rows.take(kept)
    student = copied_for_training(net, short=True)
    with progress.phase("pilot, a short training on labels only"):
        history = train(
            student,
            fit_rows,
            FixedBalance(0.0).reset(),
            Recipe(task, kl),
            n_epochs=n_epochs,
            validation=validation,
            seed=seed,
            torch_state=PrivateTorchState(seed),
        )
    gain, error = gain_after(history, task.knowledge(fit_rows).loss, n_distinct)
    logits, known = student_outputs(student, validation.X).astype(np.float64), validation.answered
    weight = None if validation.sample_weight is None else validation.sample_weight[known]
    of_teacher = validation.answers[known], validation.labels[known], weight
    share = stacking_weight(logits[known], *of_teacher)
    trust = _NEUTRAL + (share - _NEUTRAL) * n_distinct / (n_distinct + _HALF)
    pilot = Pilot(gain, error, trust)
    progress.say(
        f"pilot: labels teach {100 * pilot.gain:+.1f} percentage points of accuracy beyond "
        f"what the teacher knows of them (standard error {100 * pilot.error:.1f}); the "
        f"teacher's share in the best mixture of both is {pilot.trust:.2f}"
    )
    return pilot


def gain_after(history: History, teacher_loss: float, n_rows: int) -> tuple[float, float]:
    """Return the validation accuracy at the end less that when the own loss passed the teacher's.

    The second number is its standard error.

    Parameters
    ----------
    history : dict of arrays, one entry an epoch
    teacher_loss : float
        The teacher's log-loss on the labels.
    n_rows : int
        Distinct validation rows.
    """
    accuracy = history["valid_accuracy"]
    passed = np.flatnonzero(history["task_loss"] < teacher_loss)
    middle = passed[0] if len(passed) else len(accuracy) - 1
    before = accuracy[max(middle - _WINDOW // 2, 0) :][:_WINDOW].mean()
    after = accuracy[-_WINDOW:].mean()
    # As if half of the errors were common to both: they are the same student at two times.
    mean = (before + after) / 2
    return float(after - before), float(np.sqrt(mean * (1 - mean) / n_rows))


def stacking_weight(
    logits: np.ndarray, answers: np.ndarray, labels: np.ndarray, sample_weight=None
) -> float:
    """Return the teacher's share in the mixture with the student that has the lowest log-loss.

    Both are probabilities on rows that neither saw. The student's are tempered first: else an
    overconfident student would make every teacher look good. The log-loss of a mixture is convex in
    the share, "stacking" (Wolpert, Neural Networks 1992).

    Parameters
    ----------
    logits : ndarray of shape (n_rows, n_classes)
        The student's.
    answers : ndarray of shape (n_rows, n_classes)
        The teacher's probabilities.
    labels : int ndarray of shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,), default=None
    """
    rows = np.arange(len(labels))

    def loss(proba: np.ndarray) -> float:
        return -float(np.average(np.log(np.maximum(proba, 1e-12)), weights=sample_weight))

    def own(log_scale: float) -> np.ndarray:
        return softmax(np.exp(log_scale) * logits, axis=1)[rows, labels]

    tempered = own(minimize_scalar(lambda s: loss(own(s)), bounds=(-4, 2), method="bounded").x)
    teacher = answers[rows, labels]

    def of_mixture(share: float) -> float:
        return loss(share * teacher + (1 - share) * tempered)

    return float(minimize_scalar(of_mixture, bounds=(0, 1), method="bounded").x)

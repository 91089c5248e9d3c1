"""What a teacher's answers tell of the labels, for balancing rules that ask for it."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from .._input import row_slices
from ..balancers import TeacherKnowledge

# A class that no tree voted for still has this probability when the teacher is judged: votes of
# zero would make the log-loss of any forest infinite.
_SMALLEST_PROBA = 1e-3
_TEMPERATURES = (0.5, 1.0, 2.0, 4.0)
# Epochs whose accuracies are averaged at both ends of a training.
_WINDOW = 3


def of_labels(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the entry of each row in the column of its label."""
    return values[np.arange(len(labels)), labels]


def knowledge_of(proba: np.ndarray, labels: np.ndarray, weight=None) -> TeacherKnowledge:
    """Return the log-loss of the teacher's answers, and its gain over the classes' frequencies.

    The best of some temperatures counts: an over- or under-confident teacher may know a lot.

    Parameters
    ----------
    proba : ndarray of shape (n_rows, n_classes)
    labels : int ndarray of shape (n_rows,)
    weight : ndarray of shape (n_rows,), default=None
        Sample weights.
    """
    n_rows, n_classes = proba.shape
    if weight is not None:
        weight = weight / weight.max()  # squares of huge or tiny ones have no finite sum
    counts = np.bincount(labels, weight, minlength=n_classes)
    total = counts.sum()
    without = -np.log(np.maximum(counts / total, _SMALLEST_PROBA))
    # At each temperature: sums of losses, of gains over the frequencies, and of their squares.
    sums = np.zeros((len(_TEMPERATURES), 3))
    for part in row_slices(proba):
        of_part = labels[part]
        for of_temperature, temperature in zip(sums, _TEMPERATURES, strict=True):
            answers = of_labels(softened(proba[part], temperature), of_part)
            losses = -np.log(np.maximum(answers, _SMALLEST_PROBA))
            gains = without[of_part] - losses
            values = np.stack([losses, gains, gains**2])
            of_temperature += values.sum(axis=1) if weight is None else values @ weight[part]
    loss, gain, square = min((sums / total).tolist())
    squares = n_rows if weight is None else weight @ weight
    error = np.sqrt(max(square - gain**2, 0.0) * squares) / total
    return TeacherKnowledge(float(loss), float(gain), float(error))


def softened(proba: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities at a temperature, the smallest lifted so that it can act on them."""
    powers = np.maximum(proba, _SMALLEST_PROBA) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def gain_after(
    history: dict[str, np.ndarray], teacher_loss: float, n_rows: int
) -> tuple[float, float]:
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
    logits, answers : ndarray of shape (n_rows, n_classes)
        Of the student, and the teacher's probabilities.
    labels, sample_weight : ndarray of shape (n_rows,)
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

"""What student and teacher know of the labels, for rules that compare them."""

import numpy as np

from .._input.chunks import row_slices
from .._input.labels import of_labels
from .._input.rows import Rows
from ..balancers import TeacherKnowledge

# A class that no tree voted for still has this probability when the teacher is judged: votes of
# zero would make the log-loss of any forest infinite.
_SMALLEST_PROBA = 1e-3
_TEMPERATURES = (0.5, 1.0, 2.0, 4.0)


def knowledge_of_teacher(rows: Rows) -> TeacherKnowledge:
    """What the teacher knows of the labels, and how much more than their frequencies.

    By the best of some temperatures: who is too sure of itself, or not enough, may know a lot.
    """
    n_rows, n_classes = rows.proba.shape
    weight = rows.sample_weight
    counts = np.bincount(rows.labels, weight, minlength=n_classes)
    total = counts.sum()
    without = -np.log(np.maximum(counts / total, _SMALLEST_PROBA))
    # At each temperature, of losses, of gains over the frequencies, and of their squares.
    sums = np.zeros((len(_TEMPERATURES), 3))
    for part in row_slices(rows.proba):
        labels = rows.labels[part]
        for of_temperature, temperature in zip(sums, _TEMPERATURES, strict=True):
            losses = _losses_of_teacher(softened(rows.proba[part], temperature), labels)
            gains = without[labels] - losses
            values = np.stack([losses, gains, gains**2])
            of_temperature += values.sum(axis=1) if weight is None else values @ weight[part]
    loss, gain, square = min(sums.tolist())
    loss, gain, square = loss / total, gain / total, square / total
    variance = max(square - gain**2, 0.0)
    squares = n_rows if weight is None else weight @ weight
    return TeacherKnowledge(float(loss), float(gain), float(np.sqrt(variance * squares) / total))


def _losses_of_teacher(proba: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return -np.log(np.maximum(of_labels(proba, labels), _SMALLEST_PROBA))


def softened(proba: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities at a temperature, the smallest ones lifted so that it can act on them."""
    powers = np.maximum(proba, _SMALLEST_PROBA) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)

"""What student and teacher know of the labels, for rules that compare them."""

import numpy as np

from ._held_out import hash_rows
from ._labels import of_labels
from ._rows import Rows
from .balancers import HeldOutLosses

# A class that no tree voted for still has this probability when the teacher is judged: votes of
# zero would make the log-loss of any forest infinite.
_SMALLEST_PROBA = 1e-3


def loss_of_teacher(rows: Rows) -> float:
    """The log-loss of the teacher's probabilities on the labels."""
    return float(np.average(_losses_of_teacher(rows), weights=rows.sample_weight))


def _losses_of_teacher(rows: Rows) -> np.ndarray:
    return -np.log(np.maximum(of_labels(rows.proba, rows.labels), _SMALLEST_PROBA))


class Competence:
    """What student and teacher know of the labels, class by class.

    The teacher is judged by all fit rows, for its probabilities do not move; the student by those
    that are held out.
    """

    def __init__(self, rows: Rows, held_out: Rows):
        self.held_out = held_out
        self.n_classes = rows.proba.shape[1]
        labels = np.concatenate([rows.labels, held_out.labels])
        losses = np.concatenate([_losses_of_teacher(part) for part in (rows, held_out)])
        weight = None
        if rows.sample_weight is not None and held_out.sample_weight is not None:
            weight = np.concatenate([rows.sample_weight, held_out.sample_weight])
        self.teacher = self._by_class(losses, labels, weight)
        total = np.bincount(labels, weight, minlength=self.n_classes)
        self.share = total / total.sum()
        # Distinct rows: a row that is there ten times tells no more than one of weight ten.
        hashes = hash_rows(held_out.X, 0)
        distinct = np.unique(np.stack([hashes, held_out.labels.astype(np.uint64)]), axis=1)
        self.n_rows = np.bincount(distinct[1].astype(np.int64), minlength=self.n_classes)

    def losses(self, log_proba: np.ndarray) -> HeldOutLosses:
        """The losses after an epoch, from the student's log-probabilities of held-out rows."""
        own = -of_labels(log_proba, self.held_out.labels)
        student = self._by_class(own, self.held_out.labels, self.held_out.sample_weight)
        return HeldOutLosses(student, self.teacher, self.share, self.n_rows)

    def _by_class(self, losses, labels, weight) -> np.ndarray:
        weight = np.ones(len(labels)) if weight is None else weight
        total = np.bincount(labels, weight, minlength=self.n_classes)
        with np.errstate(invalid="ignore"):
            return np.bincount(labels, weight * losses, minlength=self.n_classes) / total

"""What is particular to classification: labels, what a teacher answers, how answers are scored."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d
from torch import Tensor

from .._input import Rows
from .._sklearn_private import _check_sample_weight, is_pandas_na
from . import answers
from .calibration import Calibration, calibrate
from .knowledge import knowledge_of, of_labels
from .objective import Objective, make_objective


@dataclass(frozen=True)
class Classification:
    """The task of a fit. All other modules see labels and answers as plain arrays.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels, in the order of all columns.
    """

    classes: np.ndarray

    @property
    def n_outputs(self) -> int:
        """Outputs of the student's net."""
        return len(self.classes)

    def given(self, labels: np.ndarray) -> np.ndarray:
        """Return labels as the user gave them, from their columns."""
        return self.classes[labels]

    def ask(self, teacher, X) -> tuple[np.ndarray, np.ndarray]:
        """Return a fitted teacher's classes, and its probabilities in the order of ``classes``."""
        return answers.ask(teacher, X, self.classes)

    def align(self, known: np.ndarray, proba: np.ndarray) -> np.ndarray:
        """Return probabilities over a teacher's classes in the order of ``classes``."""
        return answers.align(proba, known, self.classes)

    def check_known(self, known: np.ndarray) -> None:
        """Warn if the teacher's classes are not those of y."""
        answers.warn_of_other_classes(known, self.classes)

    def read_answers(self, teacher_proba, n_rows: int) -> np.ndarray:
        """Return ``teacher_proba`` in the order of ``classes``."""
        return answers.read_proba(teacher_proba, n_rows, self.classes)

    def check_unseen(self, rows: Rows) -> None:
        """Warn if the teacher was probably trained on these rows."""
        answers.warn_if_trained_on(rows.X, rows.answers, rows.labels)

    def calibrate(self, method: str, rows: Rows) -> Calibration | None:
        """Fit a calibration of the teacher's answers."""
        return calibrate(method, rows.answers, rows.labels, rows.sample_weight, rows.folds)

    def uninformed(self, n_rows: int) -> np.ndarray:
        """Return the answers of a teacher that knows nothing."""
        return np.full((n_rows, self.n_outputs), 1 / self.n_outputs)

    def knowledge(self, rows: Rows):
        """Return what the teacher's answers tell of the labels, as a ``TeacherKnowledge``."""
        return knowledge_of(rows.answers, rows.labels, rows.sample_weight)

    def objective(self, labels, proba, sample_weight, **options) -> Objective:
        """Return both losses over some rows, as functions of the student's logits."""
        return make_objective(labels, proba, sample_weight, **options)

    def most_likely(self, proba: np.ndarray) -> np.ndarray:
        """Return a label for each answer, for rows that have no label."""
        return proba.argmax(axis=1)

    @staticmethod
    def log_proba(logits: Tensor) -> Tensor:
        """Return what the validation scores are made of."""
        return torch.log_softmax(logits, -1)

    @staticmethod
    def losses(log_proba: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the log-loss of each row."""
        return -of_labels(log_proba, labels)

    def scores(self, log_proba: np.ndarray, rows: Rows) -> dict[str, float]:
        """Return minus the log-loss of validation rows (higher is better), and their accuracy."""
        hit = log_proba.argmax(axis=1) == rows.labels
        losses = self.losses(log_proba, rows.labels)
        return {
            "valid_score": -float(np.average(losses, weights=rows.sample_weight)),
            "valid_accuracy": float(np.average(hit, weights=rows.sample_weight)),
        }


class Targets(NamedTuple):
    """Labels and weights of the rows that count.

    Attributes
    ----------
    task : Classification
    labels : int ndarray of shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,) or None
        Products of sample and class weights, all positive.
    index : int ndarray of shape (n_rows,) or None
        The rows of positive weight among all that were given; None: all.
    """

    task: Classification
    labels: np.ndarray
    sample_weight: np.ndarray | None
    index: np.ndarray | None


def read_targets(X, y, sample_weight, class_weight, classes=None) -> Targets:
    """Check labels and weights, and leave out rows of weight zero.

    Parameters
    ----------
    X : array, frame or CSR matrix
        For its number of rows.
    y, sample_weight, class_weight
        As the user gave them.
    classes : array of shape (n_classes,), default=None
        All labels that can occur; None: those of ``y``.
    """
    y = label_column(y, "y")
    check_consistent_length(X, y)
    if sample_weight is not None and np.ndim(given := np.asarray(sample_weight)):
        if len(given) != len(y):
            raise ValueError(f"sample_weight has {len(given)} entries for {len(y)} rows of X.")
    task = Classification(_sorted_labels(y if classes is None else classes))
    check_classification_targets(y)
    labels = columns_of(y, task.classes)
    if task.n_outputs < 2:
        label = task.classes[:1].tolist()[0]
        raise ValueError(f"y has 1 class, {label!r}; at least 2 classes are needed.")
    if sample_weight is None and class_weight is None:
        return Targets(task, labels, None, None)
    weight = _positive_weights(sample_weight, class_weight, y, labels, task.classes)
    if (weight > 0).all():
        return Targets(task, labels, weight, None)
    index = np.flatnonzero(weight > 0)
    return Targets(task, labels[index], weight[index], index)


def check_classes(classes, known: np.ndarray) -> np.ndarray:
    """Return the classes of the first call; raise if others are given now."""
    if classes is not None and not np.array_equal(np.unique(classes), known):
        raise ValueError(
            f"classes={np.asarray(classes).tolist()} is not what the first call of partial_fit "
            f"was given, {known.tolist()}."
        )
    return known


def label_column(y, name: str) -> np.ndarray:
    """Return labels as an array of one dimension; raise if one is missing."""
    y = column_or_1d(np.asarray(y), warn=True)
    if y.dtype.kind == "f":
        missing = np.flatnonzero(np.isnan(y))
    elif y.dtype == object:
        missing = np.flatnonzero([_is_missing(label) for label in y.tolist()])
    else:
        return y
    if len(missing):
        first = missing[0]
        raise ValueError(
            f"{name} has no label in {len(missing)} of {len(y)} rows, the first of them at "
            f"position {first} ({y.tolist()[first]!r}). Leave these rows out; fit takes rows "
            "without labels as X_unlabeled."
        )
    return y


def columns_of(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the column of each label; raise a ValueError for a label without one."""
    columns = np.searchsorted(classes, y)
    np.minimum(columns, len(classes) - 1, out=columns)
    unknown = classes[columns] != y
    if unknown.any():
        raise ValueError(
            f"y has the label {y[unknown].tolist()[0]!r}, which is not among the classes "
            f"{classes.tolist()} of the first call; partial_fit needs classes=..."
        )
    return columns


def _is_missing(label) -> bool:
    return label is None or is_pandas_na(label) or (isinstance(label, float) and label != label)


def _sorted_labels(labels) -> np.ndarray:
    try:
        return np.unique(labels)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in np.asarray(labels).tolist()})
        raise TypeError(
            f"y has labels of the types {', '.join(kinds)}, which have no order among each other. "
            "Make them one type, by y.astype(str) say."
        ) from None


def _positive_weights(sample_weight, class_weight, y, labels, classes) -> np.ndarray:
    if isinstance(sample_weight, str):
        raise TypeError(
            f"sample_weight={sample_weight!r} must be an array of one number a row. For weights "
            "by class use class_weight='balanced'."
        )
    weight = _check_sample_weight(
        sample_weight, y.reshape(-1, 1), dtype=np.float64, ensure_non_negative=True
    )
    if not (weight > 0).any():
        raise ValueError("sample_weight is zero for all rows; at least one must be positive.")
    if class_weight is not None:
        weight = weight * _class_weights(class_weight, y, labels, weight, classes)
    if not np.isfinite(weight.sum()):
        raise ValueError(
            f"sample_weight has entries up to {weight.max():.3g}, whose sum overflows. Divide them "
            "by their mean."
        )
    return weight


def _class_weights(class_weight, y, labels, weight, classes) -> np.ndarray:
    """Return the class weight of each row; "balanced" counts rows by their sample weight."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        totals = np.bincount(labels, weight, minlength=len(classes))
        present = totals > 0
        return (totals.sum() / (present.sum() * np.where(present, totals, 1)))[labels]
    of_class = compute_class_weight(class_weight, classes=classes, y=y)
    if not (np.isfinite(of_class) & (of_class >= 0)).all():
        raise ValueError(f"class_weight={class_weight!r} must hold finite weights of at least 0.")
    return of_class[labels]

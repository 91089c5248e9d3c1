"""Classification as a task: how a teacher is asked, and how answers are judged."""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .._input import Rows, asked_in_parts, call_with_protected, is_frame
from .._probabilities import check_proba, divided
from .._warnings import warn
from ..balancers import Balancer, Pilot, TeacherKnowledge
from ..losses import check_loss_values, kl, takes_labels
from .calibration import Calibration, calibrate
from .folds import short, warn_of_missing_classes, with_unknown_classes
from .knowledge import gain_after, knowledge_of, of_labels, stacking_weight
from .mixture import mixture_weights
from .objective import Autograd, ClosedForm, SoftTargets
from .seen_rows import unseen_errors

# A teacher that misses a larger share of the labels was not trained on them.
_SUSPICIOUS = 0.02

# What errors about labels say.
_ABOUT_LABELS = re.compile(r"\b(labels?|class(es)?|target|y|numpy\.str_)\b")


@dataclass(frozen=True)
class Classification:
    """The task of a fit. All other modules see labels and answers as plain arrays.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels, in the order of all columns.
    """

    name: ClassVar[str] = "classification"
    #: The largest trust in a teacher that a pilot may show.
    most_trust: ClassVar[float] = 1.0
    #: The distillation loss of the pilot.
    pilot_loss: ClassVar[Callable[..., Tensor]] = staticmethod(kl)

    classes: np.ndarray

    @property
    def n_outputs(self) -> int:
        """Outputs of the student's net."""
        return len(self.classes)

    @property
    def columns(self) -> np.ndarray:
        """What the columns of all answers stand for."""
        return self.classes

    def learned(self) -> dict:
        """Return what an estimator learns of its targets."""
        return {"classes_": self.classes}

    def given(self, labels: np.ndarray) -> np.ndarray:
        """Return labels as the user gave them, from their columns."""
        return self.classes[labels]

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """Return groups of rows of which each split has its share."""
        return labels

    def for_net(self, labels: np.ndarray) -> np.ndarray:
        """Return labels as the net is to give them."""
        return labels

    def most_likely(self, proba: np.ndarray) -> np.ndarray:
        """Return a label for each answer, for rows that have no label."""
        return proba.argmax(axis=1)

    def as_answers(self, labels: np.ndarray) -> np.ndarray:
        """Return labels as answers that are sure."""
        return np.eye(len(self.classes), dtype=np.float32)[labels]

    # The teacher's answers

    def ask(self, teacher, X) -> np.ndarray:
        """Return a fitted teacher's probabilities for X, in the order of ``classes``."""
        return asked_in_parts(lambda part: self.align(*raw_proba(teacher, part)), X, self.n_outputs)

    @staticmethod
    def raw_answers(teacher, X) -> tuple[np.ndarray, np.ndarray]:
        """Return a fitted teacher's answers, and what their columns are."""
        return raw_proba(teacher, X)

    @staticmethod
    def raw_oob_answers(teacher) -> tuple[np.ndarray, np.ndarray]:
        """Return a bagged teacher's out-of-bag answers, and what their columns are."""
        proba = np.asarray(teacher.oob_decision_function_)
        # A row without a vote has zeros or NaN.
        return np.where(np.isfinite(proba), proba, 0.0), np.asarray(teacher.classes_)

    def oob_answers(self, proba: np.ndarray, known: np.ndarray, y) -> np.ndarray:
        """Return out-of-bag answers in the order of ``classes``."""
        if not np.array_equal(known, self.classes):
            self.check_known(known)
        return self.align(proba, known)

    def fold_answers(self, results: list, y: np.ndarray, sample_weight) -> list[np.ndarray]:
        """Return the answers of each fold's teacher, from raw ones, in the order of ``classes``."""
        warn_of_missing_classes([known for _, known in results], np.unique(y))
        return [
            with_unknown_classes(self.align(proba, known), known, self.classes, y, sample_weight)
            for proba, known in results
        ]

    @staticmethod
    def note_on_fit(y: np.ndarray, message: str) -> str:
        """Say what of the labels may have made a teacher's fit fail with an error."""
        labels = np.unique(y)
        is_encoded = np.array_equal(labels, np.arange(len(labels)))
        names_labels = any(repr(label) in message for label in labels.tolist())
        if is_encoded or not (names_labels or _ABOUT_LABELS.search(message)):
            return ""
        return (
            f" Its labels were {short(labels)}. If it takes only 0, 1, 2, ..., encode y by "
            "sklearn.preprocessing.LabelEncoder, and let every fold have all classes."
        )

    def align(self, proba: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Reorder columns from a teacher's classes to ``classes``, by value.

        A class that the teacher does not know gets probability 0. A class that is not in
        ``classes`` is dropped, and rows are divided by their sum. A row with nothing left becomes
        uniform.
        """
        column_of = dict(zip(known.tolist(), range(len(known)), strict=True))
        columns = np.full(len(self.classes), -1)
        for i, label in enumerate(self.classes.tolist()):
            columns[i] = column_of.get(label, -1)
        if (columns < 0).all():
            raise ValueError(
                f"The teacher's classes {short(known)} and the classes of y {short(self.classes)} "
                "have none in common. Give y the labels that the teacher was fitted on. "
                "(VotingClassifier, StackingClassifier and BaggingClassifier encode labels as 0, "
                "1, ...: inside of them, fit the teacher on encoded labels as well.)"
            )
        # In float64, for in float32 rows sum to one to seven digits.
        aligned = np.where(columns >= 0, proba[:, columns].astype(np.float64), 0.0)
        total = aligned.sum(axis=1, keepdims=True)
        return np.where(total > 0, aligned / np.where(total > 0, total, 1), 1 / len(self.classes))

    def read_answers(self, teacher_proba, n_rows: int) -> np.ndarray:
        """Return ``teacher_proba`` in the order of ``classes``; a frame's columns go by names."""
        if not is_frame(teacher_proba):
            proba = np.ascontiguousarray(_as_array(teacher_proba))
            return divided(check_proba(proba, n_rows, len(self.classes), "teacher_proba"))
        known = np.asarray(teacher_proba.columns)
        proba = check_proba(np.asarray(teacher_proba), n_rows, len(known), "teacher_proba")
        if not set(known.tolist()) & set(self.classes.tolist()):
            # Labels are numbers, but a file or polars made text of the columns' names.
            label_of = {str(label): label for label in self.classes.tolist()}
            known = np.array([label_of.get(name, name) for name in known.tolist()], dtype=object)
        if not set(known.tolist()) & set(self.classes.tolist()):
            raise ValueError(
                f"The columns of teacher_proba {short(known)} and the classes of y "
                f"{short(self.classes)} have none in common; name the columns by the labels."
            )
        self.check_known(known)
        return self.align(proba, known)

    def check_known(self, known: np.ndarray) -> None:
        """Warn if a teacher's classes are not those of y."""
        in_both = set(known.tolist()) & set(self.classes.tolist())
        missing = [label for label in self.classes.tolist() if label not in in_both]
        unused = [label for label in known.tolist() if label not in in_both]
        if in_both and (missing or unused):
            warn(
                "The teacher and y have different classes: "
                + "; ".join(
                    [f"the teacher does not know {short(missing)}"] * bool(missing)
                    + [f"y does not have {short(unused)}"] * bool(unused)
                )
                + ". The former get probability 0, the latter are dropped."
            )

    def has_seen(self, teacher, rows: Rows) -> bool:
        """Whether a fitted teacher answers as only a model that was trained on these rows does.

        If so, warn; and if it has other classes.
        """
        if not np.array_equal(teacher.classes_, self.classes):
            self.check_known(np.asarray(teacher.classes_))
        misses = rows.answers.argmax(axis=1) != rows.labels
        if misses.mean() > _SUSPICIOUS or len(rows.X.shape) != 2:
            return False
        n_looked_at, n_missed, n_unseen = unseen_errors(rows.X, rows.labels, misses)
        if n_unseen:
            warn(
                f"The teacher misses {n_missed} of {n_looked_at} labels, and models that do not "
                f"know these rows miss {n_unseen}: it was probably trained on them. Then its "
                "answers add little to the labels. Give an unfitted teacher, clone(teacher), which "
                "is cross-fitted in five folds, or distill on rows that the teacher has not seen."
            )
        return n_unseen > 0

    def calibrate(self, method: str, rows: Rows) -> Calibration | None:
        """Fit a calibration of the teacher's answers."""
        folds = None if rows.folds is None else rows.folds[rows.answered]
        proba, labels, weight = rows.of_teacher()
        return calibrate(method, proba, labels, weight, folds)

    def mixture_weights(self, answers: Sequence[np.ndarray], rows: Rows) -> np.ndarray:
        """Return the weights of several teachers, whose mean is to predict the labels."""
        parts = [replace(rows, answers=proba).of_teacher() for proba in answers]
        return mixture_weights([proba for proba, *_ in parts], *parts[0][1:])

    def knowledge(self, rows: Rows) -> TeacherKnowledge:
        """Return what the teacher's answers tell of the labels."""
        return knowledge_of(*rows.of_teacher())

    # The student's training

    def objective(
        self, labels, proba, sample_weight, loss: Callable[..., Tensor], device, dtype: torch.dtype
    ) -> SoftTargets:
        """Return both losses over some rows, as functions of the student's logits."""
        kind = ClosedForm if loss is kl else Autograd
        return kind(labels, proba, sample_weight, loss, device, dtype)

    def variance_left(self, history: dict) -> None:
        """Return None: outputs are logits."""

    def trusts_teacher(self, pilot: Pilot | None) -> bool:
        """Whether a teacher may label synthetic rows: not if labels teach more than it knows."""
        return pilot is None or not pilot.labels_teach_on

    def check_balancer(self, balancer: Balancer) -> None:
        """All rules work with classes."""

    def check_loss(self, loss: Callable[..., Tensor]) -> None:
        """Raise an error unless a user's distillation loss gives a value a row."""
        logits = torch.zeros(2, self.n_outputs, requires_grad=True)
        labels = {"labels": torch.zeros(2, dtype=torch.int64)} if takes_labels(loss) else {}
        soft_targets = torch.full_like(logits, 1 / self.n_outputs).detach()
        check_loss_values(loss(logits, soft_targets, 1.0, **labels), logits)

    @staticmethod
    def for_scores(logits: Tensor) -> Tensor:
        """Return what validation scores are made of: log-probabilities."""
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

    def gain_after(self, history: dict, teacher_loss: float, n_rows: int) -> tuple[float, float]:
        """Return what labels taught after the own loss passed the teacher's, and its error."""
        return gain_after(history, teacher_loss, n_rows)

    @staticmethod
    def described_gain(gain: float, error: float) -> str:
        """Say what labels taught."""
        return (
            f"labels teach {100 * gain:+.1f} percentage points of accuracy beyond what the teacher "
            f"knows of them (standard error {100 * error:.1f}); "
        )

    @staticmethod
    def weight_floor(stacking_weight: float, n_rows: int) -> float:
        """Return 0: labels that are clean need no teacher."""
        return 0.0

    def stacking_weight(self, logits: np.ndarray, rows: Rows) -> float:
        """Return the teacher's share in its best mixture with a student, on validation rows."""
        return stacking_weight(logits[rows.answered], *rows.of_teacher())


def raw_proba(teacher, X) -> tuple[np.ndarray, np.ndarray]:
    """Return a fitted teacher's probabilities for X, and the classes of their columns."""
    if not hasattr(teacher, "classes_"):
        raise ValueError(
            f"The teacher {type(teacher).__name__} has no classes_, so that the columns of its "
            "predict_proba can't be told apart. Set classes_ to the labels in their order."
        )
    known = np.asarray(teacher.classes_)
    with warnings.catch_warnings():
        # torch warns a teacher that is a skorch net of rows that are protected.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        try:
            proba = call_with_protected(teacher.predict_proba, X)
        except Exception as error:
            error.add_note(f"Raised by predict_proba of {type(teacher).__name__}.")
            raise
    if isinstance(proba, torch.Tensor):
        proba = _as_array(proba)
    source = f"{type(teacher).__name__}.predict_proba"
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    return check_proba(np.asarray(proba), n_rows, len(known), source), known


def _as_array(proba) -> np.ndarray:
    if isinstance(proba, torch.Tensor):
        proba = proba.detach().cpu()
        proba = proba.float() if proba.dtype == torch.bfloat16 else proba
    return np.asarray(proba)

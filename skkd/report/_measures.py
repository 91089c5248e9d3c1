"""Measures of predicted probabilities, as functions of sums over rows.

Most measures depend on the rows only through sums of a few terms. One matrix product of the terms
with the counts of drawn rows gives the sums of many resampled test sets at once.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

# Guo et al., "On Calibration of Modern Neural Networks", arXiv 1706.04599, take 15.
N_BINS = 15

# As in sklearn.metrics.log_loss for float64: a probability of 0 costs 36 nats, not infinity.
_EPS = np.finfo(np.float64).eps


class Measure(NamedTuple):
    """Label of a measure, and which direction is better."""

    label: str
    better: int
    """1 if higher is better, -1 if lower is, 0 if neither."""


MEASURES = {
    "accuracy": Measure("accuracy", 1),
    "balanced_accuracy": Measure("balanced accuracy", 1),
    "average_precision": Measure("average precision", 1),
    "roc_auc": Measure("ROC AUC", 1),
    "log_loss": Measure("log-loss", -1),
    "brier_score": Measure("Brier score", -1),
    "calibration_error": Measure("calibration error", -1),
    "agreement": Measure("agreement with teacher", 0),
    "agreement_teacher_right": Measure("agreement where it is right", 0),
    "agreement_teacher_wrong": Measure("agreement where it is wrong", 0),
    "retained_accuracy": Measure("share of teacher's accuracy", 1),
}

#: The measures of a regressor.
ERRORS = {
    "r2": Measure("R2", 1),
    "rmse": Measure("RMSE", -1),
    "mae": Measure("MAE", -1),
    "rmse_to_teacher": Measure("RMSE to the teacher", 0),
}


_ALL = MEASURES | ERRORS


def label_of(name: str) -> str:
    """Return what a measure or a user's score is called."""
    return _ALL[name].label if name in _ALL else name.replace("_", " ")


def is_neutral(name: str) -> bool:
    """Whether neither direction of a measure is better: it compares with the teacher."""
    return name in _ALL and not _ALL[name].better


Terms = dict[str, np.ndarray | sparse.csr_matrix]


def row_terms(labels, proba, weight, teacher_labels=None) -> Terms:
    """Return what each row adds to the sums, weighted.

    Parameters
    ----------
    labels, weight : ndarray of shape (n_rows,)
        Labels are columns of ``proba``.
    proba : float64 ndarray of shape (n_rows, n_classes)
        Rows sum to one.
    teacher_labels : int ndarray, default=None

    Returns
    -------
    terms : dict of ndarrays of shape (n_rows,) and CSR matrices of shape (n_rows, any)
    """
    n_rows, n_classes = proba.shape
    rows = np.arange(n_rows)
    found, of_label = proba.argmax(axis=1), proba[rows, labels]
    right = found == labels
    squares = np.einsum("ij,ij->i", proba, proba) - 2 * of_label + 1
    terms: Terms = {
        "weight": weight,
        "right": weight * right,
        "log_loss": -weight * np.log(np.clip(of_label, _EPS, 1 - _EPS)),
        # Half of it for two classes, as in scikit-learn: the square of one error.
        "brier": weight * squares / (2 if n_classes == 2 else 1),
        "in_class": _spread(weight, labels, n_classes),
        "found": _spread(weight, found, n_classes),
        "right_in_class": _spread(weight * right, labels, n_classes),
    }
    confidence = proba[rows, found]
    bins = bin_of(confidence)
    terms["in_bin"] = _spread(weight, bins, N_BINS)
    terms["right_in_bin"] = _spread(weight * right, bins, N_BINS)
    terms["confidence_in_bin"] = _spread(weight * confidence, bins, N_BINS)
    if teacher_labels is not None:
        teacher_right = teacher_labels == labels
        agrees = found == teacher_labels
        terms["agrees"] = weight * agrees
        # Each by itself, because a difference of sums is not exactly 0.
        terms["teacher_right"] = weight * teacher_right
        terms["teacher_wrong"] = weight * ~teacher_right
        terms["agrees_right"] = weight * (agrees & teacher_right)
        terms["agrees_wrong"] = weight * (agrees & ~teacher_right)
    return terms


def bin_of(confidence: np.ndarray) -> np.ndarray:
    """Return the bin of each confidence; a bin is without its lower edge."""
    edges = np.linspace(0, 1, N_BINS + 1)
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, N_BINS - 1)


def sums_of(terms: Terms, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Sums of all terms for each column of ``counts``, of shape (n_rows, n_resamples)."""
    return {name: term.T @ counts for name, term in terms.items()}


def measures_of(sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the measures that depend on sums only; NaN if there is nothing to measure.

    Returns
    -------
    measures : dict of ndarrays of shape (n_resamples,)
    """
    total = sums["weight"]
    gaps = np.abs(sums["right_in_bin"] - sums["confidence_in_bin"]).sum(axis=0)
    measures = {
        "accuracy": _ratio(sums["right"], total),
        "balanced_accuracy": _mean(_ratio(sums["right_in_class"], sums["in_class"])),
        "log_loss": _ratio(sums["log_loss"], total),
        "brier_score": _ratio(sums["brier"], total),
        "calibration_error": _ratio(gaps, total),
    }
    if "agrees" in sums:
        measures |= {
            "agreement": _ratio(sums["agrees"], total),
            "agreement_teacher_right": _ratio(sums["agrees_right"], sums["teacher_right"]),
            "agreement_teacher_wrong": _ratio(sums["agrees_wrong"], sums["teacher_wrong"]),
            "retained_accuracy": _ratio(sums["right"], sums["teacher_right"]),
        }
    return measures


def per_class(sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Recall, precision and F1 of each class from sums; NaN for 0 / 0."""
    both = sums["in_class"] + sums["found"]
    return {
        "recall": _ratio(sums["right_in_class"], sums["in_class"]),
        "precision": _ratio(sums["right_in_class"], sums["found"]),
        "f1": _ratio(2 * sums["right_in_class"], both),
    }


def reliability(sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Mean confidence, accuracy and share of the rows in each bin of confidence."""
    return {
        "confidence": _ratio(sums["confidence_in_bin"], sums["in_bin"]),
        "accuracy": _ratio(sums["right_in_bin"], sums["in_bin"]),
        "share": sums["in_bin"] / sums["weight"],
    }


class RankedScores:
    """Areas under the ROC curve and the precision-recall curve.

    They are means over one class against the rest, without classes that have no row. For two
    classes the average precision is that of the rarer class. Scores are ranked once for all
    resamples.

    Parameters
    ----------
    labels, proba, weight
        As in :func:`row_terms`.
    """

    def __init__(self, labels, proba, weight):
        n_classes = proba.shape[1]
        self._weight = weight[:, None]
        scores = proba.T
        columns = list(range(n_classes))
        if n_classes == 2:
            columns = [rarer_of_two(np.bincount(labels, weight, minlength=2))]
            scores = np.array([-proba[:, 1], proba[:, 1]])
        self._classes = [_ranked(scores[column], labels == column) for column in columns]

    def measures(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Both areas for each column of ``counts``, of shape (n_rows, n_resamples)."""
        weight = self._weight * counts
        areas = np.array([_areas(weight, *ranked) for ranked in self._classes])
        return {"roc_auc": _mean(areas[:, 0]), "average_precision": _mean(areas[:, 1])}


def rarer_of_two(class_rows: np.ndarray) -> int:
    """Return the column of the rarer one of two classes."""
    return int(class_rows[1] <= class_rows[0])


def _ranked(score, positive) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the order of the scores, the starts of groups of equal ones, and the positives."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    return order, starts, positive[order]


def _areas(weight, order, starts, positive) -> tuple[np.ndarray, np.ndarray]:
    """ROC AUC: share of pairs in the right order, half for equal scores; average precision."""
    weight = weight[order]
    positives = np.add.reduceat(weight * positive[:, None], starts, axis=0)
    negatives = np.add.reduceat(weight * ~positive[:, None], starts, axis=0)
    below = np.cumsum(negatives, axis=0) - negatives
    won = (positives * (below + negatives / 2)).sum(axis=0)
    n_positive = positives.sum(axis=0)
    auc = _ratio(won, n_positive * negatives.sum(axis=0))
    true = np.cumsum(positives[::-1], axis=0)[::-1]  # at or above each score
    total = np.cumsum((positives + negatives)[::-1], axis=0)[::-1]
    precision = np.divide(true, total, out=np.zeros_like(true), where=total > 0)
    return auc, _ratio((positives * precision).sum(axis=0), n_positive)


def _spread(values, columns, n_columns: int) -> sparse.csr_matrix:
    n_rows = len(values)
    return sparse.csr_matrix((values, columns, np.arange(n_rows + 1)), (n_rows, n_columns))


def _ratio(above, below) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)


def _mean(values) -> np.ndarray:
    """Mean over the first axis without NaN; NaN if nothing is left."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(axis=0), known.sum(axis=0))

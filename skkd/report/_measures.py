"""Measures of predicted probabilities, as functions of sums over rows.

All but the AUC depend on the rows only through sums of a few terms. One product of these terms with
how often each row was drawn gives the sums of many resampled test sets at once, and the same
functions then give the measures of the test set and of its resamples.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

# Guo et al., "On Calibration of Modern Neural Networks", arXiv 1706.04599, take 15.
N_BINS = 15

# As in sklearn.metrics.log_loss for float64: a probability of 0 costs 36 nats, not infinitely many.
_EPS = np.finfo(np.float64).eps


class Measure(NamedTuple):
    """How a measure is shown."""

    label: str
    better: int
    """1 if higher is better, -1 if lower is, 0 if neither."""


MEASURES = {
    "accuracy": Measure("accuracy", 1),
    "balanced_accuracy": Measure("balanced accuracy", 1),
    "roc_auc": Measure("ROC AUC", 1),
    "log_loss": Measure("log-loss", -1),
    "brier_score": Measure("Brier score", -1),
    "calibration_error": Measure("calibration error", -1),
    "agreement": Measure("agreement with teacher", 0),
    "agreement_teacher_right": Measure("agreement where it is right", 0),
    "agreement_teacher_wrong": Measure("agreement where it is wrong", 0),
    "retained_accuracy": Measure("share of teacher's accuracy", 1),
}

Terms = dict[str, np.ndarray | sparse.csr_matrix]


def row_terms(labels, proba, weight, teacher_labels=None) -> Terms:
    """What each row adds to the sums, weighted.

    Parameters
    ----------
    labels : int ndarray of shape (n_rows,)
        Columns of ``proba``.
    proba : float64 ndarray of shape (n_rows, n_classes)
        Rows sum to one.
    weight : float64 ndarray of shape (n_rows,)
    teacher_labels : int ndarray of shape (n_rows,), default=None

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
        # Half of it for two classes, as scikit-learn does: that is the square of one error.
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
        # Each by itself, for what remains of a sum is not exactly 0 where it should be.
        terms["teacher_right"] = weight * teacher_right
        terms["teacher_wrong"] = weight * ~teacher_right
        terms["agrees_right"] = weight * (agrees & teacher_right)
        terms["agrees_wrong"] = weight * (agrees & ~teacher_right)
    return terms


def bin_of(confidence: np.ndarray) -> np.ndarray:
    """Which of N_BINS bins of equal width, each without its lower edge, a confidence lies in."""
    edges = np.linspace(0, 1, N_BINS + 1)
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, N_BINS - 1)


def sums_of(terms: Terms, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Sums of all terms for each column of ``counts``, of shape (n_rows, n_resamples)."""
    return {name: term.T @ counts for name, term in terms.items()}


def measures_of(sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Measures, but for the AUC, from sums; NaN where there is nothing to measure.

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
    """Recall, precision and F1 of each class from sums; NaN where there is nothing to divide by."""
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
    """The area under the ROC curve, macro-averaged over one class against the rest.

    Classes that have no row, or all, are left out. Scores are ranked once for all resamples.

    Parameters
    ----------
    labels, proba, weight
        As in :func:`row_terms`.
    """

    def __init__(self, labels, proba, weight):
        n_classes = proba.shape[1]
        self._weight = weight[:, None]
        # Of two classes, each has the same curve.
        self._classes = [
            _ranked(proba[:, column], labels == column)
            for column in ([1] if n_classes == 2 else range(n_classes))
        ]

    def auc(self, counts: np.ndarray) -> np.ndarray:
        """The AUC for each column of ``counts``, of shape (n_rows, n_resamples)."""
        weight = self._weight * counts
        areas = [_area(weight, *ranked) for ranked in self._classes]
        return _mean(np.array(areas).reshape(len(areas), counts.shape[1]))


def _ranked(score, positive) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The order of the scores, where each group of equal ones starts, and who is positive."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    return order, starts, positive[order]


def _area(weight, order, starts, positive) -> np.ndarray:
    """Share of pairs of a positive and a negative row in the right order; equal scores: half."""
    weight = weight[order]
    positives = np.add.reduceat(weight * positive[:, None], starts, axis=0)
    negatives = np.add.reduceat(weight * ~positive[:, None], starts, axis=0)
    below = np.cumsum(negatives, axis=0) - negatives
    won = (positives * (below + negatives / 2)).sum(axis=0)
    return _ratio(won, positives.sum(axis=0) * negatives.sum(axis=0))


def _spread(values, columns, n_columns: int) -> sparse.csr_matrix:
    n_rows = len(values)
    return sparse.csr_matrix((values, columns, np.arange(n_rows + 1)), (n_rows, n_columns))


def _ratio(above, below) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)


def _mean(values) -> np.ndarray:
    """Mean over the first axis of what is not NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(axis=0), known.sum(axis=0))

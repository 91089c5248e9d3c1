"""What every run has in common: the split, one thread, and how predictions are scored."""

import pickle
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from .datasets import load

TEST_SHARE = 0.3
MAX_TEST_ROWS = 10_000

# Each of five folds must have a row of every class.
MIN_TRAINING_ROWS = 5

BATCH_ROWS = 10_000
N_BINS = 15


@dataclass
class Split:
    """Training and test rows of one set and seed."""

    X: object
    y: np.ndarray
    X_test: object
    y_test: np.ndarray


def split(name: str, seed: int, max_rows: int) -> Split:
    """A stratified 70/30 split, then at most ``max_rows`` training and 10,000 test rows.

    Classes with fewer than five training rows left are dropped from both sides.
    """
    X, y = load(name)
    train, test = train_test_split(
        np.arange(len(y)), test_size=TEST_SHARE, stratify=y, random_state=seed
    )
    train = _at_most(max_rows, train, y, seed)
    labels, counts = np.unique(y[train], return_counts=True)
    kept = labels[counts >= MIN_TRAINING_ROWS]
    train, test = (rows[np.isin(y[rows], kept)] for rows in (train, test))
    test = _at_most(MAX_TEST_ROWS, test, y, seed)
    return Split(take(X, train), y[train], take(X, test), y[test])


def _at_most(n_rows: int, rows: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    if len(rows) <= n_rows:
        return rows
    return train_test_split(rows, train_size=n_rows, stratify=y[rows], random_state=seed)[0]


def take(X, rows: np.ndarray):
    """Rows of an array or of a frame."""
    return X[rows] if isinstance(X, np.ndarray) else X.iloc[rows].reset_index(drop=True)


@contextmanager
def one_thread():
    """One thread for everything inside: torch, OpenMP and BLAS."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def score(proba: np.ndarray, y: np.ndarray, classes: np.ndarray, teacher: np.ndarray) -> dict:
    """How good probabilities are.

    Parameters
    ----------
    proba : ndarray of shape (n_rows, n_classes)
    y : ndarray of shape (n_rows,)
        True labels.
    classes : ndarray of shape (n_classes,)
        Label of each column.
    teacher : ndarray of shape (n_rows, n_classes)
        The teacher's probabilities.

    Returns
    -------
    scores : dict of float
        ``auc`` is the mean over the classes that occur in y of the AUC of each against the rest;
        ``agreement`` the share of rows in which teacher and student name the same class.
    """
    columns = np.searchsorted(classes, y)
    guess = proba.argmax(axis=1)
    present = np.unique(columns)
    auc = [roc_auc_score(columns == column, proba[:, column]) for column in present]
    return {
        "accuracy": float((guess == columns).mean()),
        "log_loss": float(log_loss(columns, proba, labels=np.arange(len(classes)))),
        "auc": float(np.mean(auc)),
        "ece": calibration_error(proba.max(axis=1), guess == columns),
        "agreement": float((guess == teacher.argmax(axis=1)).mean()),
    }


def calibration_error(confidence: np.ndarray, hit: np.ndarray, n_bins: int = N_BINS) -> float:
    """Expected calibration error of the top label over bins of equally many rows.

    The mean over bins, by their rows, of \\|accuracy - mean confidence\\|.
    """
    order = np.argsort(confidence, kind="stable")
    gaps = hit[order].astype(float) - confidence[order]
    parts = [part for part in np.array_split(gaps, n_bins) if len(part)]
    return float(sum(abs(part.sum()) for part in parts) / len(gaps))


def cost(model, X, kept=None) -> dict:
    """What a fitted model costs when it serves.

    Parameters
    ----------
    model : estimator
    X : array or frame
        Test rows.
    kept : object, default=None
        The part of the model that it needs to serve; None: all of it.

    Returns
    -------
    cost : dict of float
        ``row_ms``: median milliseconds of ``predict_proba`` on a single row. ``batch_ms``: on
        10,000 rows, the rows of X over and over. ``bytes``: the pickle. Milliseconds are process
        time, which a busy machine does not change much; on one thread they are what one waits.
    """
    n_rows = X.shape[0]
    rows = [take(X, np.array([i % n_rows])) for i in range(33)]
    batch = take(X, np.arange(BATCH_ROWS) % n_rows)
    predict = model.predict_proba
    return {
        "row_ms": 1e3 * float(np.median([seconds_of(predict, row) for row in rows][3:])),
        "batch_ms": 1e3 * min(seconds_of(predict, batch) for _ in range(3)),
        "bytes": len(pickle.dumps(model if kept is None else kept)),
    }


def seconds_of(predict: Callable, X) -> float:
    """Process time of one call."""
    start = time.process_time()
    predict(X)
    return time.process_time() - start

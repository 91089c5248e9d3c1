"""Classes that a fold's teacher could not learn."""

import numpy as np

from .._warnings import warn


def short(labels) -> str:
    """Return the first labels as a user would write them."""
    labels = np.asarray(labels).tolist()
    shown = ", ".join(map(repr, labels[:6]))
    return f"[{shown}{', ...' if len(labels) > 6 else ''}]"


def with_unknown_classes(answers, known, classes, y, sample_weight) -> np.ndarray:
    """Give classes that a fold's teacher could not know their share of all labels."""
    unknown = ~np.isin(classes, known)
    if not unknown.any():
        return answers
    share = np.array([np.average(y == label, weights=sample_weight) for label in classes[unknown]])
    answers = answers * (1 - share.sum())
    answers[:, unknown] = share
    return answers


def warn_of_missing_classes(known_of_folds: list, present: np.ndarray) -> None:
    """Warn once for all folds. A class whose rows all have weight zero is not ``present``."""
    missing = [np.setdiff1d(present, known) for known in known_of_folds]
    n_folds = sum(len(labels) > 0 for labels in missing)
    if n_folds:
        warn(
            f"In {n_folds} of {len(missing)} folds the teacher could not learn "
            f"{short(np.unique(np.concatenate(missing)))}: all rows of these classes were in the "
            "rest. There they get their share of all labels as probability. With few rows of a "
            "class this is all that can be known; merge rare classes if that is too little."
        )

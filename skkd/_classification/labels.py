"""Labels and their weights, as ``fit`` is given them and as training needs them."""

import numpy as np
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from .._input import Targets, check_rows_of_targets, check_total, read_weight
from .._sklearn_private import is_pandas_na
from .task import Classification


def read_targets(X, y, sample_weight, class_weight, classes=None) -> Targets:
    """Check labels and weights, and leave out rows of weight zero.

    Parameters
    ----------
    X : array, frame or CSR matrix
        Gives the number of rows.
    y, sample_weight, class_weight
        As the user gave them.
    classes : array of shape (n_classes,), default=None
        All possible labels. None: those of ``y``.
    """
    y = label_column(y, "y")
    check_rows_of_targets(X, y, sample_weight)
    try:
        found, labels = np.unique(y, return_inverse=True)
        known = found if classes is None else np.unique(classes)
    except TypeError:
        raise _unordered(y if classes is None else classes) from None
    check_classification_targets(y)
    task = Classification(known)
    if classes is not None:
        labels = columns_of(y, known)
    if len(task.classes) < 2:
        label = task.classes[:1].tolist()[0]
        raise ValueError(f"y has 1 class, {label!r}; at least 2 classes are needed.")
    weight = None
    if sample_weight is not None or class_weight is not None:
        weight = _weights(sample_weight, class_weight, y, labels, task.classes)
    return Targets.of(task, labels, weight)


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


def _unordered(labels) -> TypeError:
    kinds = sorted({type(label).__name__ for label in np.asarray(labels).tolist()})
    return TypeError(
        f"y has labels of the types {', '.join(kinds)}, which have no order among each other. "
        "Make them one type, by y.astype(str) say."
    )


def _weights(sample_weight, class_weight, y, labels, classes) -> np.ndarray:
    """Return sample weight times class weight."""
    hint = " For weights by class use class_weight='balanced'."
    weight = read_weight(sample_weight, len(y), hint)
    if class_weight is not None:
        weight = weight * _class_weights(class_weight, y, labels, weight, classes)
    return check_total(weight)


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

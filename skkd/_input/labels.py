"""Labels and their weights, as ``fit`` is given them and as training needs them."""

import numpy as np
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from .._sklearn_private import _check_sample_weight, is_pandas_na


def read_labels(X, y, sample_weight, class_weight, classes=None) -> tuple:
    """Check labels and weights.

    Parameters
    ----------
    X : array, frame or CSR matrix
        For its number of rows.
    y, sample_weight, class_weight
        As the user gave them.
    classes : array of shape (n_classes,), default=None
        All labels that there can be; None: those of ``y``.

    Returns
    -------
    y : ndarray of shape (n_rows,)
    weight : ndarray of shape (n_rows,) or None
        The products of sample and class weights.
    classes : ndarray of shape (n_classes,)
        Sorted.
    """
    y = label_column(y, "y")
    check_consistent_length(X, y)
    if sample_weight is not None and np.ndim(given := np.asarray(sample_weight)):
        if len(given) != len(y):
            raise ValueError(f"sample_weight has {len(given)} entries for {len(y)} rows of X.")
    classes = _sorted_labels(y if classes is None else classes)
    check_classification_targets(y)
    columns_of(y, classes)
    if len(classes) < 2:
        label = classes[:1].tolist()[0]
        raise ValueError(f"y has 1 class, {label!r}; at least 2 classes are needed.")
    if sample_weight is None and class_weight is None:
        return y, None, classes
    weight = _check_sample_weight(
        sample_weight, y.reshape(-1, 1), dtype=np.float64, ensure_non_negative=True
    )
    if not (weight > 0).any():
        raise ValueError("sample_weight is zero for all rows; at least one must be positive.")
    if class_weight is not None:
        weight = weight * _class_weight_of(class_weight, classes, y, weight)
    return y, weight, classes


def label_column(y, name: str) -> np.ndarray:
    """Labels as an array of one dimension, none of which is missing."""
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


def columns_of(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The column of each label; a label without one is an error."""
    columns = np.searchsorted(classes, y)
    np.minimum(columns, len(classes) - 1, out=columns)
    unknown = classes[columns] != y
    if unknown.any():
        raise ValueError(
            f"y has the label {y[unknown].tolist()[0]!r}, which is not among the classes "
            f"{classes.tolist()} of the first call; partial_fit needs classes=..."
        )
    return columns


def of_labels(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The entry of each row in the column of its label."""
    return values[np.arange(len(labels)), labels]


def rows_that_count(weight) -> np.ndarray | None:
    """Rows of positive weight; None where these are all, which spares a copy of X."""
    if weight is None or (weight > 0).all():
        return None
    return np.flatnonzero(weight > 0)


def _class_weight_of(class_weight, classes, y, weight) -> np.ndarray:
    """The class weight of each row; "balanced" counts rows by their sample weight."""
    columns = np.searchsorted(classes, y)
    if isinstance(class_weight, str) and class_weight == "balanced":
        totals = np.bincount(columns, weight, minlength=len(classes))
        present = totals > 0
        return (totals.sum() / (present.sum() * np.where(present, totals, 1)))[columns]
    of_class = compute_class_weight(class_weight, classes=classes, y=y)
    if not (np.isfinite(of_class) & (of_class >= 0)).all():
        raise ValueError(f"class_weight={class_weight!r} must hold finite weights of at least 0.")
    return of_class[columns]

"""What a fitted student says of rows."""

import math
import sys
from collections.abc import Callable

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils import InputTags, get_tags
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet
from torch import Tensor

from .._input import (
    TableEncoder,
    as_tensor,
    check_finite,
    is_large,
    read_container,
    read_numbers,
    row_slices,
)
from .._sklearn_private import _check_feature_names, _check_n_features
from ..students import ResidualConvNet
from .given_net import as_net, is_default, is_known
from .net import Forward, as_net_input, is_empty, net_dtype, net_of

# Entries of X that one forward pass takes: large enough to keep the processor busy, small enough
# for its cache and for the activations of a convolutional net.
_FORWARD_ENTRIES = 2**19
# Rows on a processor, whose cache also holds the activations.
_FORWARD_ROWS = 1024

Transform = Callable[[Tensor], Tensor]


def predicted(estimator, X, transform: Transform | None = None) -> np.ndarray:
    """Return the logits of a fitted estimator's student, or what ``transform`` makes of them.

    Parameters
    ----------
    estimator : DistilledClassifier or StudentOnly
        Its ``student_``, ``n_features_in_``, ``feature_names_in_`` and ``_row_shape`` are read.
    X : array, frame, sparse matrix or Dataset
        Rows like those of ``fit``.
    transform : callable or None
        From a Tensor of logits to a Tensor of the same shape.
    """
    if not hasattr(estimator, "student_"):
        check_is_fitted(estimator)
    return student_outputs(net_of(estimator.student_), student_input(estimator, X), transform)


def student_input(estimator, X):
    """Return rows as the net of a fitted estimator's student takes them."""
    student, X = estimator.student_, read_container(X)
    if isinstance(student, Pipeline):
        if not _has_known_columns(estimator, X):
            _check_feature_names(estimator, X, reset=False)
            _check_n_features(estimator, X, reset=False)
            X = _named(estimator, X)
        return preprocessed(student, _not_empty(X))
    dtype = net_dtype(student)
    if _is_plain(estimator, X, dtype):
        X = X.astype(dtype, copy=False)
        check_finite(X)
        return X
    _check_feature_names(estimator, X, reset=False)
    X, _ = read_numbers(_not_empty(X), dtype)
    _check_n_features(estimator, X, reset=False)
    if X.shape[1:] != estimator._row_shape:
        raise ValueError(
            f"X has rows of shape {X.shape[1:]}, but the student was fitted on rows of shape "
            f"{estimator._row_shape}."
        )
    return X


def preprocessed(student, X):
    """Return rows as the net of a prepared student takes them, without a look at columns."""
    net = net_of(student)
    if not isinstance(student, Pipeline):
        return read_numbers(X, net_dtype(net))[0]
    return as_net_input(run_steps(student.steps[:-1], X), net)


def run_steps(steps: list, X):
    """Return what fitted preprocessing steps make of rows."""
    for _, step in steps:
        if not is_empty(step):
            X = step.transform(X)
    return X


def student_outputs(net: NeuralNet, X, transform: Transform | None = None) -> np.ndarray:
    """Return a net's logits in evaluation mode, or what ``transform`` makes of them.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_rows, ...)
        As the net takes it.

    Returns
    -------
    outputs : ndarray of shape (n_rows, n_outputs), in the net's dtype
    """
    if net.module_.training:
        net.module_.eval()
    forward = Forward(net)
    n_entries = _FORWARD_ENTRIES
    if torch.device(net.device).type == "cpu":
        n_entries = min(n_entries, _FORWARD_ROWS * math.prod(X.shape[1:]))

    def outputs_of(part) -> np.ndarray:
        logits = forward(as_tensor(part, net.device))
        return (logits if transform is None else transform(logits)).cpu().numpy()

    with torch.inference_mode():
        if math.prod(X.shape) <= n_entries:
            return outputs_of(X)
        outputs = np.empty(0)
        for rows in row_slices(X, n_entries):
            values = outputs_of(X[rows])
            if rows.start == 0:
                outputs = np.empty((X.shape[0], *values.shape[1:]), dtype=values.dtype)
            outputs[rows] = values
    return outputs


def input_tags(student) -> InputTags:
    """Return what the student accepts, as scikit-learn's input tags."""
    if isinstance(student, Pipeline):
        steps = [step for _, step in student.steps[:-1] if not is_empty(step)]
        if steps:
            return get_tags(steps[0]).input_tags
        student = student.steps[-1][1]
    if is_known(student):
        student = as_net(student)
    if not isinstance(student, NeuralNet):
        return InputTags(sparse=True)
    return InputTags(sparse=student.module is not ResidualConvNet, allow_nan=is_default(student))


def _named(estimator, X):
    """Return an array as the frame that skkd's own encoder was fitted on, as explainers need."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or not isinstance(X, np.ndarray) or not has_own_encoder(estimator.student_):
        return X
    if "pandas" not in sys.modules or X.ndim != 2 or X.shape[1] != len(names):  # refused later
        return X
    return sys.modules["pandas"].DataFrame(X, columns=names)


def has_own_encoder(student) -> bool:
    """Whether a fitted student has the encoder that skkd puts before its default student."""
    if not isinstance(student, Pipeline) or len(student.steps) != 2:
        return False
    return isinstance(student.steps[0][1], TableEncoder) and is_default(net_of(student))


def _not_empty(X):
    if X.shape[:1] == (0,):
        raise ValueError("Found array with 0 sample(s) in X; a minimum of 1 is required.")
    return X


def _is_plain(estimator, X, dtype) -> bool:
    """Whether scikit-learn's checks, half of the time for a single row, would find nothing."""
    return (
        type(X) is np.ndarray
        and X.dtype.kind == "f"
        and len(X) > 0
        and X.shape[1:] == estimator._row_shape
        and not hasattr(estimator, "feature_names_in_")
        and not is_large(X, dtype)
    )


def _has_known_columns(estimator, X) -> bool:
    """Whether scikit-learn's check of a pandas frame's columns, long for one row, finds nothing."""
    names = getattr(estimator, "feature_names_in_", None)
    is_pandas = type(X).__module__.partition(".")[0] == "pandas" and hasattr(X, "columns")
    return is_pandas and names is not None and list(X.columns) == names.tolist()

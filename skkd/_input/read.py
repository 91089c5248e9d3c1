"""How X is read: the teacher sees it as it is, the student's net gets finite numbers."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import validate_data
from torch import nn

from .._sklearn_private import _num_samples
from .._student.net import is_default, net_dtype, net_of, preprocess
from .chunks import LazyRows, SomeRows, is_large, row_slices
from .datasets import DatasetRows, as_rows
from .tables import dtypes_of, has_categories, is_frame, kind_of_dtype, table_encoder


def read_training(estimator, X, steps: list, net) -> tuple:
    """Read the X of ``fit`` and record its features on the estimator.

    Parameters
    ----------
    estimator : DistilledClassifier
    X : array, frame, CSR matrix or list
    steps : list
        The student's preprocessing; none for a bare net.
    net : skorch.NeuralNetClassifier

    Returns
    -------
    X : array, frame or CSR matrix
        For the teacher.
    inputs : array, frame or CSR matrix
        For the first of the steps, or for the net if there are none.
    steps : list
        With an encoder in front of the default student where the table needs one.
    """
    if isinstance(X, DatasetRows):
        _check_options_for_dataset(estimator, steps)
        return X, _read_dataset(estimator, X, reset=True, dtype=float_for(X)), steps
    encodes = is_default(net) and not steps
    if encodes and has_categories(X):
        steps = [("encode", table_encoder(X))]
    if steps:
        X = _read_raw(estimator, X, reset=True)
        return X, X, steps
    inputs = _read_numbers(estimator, X, reset=True, dtype=float_for(X), allow_nan=encodes)
    estimator._row_shape = inputs.shape[1:]
    X = X if isinstance(X, np.ndarray) or is_frame(X) else inputs
    if encodes and has_nan(inputs):
        inputs = X if is_frame(X) or isinstance(inputs, LazyRows) else inputs
        return X, inputs, [("encode", table_encoder(inputs))]
    return X, inputs, steps


def read(estimator, X):
    """Read X at prediction time, as the fitted student's preprocessing or net takes it."""
    X = as_rows(X)
    if isinstance(estimator.student_, Pipeline):
        return _read_raw(estimator, X, reset=False)
    dtype = net_dtype(estimator.student_)
    if _is_plain(estimator, X, dtype):
        X = X.astype(dtype, copy=False)
        _check_finite(X)
        return X
    if isinstance(X, DatasetRows):
        X = _read_dataset(estimator, X, reset=False, dtype=dtype)
    else:
        X = _read_numbers(estimator, X, reset=False, dtype=dtype, allow_nan=False)
    if X.shape[1:] != estimator._row_shape:
        raise ValueError(
            f"X has rows of shape {X.shape[1:]}, but the student was fitted on rows of shape "
            f"{estimator._row_shape}."
        )
    return X


def _is_plain(estimator, X, dtype) -> bool:
    """Whether scikit-learn's checks, half of the time for a single row, would find nothing."""
    return (
        type(X) is np.ndarray
        and X.dtype.kind == "f"
        and len(X) > 0
        and X.shape[1:] == estimator._row_shape
        and not hasattr(estimator, "feature_names_in_")
        and not _is_converted_later(X, dtype)
    )


def read_new(estimator, X, student):
    """Rows like those of ``fit`` as the net of a student takes them, before it is trained."""
    net = net_of(student)
    if isinstance(student, Pipeline):
        return as_net_input(preprocess(student, X), net)
    return _read_numbers(estimator, X, reset=False, dtype=net_dtype(net), allow_nan=False)


def read_unlabeled(X_unlabeled, X):
    """``X_unlabeled``; raise a ValueError unless its rows are like those of X.

    Numbers of any dtype are alike; other columns must have the same dtype.
    """
    if isinstance(X, DatasetRows) or as_rows(X_unlabeled) is not X_unlabeled:
        raise ValueError("X_unlabeled and X can't be torch Datasets; give their rows as arrays.")
    if isinstance(X_unlabeled, (list, tuple)):
        X_unlabeled = np.asarray(X_unlabeled)
    if sparse.issparse(X_unlabeled):
        X_unlabeled = X_unlabeled.tocsr()
    if _container(X_unlabeled) != _container(X):
        raise ValueError(
            f"X_unlabeled is {_container(X_unlabeled)} and X is {_container(X)}; give both alike."
        )
    names = ["X_unlabeled"]
    if is_frame(X):
        names = [f"Column {name!r} of X_unlabeled" for name in X.columns]
        given, expected = list(X_unlabeled.columns), list(X.columns)
        if given != expected:
            raise ValueError(
                f"X_unlabeled must have the columns of X in their order; missing are "
                f"{[name for name in expected if name not in given]}, and unknown "
                f"{[name for name in given if name not in expected]}."
            )
    elif X_unlabeled.shape[1:] != X.shape[1:]:
        raise ValueError(
            f"X_unlabeled has rows of shape {X_unlabeled.shape[1:]}, and X of {X.shape[1:]}."
        )
    for name, *dtypes in zip(names, dtypes_of(X_unlabeled), dtypes_of(X), strict=True):
        kinds = {kind_of_dtype(dtype) for dtype in dtypes}
        if kinds != {"numeric"} and len(set(map(str, dtypes))) > 1:
            raise ValueError(f"{name} has dtype {dtypes[0]}, but {dtypes[1]} in X; convert it.")
    if X_unlabeled.shape[0] == 0:
        raise ValueError("X_unlabeled has no rows; give at least one, or None.")
    return X_unlabeled


def _container(X) -> str:
    return "a frame" if is_frame(X) else "sparse" if sparse.issparse(X) else "an array"


def _read_raw(estimator, X, *, reset: bool):
    """Names and width are checked; everything else is the business of the student's steps."""
    if isinstance(X, (list, tuple)):
        X = np.asarray(X)
    if reset or not _has_known_columns(estimator, X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    if _num_samples(X) == 0:
        raise ValueError("Found array with 0 sample(s) in X; a minimum of 1 is required.")
    return X


def _has_known_columns(estimator, X) -> bool:
    """Whether scikit-learn's check of a pandas frame's columns, long for one row, finds nothing."""
    names = getattr(estimator, "feature_names_in_", None)
    is_pandas = type(X).__module__.partition(".")[0] == "pandas" and hasattr(X, "columns")
    return is_pandas and names is not None and list(X.columns) == names.tolist()


def _read_numbers(estimator, X, *, reset: bool, dtype, allow_nan: bool):
    allow_nan = allow_nan and not sparse.issparse(X)
    is_converted_later = _is_converted_later(X, dtype)
    X = validate_data(
        estimator,
        X,
        reset=reset,
        dtype=None if is_converted_later else dtype,
        accept_sparse="csr",
        allow_nd=True,
        ensure_all_finite=False,
    )
    if is_converted_later:
        X = SomeRows(X, None, dtype)
    _check_finite(X, allow_nan=allow_nan)
    return X


def _read_dataset(estimator, X: DatasetRows, *, reset: bool, dtype) -> DatasetRows:
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if reset:
        estimator._row_shape = X.shape[1:]
    return DatasetRows(X.dataset, dtype)


def _check_options_for_dataset(estimator, steps: list) -> None:
    augmenter = None if estimator.augmenter == "auto" else estimator.augmenter
    for name, value in (("cv", estimator.cv), ("augmenter", augmenter)):
        if value is not None:
            raise ValueError(
                f"{name}={value!r} needs the rows in an array, and X is a torch Dataset. Give a "
                f"fitted teacher, or teacher_proba, and {name}=None."
            )
    if steps:
        raise ValueError(
            "X is a torch Dataset, and the student's Pipeline would need its rows in an array. Let "
            "the dataset transform its images, and give the net alone."
        )


def _is_converted_later(X, dtype) -> bool:
    """Whether X has numbers of another dtype, such as bytes, and a copy of it would be large."""
    is_other = isinstance(X, np.ndarray) and X.dtype.kind in "biuf" and X.dtype != dtype
    return is_other and is_large(X, dtype)


def float_for(X) -> type:
    """The smallest floating dtype that holds the numbers of X exactly: float32 or float64.

    Categories of a frame are no numbers.
    """
    if is_frame(X):
        dtypes = [dtype for dtype in dtypes_of(X) if kind_of_dtype(dtype) != "categorical"]
    else:
        dtypes = [getattr(X, "dtype", None)]
    return np.float32 if all(map(_fits_float32, dtypes)) else np.float64


def _fits_float32(dtype) -> bool:
    if isinstance(dtype, np.dtype):
        return np.can_cast(dtype, np.float32)
    # Those of pandas' extensions and of polars, told by their names.
    return str(dtype).lower() in _FIT_FLOAT32


_FIT_FLOAT32 = {"boolean", "float16", "float32", "int8", "int16", "uint8", "uint16"}


def has_nan(X) -> bool:
    """Whether an array or CSR matrix of floats contains NaN."""
    return any(np.isnan(part).any() for part in _not_finite_parts(X))


def as_net_input(X, net, dtype=None):
    """What a student's preprocessing returned, as finite numbers for the net.

    In the net's dtype, or in the one that is given. Whole numbers stay whole for a module with an
    embedding.
    """
    if isinstance(X, LazyRows):  # of an X that was read as numbers
        return X
    if sparse.issparse(X):
        X = X.tocsr()
    else:
        X = np.asarray(X)
    whole = X.dtype.kind in "biu" and any(
        isinstance(part, (nn.Embedding, nn.EmbeddingBag)) for part in _parts(net)
    )
    if not whole:
        X = X.astype(net_dtype(net) if dtype is None else dtype, copy=False)
        _check_finite(X)
    return X


def _check_finite(X, *, allow_nan: bool = False) -> None:
    for part in _not_finite_parts(X):
        if not allow_nan:
            raise ValueError(
                "Input X contains NaN or infinity where it reaches the student's net. The teacher "
                "may accept missing values; for the student put an imputer into its Pipeline, or "
                "use student=None, which imputes by itself (missing values, if X had some in fit)."
            )
        if np.isinf(part).any():
            raise ValueError(
                f"Input X contains infinity or a value too large for {X.dtype!r}; only NaN stands "
                "for a missing value."
            )


def _not_finite_parts(X) -> Iterator[np.ndarray]:
    """Chunks of the entries of X that hold NaN or infinity."""
    entries = X.data if sparse.issparse(X) else X
    for rows in row_slices(entries):
        part = entries[rows]
        # A sum is finite where all is, unless it overflows, and takes no memory.
        if not np.isfinite(part.sum()) and not np.isfinite(part).all():
            yield part


def _parts(net) -> list:
    """The parts of the net's module, where it exists already."""
    module = getattr(net, "module_", net.module)
    return list(module.modules()) if isinstance(module, nn.Module) else []

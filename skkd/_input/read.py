"""How X is read: the teacher sees it as it is, the student's net gets finite numbers."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import check_array
from torch import Tensor

from .containers import LARGE, LazyRows, SomeRows, is_frame, row_slices
from .datasets import DatasetRows, as_rows
from .kinds import column_kinds, dtypes_of

_FIT_FLOAT32 = {"boolean", "float16", "float32", "int8", "int16", "uint8", "uint16"}


def read_container(X):
    """Return X in a container that has a shape and rows to take.

    Lists, tensors and the like become arrays, and torch Datasets lazy rows.
    """
    if isinstance(X, np.ndarray):
        return X
    if sparse.issparse(X):
        return X.tocsr()
    if isinstance(X, Tensor):
        X = X.detach().cpu()
        return (X.float() if X.dtype == torch.bfloat16 else X).numpy()
    X = as_rows(X)
    if not hasattr(X, "shape"):
        return np.asarray(X)
    if not hasattr(X, "dtype") and not is_frame(X):
        raise TypeError(
            f"X is a {type(X).__name__}; give an array, a pandas or polars frame, a sparse matrix "
            "or a torch Dataset. A table of pyarrow has to_pandas()."
        )
    return X


def read_rows(X, y) -> tuple:
    """Return X in such a container, and y: of a Dataset of pairs its labels, where y is None."""
    X = read_container(X)
    return X, X.labels() if y is None and isinstance(X, DatasetRows) else y


def read_numbers(X, dtype, *, allow_nan: bool = False) -> tuple:
    """Return X as an array, CSR matrix or lazy rows of finite numbers, and whether NaN is in it.

    Parameters
    ----------
    X : array, frame, sparse matrix, or LazyRows
    dtype : numpy dtype
    allow_nan : bool, default=False
        Whether NaN may stand for a missing value. Never in sparse matrices.

    Raises
    ------
    ValueError
        If X holds something that is not a finite number.
    """
    if isinstance(X, DatasetRows):
        return DatasetRows(X.dataset, dtype), False
    if len(X.shape) == 1 and len(X) and isinstance(np.asarray(X[:1])[0], str):
        raise ValueError(
            "X is raw text, and the student's net takes numbers. Give the student a vectorizer of "
            "its own, student=make_pipeline(TfidfVectorizer(max_features=2000), "
            "make_student('mlp')), and the teacher another: it gets the text as it is."
        )
    is_numeric = isinstance(X, np.ndarray) and X.dtype.kind in "biuf" and X.dtype != dtype
    if is_numeric and X.size * np.dtype(dtype).itemsize >= LARGE:
        # Bytes, say: a copy of all rows as floats would be large.
        X = SomeRows(X, None, dtype)
    elif not isinstance(X, LazyRows):
        X = check_array(X, accept_sparse="csr", dtype=dtype, allow_nd=True, ensure_all_finite=False)
    return X, check_finite(X, allow_nan=allow_nan and not sparse.issparse(X))


def as_tensor(X, device="cpu") -> Tensor:
    """Return a tensor over the same memory where the device allows; sparse X becomes dense."""
    if isinstance(X, Tensor):
        return X.to(device)
    if sparse.issparse(X):
        X = X.toarray()
    elif isinstance(X, LazyRows):
        X = X[:]
    X = np.ascontiguousarray(X)
    if min(X.strides, default=0) < 0:  # of a single row, say; torch has none
        X = X.copy()
    return torch.from_numpy(X if X.flags.writeable else _as_writeable(X)).to(device)


def _as_writeable(X: np.ndarray) -> np.ndarray:
    """Return a view of read-only memory that torch takes without a warning. Nobody writes to X."""

    class View:
        __array_interface__ = {**X.__array_interface__, "data": (X.ctypes.data, False)}
        owner = X

    return np.asarray(View())


def float_for(X) -> type:
    """Return the smallest floating dtype that holds the numbers of X: float32 or float64.

    Categories of a frame are no numbers.
    """
    if isinstance(X, np.ndarray):
        return np.float32 if np.can_cast(X.dtype, np.float32) else np.float64
    if not hasattr(X, "columns"):
        return _float_for_dtype(getattr(X, "dtype", None))
    categorical = set(column_kinds(X)["categorical"])
    dtypes = [
        dtype
        for position, (name, dtype) in enumerate(zip(X.columns, dtypes_of(X), strict=True))
        if name not in categorical and position not in categorical
    ]
    is_single = all(_float_for_dtype(dtype) is np.float32 for dtype in dtypes)
    return np.float32 if is_single else np.float64


def _float_for_dtype(dtype) -> type:
    if isinstance(dtype, np.dtype):
        return np.float32 if np.can_cast(dtype, np.float32) else np.float64
    # Dtypes of pandas' extensions and of polars are known by their names.
    return np.float32 if str(dtype).lower() in _FIT_FLOAT32 else np.float64


def check_finite(X, *, allow_nan: bool = False) -> bool:
    """Raise a ValueError if an array or CSR matrix of floats holds NaN or infinity.

    Returns
    -------
    has_nan : bool
        Never true without ``allow_nan``.
    """
    entries = X.data if sparse.issparse(X) else X
    if isinstance(entries, DatasetRows):
        return False  # whose images are checked when they are read
    # A sum takes no memory. It is finite where all entries are, unless it overflows.
    if isinstance(entries, np.ndarray) and entries.nbytes < LARGE:
        with np.errstate(all="ignore"):
            if np.isfinite(entries.sum()):
                return False
    has_nan = False
    for part in _parts_not_finite(entries):
        has_nan = True
        if not allow_nan:
            raise ValueError(
                "Input X contains NaN or infinity where it reaches the student's net. The teacher "
                "may accept missing values. For the student, put an imputer into its Pipeline, or "
                "use student=None, which imputes (missing values, if X had some in fit)."
            )
        if np.isinf(part).any():
            raise ValueError(
                f"Input X contains infinity or a value too large for {X.dtype!r}; only NaN stands "
                "for a missing value."
            )
    return has_nan


def _parts_not_finite(entries) -> Iterator[np.ndarray]:
    """Yield the chunks of some entries that hold NaN or infinity."""
    for rows in row_slices(entries):
        part = entries[rows]
        with np.errstate(all="ignore"):
            suspicious = not np.isfinite(part.sum())
        if suspicious and not np.isfinite(part).all():
            yield part

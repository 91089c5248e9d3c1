"""Random rows in every container that ``fit`` may be given."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import torch
from scipy import sparse
from torch.utils.data import TensorDataset

Generator = np.random.Generator


@dataclass
class Rows:
    """Rows as ``fit`` is given them.

    Attributes
    ----------
    kind : str
    X : object
    numbers : ndarray of shape (n_rows, n_columns)
        What the labels depend on.
    plain : ndarray or None
        The same rows as a plain array, where that must give the same model.
    """

    kind: str
    X: Any
    numbers: np.ndarray
    plain: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.numbers)


def take(X, index):
    """Return some rows of any container, in the order of ``index``."""
    if hasattr(X, "iloc"):
        return X.iloc[index]
    if isinstance(X, pa.Table):
        return X.take(index)
    if isinstance(X, TensorDataset):
        return TensorDataset(*(tensor[index] for tensor in X.tensors))
    if isinstance(X, list):
        return [X[i] for i in index]
    if sparse.issparse(X) and X.format == "coo":  # which older versions of scipy don't index
        return X.tocsr()[index].tocoo()
    return X[index]


def plain_numbers(X) -> np.ndarray:
    """Return some finite number for each entry of any container: what a teacher reads."""
    if isinstance(X, TensorDataset):
        X = X.tensors[0]
    if isinstance(X, torch.Tensor):
        X = X.detach().numpy()
    if sparse.issparse(X):
        X = X.toarray()
    if isinstance(X, pa.Table):
        X = pd.DataFrame({name: X[name].to_pylist() for name in X.column_names})
    if isinstance(X, pl.DataFrame):
        X = pd.DataFrame({name: X[name].to_list() for name in X.columns})
    if isinstance(X, pd.DataFrame):
        columns = [X.iloc[:, i].tolist() for i in range(X.shape[1])]
        X = np.array([[_number(value) for value in column] for column in columns]).T
    X = np.asarray(X)
    if X.dtype.kind in "OU":
        X = np.array([_number(value) for value in X.flat]).reshape(X.shape)
    with np.errstate(all="ignore"):
        return np.nan_to_num(X.reshape(len(X), -1).astype(np.float64)).clip(-1e6, 1e6)


def _number(value) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        text = str(value)
        return 0.0 if text in ("None", "nan", "<NA>", "NaT") else float(sum(map(ord, text)) % 7)
    return number if number == number else 0.0


# Arrays


def _plain(rng, Z, folder):
    return Rows("plain", Z, Z, Z)


def _same(kind: str, change: Callable) -> Callable:
    """Return a maker of the same numbers in another layout or container."""

    def make(rng, Z, folder):
        Z = Z.astype(rng.choice([np.float64, np.float32]))
        return Rows(kind, change(Z), Z, Z)

    make.__name__ = kind
    return make


def _read_only(Z):
    Z = Z.copy()
    Z.flags.writeable = False
    return Z


def _strided(Z):
    wide = np.repeat(np.repeat(Z, 2, axis=0), 3, axis=1)
    return wide[::2, ::3]


SAME = [
    _same("fortran", np.asfortranarray),
    _same("reversed", lambda Z: Z[::-1, ::-1].copy()[::-1, ::-1]),
    _same("read_only", _read_only),
    _same("strided", _strided),
    _same("swapped_bytes", lambda Z: Z.astype(Z.dtype.newbyteorder())),
    _same("subclass", lambda Z: Z.view(type("Own", (np.ndarray,), {}))),
    _same("tensor", lambda Z: torch.from_numpy(Z.copy())),
    _same("tensor_with_grad", lambda Z: torch.tensor(Z, requires_grad=True)),
    _same("frame", lambda Z: pd.DataFrame(Z, columns=[f"c{i}" for i in range(Z.shape[1])])),
    _same("frame_of_numbered_columns", lambda Z: pd.DataFrame(Z, index=range(9, len(Z) + 9))),
    _same("polars", lambda Z: pl.DataFrame(Z, schema=[f"c{i}" for i in range(Z.shape[1])])),
]


def _memmap(rng, Z, folder):
    path = Path(folder, f"rows-{rng.integers(1 << 40)}.npy")
    np.save(path, Z)
    return Rows("memmap", np.load(path, mmap_mode=rng.choice(["r", "c", "r+"])), Z, Z)


def _lists(rng, Z, folder):
    return Rows("lists", Z.tolist(), Z, Z)


def _objects(rng, Z, folder):
    return Rows("objects", Z.astype(object), Z, Z)


def _whole(rng, Z, folder):
    dtype = rng.choice(["int8", "int16", "int32", "int64", "uint8", "uint16", "uint64", "bool"])
    values = np.abs(Z * 10) if dtype.startswith("u") else Z * 10
    X = Z > 0 if dtype == "bool" else values.round().clip(-120, 250).astype(dtype)
    return Rows(f"whole_{dtype}", X, X.astype(float), None)


def _half(rng, Z, folder):
    X = Z.astype(np.float16)
    return Rows("float16", X, X.astype(float), X.astype(np.float32))


def _longdouble(rng, Z, folder):
    return Rows("longdouble", Z.astype(np.longdouble), Z, None)


def _odd_values(rng, Z, folder):
    """Numbers with gaps, sentinels, infinities, constants and the ends of their dtype."""
    X = Z.astype(rng.choice([np.float64, np.float32]))
    top = float(np.finfo(X.dtype).max)
    values = [np.nan, np.inf, -np.inf, 1e30, -999999.0, 2.0**31 - 1, top, -top, 1e-300, -0.0]
    value = rng.choice(values)
    column = rng.integers(X.shape[1])
    X[rng.random(len(X)) < rng.choice([0.02, 0.3, 1.0]), column] = value
    return Rows(f"odd_{value:g}", X, plain_numbers(X), None)


def _duplicates(rng, Z, folder):
    X = np.repeat(Z[: max(len(Z) // 10, 2)], 10, axis=0)
    X = X[np.arange(len(Z)) % len(X)]
    return Rows("duplicates", X, X, X)


def _masked(rng, Z, folder):
    return Rows("masked", np.ma.masked_array(Z, mask=np.zeros(Z.shape, bool)), Z, None)


def _sparse(rng, Z, folder):
    Z = np.where(rng.random(Z.shape) < 0.5, Z, 0).astype(rng.choice([np.float64, np.float32]))
    name = str(rng.choice(["csr_matrix", "csr_array", "csc_matrix", "coo_array", "dok_matrix"]))
    return Rows(name, getattr(sparse, name)(Z), Z, None)


def _images(rng, Z, folder):
    X = rng.random((len(Z), 1, 8, 8)).astype(rng.choice([np.float32, np.float64]))
    X[:, 0, :4] += Z[:, :1, None]
    if rng.random() < 0.3:
        X = (X * 20).clip(0, 255).astype(np.uint8)
    kind = str(rng.choice(["images", "image_tensor", "image_dataset"]))
    if kind == "images":
        return Rows(kind, X, Z, None)
    tensor = torch.from_numpy(X.astype(np.float32))
    return Rows(kind, tensor if kind == "image_tensor" else TensorDataset(tensor), Z, None)


# Frames


def _texts(rng, z, levels=4):
    return np.array(["low", "mid", "é high", "", "x y"], dtype=object)[
        np.digitize(z, [-0.7, 0.0, 0.7][: levels - 1])
    ]


def _with_gaps(rng, values, missing=None):
    values = list(values)
    for i in np.flatnonzero(rng.random(len(values)) < 0.1):
        values[i] = missing
    return values


PANDAS_COLUMNS: dict[str, Callable] = {
    "float64": lambda rng, z: pd.Series(z),
    "float32": lambda rng, z: pd.Series(z.astype(np.float32)),
    "float_gaps": lambda rng, z: pd.Series(_with_gaps(rng, z, np.nan)),
    "int64": lambda rng, z: pd.Series((z * 9).round().astype(int)),
    "int8": lambda rng, z: pd.Series((z * 9).round().clip(-99, 99).astype(np.int8)),
    "bool": lambda rng, z: pd.Series(z > 0),
    "Int64": lambda rng, z: pd.Series(
        _with_gaps(rng, (z * 9).round().astype(int).tolist(), pd.NA), dtype="Int64"
    ),
    "Float64": lambda rng, z: pd.Series(_with_gaps(rng, z.tolist(), pd.NA), dtype="Float64"),
    "boolean": lambda rng, z: pd.Series(_with_gaps(rng, (z > 0).tolist(), pd.NA), dtype="boolean"),
    "category": lambda rng, z: pd.Series(_texts(rng, z), dtype="category"),
    "category_of_ints": lambda rng, z: pd.Series(np.digitize(z, [-1, 0, 1]), dtype="category"),
    "category_gaps": lambda rng, z: pd.Series(_with_gaps(rng, _texts(rng, z)), dtype="category"),
    "object_texts": lambda rng, z: pd.Series(_texts(rng, z), dtype=object),
    "object_gaps": lambda rng, z: pd.Series(_with_gaps(rng, _texts(rng, z)), dtype=object),
    "object_nan": lambda rng, z: pd.Series(_with_gaps(rng, _texts(rng, z), np.nan), dtype=object),
    "object_numbers": lambda rng, z: pd.Series(z, dtype=object),
    "object_ints": lambda rng, z: pd.Series(np.digitize(z, [-1, 0, 1]), dtype=object),
    "object_bools_gaps": lambda rng, z: pd.Series(_with_gaps(rng, z > 0), dtype=object),
    "object_mixed": lambda rng, z: pd.Series(
        [f"t{v:.0f}" if v > 0.5 else round(v) for v in z], dtype=object
    ),
    "decimal": lambda rng, z: pd.Series([Decimal(f"{v:.3f}") for v in z], dtype=object),
    "string": lambda rng, z: pd.Series(_with_gaps(rng, _texts(rng, z), pd.NA), dtype="string"),
    "str": lambda rng, z: pd.Series(_texts(rng, z), dtype="str"),
    "ids": lambda rng, z: pd.Series([f"id{i}" for i in range(len(z))], dtype=object),
    "constant": lambda rng, z: pd.Series(["same"] * len(z), dtype=object),
    "all_missing": lambda rng, z: pd.Series([np.nan] * len(z)),
    "all_none": lambda rng, z: pd.Series([None] * len(z), dtype=object),
    "double[pyarrow]": lambda rng, z: pd.Series(z, dtype="double[pyarrow]"),
    "int64[pyarrow]": lambda rng, z: pd.Series(
        _with_gaps(rng, (z * 9).round().astype(int).tolist()), dtype="int64[pyarrow]"
    ),
    "bool[pyarrow]": lambda rng, z: pd.Series(z > 0, dtype="bool[pyarrow]"),
    "string[pyarrow]": lambda rng, z: pd.Series(_texts(rng, z), dtype="string[pyarrow]"),
    "sparse": lambda rng, z: pd.Series(pd.arrays.SparseArray(np.where(z > 0, z, 0.0))),
    "dates": lambda rng, z: pd.Series(pd.date_range("2020", periods=len(z))),
    "lists": lambda rng, z: pd.Series([[1]] * len(z), dtype=object),
}

POLARS_COLUMNS: dict[str, Callable] = {
    "Float64": lambda rng, z: pl.Series(z),
    "Float32": lambda rng, z: pl.Series(z.astype(np.float32)),
    "Float_gaps": lambda rng, z: pl.Series(_with_gaps(rng, z.tolist())),
    "Int32": lambda rng, z: pl.Series((z * 9).round().astype(np.int32)),
    "UInt8": lambda rng, z: pl.Series(np.abs(z * 9).astype(np.uint8)),
    "Boolean": lambda rng, z: pl.Series(_with_gaps(rng, (z > 0).tolist())),
    "String": lambda rng, z: pl.Series(_with_gaps(rng, _texts(rng, z))),
    "Categorical": lambda rng, z: pl.Series(list(_texts(rng, z)), dtype=pl.Categorical),
    "Enum": lambda rng, z: pl.Series(
        list(_texts(rng, z)), dtype=pl.Enum(["low", "mid", "é high", ""])
    ),
    "Decimal": lambda rng, z: pl.Series([Decimal(f"{v:.3f}") for v in z]),
    "Null": lambda rng, z: pl.Series([None] * len(z)),
    "Date": lambda rng, z: pl.Series(pd.date_range("2020", periods=len(z)).to_numpy()),
}

# A column may be called like an attribute.
_NAMES = ["a", "b", "schema", "shape", "dtypes", "columns", "x y", "é", "", "__", "iloc", "T"]


def _chosen(rng, Z, makers: dict[str, Callable]) -> list:
    kinds = rng.choice(list(makers), rng.integers(1, 6))
    columns = [makers[kind](rng, Z[:, i % Z.shape[1]]) for i, kind in enumerate(kinds)]
    return list(zip(map(str, kinds), columns, strict=True))


def _pandas(rng, Z, folder):
    columns = _chosen(rng, Z, PANDAS_COLUMNS)
    X = pd.concat([column for _, column in columns], axis=1)
    names: list = list(rng.permutation(_NAMES)[: X.shape[1]])
    if (style := rng.random()) < 0.1:
        names = list(range(X.shape[1]))
    elif style < 0.15 and len(names) > 1:
        names[1] = names[0]
    X.columns = [name if isinstance(name, int) else str(name) for name in names]
    if rng.random() < 0.3:
        X.index = rng.permutation(len(X)) if rng.random() < 0.5 else np.zeros(len(X), int)
    return Rows("pandas " + ",".join(kind for kind, _ in columns), X, Z)


def _polars(rng, Z, folder):
    columns = _chosen(rng, Z, POLARS_COLUMNS)
    names = map(str, rng.permutation(_NAMES))
    X = pl.DataFrame({name: column for name, (_, column) in zip(names, columns, strict=False)})
    return Rows("polars " + ",".join(kind for kind, _ in columns), X, Z)


def _pyarrow(rng, Z, folder):
    X = _polars(rng, Z, folder).X.to_arrow()
    return Rows("pyarrow", X, Z)


def _object_table(rng, Z, folder):
    """An array of Python objects with texts among the numbers."""
    X = Z.astype(object)
    X[:, 0] = _texts(rng, Z[:, 0])
    if rng.random() < 0.3:
        X[rng.random(len(X)) < 0.1, -1] = rng.choice([None, np.nan])
    return Rows("object_table", X, Z)


def _text_table(rng, Z, folder):
    return Rows("text_table", _texts(rng, Z[:, 0]).astype(str).reshape(-1, 1), Z)


def draw_rows(rng: Generator, folder) -> Rows:
    """Draw some rows."""
    n_rows, n_columns = int(rng.integers(50, 201)), int(rng.integers(1, 7))
    Z = rng.normal(size=(n_rows, n_columns)) * rng.choice([0.01, 1.0, 1.0, 300.0])
    makers = [
        _plain, _whole, _half, _longdouble, _odd_values, _odd_values, _duplicates, _masked, _lists,
        _objects, _memmap, _sparse, _sparse, _images, _images, _object_table, _text_table,
        _pyarrow, *[_pandas] * 8, *[_polars] * 3, *SAME,
    ]  # fmt: skip
    return makers[rng.integers(len(makers))](rng, Z, folder)

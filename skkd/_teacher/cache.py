"""The teacher's work on disk, found by what it depends on.

joblib.Memory keeps the results. The keys are ours. joblib hashes a forest of 500 trees in a third
of the time that the forest needs to predict 20,000 rows, and differently in each process, for there
is chance between the fields of its nodes. A pickle without copies, hashed by XXH3 where the package
xxhash is installed, is seven times faster.
"""

import copy
import hashlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import joblib
import numpy as np
import torch
from filelock import FileLock
from skorch import NeuralNet

from .._input import release
from .._warnings import warn

new_hash: Callable[..., Any]
try:
    from xxhash import xxh3_128 as new_hash
except ImportError:  # the other one is ten times slower, and there in every Python
    new_hash = partial(hashlib.blake2b, digest_size=16)

# Raised when what an entry holds changes, so that older ones are not found.
_VERSION = 1

_FOLDER = "skkd"

# A mapped array is hashed in parts, after each of which its pages are released.
_BYTES_AT_ONCE = 2**24


@dataclass
class Shelved:
    """A result in memory, or one in a cache that is read when it is needed.

    Attributes
    ----------
    value : object
    key : str or None
        The key of its entry in a cache.
    load : callable or None
        Reads it from the cache; then there is no ``value`` yet.
    """

    value: Any = None
    key: str | None = None
    load: Callable[[], Any] | None = None

    def get(self):
        """Return the result itself.

        Raises
        ------
        RuntimeError
            If it is in the cache no more, or can't be read.
        """
        if self.load is not None:
            self.value, self.load = self.load(), None
        return self.value

    @property
    def has_value(self) -> bool:
        """Whether the result is something else than None; the cache is not read."""
        return self.load is not None or self.value is not None

    def __reduce__(self):
        # A file with the estimator in it must not need the cache.
        return Shelved, (self.get(), self.key)


class Cache:
    """Results by key in a folder; nothing is kept where ``memory`` is None.

    An entry is written under another name and renamed, so that a killed process leaves none that is
    read. One that can't be read is computed again, with a warning. Of processes and threads that
    want the same entry one computes it and the others wait, where the file system has locks. A
    folder that can't be written gives a warning, and the work goes on.

    Parameters
    ----------
    memory : str, path, joblib.Memory or None
    """

    def __init__(self, memory=None):
        # Not Memory.cache: it drops all entries when the source of what it calls seems to change,
        # and hashes again what is hashed already.
        self._store: Any = None
        try:
            if memory is not None and not isinstance(memory, joblib.Memory):
                memory = joblib.Memory(os.fspath(memory), verbose=0)
            self._store = None if memory is None else memory.store_backend
        except OSError as error:
            self._give_up(error)

    def key(self, *parts, unfitted=None) -> str | None:
        """A key made of what a result depends on; None where nothing is kept.

        Parameters
        ----------
        *parts : object
            Arrays, frames, fitted estimators and all else that can be pickled. A str stands for
            itself, such as another key.
        unfitted : estimator, default=None
            One whose parameters count as well.
        """
        if self._store is None:
            return None
        try:
            hashes = [part if isinstance(part, str) else content_hash(part) for part in parts]
            # joblib minds no order of sets and dicts, which processes have in different ways. It
            # is slow, but parameters are few.
            hashes.append("" if unfitted is None else joblib.hash(unfitted))
        except Exception as error:  # anything, for it comes from a pickle
            self._give_up(error)
            return None
        return new_hash("/".join([str(_VERSION), *hashes]).encode()).hexdigest()

    def get(self, key: str | None, compute: Callable[[], Any], *, mapped: bool = False):
        """What ``compute()`` returns, from the cache where it is there.

        With ``mapped`` its arrays stay in the file, from which they are read when they are needed.
        """
        if key is None or not mapped or self._store is None:
            return self._find(key, compute, lazy=False).get()
        on_disk = copy.copy(self)
        on_disk._store = copy.copy(self._store)
        on_disk._store.mmap_mode, on_disk._store.compress = "r", False
        found = on_disk._find(key, compute, lazy=False)
        return (on_disk._look_up(key, lazy=False) or found).get()

    def shelve(self, key: str | None, compute: Callable[[], Any]) -> Shelved:
        """The same, but what is in the cache is only read when it is needed."""
        return self._find(key, compute, lazy=True)

    def _find(self, key, compute, lazy: bool) -> Shelved:
        if key is None or self._store is None:
            return Shelved(compute())
        if found := self._look_up(key, lazy):
            return found
        with _only_one(self._store, key):
            # Another process may have been faster.
            if found := self._look_up(key, lazy):
                return found
            with _in_this_worker():
                value = compute()
            self._write(key, value)
            return Shelved(value, key)

    def _look_up(self, key: str, lazy: bool) -> Shelved | None:
        if not self._store.contains_item([_FOLDER, key]):
            return None
        found = Shelved(key=key, load=partial(_load, self._store, key))
        try:
            if not lazy:
                found.get()
        except RuntimeError as error:
            warn(f"{error} It is computed again.")
            return None
        return found

    def _write(self, key: str, value) -> None:
        try:
            # joblib would leave a part of what can't be pickled as a whole.
            pickle.Pickler(_Sink(), protocol=5, buffer_callback=lambda buffer: None).dump(value)
        except Exception as error:  # anything, for pickling runs the code of the value
            self._give_up(error)
            return
        self._store.dump_item([_FOLDER, key], value, verbose=0)

    def _give_up(self, error: Exception) -> None:
        warn(
            f"The teacher's work is not cached ({type(error).__name__}: {error}). Give a memory "
            "that can be written, and a teacher that can be pickled (its class in a module, not in "
            "a script or notebook), or memory=None."
        )
        self._store = None


def _load(store, key: str):
    try:
        return store.load_item([_FOLDER, key], verbose=0)
    except Exception as error:  # anything, for it comes from a pickle
        store.clear_item([_FOLDER, key])
        raise RuntimeError(
            f"Entry {key} of the cache was removed or can't be read ({error!r}); call fit again."
        ) from error


@contextmanager
def _only_one(store, key: str) -> Iterator[None]:
    """Let one process or thread at a time do this; the system frees it if the process dies."""
    lock = None
    try:
        folder = os.path.join(store.location, "skkd-locks")
        os.makedirs(folder, exist_ok=True)
        lock = FileLock(os.path.join(folder, f"{key}.lock"))
        lock.acquire()
    except (OSError, NotImplementedError, TypeError):
        lock = None  # no locks there: two may compute the same, and the later one is kept
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def _in_this_worker() -> Iterator[None]:
    """Keep what a task of a dask cluster does in its own worker, as joblib's processes do.

    All other workers may be waiting for the entry that is being made. If it waited for them, nobody
    would ever work.
    """
    try:
        sys.modules["distributed"].get_worker()
    except (KeyError, ValueError):  # not even imported, or not in a task
        yield
        return
    with joblib.parallel_config("threading", n_jobs=1):
        yield


def content_hash(value) -> str:
    """A hash of 128 bits of what an object holds, with the dtypes and shapes of its arrays.

    Equal hashes mean equal content. Equal content can have different hashes where it is ordered in
    another way, such as an array by columns, or a set.
    """
    for fast in (True, False):
        try:
            return _hash_of_pickle(value, fast)
        except Exception:  # a cycle, or a class that can't be found by its name
            continue
    return joblib.hash(value)


def _hash_of_pickle(value, fast: bool) -> str:
    hasher = new_hash()
    pickler = _Pickler(
        _Sink(hasher), protocol=5, buffer_callback=lambda buffer: _update(hasher, buffer.raw())
    )
    # Without its memory of objects already seen, a pickler writes two equal strings as it does one.
    pickler.fast = fast
    pickler.dump(value)
    return hasher.hexdigest()


def _update(hasher, content: memoryview) -> None:
    for start in range(0, len(content), _BYTES_AT_ONCE):
        hasher.update(content[start : start + _BYTES_AT_ONCE])
        release(content.obj)


class _Pickler(pickle.Pickler):
    """Pickles equal content into equal bytes, in processes that got it in different ways."""

    def reducer_override(self, value):
        # Worker processes get large arrays as memory maps that can't be written.
        if type(value) in (np.ndarray, np.memmap) and not value.dtype.hasobject:
            return np.ndarray, _summary(value)
        # torch names the memory of tensors by its address, and skorch leaves its tensors to torch.
        if type(value) is torch.Tensor:
            content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            return torch.Tensor, (str(value.dtype), tuple(value.shape), content)
        if isinstance(value, NeuralNet):
            return type(value), (_in_order(vars(value)),)
        return NotImplemented


def _in_order(state: dict) -> list:
    """Attributes by name, and the entries of those that are sets in order."""
    return [
        (name, sorted(value) if isinstance(value, set) else value)
        for name, value in sorted(state.items())
    ]


def _summary(array: np.ndarray) -> tuple:
    """Shape, dtype, order and the hash of the entries."""
    is_by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    entries = array.T if is_by_columns else np.ascontiguousarray(array)
    name = array.dtype.str
    if array.dtype.names:
        name, entries = _without_padding(entries)
    hasher = new_hash()
    _update(hasher, entries.reshape(-1).view(np.uint8).data)
    return array.shape, name, is_by_columns, hasher.digest()


def _without_padding(records: np.ndarray) -> tuple[str, np.ndarray]:
    """The dtype and a copy of the bytes of a structured array, with zeros between its fields.

    What is there otherwise is chance; the nodes of scikit-learn's trees have seven bytes of it.
    """
    name, mask, columns = _padding(records.dtype)
    content = records.reshape(-1).view(mask.dtype).reshape(-1, len(mask)).copy()
    for column in columns:
        content[:, column] &= mask[column]
    return name, content


@lru_cache
def _padding(dtype: np.dtype) -> tuple[str, np.ndarray, np.ndarray]:
    """Name, ones for the bits of the fields in the largest words that fit, and words with zeros."""
    mask = np.zeros(dtype.itemsize, dtype=np.uint8)
    for field, offset, *_ in (dtype.fields or {}).values():
        mask[offset : offset + field.itemsize] = 255
    words = mask.view(np.uint64) if len(mask) % 8 == 0 else mask
    return str(dtype), words, np.flatnonzero(np.invert(words))


class _Sink:
    """A file that keeps nothing; a hasher may look at what is written."""

    def __init__(self, hasher=None):
        self.write = len if hasher is None else hasher.update


def check_memory(memory) -> None:
    """Raise a ValueError if ``memory`` is the path of a file."""
    if not isinstance(memory, (joblib.Memory, type(None))) and os.path.isfile(memory):
        raise ValueError(f"memory={os.fspath(memory)!r} is a file; give the path of a folder.")

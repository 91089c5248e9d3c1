"""The teacher's work on disk, found by what it depends on.

joblib.Memory keeps the results. The keys are ours. joblib hashes a forest of 500 trees in a third
of the time that the forest needs to predict 20,000 rows, and differently in each process, for there
is chance between the fields of its nodes. A pickle without copies, hashed by XXH3, is seven times
faster.
"""

import os
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import joblib
import numpy as np
import torch
from filelock import FileLock
from skorch import NeuralNet
from xxhash import xxh3_128

from ._chunks import release

# Raised when what an entry holds changes, so that older ones are not found.
_VERSION = 1

# A mapped array is hashed in parts, after each of which its pages are released.
_BYTES_AT_ONCE = 2**24


class Shelved:
    """A result in memory, or one on disk that is read when it is needed.

    Parameters
    ----------
    value : object
    key : str or None
        The key of its entry in a cache.
    stored : joblib.memory.MemorizedResult or None
        Where it is on disk, instead of ``value``.
    """

    def __init__(self, value=None, key: str | None = None, stored=None):
        self._value, self.key, self._stored = value, key, stored

    def get(self):
        """The result itself.

        Raises
        ------
        RuntimeError
            If it was removed from the disk before it was needed.
        """
        if self._stored is not None:
            try:
                self._value = self._stored.get()
            except Exception as error:  # anything, for it comes from a pickle
                self._stored.clear()
                raise RuntimeError(
                    f"{self._stored!r} was removed from the cache or is damaged, and had not been "
                    "read yet. Call fit again."
                ) from error
            self._stored = None
        return self._value

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
        self._memory: joblib.Memory | None = None
        try:
            self._memory = _open(memory)
        except OSError as error:
            self._give_up(error)

    def key(self, *parts) -> str | None:
        """A key made of what a result depends on; None where nothing is kept.

        Parameters
        ----------
        *parts : object
            Arrays, frames, estimators and all else that can be pickled. A str stands for itself,
            such as another key.
        """
        if self._memory is None:
            return None
        try:
            hashes = [part if isinstance(part, str) else content_hash(part) for part in parts]
        except Exception as error:  # anything, for it comes from a pickle
            self._give_up(error)
            return None
        return xxh3_128("/".join([str(_VERSION), *hashes]).encode()).hexdigest()

    def get(self, key: str | None, compute: Callable[[], Any], *, mapped: bool = False):
        """What ``compute()`` returns, from the cache where it is there.

        With ``mapped`` its arrays stay in the file, from which they are read when they are needed.
        """
        return self._call(key, compute, lambda cached, work: cached(key, work), mapped)

    def shelve(self, key: str | None, compute: Callable[[], Any]) -> Shelved:
        """The same, but what is in the cache is only read when it is needed."""

        def shelve(cached, work):
            stored = cached.call_and_shelve(key, work)
            return Shelved(work.result, key) if work.is_done else Shelved(key=key, stored=stored)

        shelved = self._call(key, compute, shelve)
        return shelved if isinstance(shelved, Shelved) else Shelved(shelved, key)

    def _call(self, key, compute, call, mapped=False):
        if key is None or self._memory is None:
            return compute()
        work = _Work(compute)
        try:
            memory = self._memory
            if mapped and memory.backend == "local":
                memory = joblib.Memory(memory.location, mmap_mode="r", verbose=0)
            cached = memory.cache(_result, ignore=["work"])
            if cached.check_call_in_cache(key, work):
                return call(cached, work)
            with _only_one(self._memory, key):
                return call(cached, work)  # which looks again: another process may have been first
        except Exception as error:
            if work.is_done:  # it could not be stored, or not be read back
                self._give_up(error)
                return work.result
            if work.is_begun or not isinstance(error, OSError):
                raise
            self._give_up(error)
            return compute()

    def _give_up(self, error: Exception) -> None:
        warnings.warn(
            f"The teacher's work is not cached ({type(error).__name__}: {error}). Give a memory "
            "that can be written and a teacher that can be pickled, or memory=None.",
            stacklevel=2,
        )
        self._memory = None


@contextmanager
def _only_one(memory: joblib.Memory, key: str) -> Iterator[None]:
    """Let one process or thread at a time do this; the system frees it if the process dies."""
    lock = None
    try:
        folder = os.path.join(memory.store_backend.location, "skkd-locks")
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
    hasher = xxh3_128()

    def update(buffer: pickle.PickleBuffer) -> None:
        content = buffer.raw()
        for start in range(0, len(content), _BYTES_AT_ONCE):
            hasher.update(content[start : start + _BYTES_AT_ONCE])
            release(content.obj)

    pickler = _Pickler(_Sink(hasher), protocol=5, buffer_callback=update)
    # Without its memory of objects already seen, a pickler writes two equal strings as it does one.
    pickler.fast = fast
    pickler.dump(value)
    return hasher.hexdigest()


class _Pickler(pickle.Pickler):
    """Pickles equal content into equal bytes, in processes that got it in different ways."""

    def reducer_override(self, value):
        if isinstance(value, np.ndarray) and value.dtype.names:
            return np.ndarray, (value.shape, *_without_padding(value))
        if isinstance(value, np.memmap):  # worker processes get large arrays as these
            return np.asarray(value).__reduce_ex__(5)
        # torch names the memory of tensors by its address, and skorch leaves its tensors to torch.
        if type(value) is torch.Tensor:
            content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            return torch.Tensor, (str(value.dtype), tuple(value.shape), content)
        if isinstance(value, NeuralNet):
            return type(value), (), vars(value)
        return NotImplemented


def _without_padding(records: np.ndarray) -> tuple[str, np.ndarray]:
    """The dtype and a copy of the bytes of a structured array, with zeros between its fields.

    What is there otherwise is chance; the nodes of scikit-learn's trees have seven bytes of it.
    """
    name, mask, columns = _padding(records.dtype)
    content = np.ascontiguousarray(records).reshape(-1).view(mask.dtype).reshape(-1, len(mask))
    content = content.copy()
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
    """A file that keeps nothing."""

    def __init__(self, hasher):
        self.write = hasher.update


class _Work:
    """A computation that knows how far it is."""

    def __init__(self, compute: Callable[[], Any]):
        self.compute = compute
        self.is_begun = self.is_done = False
        self.result: Any = None

    def __call__(self):
        self.is_begun = True
        self.result = self.compute()
        self.is_done = True
        return self.result


def _result(key: str, work: _Work):
    """What joblib.Memory calls where it has no entry for the key."""
    return work()


def check_memory(memory) -> None:
    """Raise a ValueError if ``memory`` is the path of a file."""
    if not isinstance(memory, (joblib.Memory, type(None))) and os.path.isfile(memory):
        raise ValueError(f"memory={os.fspath(memory)!r} is a file; give the path of a folder.")


def _open(memory) -> joblib.Memory | None:
    if memory is not None and not isinstance(memory, joblib.Memory):
        memory = joblib.Memory(os.fspath(memory), verbose=0)
    return None if memory is None or memory.store_backend is None else memory

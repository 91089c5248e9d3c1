"""The teacher's work on disk, found by what it depends on.

joblib.Memory keeps the results; the keys are ours, and so is a hash of each entry, by which damage
is noticed.
"""

import contextlib
import copy
import os
import pickle
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import joblib
from filelock import FileLock, Timeout

from .._atomic_write import write
from .._warnings import warn
from .hashing import content_hash, hash_of_file, new_hash

# Raised when what an entry holds changes, so that older ones are not found.
_VERSION = 3

_FOLDER, _HASH = "skkd", "hash"

# Seconds after which a waiting process says what it waits for.
_PATIENCE = 10.0


@dataclass
class Shelved:
    """A result in memory, or one in a cache that is read when it is needed.

    Attributes
    ----------
    value : object
    key : str or None
        The key of its entry in a cache.
    load : callable or None
        Reads ``value`` from the cache. None: ``value`` is there.
    compute : callable or None
        Makes ``value`` again if it can't be read. Forgotten at the end of a fit: it holds rows.
    """

    value: Any = None
    key: str | None = None
    load: Callable[[], Any] | None = None
    compute: Callable[[], Any] | None = None

    def get(self):
        """Return the result itself.

        Raises
        ------
        RuntimeError
            If it is in the cache no more, or damaged, and can't be made again.
        """
        if self.load is not None:
            try:
                self.value = self.load()
            except RuntimeError as error:
                if self.compute is None:
                    raise RuntimeError(f"{error} To restore it, call fit again.") from error
                warn(f"{error} It is computed again.")
                self.value = self.compute()
            self.load = None
        return self.value

    def settled(self) -> "Shelved":
        """Return the same, without what could make it again."""
        return Shelved(self.value, self.key, self.load)

    @property
    def has_value(self) -> bool:
        """Whether the result is something else than None; the cache is not read."""
        return self.load is not None or self.value is not None

    def __reduce__(self):
        # A file with the estimator in it must not need the cache.
        try:
            value = self.get()
        except RuntimeError as error:
            warn(f"The teacher is left out of the pickle: {error}")
            value = None
        return Shelved, (value, self.key)


class Cache:
    """Results by key in a folder; nothing is kept where ``memory`` is None.

    A killed process leaves no entry that is read. An entry that is damaged, by its hash, or can't
    be read is computed again, with a warning. Of processes and threads that want the same entry one
    computes it and the others wait, where the file system has locks. A folder that can't be written
    gives a warning, and the work goes on.

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
        """Return a key made of what a result depends on; None where nothing is kept.

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
        """Return what ``compute()`` returns, from the cache where it is there.

        With ``mapped`` its arrays stay in the file, from which they are read when they are needed.
        """
        if key is None or not mapped or self._store is None:
            return self._find(key, compute, lazy=False).get()
        on_disk = copy.copy(self)
        on_disk._store = copy.copy(self._store)
        on_disk._store.mmap_mode, on_disk._store.compress = "r", False
        found = on_disk._find(key, compute, lazy=False)
        return (on_disk._look_up(key, compute, lazy=False) or found).get()

    def shelve(self, key: str | None, compute: Callable[[], Any]) -> Shelved:
        """Return the same, but read from the cache only when it is needed."""
        return self._find(key, compute, lazy=True)

    def _find(self, key, compute, lazy: bool) -> Shelved:
        if key is None or self._store is None:
            return Shelved(compute())
        if found := self._look_up(key, compute, lazy):
            return found
        with _only_one(self._store, key):
            # Another process may have been faster.
            if found := self._look_up(key, compute, lazy, locked=True):
                return found
            with _in_this_worker():
                value = compute()
            self._write(key, value)
            return Shelved(value, key)

    def _look_up(
        self, key: str, compute: Callable[[], Any], lazy: bool, locked: bool = False
    ) -> Shelved | None:
        # The hash is written last: without it another process is still writing, or was killed.
        if not (_path(self._store, key).exists() and _hash_path(self._store, key).exists()):
            return None
        found = Shelved(None, key, partial(_load, self._store, key), compute)
        if not lazy:
            try:
                found.value, found.load = _load(self._store, key, locked), None
            except RuntimeError as error:
                warn(f"{error} It is computed again.")
                return None
        return found

    def _write(self, key: str, value) -> None:
        try:
            # joblib would leave a part of what can't be pickled as a whole.
            pickle.Pickler(_Nowhere(), protocol=5, buffer_callback=_ignored).dump(value)
        except Exception as error:  # anything, for pickling runs the code of the value
            self._give_up(error)
            return
        try:
            with warnings.catch_warnings():
                # joblib's own; ours says what to do.
                warnings.filterwarnings("ignore", "Unable to cache to disk")
                self._store.dump_item([_FOLDER, key], value, verbose=0)
            digest = hash_of_file(_path(self._store, key))
            write(_hash_path(self._store, key), digest.encode())
        except OSError as error:  # joblib itself says nothing of a full disk
            self._store.clear_item([_FOLDER, key])
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        warn(
            f"The teacher's work is not cached ({type(error).__name__}: {error}). Give a memory "
            "that can be written, and a teacher that can be pickled (its class in a module, not in "
            "a script or notebook), or memory=None."
        )
        self._store = None


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: bytes) -> int:
        return len(data)


def _ignored(buffer) -> None:
    """Take a pickle's buffer without keeping it."""


def _path(store, key: str) -> Path:
    return Path(store.location, _FOLDER, key, "output.pkl")


def _hash_path(store, key: str) -> Path:
    return _path(store, key).with_name(_HASH)


def _load(store, key: str, locked: bool = False):
    """Return the value of an entry; remove the entry and raise a RuntimeError if it is damaged.

    ``locked`` says that the caller holds its lock. Without it the entry is read a second time under
    the lock: another process may have been at work on it.
    """
    try:
        return _read(store, key)
    except Exception as error:  # anything, for it comes from a pickle
        if locked:
            with contextlib.suppress(OSError):
                store.clear_item([_FOLDER, key])
        elif _path(store, key).exists():
            with _only_one(store, key):
                return _load(store, key, locked=True)
        raise RuntimeError(
            f"Entry {key} of the cache was removed or can't be read ({error!r})."
        ) from error


def _read(store, key: str):
    path = _path(store, key)
    if _hash_path(store, key).read_text() != hash_of_file(path):
        raise ValueError("its bytes have changed")
    return store.load_item([_FOLDER, key], verbose=0)


@contextmanager
def _only_one(store, key: str) -> Iterator[None]:
    """Let one process or thread at a time do this; the system frees it if the process dies."""
    lock = None
    try:
        folder = os.path.join(store.location, "skkd-locks")
        os.makedirs(folder, exist_ok=True)
        lock = FileLock(os.path.join(folder, f"{key}.lock"))
        _acquire(lock)
    except (OSError, NotImplementedError, TypeError) as error:
        if isinstance(error, TimeoutError):  # of the caller's own alarm
            raise
        lock = None  # no locks there: two may compute the same, and the later one is kept
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _acquire(lock: FileLock) -> None:
    """Wait for a lock; say who is waited for if that takes long."""
    holder = Path(f"{lock.lock_file}.holder")
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        who = holder.read_text() if holder.exists() else "another process"
        warn(
            f"Waiting for {who}, which does the same work of the teacher for this memory. If it "
            f"hangs, end it; the work then goes on here. The lock is {lock.lock_file}."
        )
        lock.acquire()
    with contextlib.suppress(OSError):
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}")


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


def check_memory(memory) -> None:
    """Raise a ValueError unless ``memory`` can be the path of a folder."""
    if isinstance(memory, joblib.Memory):
        return
    path = os.fspath(memory)
    try:
        is_path = bool(path) and b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_path = False
    if not is_path:
        raise ValueError(f"memory={path!r} is no path; give the path of a folder, or None.")
    if os.path.isfile(path):
        raise ValueError(f"memory={path!r} is a file; give the path of a folder.")

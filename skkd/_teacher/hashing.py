"""Hash what objects hold, so that the cache finds the teacher's work again.

joblib's own hash differs between processes for scikit-learn's trees: there is chance between the
fields of their nodes. It also takes seven times as long as a pickle without copies, hashed by XXH3
where the package xxhash is installed.
"""

import hashlib
import pickle
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import joblib
import numpy as np
import torch
from skorch import NeuralNet

from .._input import release

new_hash: Callable[..., Any]
try:
    from xxhash import xxh3_128 as new_hash
except ImportError:  # the other one is ten times slower, and there in every Python
    new_hash = partial(hashlib.blake2b, digest_size=16)

# A mapped array is hashed in parts, after each of which its pages are released.
_BYTES_AT_ONCE = 2**24


def content_hash(value) -> str:
    """Return a hash of what an object holds: 128 bits as hexadecimal digits.

    Arrays enter with their dtypes and shapes. Equal hashes mean equal content. Equal content can
    have different hashes if its order differs, such as an array by columns, or a set.
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
    """Pickle equal content into equal bytes, in whichever process."""

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
    """Return attributes ordered by name, with the entries of sets in order."""
    return [
        (name, sorted(value) if isinstance(value, set) else value)
        for name, value in sorted(state.items())
    ]


def _summary(array: np.ndarray) -> tuple:
    """Return shape, dtype, order and the hash of the entries."""
    is_by_columns = array.flags.f_contiguous and not array.flags.c_contiguous
    entries = array.T if is_by_columns else np.ascontiguousarray(array)
    name = array.dtype.str
    if array.dtype.names:
        name, entries = _without_padding(entries)
    hasher = new_hash()
    _update(hasher, entries.reshape(-1).view(np.uint8).data)
    return array.shape, name, is_by_columns, hasher.digest()


def _without_padding(records: np.ndarray) -> tuple[str, np.ndarray]:
    """Return the dtype and the bytes of a structured array, with padding zeroed.

    What is there otherwise is chance; the nodes of scikit-learn's trees have seven bytes of it.
    """
    name, mask, columns = _padding(records.dtype)
    content = records.reshape(-1).view(mask.dtype).reshape(-1, len(mask)).copy()
    for column in columns:
        content[:, column] &= mask[column]
    return name, content


@lru_cache
def _padding(dtype: np.dtype) -> tuple[str, np.ndarray, np.ndarray]:
    """Return name, bit mask of the fields in words, and the words with padding."""
    mask = np.zeros(dtype.itemsize, dtype=np.uint8)
    for field, offset, *_ in (dtype.fields or {}).values():
        mask[offset : offset + field.itemsize] = 255
    words = mask.view(np.uint64) if len(mask) % 8 == 0 else mask
    return str(dtype), words, np.flatnonzero(np.invert(words))


class _Sink:
    """Act as a file that keeps nothing and may feed a hasher."""

    def __init__(self, hasher=None):
        self.write = len if hasher is None else hasher.update


def hash_of_file(path) -> str:
    """Return a hash of the bytes of a file."""
    hasher = new_hash()
    with open(path, "rb") as file:
        while part := file.read(_BYTES_AT_ONCE):
            hasher.update(part)
    return hasher.hexdigest()

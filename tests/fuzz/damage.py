"""Damaged files: refused, computed again, or right; never wrong, and never an error from below."""

import io
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from skkd import DistilledClassifier
from skkd.export import OnnxStudent, load, save, to_onnx

from .watch import Wrong, is_allowed, last_of_skkd, no_noise


def _table(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"a": rng.normal(size=80), "b": rng.choice(["u", "v"], 80)})
    return X, (X["a"] > 0).to_numpy().astype(int)


X, Y = _table(0)
NUMBERS = X[["a"]].to_numpy()


def _classifier(seed: int, **params) -> DistilledClassifier:
    clf = DistilledClassifier(None, augmenter=None, random_state=seed, **params)
    return clf.set_params(student__max_epochs=2, student__module__hidden=(8,))


@cache
def originals(kind: str) -> tuple[dict[str, bytes], np.ndarray]:
    """Return two files of a kind, and the probabilities that the first one gives."""
    files, expected = {}, np.empty(0)
    with tempfile.TemporaryDirectory() as folder:
        for name, seed in (("one", 1), ("other", 2)):
            path = Path(folder, name)
            clf = _classifier(seed).fit(X, Y, teacher_proba=np.eye(2)[Y])
            if kind == "onnx":
                to_onnx(clf, path, X)
            else:
                save(clf.student_only() if kind == "student" else clf, path)
            files[name] = path.read_bytes()
            expected = READERS[kind](path) if name == "one" else expected
    return files, expected


READERS: dict[str, Callable] = {
    "saved": lambda path: load(path).predict_proba(X),
    "student": lambda path: load(path).predict_proba(X),
    "onnx": lambda path: OnnxStudent(path).predict_proba(X),
}


# Ways to damage bytes


def _flip(rng, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 1, 20]))):
        changed[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(rng, data: bytes, other: bytes) -> bytes:
    return data[: int(rng.integers(len(data)))]


def _cut_in_the_middle(rng, data: bytes, other: bytes) -> bytes:
    start, stop = np.sort(rng.integers(len(data), size=2))
    return data[:start] + data[stop:]


def _zero(rng, data: bytes, other: bytes) -> bytes:
    start = int(rng.integers(len(data)))
    size = min(int(rng.integers(1, 4096)), len(data) - start)
    return data[:start] + bytes(size) + data[start + size :]


def _append(rng, data: bytes, other: bytes) -> bytes:
    return data + rng.bytes(int(rng.integers(1, 99)))


def _splice(rng, data: bytes, other: bytes) -> bytes:
    # Behind the first header, of which zip has a copy: otherwise it is the other file, and right.
    size = min(len(data), len(other))
    where = int(rng.integers(size // 4, size))
    return data[:where] + other[where:]


def _swap_blocks(rng, data: bytes, other: bytes) -> bytes:
    size = int(rng.integers(1, len(data) // 4))
    a, b = np.sort(rng.integers(len(data) - size, size=2))
    if a + size > b:
        return _flip(rng, data, other)
    return (
        data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]
    )


def _other_member(rng, data: bytes, other: bytes) -> bytes:
    """Take one part of the zip file from another one, or damage it, with the checksums of zip."""

    try:
        ours, theirs = (zipfile.ZipFile(io.BytesIO(one)) for one in (data, other))
    except zipfile.BadZipFile:
        return _splice(rng, data, other)
    chosen = str(rng.choice(ours.namelist()))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in ours.namelist():
            part = ours.read(name)
            if name == chosen:
                part = theirs.read(name) if rng.random() < 0.5 else _flip(rng, part, part)
            archive.writestr(name, part)
    return file.getvalue()


DAMAGES = [
    _flip, _flip, _flip, _cut, _cut_in_the_middle, _zero, _append, _splice, _swap_blocks,
    _other_member,
]  # fmt: skip


def run_damage(seed: int) -> str:
    """Damage a file and read it; return "right", or "refused: ..." with the message."""
    rng = np.random.default_rng([26, seed])
    kind = str(rng.choice(["saved", "student", "onnx", "cache"]))
    damage = DAMAGES[int(rng.integers(len(DAMAGES)))]
    try:
        if kind == "cache":
            return _damaged_cache(rng, damage)
        return _damaged_file(rng, kind, damage)
    except BaseException as error:
        error.add_note(f"{kind}, {damage.__name__}")
        raise


def _damaged_file(rng, kind: str, damage: Callable) -> str:
    files, expected = originals(kind)
    damaged = damage(rng, files["one"], files["other"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "damaged")
        path.write_bytes(damaged)
        try:
            with no_noise():
                found = READERS[kind](path)
        except Exception as error:
            if not is_allowed(error):
                raise
            return f"refused: {type(error).__name__} at {last_of_skkd(error)}: {error}"
    if damaged == files["other"]:
        return "right"
    if found.shape != expected.shape or not np.array_equal(found, expected):
        raise Wrong(f"another answer from a damaged file, {len(damaged)} bytes")
    return "right"


# The cache


@cache
def _cached() -> tuple[Path, np.ndarray]:
    """Return a folder with the teacher's work, and the probabilities of the fit that made it."""
    folder = Path(tempfile.mkdtemp(prefix="skkd-fuzz-"))
    return folder, _fit_with(folder)


def _fit_with(memory: Path) -> np.ndarray:
    clf = _classifier(1, memory=memory, cv=3)
    return clf.set_params(teacher=LogisticRegression()).fit(NUMBERS, Y).predict_proba(NUMBERS)


def _damaged_cache(rng, damage: Callable) -> str:
    """Damage, remove or swap entries; fit again, and once more."""
    source, expected = _cached()
    with tempfile.TemporaryDirectory() as folder:
        memory = Path(folder, "memory")
        shutil.copytree(source, memory)
        files = sorted(path for path in memory.rglob("*") if path.is_file())
        path, other = (files[int(i)] for i in rng.integers(len(files), size=2))
        style = rng.choice(["damage"] * 6 + ["swap", "remove", "folder", "empty"])
        if style == "damage" and path.stat().st_size > 8:
            path.write_bytes(damage(rng, path.read_bytes(), other.read_bytes() or b"x"))
        elif style == "swap":
            one, two = path.read_bytes(), other.read_bytes()
            path.write_bytes(two)
            other.write_bytes(one)
        elif style == "folder":
            path.unlink()
            path.mkdir()
        elif style == "empty":
            path.write_bytes(b"")
        else:
            path.unlink()
        for which in ("the fit", "the next fit"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = _fit_with(memory)
            if not np.array_equal(found, expected):
                raise Wrong(f"{which} from a damaged cache gives another answer ({style})")
    return "right"

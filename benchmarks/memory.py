"""How much memory a fit takes, on rows larger than memory and on rows in memory.

- *On disk*: X is a read-only ``numpy.memmap`` of 20 million rows and 50 columns of float32, 4 GB in
  a temporary folder. A cheap fitted teacher labels them, and a small student sees each row once.
  Pages of a mapped file count as resident while they are mapped, though the system can drop them
  at any time; they are reported by themselves, next to the memory that only this process can free.
- *In memory*: 200,000 rows of 50 columns. What a fit adds at its peak, as a ratio to the size of X
  and of the soft targets in the dtype of X.

Each measurement is a process of its own, which has fitted a small data set before, so that
libraries are loaded, and which gives memory back to the system when it is freed. The peak is the
kernel's (``VmHWM``); its two parts are the largest that were seen, two hundred times a second.
Linux only.

    OMP_NUM_THREADS=1 python -m benchmarks.memory --json benchmarks/results/memory.json
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import tempfile
import threading
import time
import unittest.mock
from pathlib import Path

import numpy as np
import sklearn
import torch
from skorch import NeuralNetClassifier
from torch import nn

import skkd
from skkd import DistilledClassifier
from skkd.students import default_student

N_FEATURES, N_CLASSES = 50, 3
MB = 1e6
_WRITTEN_AT_ONCE = 100_000
# Blocks of so many bytes go back to the system when they are freed (mallopt(3), glibc).
_FREED_FROM = 65536


class Linear:
    """A fitted teacher that costs one matrix product."""

    def __init__(self):
        self.classes_ = np.arange(N_CLASSES)
        self.coef = np.random.default_rng(1).normal(size=(N_FEATURES, N_CLASSES)) / 5

    def predict_proba(self, X):
        logits = X @ self.coef.astype(X.dtype)
        proba = np.exp(logits - logits.max(axis=1, keepdims=True))
        return proba / proba.sum(axis=1, keepdims=True)


class Net(nn.Module):
    """A small student."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_features, 32), nn.ReLU(), nn.Linear(32, n_classes))

    def forward(self, X):
        return self.layers(X)


class Peaks(threading.Thread):
    """The largest resident sizes in bytes while a ``with`` block runs: all, anonymous, of files."""

    def __enter__(self):
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        self.before, self.largest = resident(), resident()
        self.is_done = False
        self.start()
        return self

    def __exit__(self, *error):
        self.is_done = True
        self.join()
        self.largest["VmRSS"] = resident()["VmHWM"]

    def run(self):
        while not self.is_done:
            now = resident()
            self.largest = {name: max(now[name], self.largest[name]) for name in now}
            time.sleep(0.005)


def resident() -> dict[str, int]:
    """Sizes in bytes, by their names in ``/proc/self/status``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = dict(line.split(":") for line in lines)
    names = ("VmRSS", "VmHWM", "RssAnon", "RssFile")
    return {name: int(sizes[name].split()[0]) * 1024 for name in names}


def classifier(batch_size: int, **params) -> DistilledClassifier:
    net = NeuralNetClassifier(
        Net, optimizer=torch.optim.Adam, lr=1e-3, max_epochs=1, batch_size=batch_size
    )
    if params.get("student") == "default":
        net = default_student().set_params(max_epochs=1)
    # So many rows as are measured here get no new ones by default.
    return DistilledClassifier(
        Linear(), augmenter=None, random_state=0, **params | {"student": net}
    )


def make_rows(n_rows: int, seed: int, dtype) -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels that the teacher is mostly right about."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, N_FEATURES), dtype=np.float32).astype(dtype, copy=False)
    flipped = rng.random(n_rows) < 0.2
    labels = np.where(flipped, rng.integers(N_CLASSES, size=n_rows), (X @ Linear().coef).argmax(1))
    return X, labels


def write_rows(folder: str, n_rows: int) -> None:
    X = np.lib.format.open_memmap(
        f"{folder}/X.npy", "w+", dtype=np.float32, shape=(n_rows, N_FEATURES)
    )
    y = np.lib.format.open_memmap(f"{folder}/y.npy", "w+", dtype=np.int64, shape=(n_rows,))
    for start in range(0, n_rows, _WRITTEN_AT_ONCE):
        part = slice(start, min(start + _WRITTEN_AT_ONCE, n_rows))
        X[part], y[part] = make_rows(part.stop - start, start, np.float32)


def warm_up(dtype: str = "float32", **params) -> None:
    """Let libraries take what they take when they are first used, by a fit of the same kind."""
    X, y = make_rows(2000, 0, dtype)
    clf = classifier(500, **params).fit(X, y)
    clf.predict(X)


def measure_on_disk(folder: str, batch_size: int, params: dict) -> dict:
    """Peaks of a fit on the rows of a folder."""
    warm_up()
    X, y = np.load(f"{folder}/X.npy", mmap_mode="r"), np.load(f"{folder}/y.npy")
    clf = classifier(batch_size, **params)
    start = time.perf_counter()
    with Peaks() as peaks:
        clf.fit(X, y)
    seconds = time.perf_counter() - start
    with Peaks() as later:
        predicted = clf.predict(X)
    return {
        "rows": len(X),
        "X": X.nbytes / MB,
        "before": peaks.before["VmRSS"] / MB,
        "peak": peaks.largest["VmRSS"] / MB,
        "peak, anonymous": peaks.largest["RssAnon"] / MB,
        "peak, mapped files": peaks.largest["RssFile"] / MB,
        "before predict": later.before["VmRSS"] / MB,
        "peak of predict": later.largest["VmRSS"] / MB,
        "seconds": seconds,
        "accuracy": float(np.mean(predicted == y)),
    }


def measure_in_memory(n_rows: int, dtype: str, params: dict) -> dict:
    """What a fit adds to the rows that are there already."""
    warm_up(dtype, **params)
    X, y = make_rows(n_rows, 0, dtype)
    size = X.nbytes + n_rows * N_CLASSES * X.itemsize
    clf = classifier(256, **params)
    with Peaks() as peaks:
        clf.fit(X, y)
    added = peaks.largest["VmRSS"] - peaks.before["VmRSS"]
    return {
        "rows": n_rows,
        "dtype": dtype,
        "student": params.get("student", "small"),
        "X and targets": size / MB,
        "added": added / MB,
        "ratio": added / size,
    }


def in_a_process(function, *args) -> dict:
    """Call a function in a fresh process, whose memory is its own."""
    with gives_back_freed_blocks(), multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)


@contextlib.contextmanager
def gives_back_freed_blocks():
    """Make the C library of new processes give freed blocks back to the system at once.

    Otherwise a peak is what a fit holds and the gaps between its blocks. Those differ by half from
    run to run.
    """
    with unittest.mock.patch.dict(os.environ, {"MALLOC_MMAP_THRESHOLD_": str(_FREED_FROM)}):
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000_000, help="rows on disk")
    parser.add_argument("--batch-size", type=int, default=4096, help="of the student on disk")
    parser.add_argument("--json", help="also write the results to this file")
    args = parser.parse_args()

    in_memory = [
        in_a_process(measure_in_memory, 200_000, dtype, {"student": student})
        for dtype in ("float32", "float64")
        for student in ("small", "default")
    ]
    for row in in_memory:
        print(
            f"In memory, {row['rows']:,} x {N_FEATURES}, {row['dtype']}, {row['student']} student: "
            f"X and targets {row['X and targets']:.0f} MB, fit adds {row['added']:.0f} MB, "
            f"{row['ratio']:.2f}"
        )
    with tempfile.TemporaryDirectory() as folder:
        write_rows(folder, args.rows)
        on_disk = in_a_process(measure_on_disk, folder, args.batch_size, {})
    print(f"On disk, {args.rows:,} x {N_FEATURES}, float32:")
    for name, value in on_disk.items():
        print(f"  {name:20} {value:,.2f}" + " MB" * (name[0] in "Xbp"))
    if args.json:
        versions = {m.__name__: m.__version__ for m in (skkd, sklearn, torch, np)}
        about = {"versions": versions, "machine": platform.processor() or platform.machine()}
        results = {"on disk": on_disk, "in memory": in_memory, **about}
        Path(args.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

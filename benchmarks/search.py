"""What a search pays for its teacher: GridSearchCV over students of a cross-fitted forest.

A forest of 500 trees, cross-fitted by ``cv=5`` in each of five folds, under 24 candidates that
differ in student and balancer. With ``memory`` each fold's teacher works once. Compared are

- the search with ``memory``, and the same search again, which finds all of the teacher's work;
- one pass of the teacher over the folds, and the search with ``teacher_proba`` given instead;
- the search without ``memory``: a few of its fits are measured and scaled, for it takes hours.

The searches are cut by the values of one parameter, and take turns.

Fits and predictions of the teacher are counted over all processes: it writes each into a file.
Every figure is given in wall-clock time and in the processors' time of all processes, which a busy
machine disturbs less. The worker processes stay the same, and are warm before. Needs Linux. Run by
``python -m benchmarks.search``; ``--small`` takes a minute.
"""

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import joblib
import numpy as np
import sklearn
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)

import skkd
from skkd import DistilledClassifier

GRID = {
    "balancer__ratio": [0.05, 0.2, 0.5, 1.0],
    "temperature": [1.0, 2.0, 4.0],
    "student__lr": [1e-3, 3e-3],
}
SMALL_GRID = {"balancer__ratio": [0.05, 0.5], "temperature": [1.0, 2.0]}
FOLDS = 5
N_JOBS = 2


class CountingForest(RandomForestClassifier):
    """A forest that writes down what it does, a line for each fit and each prediction."""

    def __init__(self, n_estimators=100, *, log=None, random_state=None):
        super().__init__(n_estimators, random_state=random_state)
        self.log = log

    def fit(self, X, y, sample_weight=None):
        self._write("fit")
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        self._write("predict_proba")
        return super().predict_proba(X)

    def _write(self, work):
        with open(self.log, "a") as file:  # one short line, which no other process breaks up
            file.write(work + "\n")


class Watch:
    """Wall-clock time, processors' time, and what the teacher did, part by part."""

    def __init__(self, log: Path):
        self.log = log
        self.parts: dict[str, dict] = {}
        with self.part("start of the workers"):
            clf = DistilledClassifier(None, random_state=0).set_params(student__max_epochs=1)
            X, y = np.eye(12, dtype=np.float32), np.arange(12) % 2
            given = {"teacher_proba": np.eye(2)[y]}
            cross_validate(clf, X, y, cv=2, n_jobs=N_JOBS, params=given, error_score="raise")

    @contextmanager
    def part(self, name: str):
        """Add what happens inside to a part."""
        self.log.write_text("")
        wall, processors = time.perf_counter(), _processors()
        yield
        lines = self.log.read_text().split()
        measured = {
            "wall": time.perf_counter() - wall,
            "processors": _processors() - processors,
            "teacher_fits": lines.count("fit"),
            "teacher_predictions": lines.count("predict_proba"),
        }
        before = self.parts.get(name, dict.fromkeys(measured, 0))
        self.parts[name] = {key: before[key] + value for key, value in measured.items()}
        print(name, {key: round(value, 1) for key, value in measured.items()}, flush=True)


def _processors() -> float:
    """Seconds that this process, its workers and all that have ended have computed so far."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # one that ends just now
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def teacher_pass(forest, X, y) -> None:
    """What the teacher must do at least: out-of-fold answers, and a fit on all rows of a fold."""
    cross_val_predict(forest, X, y, cv=FOLDS, method="predict_proba")
    clone(forest).fit(X, y)


def measure(n_rows: int, n_trees: int, grid: dict, max_epochs: int, folder: Path) -> dict:
    X, y = make_classification(
        n_rows, 20, n_informative=10, n_classes=3, flip_y=0.1, random_state=0
    )
    X = X.astype(np.float32)
    watch = Watch(folder / "log")
    forest = CountingForest(n_trees, log=str(watch.log), random_state=0)
    splits = list(StratifiedKFold(FOLDS).split(X, y))
    n_candidates = len(ParameterGrid(grid))

    def search(clf, grid, **fit_params):
        candidates = GridSearchCV(
            clf.set_params(student__max_epochs=max_epochs),
            grid,
            cv=splits,
            n_jobs=N_JOBS,
            refit=False,
            error_score="raise",
        )
        return candidates.fit(X, y, **fit_params).cv_results_["mean_test_score"]

    def distilled(memory=None):
        return DistilledClassifier(forest, cv=FOLDS, augmenter=None, memory=memory, random_state=0)

    proba = np.eye(3)[y] * 0.7 + 0.1
    name, *_ = grid
    with watch.part("one pass of the teacher"):
        joblib.Parallel(N_JOBS)(
            joblib.delayed(teacher_pass)(forest, X[train], y[train]) for train, _ in splits
        )
    for value in grid[name]:
        cut = grid | {name: [value]}
        with watch.part("search with memory"):
            first = search(distilled(str(folder / "memory")), cut)
        with watch.part("search with teacher_proba"):
            search(DistilledClassifier(None, random_state=0), cut, teacher_proba=proba)
        with watch.part("again, all found"):
            again = search(distilled(str(folder / "memory")), cut)
        np.testing.assert_array_equal(first, again)
    with watch.part("two fits without memory"):
        candidate = distilled().set_params(student__max_epochs=max_epochs)
        cross_validate(candidate, X, y, cv=splits[:2], n_jobs=N_JOBS, error_score="raise")

    parts = watch.parts
    n_fits = n_candidates * FOLDS
    ratios = {}
    for unit in ("wall", "processors"):
        least = parts["one pass of the teacher"][unit] + parts["search with teacher_proba"][unit]
        naive = parts["two fits without memory"][unit] * n_fits / 2
        ratios[unit] = {
            "to one pass and a search with teacher_proba": parts["search with memory"][unit]
            / least,
            "naive (scaled)": naive / parts["search with memory"][unit],
        }
    return {
        "rows": n_rows,
        "trees": n_trees,
        "candidates": n_candidates,
        "folds": FOLDS,
        "n_jobs": N_JOBS,
        "naive_seconds_scaled": {
            unit: parts["two fits without memory"][unit] * n_fits / 2
            for unit in ("wall", "processors")
        },
        "parts": parts,
        "ratios": ratios,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a search of a minute")
    parser.add_argument("--json", help="also write the results to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if args.small:
            results = measure(2000, 50, SMALL_GRID, 10, Path(folder))
        else:
            results = measure(10_000, 500, GRID, 30, Path(folder))
    for unit, ratios in results["ratios"].items():
        for name, ratio in ratios.items():
            print(f"{unit}, {name}: {ratio:.3f}")
    if args.json:
        versions = {m.__name__: m.__version__ for m in (skkd, sklearn, torch, joblib, np)}
        about = {"versions": versions, "machine": platform.processor() or platform.machine()}
        about["cores"] = os.cpu_count()
        with open(args.json, "w") as file:
            json.dump(results | about, file, indent=1)


if __name__ == "__main__":
    # Worker processes look the forest's class up by the name of its module.
    from benchmarks.search import main as run

    run()

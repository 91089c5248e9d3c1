"""Run the study: one line of JSON for each method, set and seed.

    python -m benchmarks.run --sets letter adult --methods labels fixed_weights@oof --seeds 0 1

A run whose line is in the file already is skipped, so that a study can be stopped at any time and
started again. Lines are told apart by method, set, seed, ``--max-rows`` and ``--epochs-scale``, not
by ``--student``, which wants a file of its own, or by the version of the library: delete the file,
or its lines, to run them anew. How methods are written is told in :mod:`benchmarks.methods`, the
protocol in ``benchmarks/README.md``.
"""

import argparse
import json
import os
import platform
import sys
import traceback
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import sklearn
import skorch
import torch
from joblib import Parallel, delayed

import skkd

from . import methods
from .datasets import FRESH, NAMES, SUITE
from .methods import Method, expand, student_params
from .protocol import cost, one_thread, score, split
from .teachers import TEACHERS, Signals, ask_teacher, make_teacher

RESULTS = Path(__file__).parent / "results"

WITHOUT_NEW_ROWS = "default/augmenter=None"

_AGAINST_FIXED_WEIGHTS = ["labels", "fixed_weights", "default", WITHOUT_NEW_ROWS]

#: Options that stand behind a name. ``study`` compares the defaults with fixed weights, ``rules``
#: compares the balancing rules, and ``search`` is a search over fixed weights. ``fresh`` has data
#: sets that had no part in the choice of the defaults, and ``full`` has all rows of three sets.
#: ``small`` repeats a part of ``study``. The results in ``wide`` and ``full`` are of an earlier
#: student; no profile makes those in ``wide`` again.
PROFILES: dict[str, dict] = {
    "study": {
        "sets": list(SUITE),
        "seeds": [0, 1, 2, 3, 4],
        "methods": _AGAINST_FIXED_WEIGHTS,
        "out": RESULTS / "study.jsonl",
    },
    "rules": {
        "sets": list(SUITE),
        "seeds": [0, 1, 2, 3, 4],
        "methods": [
            *("labels", "fixed_weights", "schedules", "dynamic"),
            *("fixed(0.5)@oof", "fixed(0.5)@insample"),
            *("descent_share@oof", "descent_share@insample"),
        ],
        "out": RESULTS / "rules" / "study.jsonl",
    },
    "search": {
        "sets": list(SUITE),
        "seeds": [0, 1],
        "methods": ["search"],
        "out": RESULTS / "rules" / "study.jsonl",
    },
    "fresh": {
        "sets": list(FRESH),
        "seeds": [0, 1, 2, 3, 4],
        "methods": _AGAINST_FIXED_WEIGHTS,
        "out": RESULTS / "fresh" / "study.jsonl",
    },
    "full": {
        "sets": ["mnist", "fashion_mnist", "covertype"],
        "seeds": [0],
        "max_rows": 1_000_000,
        "methods": ["labels", "fixed(0.5)", "default"],
        "out": RESULTS / "full" / "study.jsonl",
    },
    "small": {
        "sets": ["spambase", "satimage", "magic"],
        "seeds": [0, 1],
        # With new rows it would take more than five minutes.
        "methods": ["labels", WITHOUT_NEW_ROWS, "fixed(0.1)", "fixed(0.5)", "fixed(0.9)"],
        "out": Path("build") / "bench-small.jsonl",
    },
}


def main(arguments: list[str] | None = None) -> int:
    options = _read_options(arguments)
    jobs = plan(options)
    n_runs = sum(len(job["methods"]) for job in jobs)
    print(f"{n_runs} runs on {len(jobs)} splits, {options.jobs} at a time, to {options.out}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    done = Parallel(n_jobs=options.jobs, return_as="generator_unordered")(
        delayed(run_methods)(**job, out=options.out) for job in jobs
    )
    n_failed = 0
    for i, failed in enumerate(done):
        n_failed += failed
        print(f"{i + 1} of {len(jobs)} splits done, {n_failed} runs failed", flush=True)
    return 1 if n_failed else 0


def plan(options: argparse.Namespace) -> list[dict]:
    """What is to be done: for each seed and set the methods that are not in the file yet.

    All sets of the first seed come first, so that a study that is stopped early is balanced.
    """
    done = {key_of(line) for line in read_lines(options.out)}
    jobs = []
    for seed in options.seeds:
        for name in options.sets:
            job = {
                "name": name,
                "seed": seed,
                "max_rows": options.max_rows,
                "epochs_scale": options.epochs_scale,
                "student": options.student,
            }
            missing = [
                method
                for method in options.methods
                if (method.name, name, seed, options.max_rows, options.epochs_scale) not in done
            ]
            if missing:
                jobs.append(job | {"methods": missing})
    return jobs


def run_methods(
    name: str,
    seed: int,
    max_rows: int,
    epochs_scale: float,
    student: dict,
    methods: list[Method],
    out: Path,
) -> int:
    """Run methods on one split, one after the other on one thread; how many of them failed.

    Each line is written as soon as it is there. The first run of a split also writes the teacher's.
    """
    setting = {"set": name, "seed": seed, "max_rows": max_rows, "epochs_scale": epochs_scale}
    bench = Bench(name, seed, max_rows)
    if key_of({"method": "teacher"} | setting) not in map(key_of, read_lines(out)):
        for line in bench.teacher_lines():
            append(out, setting | line)
    n_failed = 0
    for method in methods:
        try:
            append(out, setting | bench.run(method, epochs_scale, student))
        except Exception:  # one method's failure must not end the study of the others
            n_failed += 1
            print(f"{method.name} on {name}, seed {seed}:", file=sys.stderr)
            traceback.print_exc()
    return n_failed


class Bench:
    """A split with its teacher, on which methods are run."""

    def __init__(self, name: str, seed: int, max_rows: int):
        self.name = name
        self.seed = seed
        self.rows = split(name, seed, max_rows)
        self.answers = ask_teacher(name, seed, max_rows)
        self.signals = Signals(self.answers, self.rows.y)
        self.teacher = cache(self._fit_teacher)

    def _fit_teacher(self):
        with one_thread():
            return make_teacher(TEACHERS[self.name], self.rows.X, self.seed).fit(
                self.rows.X, self.rows.y
            )

    def teacher_lines(self) -> list[dict]:
        """What the teacher itself reaches, as it is and calibrated."""
        calibration = self.signals.calibration
        shared = {
            **self.answers.cost,
            "kind": TEACHERS[self.name],
            "calibration": calibration.method if calibration and calibration.kept else "none",
            **self._sizes(),
            **environment(),
        }
        answers = {
            "teacher": self.answers.test,
            "teacher@calibrated": self.signals.calibrated_test,
        }
        return [
            {"method": method, **self._score(proba), **shared} for method, proba in answers.items()
        ]

    def run(self, method: Method, epochs_scale: float, student: dict) -> dict:
        """Train a student by a method, and measure it."""
        with one_thread():
            fitted = methods.fit(
                method,
                self.rows.X,
                self.rows.y,
                self.signals,
                self.teacher,
                kind=TEACHERS[self.name],
                seed=self.seed,
                epochs_scale=epochs_scale,
                student=student,
            )
            proba = fitted.clf.predict_proba(self.rows.X_test)
            weight = fitted.clf.history_["weight"]
            return {
                "method": method.name,
                **self._score(proba),
                **cost(fitted.clf, self.rows.X_test, fitted.clf.student_),
                "fit_seconds": fitted.seconds,
                "fits": fitted.n_fits,
                "epochs": fitted.clf.n_iter_,
                "weight": float(weight.mean()),
                "last_weight": float(weight[-1]),
                "augmenter": repr(fitted.clf.augmenter_),
                **self._sizes(),
                **environment(),
            }

    def _score(self, proba: np.ndarray) -> dict:
        return score(proba, self.rows.y_test, self.answers.classes, self.answers.test)

    def _sizes(self) -> dict:
        return {
            "n_train": len(self.rows.y),
            "n_test": len(self.rows.y_test),
            "n_features": self.rows.X.shape[1],
            "n_classes": len(self.answers.classes),
        }


def key_of(line: dict) -> tuple:
    """What tells a run from all others."""
    return tuple(line[name] for name in ("method", "set", "seed", "max_rows", "epochs_scale"))


def read_lines(path: Path) -> list[dict]:
    """The lines of a file of results; none where there is no file.

    A line cut off by a full disk or a power failure is left out, and is then run again.
    """
    lines = []
    if path.exists():
        for text in path.read_text().splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                print(f"A broken line of {path} is left out: {text[:60]}", file=sys.stderr)
    return lines


def append(path: Path, line: dict) -> None:
    """Add a line in one write, so that processes don't mix theirs."""
    short = {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in line.items()
    }
    with path.open("ab") as file:
        is_cut_off = file.tell() and path.read_bytes()[-1:] != b"\n"
        file.write((b"\n" if is_cut_off else b"") + json.dumps(short).encode() + b"\n")


_VERSIONS = ", ".join(
    f"{package.__name__} {package.__version__}" for package in (skkd, sklearn, torch, skorch, np)
)


def environment() -> dict:
    """Where and when a line was made."""
    return {
        "versions": f"{_VERSIONS}, python {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _read_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", choices=PROFILES, default="study")
    parser.add_argument("--sets", nargs="+", choices=NAMES, metavar="SET")
    parser.add_argument("--methods", nargs="+", metavar="METHOD")
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--max-rows", type=int, help="training rows at most; default: 4000")
    parser.add_argument("--epochs-scale", type=float, default=1.0, help="of the default's epochs")
    parser.add_argument("--student", help="parameters of all students: lr=0.001,max_epochs=20")
    parser.add_argument("--jobs", type=int, default=1, help="splits at a time, a thread for each")
    parser.add_argument("--out", type=Path, help="file of results, to which lines are added")
    options = parser.parse_args(arguments)
    for name, value in ({"max_rows": 4000, "student": ""} | PROFILES[options.profile]).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    try:
        options.methods = expand(options.methods)
        options.student = student_params(options.student)
    except ValueError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    sys.exit(main())

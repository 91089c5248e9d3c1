"""Compare the student with what people would deploy instead, each as one ONNX file.

    python -m benchmarks.frontier --rows 4000 --seeds 0 1 2
    python -m benchmarks.frontier --rows 100000
    python -m benchmarks.frontier --table
    python -m benchmarks.frontier --figure

The results file has one line of JSON for each data set, number of training rows, seed and model. A
run skips the lines that are there. ``--redo default labels_only`` first drops the lines of these
models. The needed packages are in the extra ``bench``.

The models:

- ``teacher``: LightGBM. A fifth of the training rows chooses its leaves and trees.
- ``trees_10`` to ``trees_400``: LightGBM with 15 leaves, trained on the labels.
- ``soft_trees_10`` to ``soft_trees_400``: the same, trained on the teacher's out-of-fold
  probabilities.
- ``logistic`` and ``mlp``: scikit-learn's, with standardized numbers and one-hot categories.
- ``labels_only``: the student without a teacher and without synthetic rows.
- ``default``: ``DistilledClassifier(teacher, cv=5)``.

The measures:

- Scores are those of the file's own probabilities on the test rows.
- ``row_us`` is the median time of a single row, over 2,000 calls.
- ``batch_ms`` is the shortest of three calls with 10,000 rows.
- Both are wall time of onnxruntime on one thread, without the time to make its input.
- ``fit_seconds`` is process time. For soft trees it includes the teacher's five folds.
- ``teacher_seconds`` is the part of it in which the teacher is fitted and answers.
- ``teacher_answers`` counts the rows that the teacher answered during the fit.

:mod:`benchmarks.dominance` describes the table and the picture.
"""

import argparse
import itertools
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import onnxruntime
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline

from skkd import DistilledClassifier
from skkd.balancers import FixedBalance
from skkd.export import to_onnx

from .alternatives import TREES, LevelCodes, fit_soft_trees, linear, mlp, onnx_of, trees
from .datasets import LARGE, NAMES, SUITE, cache_dir
from .dominance import draw, fit_times, table
from .protocol import BATCH_ROWS, Split, one_thread, score, split, take
from .run import RESULTS, append, environment, read_lines
from .serving import feed

#: The leaves among which the teacher is chosen.
TEACHER_LEAVES = (15, 31, 63)
MAX_TEACHER_TREES = 400
_PATIENCE = 40
_TEACHER = {
    "learning_rate": 0.05,
    "colsample_bytree": 0.8,
    "subsample": 0.8,
    "subsample_freq": 1,
}

N_FOLDS = 5
N_SINGLE_ROWS = 200
N_CALLS = 2000


class CountedTrees(lightgbm.LGBMClassifier):
    """Count the rows that LightGBM answers and its process time, over all instances."""

    answered, seconds = 0, 0.0

    def fit(self, *args, **kwargs):
        seconds, fitted = _timed(partial(super().fit, **kwargs), *args)
        CountedTrees.seconds += seconds
        return fitted

    def predict_proba(self, X, *args, **kwargs):
        CountedTrees.answered += X.shape[0]
        seconds, proba = _timed(partial(super().predict_proba, **kwargs), X, *args)
        CountedTrees.seconds += seconds
        return proba


@dataclass
class Teacher:
    """The chosen parameters, and the out-of-fold probabilities with their process time."""

    params: dict
    oof: np.ndarray
    oof_seconds: float


@dataclass
class Built:
    """An ONNX file, the cost of its fit, and its largest difference from the fitted model."""

    file: bytes
    seconds: float
    answers: int = 0
    difference: float | None = None
    teacher_seconds: float = 0.0


class Bench:
    """The rows of one data set and seed, and the models that are built from them."""

    def __init__(self, name: str, max_rows: int, seed: int):
        self.setting = (name, max_rows, seed)
        self.seed = seed
        self.rows: Split = split(name, seed, max_rows)
        self.classes, self.y = np.unique(self.rows.y, return_inverse=True)
        self.codes = LevelCodes().fit(self.rows.X)
        self.X = self.codes.transform(self.rows.X)

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher, computed once and then read from the cache."""
        memory = joblib.Memory(cache_dir() / "frontier", verbose=0)
        return memory.cache(choose_teacher, ignore=["X", "y"])(self.setting, self.X, self.y)

    def build(self, model: str) -> Built:
        kind, _, n_trees = model.rpartition("_") if model[-1].isdigit() else (model, "", "")
        if kind == "trees":
            return self._fitted(trees(int(n_trees), self.seed))
        if kind == "soft_trees":
            return self._soft_trees(int(n_trees))
        makers: dict[str, Callable[[], Built]] = {
            "teacher": lambda: self._fitted(self._teacher_to_fit(trees)),
            "logistic": lambda: self._fitted(linear(self.codes, self.seed)),
            "mlp": lambda: self._fitted(mlp(self.codes, self.seed)),
            "labels_only": self._labels_only,
            "default": self._default,
        }
        return makers[model]()

    def _teacher_to_fit(self, make):
        params = dict(self.teacher.params)
        return make(params.pop("n_estimators"), self.seed, **params)

    def _fitted(self, model) -> Built:
        seconds, model = _timed(model.fit, self.X, self.y)
        return self._file(model, seconds, model.predict_proba)

    def _soft_trees(self, n_trees: int) -> Built:
        oof = self.teacher.oof
        seconds, booster = _timed(fit_soft_trees, self.X, oof, n_trees, self.seed)
        seconds += self.teacher.oof_seconds

        def predict(X):
            proba = booster.predict(X)
            return np.column_stack([1 - proba, proba]) if proba.ndim == 1 else proba

        return self._file(booster, seconds, predict, len(oof))

    def _file(self, model, seconds: float, predict: Callable, answers: int = 0) -> Built:
        file = onnx_of(self.codes, model, self.X.shape[1])
        some = take(self.rows.X_test, np.arange(min(1000, len(self.rows.y_test))))
        gap = np.abs(ask(session_of(file), some) - predict(self.codes.transform(some)))
        return Built(file, seconds, answers, float(gap.max()))

    def _labels_only(self) -> Built:
        labels = np.eye(len(self.classes), dtype=np.float32)[self.y]
        student = DistilledClassifier(
            None,
            balancer=FixedBalance(0.0),
            augmenter=None,
            calibrate=None,
            random_state=self.seed,
        )
        return self._student(student, teacher_proba=labels)

    def _default(self) -> Built:
        teacher = self._teacher_to_fit(_counted)
        if not isinstance(self.rows.X, np.ndarray):
            teacher = make_pipeline(LevelCodes(), teacher)
        return self._student(DistilledClassifier(teacher, cv=N_FOLDS, random_state=self.seed))

    def _student(self, clf: DistilledClassifier, **arguments) -> Built:
        CountedTrees.answered, CountedTrees.seconds = 0, 0.0
        seconds, clf = _timed(partial(clf.fit, **arguments), self.rows.X, self.rows.y)
        answers, of_teacher = CountedTrees.answered, CountedTrees.seconds
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "student.onnx"
            exported = to_onnx(clf, path, self.rows.X_test, dtype="float32")
            file = path.read_bytes()
        return Built(file, seconds, answers, exported.max_difference, of_teacher)


def _counted(n_trees: int, seed: int, **params) -> CountedTrees:
    return CountedTrees(**trees(n_trees, seed, **params).get_params())


def choose_teacher(setting: tuple, X: np.ndarray, y: np.ndarray) -> Teacher:
    """Choose the leaves and trees with the best log-loss on a fifth of the rows."""
    seed = setting[-1]
    train, test = train_test_split(np.arange(len(y)), test_size=0.2, stratify=y, random_state=seed)
    losses = {}
    for n_leaves in TEACHER_LEAVES:
        params = {"num_leaves": n_leaves, **_TEACHER}
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        model = trees(MAX_TEACHER_TREES, seed, **params)
        with warnings.catch_warnings():
            # LightGBM 4.7 warns of eval_set, and older ones have nothing else.
            warnings.simplefilter("ignore", FutureWarning)
            model.fit(X[train], y[train], eval_set=[(X[test], y[test])], callbacks=[stop])
        loss = log_loss(y[test], model.predict_proba(X[test]), labels=model.classes_)
        losses[loss] = {"n_estimators": model.best_iteration_, **params}
    params = losses[min(losses)]
    model = trees(params["n_estimators"], seed, **_without(params, "n_estimators"))
    folds = StratifiedKFold(N_FOLDS)
    fitted = partial(cross_val_predict, cv=folds, method="predict_proba")
    seconds, oof = _timed(fitted, model, X, y)
    return Teacher(params, oof, seconds)


def _without(params: dict, name: str) -> dict:
    return {key: value for key, value in params.items() if key != name}


def _timed(call: Callable, *arguments):
    """Return the seconds of process time, and what the call returns."""
    start = time.process_time()
    result = call(*arguments)
    return time.process_time() - start, result


def session_of(file: bytes) -> onnxruntime.InferenceSession:
    """Load the file into onnxruntime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def ask(session, X) -> np.ndarray:
    """Return probabilities in double precision; each row sums to one."""
    proba = session.run(["probabilities"], feed(session, X))[0].astype(float)
    return proba / proba.sum(axis=1, keepdims=True)


def latency(session, X) -> dict[str, float]:
    """Measure the time of a single row (median) and of 10,000 rows (shortest)."""
    run = partial(session.run, [session.get_outputs()[-1].name])
    feeds = [feed(session, take(X, np.array([i % len(X)]))) for i in range(N_SINGLE_ROWS)]
    calls = itertools.islice(itertools.cycle(feeds), N_CALLS)
    rows = [_wall_seconds(run, one) for one in (*feeds, *calls)][N_SINGLE_ROWS:]
    batch = feed(session, take(X, np.arange(BATCH_ROWS) % len(X)))
    batches = [_wall_seconds(run, batch) for _ in range(3)]
    return {"row_us": 1e6 * float(np.median(rows)), "batch_ms": 1e3 * min(batches)}


def _wall_seconds(run: Callable, rows: dict) -> float:
    start = time.perf_counter()
    run(rows)
    return time.perf_counter() - start


MODELS = (
    "teacher",
    *(f"trees_{n_trees}" for n_trees in TREES),
    *(f"soft_trees_{n_trees}" for n_trees in TREES),
    *("logistic", "mlp", "labels_only", "default"),
)


def measure(bench: Bench, model: str) -> dict:
    """Build a model and measure its file."""
    with one_thread():
        built = bench.build(model)
        session = session_of(built.file)
        rows = bench.rows
        proba = ask(session, rows.X_test)
        scores = score(proba, rows.y_test, bench.classes, proba)
        return {
            **{name: scores[name] for name in ("accuracy", "log_loss", "auc", "ece")},
            **latency(session, rows.X_test),
            "bytes": len(built.file),
            "fit_seconds": built.seconds,
            "teacher_seconds": built.teacher_seconds,
            "teacher_answers": built.answers,
            "difference": built.difference,
            "n_train": len(rows.y),
            "n_test": len(rows.y_test),
            "n_features": rows.X.shape[1],
            "n_classes": len(bench.classes),
            **environment(),
        }


def plan(options: argparse.Namespace) -> list[tuple[str, int, int, list[str]]]:
    """List data set, rows, seed and missing models; the first seed comes first."""
    lines = read_lines(options.out)
    done = {key_of(line) for line in lines if line["model"] not in options.redo}
    jobs = []
    for max_rows, seed in itertools.product(options.rows, options.seeds):
        for name in options.sets or (SUITE if max_rows <= 4000 else LARGE):
            missing = [m for m in options.models if (name, max_rows, seed, m) not in done]
            if missing:
                jobs.append((name, max_rows, seed, missing))
    return jobs


def key_of(line: dict) -> tuple:
    """Return what identifies a line."""
    return tuple(line[name] for name in ("set", "rows", "seed", "model"))


def drop(path: Path, models: list[str], sets: list[str] | None, rows, seeds) -> None:
    """Remove the lines of some models from the file."""
    kept = [
        text
        for text, line in zip(path.read_text().splitlines(), read_lines(path), strict=True)
        if line["model"] not in models
        or (sets and line["set"] not in sets)
        or line["rows"] not in rows
        or line["seed"] not in seeds
    ]
    path.write_text("".join(f"{text}\n" for text in kept))


def run(jobs: list, out: Path) -> int:
    """Make the lines of a plan one by one, and return how many failed."""
    n_failed = 0
    out.parent.mkdir(parents=True, exist_ok=True)
    for name, max_rows, seed, models in jobs:
        bench = Bench(name, max_rows, seed)
        for model in models:
            line = {"set": name, "rows": max_rows, "seed": seed, "model": model}
            try:
                line |= measure(bench, model)
            except Exception:  # one model's failure must not end the run of the others
                n_failed += 1
                print(f"{model} on {name}, seed {seed}:", file=sys.stderr)
                traceback.print_exc()
                continue
            append(out, line)
            print(
                f"{name:13}{max_rows:8,}{seed:3}  {model:15}{line['accuracy']:7.4f}"
                f"{line['log_loss']:7.3f}{line['row_us']:8.1f} us{line['bytes']:10,} bytes"
                f"{line['fit_seconds']:8.1f} s",
                flush=True,
            )
    return n_failed


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=NAMES, metavar="SET")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", type=int, default=[4000], help="training rows at most")
    parser.add_argument("--redo", nargs="+", choices=MODELS, default=[], metavar="MODEL")
    parser.add_argument("--out", type=Path, default=RESULTS / "frontier.jsonl")
    parser.add_argument("--plan", action="store_true", help="print what is missing, and end")
    parser.add_argument("--table", action="store_true", help="print who dominates whom, and end")
    parser.add_argument("--figure", action="store_true", help="draw the picture, and end")
    options = parser.parse_args(arguments)
    if options.table or options.figure:
        lines = read_lines(options.out)
        if options.table:
            print(f"{table(lines)}\n\n{fit_times(lines)}")
        if options.figure:
            draw(lines, options.out.parent)
        return 0
    if options.redo and options.out.exists() and not options.plan:
        drop(options.out, options.redo, options.sets, options.rows, options.seeds)
    jobs = plan(options)
    for name, max_rows, seed, models in jobs:
        print(f"{name}, {max_rows:,} rows, seed {seed}: {', '.join(models)}")
    print(f"{sum(len(job[-1]) for job in jobs)} lines to make, to {options.out}", flush=True)
    return 1 if not options.plan and run(jobs, options.out) else 0


if __name__ == "__main__":
    sys.exit(main())

"""AutoGluon's distillation beside ours, with the same teacher: the ensemble that AutoGluon fitted.

It needs an environment of its own, for AutoGluon has its own ideas of the versions it works with::

    python -m venv .venv-autogluon
    .venv-autogluon/bin/pip install "autogluon.tabular[lightgbm,xgboost,catboost]" torch==2.13.0
    .venv-autogluon/bin/pip install -e ".[bench,onnx]"
    .venv-autogluon/bin/python -m benchmarks.autogluon

For each set and seed, ``TabularPredictor.fit`` and ``TabularPredictor.distill`` with their defaults
and a time limit each, on one processor; and ``DistilledClassifier`` with the fitted ensemble as its
teacher, once with nothing else given and once with ``augmenter=None``. Each line of JSON in
``--out`` is a model of one set and seed; what is there already is not computed again. At the end,
the means over the seeds and our difference to AutoGluon's student are printed.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from skkd import DistilledClassifier

from .protocol import Split, one_thread, score, seconds_of, split, take
from .run import RESULTS, append, environment, read_lines
from .serving import cost_of_onnx

SETS = ("letter", "spambase", "satimage", "adult", "electricity")
OURS = {
    "skkd": {},
    "skkd without new rows": {"augmenter": None},
}
THEIRS = "AutoGluon's student"
N_SINGLE_ROWS = 7
_LABEL = "label of the row"


class Ensemble:
    """A model of a fitted ``TabularPredictor``, as an object with ``predict_proba``."""

    def __init__(self, predictor, model: str):
        self.predictor = predictor
        self.model = model
        self.classes_ = np.asarray(predictor.class_labels)

    def predict_proba(self, X) -> np.ndarray:
        return self.predictor.predict_proba(_frame(X), model=self.model).to_numpy(dtype=float)


def _frame(X) -> pd.DataFrame:
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
    return frame.set_axis([f"x{i}" for i in range(frame.shape[1])], axis=1)


def measure(name: str, seed: int, max_rows: int, time_limit: float) -> list[dict]:
    """A line for AutoGluon's ensemble, its best student, and each of ours."""
    from autogluon.tabular import TabularPredictor

    rows = split(name, seed, max_rows)
    train = _frame(rows.X).assign(**{_LABEL: rows.y})
    with one_thread(), tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        predictor = TabularPredictor(_LABEL, path=folder, verbosity=0).fit(
            train, time_limit=time_limit, num_cpus=1
        )
        seconds = time.perf_counter() - start
        teacher = Ensemble(predictor, predictor.model_best)
        proba = teacher.predict_proba(rows.X_test)
        lines = [{"model": "AutoGluon's ensemble", **_judged(teacher, rows, proba, seconds)}]

        for ours, params in OURS.items():
            start = time.perf_counter()
            clf = DistilledClassifier(teacher, random_state=seed, **params).fit(rows.X, rows.y)
            seconds = time.perf_counter() - start
            line = {"model": ours, **_judged(clf, rows, proba, seconds)}
            line["chosen"] = repr(clf.augmenter_)
            line["onnx_row_ms"] = cost_of_onnx(clf, rows.X_test)["row_ms"]
            lines.append(line)

        start = time.perf_counter()
        students = predictor.distill(time_limit=time_limit, verbosity=0)
        seconds = time.perf_counter() - start
        board = predictor.leaderboard().set_index("model")["score_val"]
        best = Ensemble(predictor, board[students].idxmax())
        accuracies = {
            student: _judged(Ensemble(predictor, student), rows, proba)["accuracy"]
            for student in students
        }
        lines.append(
            {
                "model": THEIRS,
                **_judged(best, rows, proba, seconds),
                "chosen": best.model,
                "students": accuracies,
            }
        )
    shared = {"set": name, "seed": seed, "max_rows": max_rows, "allowed_seconds": time_limit}
    return [shared | line | environment() for line in lines]


def _judged(model, rows: Split, teacher: np.ndarray, seconds: float | None = None) -> dict:
    """Scores, latency, and whether what the model gives are probabilities."""
    proba = model.predict_proba(rows.X_test)
    # What is no distribution is made one, where the log-loss needs it.
    valid = np.clip(proba, 1e-15, None)
    judged = score(valid / valid.sum(axis=1, keepdims=True), rows.y_test, model.classes_, teacher)
    judged["greatest"] = float(proba.max())
    judged["smallest"] = float(proba.min())
    judged["sum_error"] = float(np.abs(proba.sum(axis=1) - 1).max())
    if seconds is not None:
        singles = [take(rows.X_test, np.array([i])) for i in range(N_SINGLE_ROWS + 1)]
        seconds_of_rows = [seconds_of(model.predict_proba, row) for row in singles][1:]
        judged["row_ms"] = 1e3 * float(np.median(seconds_of_rows))
        judged["seconds"] = seconds
    return judged


def report(lines: list[dict]) -> None:
    """Print means over the seeds, and our paired difference to AutoGluon's student in points."""
    frame = pd.DataFrame(lines).sort_values(["set", "seed"])
    columns = ["accuracy", "auc", "log_loss", "row_ms", "seconds", "greatest", "sum_error"]
    for name, of_set in frame.groupby("set"):
        print(f"\n{name}, {of_set['seed'].nunique()} seeds, {of_set['allowed_seconds'].max():g} s")
        theirs = of_set[of_set["model"] == THEIRS].set_index("seed")["accuracy"]
        for model, of_model in of_set.groupby("model", sort=False):
            means = of_model[columns].mean()
            print(f"  {model:22}", *(f"{key} {means[key]:.4g}" for key in columns), end="")
            gain = 100 * (of_model.set_index("seed")["accuracy"] - theirs)
            error = gain.std() / np.sqrt(len(gain))
            print(f"  difference {gain.mean():+.2f} ± {error:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--max-rows", type=int, default=4000)
    parser.add_argument("--time-limit", type=float, default=60, help="seconds, for each of the two")
    parser.add_argument("--out", type=Path, default=RESULTS / "autogluon.jsonl")
    options = parser.parse_args()
    done = {(line["set"], line["seed"]) for line in read_lines(options.out)}
    for seed in options.seeds:
        for name in options.sets:
            if (name, seed) not in done:
                for line in measure(name, seed, options.max_rows, options.time_limit):
                    append(options.out, line)
    report(read_lines(options.out))


if __name__ == "__main__":
    main()

"""What it costs to round a pruned student's weights to half precision.

    python -m benchmarks.rounding --out benchmarks/results/rounding.jsonl

The default student on labels only, whose weights are the largest, is trained on each set of the
study (seed 0) and asked about the test rows before and after its weights are rounded. One line of
JSON a set; what is there already is not computed again.
"""

import argparse
from pathlib import Path
from unittest import mock

import numpy as np

from skkd import DistilledClassifier
from skkd._student import net_of
from skkd.balancers import FixedBalance
from skkd.students._pruning import round_to_half_precision

from .datasets import SUITE
from .protocol import one_thread, score, split
from .run import RESULTS, append, environment, read_lines


def measure(name: str, max_rows: int) -> dict:
    """How far the answers before and after are from each other, and the scores of both."""
    rows = split(name, 0, max_rows)
    classes = np.unique(rows.y)
    nothing = np.full((len(rows.y), len(classes)), 1 / len(classes))
    clf = DistilledClassifier(None, balancer=FixedBalance(0.0), random_state=0)
    with one_thread(), mock.patch("skkd.students._pruning.round_to_half_precision"):
        clf.fit(rows.X, rows.y, teacher_proba=nothing)
        before = answers(clf, rows.X_test)
        for layer in net_of(clf.student_).module_.layers:
            round_to_half_precision(layer.weight)
        after = answers(clf, rows.X_test)
    scores = [score(proba, rows.y_test, classes, before) for proba in (before, after)]
    tiny = np.finfo(np.float32).tiny
    log_ratio = np.log(np.maximum(before, tiny) / np.maximum(after, tiny))
    return {
        "set": name,
        "max_rows": max_rows,
        "n_test": len(before),
        "n_changed": int((before.argmax(axis=1) != after.argmax(axis=1)).sum()),
        "divergence": float((before * log_ratio).sum(axis=1).mean()),
        "greatest_change": float(np.abs(before - after).max()),
        "accuracy": scores[0]["accuracy"],
        "accuracy_change": scores[1]["accuracy"] - scores[0]["accuracy"],
        "log_loss_change": scores[1]["log_loss"] - scores[0]["log_loss"],
    }


def answers(clf, X) -> np.ndarray:
    """Probabilities in float64, that sum to one there."""
    proba = clf.predict_proba(X).astype(np.float64)
    return proba / proba.sum(axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=list(SUITE))
    parser.add_argument("--max-rows", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=RESULTS / "rounding.jsonl")
    options = parser.parse_args()
    done = {line["set"] for line in read_lines(options.out)}
    for name in options.sets:
        if name not in done:
            append(options.out, measure(name, options.max_rows) | environment())
    lines = read_lines(options.out)
    n_changed, n_test = (sum(line[key] for line in lines) for key in ("n_changed", "n_test"))
    print(f"{n_changed} of {n_test:,} predictions changed; means and greatest values over sets:")
    for key in ("divergence", "greatest_change", "accuracy_change", "log_loss_change"):
        values = np.array([line[key] for line in lines])
        print(f"{key:16} {values.mean():+.2g} {np.abs(values).max():.2g}")


if __name__ == "__main__":
    main()

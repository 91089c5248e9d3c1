"""What new rows do: the default against the same without new rows.

For each set and seed the same split, teacher (cross-fitted, its work shared by a cache) and
student, with everything else at its default, and labels only beside them. Run by
``python -m benchmarks.new_rows``; ``--out`` keeps a line of JSON for each set and seed, and what is
there already is not computed again. At the end it prints paired differences over the seeds, with
their standard errors.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import log_loss

from skkd import DistilledClassifier
from skkd.balancers import FixedBalance

from .datasets import cache_dir
from .protocol import one_thread, split
from .run import RESULTS, append, environment, read_lines
from .teachers import TEACHERS, make_teacher

SETS = ("letter", "spambase", "satimage", "adult", "kr_vs_k", "phoneme")
CONTENDERS = {
    "labels": {"balancer": FixedBalance(0.0), "augmenter": None},
    "without": {"augmenter": None},
    "auto": {"augmenter": "auto"},
}


def measure(name: str, seed: int, max_rows: int) -> dict:
    """Accuracy, log-loss and process time of each contender on one split."""
    rows = split(name, seed, max_rows)
    line: dict = {"set": name, "seed": seed, "max_rows": max_rows, "teacher": TEACHERS[name]}
    for contender, params in CONTENDERS.items():
        clf = DistilledClassifier(
            make_teacher(TEACHERS[name], rows.X, seed),
            cv=5,
            memory=cache_dir() / "new_rows",
            random_state=seed,
            **params,
        )
        with one_thread():
            start = time.process_time()
            proba = clf.fit(rows.X, rows.y).predict_proba(rows.X_test)
            line[f"{contender}_seconds"] = time.process_time() - start
        line[f"{contender}_accuracy"] = float(
            (clf.classes_[proba.argmax(axis=1)] == rows.y_test).mean()
        )
        line[f"{contender}_log_loss"] = float(log_loss(rows.y_test, proba, labels=clf.classes_))
    line["teacher_accuracy"] = float(clf.teacher_.score(rows.X_test, rows.y_test))
    line["augmenter"] = repr(clf.augmenter_)
    return line


def report(lines: list[dict]) -> None:
    """Print paired differences in points of accuracy, and in log-loss."""
    print(f"{'set':10}{'seeds':>6}{'teacher':>9}{'without':>9}{'auto':>8}", end="")
    print(f"{'gain':>16}{'to labels':>16}{'log-loss gain':>18}   chosen")
    for name in dict.fromkeys(line["set"] for line in lines):
        of_set = [line for line in lines if line["set"] == name]

        def column(key, of_set=of_set):
            return np.array([line[key] for line in of_set])

        def paired(other, key, factor, column=column):
            gain = factor * (column(f"auto_{key}") - column(f"{other}_{key}"))
            return f"{gain.mean():.2f} ±{gain.std(ddof=1) / np.sqrt(len(gain)):.2f}"

        chosen = sorted({line["augmenter"].partition("(")[0] for line in of_set})
        print(
            f"{name:10}{len(of_set):6}{column('teacher_accuracy').mean():9.4f}"
            f"{column('without_accuracy').mean():9.4f}{column('auto_accuracy').mean():8.4f}"
            f"{paired('without', 'accuracy', 100):>16}{paired('labels', 'accuracy', 100):>16}"
            f"{paired('without', 'log_loss', -1):>18}   {', '.join(chosen)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--max-rows", type=int, default=6000)
    parser.add_argument("--out", type=Path, default=RESULTS / "new_rows.jsonl")
    options = parser.parse_args()
    done = {(line["set"], line["seed"], line["max_rows"]) for line in read_lines(options.out)}
    for seed in options.seeds:
        for name in options.sets:
            if (name, seed, options.max_rows) not in done:
                append(options.out, measure(name, seed, options.max_rows) | environment())
    report(read_lines(options.out))


if __name__ == "__main__":
    main()

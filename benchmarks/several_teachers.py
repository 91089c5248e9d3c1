"""What several teachers gain: boosting, forest and extra trees, each alone and all together.

For each set and seed the same split and student, without synthetic rows, and with everything else
at its default. A cache shares the fits. Run by ``python -m benchmarks.several_teachers``; ``--out``
keeps a line of JSON for each set and seed, and what is there already is not computed again.
"""

import argparse
from pathlib import Path

from sklearn.metrics import log_loss, roc_auc_score

from skkd import DistilledClassifier

from .datasets import cache_dir
from .protocol import one_thread, split
from .run import RESULTS, append, environment, read_lines
from .teachers import make_teacher

SETS = ("phoneme", "spambase", "adult", "magic", "electricity", "satimage")
KINDS = ("boosting", "forest", "extra trees")


def measure(name: str, seed: int, max_rows: int) -> dict:
    """Accuracy, log-loss and area under the curve of each student and teacher on one split."""
    rows = split(name, seed, max_rows)
    line: dict = {"set": name, "seed": seed, "max_rows": max_rows}
    teachers = {kind: make_teacher(kind, rows.X, seed) for kind in KINDS}
    for contender, teacher in {**teachers, "all": list(teachers.items())}.items():
        memory = cache_dir() / "several_teachers"
        clf = DistilledClassifier(teacher, augmenter=None, memory=memory, random_state=seed)
        with one_thread():
            clf.fit(rows.X, rows.y)
        for of, model in {"student": clf, "teacher": clf.teacher_}.items():
            proba = model.predict_proba(rows.X_test)
            hits = clf.classes_[proba.argmax(axis=1)] == rows.y_test
            areas = proba[:, 1] if proba.shape[1] == 2 else proba
            line[f"{contender} {of}"] = {
                "accuracy": float(hits.mean()),
                "log_loss": float(log_loss(rows.y_test, proba, labels=clf.classes_)),
                "roc_auc": float(roc_auc_score(rows.y_test, areas, multi_class="ovr")),
            }
    return line | {"weights": clf.teacher_weights_}


def report(lines: list[dict]) -> None:
    """Print what all teachers gain over the single one of the lowest log-loss by itself."""
    print(f"{'set':12}{'best teacher':>14}{'student of':>12}{'best':>9}{'all':>9}{'gain':>9}")
    for line in lines:
        best = min(KINDS, key=lambda kind: line[f"{kind} teacher"]["log_loss"])
        for measure_name in ("accuracy", "log_loss", "roc_auc"):
            single, both = (line[f"{one} student"][measure_name] for one in (best, "all"))
            print(
                f"{line['set']:12}{best:>14}{measure_name:>12}{single:9.4f}{both:9.4f}"
                f"{both - single:+9.4f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--max-rows", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=RESULTS / "several_teachers.jsonl")
    options = parser.parse_args()
    done = {(line["set"], line["seed"], line["max_rows"]) for line in read_lines(options.out)}
    for seed in options.seeds:
        for name in options.sets:
            if (name, seed, options.max_rows) not in done:
                append(options.out, measure(name, seed, options.max_rows) | environment())
    report(read_lines(options.out))


if __name__ == "__main__":
    main()

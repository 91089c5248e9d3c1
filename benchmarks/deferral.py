"""Does a student that asks its teacher when it is unsure keep its promise, and what does it save?

    python -m benchmarks.deferral --sets adult letter fashion_mnist

For each set, ``DistilledClassifier(teacher, cv=5)`` is fitted and exported to ONNX. The test rows
are split at random, twenty times. One half chooses the threshold of
``DeferringClassifier(..., agreement=0.99)``, and the other half is measured. The promise is about
the population, for which all test rows stand: it is broken where fewer than 99 % of these agree. On
the other half, chance adds to that. There is one line of JSON a set and split. A set whose lines
are there is skipped.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from skkd import DeferringClassifier, DistilledClassifier
from skkd.export import OnnxStudent, to_onnx

from .datasets import NAMES
from .protocol import Split, one_thread, split, take
from .run import RESULTS, append, environment, read_lines
from .teachers import TEACHERS, make_teacher

N_SPLITS = 20


def models(name: str, rows: Split):
    """Return the student as an ONNX file, and the teacher."""
    teacher = make_teacher(TEACHERS[name], rows.X, 0)
    clf = DistilledClassifier(teacher, cv=5, random_state=0).fit(rows.X, rows.y)
    with tempfile.TemporaryDirectory() as folder:
        exported = to_onnx(clf, Path(folder) / "student.onnx", rows.X_test, dtype="float32")
        return OnnxStudent(exported.path), clf.teacher_


def measure(name: str, max_rows: int, agreement: float) -> list[dict]:
    """Return a line for each split of the test rows of one set."""
    rows = split(name, 0, max_rows)
    student, teacher = models(name, rows)
    n_rows = len(rows.y_test)
    labels = {"student": student.predict(rows.X_test), "teacher": teacher.predict(rows.X_test)}
    lines = []
    for seed in range(N_SPLITS):
        order = np.random.default_rng(seed).permutation(n_rows)
        chosen, other = order[: n_rows // 2], order[n_rows // 2 :]
        clf = DeferringClassifier(student, teacher, agreement=agreement)
        clf.fit(take(rows.X_test, chosen))
        found, y = clf.predict(rows.X_test), rows.y_test[other]
        agrees = found == labels["teacher"]
        line = {"set": name, "max_rows": max_rows, "seed": seed, "agreement_asked": agreement}
        line |= {"n_validation": len(chosen), "n_test": len(y), "threshold": clf.threshold_}
        line["agreement_of_all"] = float(agrees.mean())
        line["agreement"] = float(agrees[other].mean())
        line["deferred_share"] = float(clf.defers(rows.X_test)[other].mean())
        line["accuracy"] = float((found[other] == y).mean())
        for model, its_labels in labels.items():
            line[f"{model}_accuracy"] = float((its_labels[other] == y).mean())
        line["student_agreement"] = float((labels["student"] == labels["teacher"])[other].mean())
        lines.append(line)
    times = clf.milliseconds(rows.X_test)
    times.pop("expected")
    return [line | {f"{key}_ms": times[key] for key in times} | environment() for line in lines]


def report(lines: list[dict]) -> None:
    """Print means over the splits of each set, and how often the promise was not kept."""
    print(
        "| data set | training rows | student agrees | with deferral | broken | on the other half "
        "| deferred | time, of the teacher's |\n|---|---|---|---|---|---|---|---|"
    )
    for name, max_rows in dict.fromkeys((line["set"], line["max_rows"]) for line in lines):
        own = [line for line in lines if (line["set"], line["max_rows"]) == (name, max_rows)]
        means = {
            key: float(np.mean([line[key] for line in own]))
            for key in ("student_agreement", "agreement", "deferred_share")
        }
        broken, below = (
            sum(line[key] < line["agreement_asked"] for line in own)
            for key in ("agreement_of_all", "agreement")
        )
        student, teacher = own[0]["student_ms"], own[0]["teacher_ms"]
        ratio = student / teacher + means["deferred_share"]
        print(
            f"| {name} | {max_rows:,} | {means['student_agreement']:.4f} "
            f"| {means['agreement']:.4f} | {broken} of {len(own)} | {below} of {len(own)} "
            f"| {means['deferred_share']:.3f} | {ratio:.3f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = ["adult", "letter", "fashion_mnist"]
    parser.add_argument("--sets", nargs="+", choices=NAMES, default=default, metavar="SET")
    parser.add_argument("--max-rows", type=int, default=4000)
    parser.add_argument("--agreement", type=float, default=0.99)
    parser.add_argument("--out", type=Path, default=RESULTS / "deferral.jsonl")
    options = parser.parse_args()
    done = {(line["set"], line["max_rows"]) for line in read_lines(options.out)}
    for name in options.sets:
        if (name, options.max_rows) not in done:
            with one_thread():
                for line in measure(name, options.max_rows, options.agreement):
                    append(options.out, line)
    report(read_lines(options.out))


if __name__ == "__main__":
    main()

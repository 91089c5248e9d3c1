"""What it takes to answer: the teacher, the default student, and its ONNX file.

    python -m benchmarks.serving --out benchmarks/results/serving.jsonl

One line of JSON a set, seed 0: milliseconds of process time for a single row and for 10,000 rows
on one thread, and bytes. The ONNX file (float32 inside) takes raw rows and is run by onnxruntime;
making the rows' feed is not timed, for nobody who deploys it starts from a frame. A set whose line
is there is skipped.
"""

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime

from skkd import DistilledClassifier
from skkd.export import to_onnx

from .datasets import SUITE
from .protocol import BATCH_ROWS, cost, one_thread, seconds_of, split, take
from .run import RESULTS, append, environment, read_lines
from .teachers import TEACHERS, make_teacher


def measure(name: str, max_rows: int) -> dict:
    """Costs of all three on one set."""
    rows = split(name, 0, max_rows)
    teacher = make_teacher(TEACHERS[name], rows.X, 0)
    with one_thread():
        # With new rows, as by default: how many hidden units are needed hangs on what was learnt.
        clf = DistilledClassifier(teacher, cv=5, random_state=0)
        clf.fit(rows.X, rows.y)
        line = {"set": name, "max_rows": max_rows, "teacher": TEACHERS[name]}
        line |= _named("teacher", cost(clf.teacher_, rows.X_test))
        line |= _named("student", cost(clf, rows.X_test, clf.student_))
        line |= _named("onnx", cost_of_onnx(clf, rows.X_test))
    return line | environment() | {"onnxruntime": onnxruntime.__version__}


def cost_of_onnx(clf, X) -> dict:
    """What the student's ONNX file costs, as ``protocol.cost`` says it of an estimator."""
    with tempfile.TemporaryDirectory() as folder:
        exported = to_onnx(clf, Path(folder) / "student.onnx", X, dtype="float32")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(exported.path, options)
    predict = partial(session.run, ["probabilities"])
    feeds = [feed(session, take(X, np.array([i % len(X)]))) for i in range(203)]
    batch = feed(session, take(X, np.arange(BATCH_ROWS) % len(X)))
    return {
        "row_ms": 1e3 * float(np.median([seconds_of(predict, one) for one in feeds][3:])),
        "batch_ms": 1e3 * min(seconds_of(predict, batch) for _ in range(3)),
        "bytes": exported.n_bytes,
        "difference": exported.max_difference,
    }


def feed(session, X) -> dict[str, np.ndarray]:
    """Rows as the file takes them: an array, or numbers and texts, with "" for a missing text."""
    inputs = session.get_inputs()
    if not hasattr(X, "columns"):
        return {inputs[0].name: np.asarray(X, dtype=_dtype(inputs[0]))}
    columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])
    return {
        one.name: (
            X[names].astype(object).where(X[names].notna(), "").to_numpy()
            if _dtype(one) is object
            else X[names].to_numpy(_dtype(one))
        )
        for one in inputs
        for names in [columns[one.name]]
    }


def _dtype(one):
    kind = one.type.removeprefix("tensor(").removesuffix(")")
    return {"string": object, "float": np.float32, "double": np.float64}[kind]


def _named(owner: str, costs: dict) -> dict:
    return {f"{owner}_{name}": value for name, value in costs.items()}


def report(lines: list[dict]) -> None:
    """How many times faster and smaller than the teacher."""
    print("| set | teacher | row | row, ONNX | 10,000 rows | 10,000 rows, ONNX | bytes, ONNX |")
    print("|---|---|---|---|---|---|---|")
    for line in lines:
        ratios = [
            line[f"teacher_{what}"] / line[f"{owner}_{what}"]
            for what, owner in [
                ("row_ms", "student"),
                ("row_ms", "onnx"),
                ("batch_ms", "student"),
                ("batch_ms", "onnx"),
                ("bytes", "onnx"),
            ]
        ]
        print(
            f"| {line['set']} | {line['teacher']}, {line['teacher_row_ms']:.2g} ms a row | "
            + " | ".join(f"{ratio:.3g}" for ratio in ratios)
            + " |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=list(SUITE))
    parser.add_argument("--max-rows", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=RESULTS / "serving.jsonl")
    options = parser.parse_args()
    done = {line["set"] for line in read_lines(options.out)}
    for name in options.sets:
        if name not in done:
            append(options.out, measure(name, options.max_rows))
    report(read_lines(options.out))


if __name__ == "__main__":
    main()

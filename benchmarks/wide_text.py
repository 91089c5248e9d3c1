"""How a student of wide sparse text compares with its linear teacher.

    python -m benchmarks.wide_text --out benchmarks/results/wide_text.jsonl

The documents are docstrings of installed packages, and the classes are the twenty largest
subpackages: 2,000 rows to train on, 4,000 to test, and 20,000 columns of TF-IDF. One line of JSON a
seed; what is there already is not computed again.
"""

import argparse
import ast
import tempfile
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from skkd import DistilledClassifier
from skkd.export import to_onnx

from .protocol import one_thread
from .run import RESULTS, append, environment, read_lines

PACKAGES = ("numpy", "scipy", "sklearn", "pandas", "torch", "matplotlib", "sympy", "networkx")
N_TRAIN, N_TEST, N_CLASSES, N_COLUMNS, LEAST_WORDS = 2000, 4000, 20, 20_000, 12


def docstrings() -> tuple[np.ndarray, np.ndarray]:
    """Return docstrings and the subpackage that each is of."""
    texts, owners = [], []
    for package in PACKAGES:
        spec = find_spec(package)
        root = Path(spec.origin).parent if spec is not None else Path("missing")
        for path in sorted(root.rglob("*.py")):
            names = path.relative_to(root.parent).parts
            if len(names) < 3 or "test" in path.as_posix().removeprefix(root.as_posix()):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                text = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node)
                if text and len(text.split()) >= LEAST_WORDS:
                    texts.append(text)
                    owners.append(".".join(names[:2]))
    return np.array(texts, dtype=object), np.array(owners)


def measure(texts: np.ndarray, owners: np.ndarray, seed: int) -> dict:
    """Return scores of teacher and student, seconds of the fit, and the size of the ONNX file."""
    classes = [name for name, _ in Counter(owners.tolist()).most_common(N_CLASSES)]
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(np.isin(owners, classes)))
    train, test = rows[:N_TRAIN], rows[N_TRAIN : N_TRAIN + N_TEST]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), max_features=N_COLUMNS)
    X, X_test = vectorizer.fit_transform(texts[train]), vectorizer.transform(texts[test])
    clf = DistilledClassifier(LogisticRegression(max_iter=1000), random_state=seed)
    start, start_cpu = time.perf_counter(), time.process_time()
    with one_thread():
        clf.fit(X, owners[train])
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    line: dict = {"seed": seed, "shape": X.shape, "seconds": seconds, "cpu_seconds": cpu_seconds}
    for name, model in (("teacher", clf.teacher_), ("student", clf)):
        line[f"{name}_accuracy"] = model.score(X_test, owners[test])
        line[f"{name}_log_loss"] = log_loss(owners[test], model.predict_proba(X_test))
    with tempfile.TemporaryDirectory() as folder:
        line["onnx_bytes"] = to_onnx(clf, Path(folder) / "student.onnx", X_test[:100]).n_bytes
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=RESULTS / "wide_text.jsonl")
    options = parser.parse_args()
    done = {line["seed"] for line in read_lines(options.out)}
    texts, owners = docstrings()
    for seed in options.seeds:
        if seed not in done:
            append(options.out, measure(texts, owners, seed) | environment())
    for line in read_lines(options.out):
        print({name: value for name, value in line.items() if not isinstance(value, (str, dict))})


if __name__ == "__main__":
    main()

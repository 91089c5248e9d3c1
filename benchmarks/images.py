"""Images: from a convolutional net and from a forest to a small convolutional net.

``OMP_NUM_THREADS=1 python -m benchmarks.images`` trains on 60,000 images of Fashion-MNIST on one
thread in some twenty minutes, prints a table and writes ``results/images.json``;
``--rows 5000`` is a quick look, and writes nothing.

Teachers are a medium convolutional net and a random forest on pixels, whose targets are out-of-bag.
All students are the small convolutional net, and take the same number of steps on the same number
of images: for twice the epochs without new images, for a student that has them sees a new one,
shifted or flipped, for each real one. 64 of both make its batch, which is 128 for the others.
As changed clothes keep their labels, another student learns from the labels of such copies as well,
made once; so does the convolutional teacher. Agreement is with the teacher, without one with the
convolutional net. The forest's seconds are among those of its student.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
import sklearn
import skorch
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import skkd
from skkd import DistilledClassifier
from skkd.augmenters import ShiftFlipCrop
from skkd.balancers import FixedBalance
from skkd.students import make_student

from .datasets import load
from .protocol import cost, one_thread

RESULTS = Path(__file__).parent / "results" / "images.json"
N_TREES = 100


class PixelForest(RandomForestClassifier):
    """A random forest that takes images."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(X.reshape(len(X), -1), y, sample_weight)

    def predict_proba(self, X):
        return super().predict_proba(X.reshape(len(X), -1))


def read(n_rows: int, seed: int = 0):
    """Training and test images as float32 arrays of shape (n_rows, 1, 28, 28), and labels."""
    X, y = load("fashion_mnist")
    X = np.asarray(X, dtype=np.float32).reshape(-1, 1, 28, 28)
    return train_test_split(X, y, train_size=n_rows, stratify=y, random_state=seed)


def student(size: str, n_epochs: int):
    """A convolutional net for a number of epochs."""
    return make_student("convnet", size).set_params(max_epochs=n_epochs)


def on_labels(net, X, y) -> DistilledClassifier:
    """A net trained on labels only, by the same loop."""
    nothing = np.full((len(y), 10), 0.1)
    clf = DistilledClassifier(None, net, balancer=FixedBalance(0.0), random_state=0)
    return clf.fit(X, y, teacher_proba=nothing)


def with_copies(X, y):
    """The images and a shifted, zoomed or flipped copy of each, with the same labels."""
    changed = ShiftFlipCrop(flip=True).fit(X).make(X, np.arange(len(X)), np.random.default_rng(0))
    return np.concatenate([X, changed]), np.concatenate([y, y])


def measured(name: str, model, rows, seconds: float, teacher=None) -> dict:
    """What a fitted model is good for on the test rows; also printed."""
    X_test, y_test = rows
    proba = model.predict_proba(X_test)
    guess = proba.argmax(axis=1)
    agreement = None
    if teacher is not None:
        agreement = float((teacher.predict_proba(X_test).argmax(axis=1) == guess).mean())
    result = {
        "model": name,
        "accuracy": float((model.classes_[guess] == y_test).mean()),
        "log_loss": float(log_loss(y_test, proba, labels=model.classes_)),
        "agreement": agreement,
        **cost(model, X_test),
        "fit_seconds": seconds,
    }
    print(
        f"{name:36}{result['accuracy']:10.4f}{result['log_loss']:10.3f}"
        f"{'' if agreement is None else format(agreement, '.3f'):>11}"
        f"{result['bytes'] / 1e6:9.2f}{result['row_ms']:9.2f}{seconds:8.0f}",
        flush=True,
    )
    return result


def compare(n_rows: int, n_epochs: int, n_teacher_epochs: int) -> list[dict]:
    """Train all models, one after the other, and print a line for each."""
    X, X_test, y, y_test = read(n_rows)
    rows, augmenter = (X_test, y_test), ShiftFlipCrop(flip=True)
    copies = with_copies(X, y)
    results = []

    def distil(teacher, **params):
        net = student("small", n_epochs).set_params(batch_size=64)  # and 64 new images
        params = {"student": net, "augmenter": augmenter} | params
        return DistilledClassifier(teacher, random_state=0, **params).fit(X, y)

    def distil_forest(**params):
        forest = PixelForest(N_TREES, min_samples_leaf=2, random_state=0)
        return distil(forest, cv="oob", **params)

    titles = ("accuracy", 10), ("log-loss", 10), ("agreement", 11), ("MB", 9), ("row ms", 9)
    print(" " * 36 + "".join(f"{title:>{width}}" for title, width in (*titles, ("fit s", 8))))
    start = time.process_time()
    convnet = on_labels(student("medium", n_teacher_epochs), *copies).student_
    seconds = time.process_time() - start
    results.append(measured("convnet, medium (teacher)", convnet, rows, seconds))
    ways = {
        "labels only": lambda: on_labels(student("small", 2 * n_epochs), X, y),
        "labels only, and changed copies": lambda: on_labels(student("small", n_epochs), *copies),
        "distilled from the convnet": lambda: distil(convnet),
        "distilled from the forest": distil_forest,
        "from the forest, without new images": lambda: distil_forest(
            student=student("small", 2 * n_epochs), augmenter=None
        ),
    }
    for name, train in ways.items():
        start = time.process_time()
        clf = train()
        seconds = time.process_time() - start
        teacher = convnet if clf.teacher is None else clf.teacher_
        if name == "distilled from the forest":
            results.append(measured("forest on pixels (teacher)", teacher, rows, 0.0))
        results.append(measured(name, clf.student_only(), rows, seconds, teacher))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=5, help="of a distilled student")
    parser.add_argument("--teacher-epochs", type=int, default=4)
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") is None:
        # torch.set_num_threads does not reach the thread that goes backwards through the net.
        parser.error("set the environment variable OMP_NUM_THREADS=1")
    with one_thread():
        results = compare(options.rows, options.epochs, options.teacher_epochs)
    if options.rows == 60_000:
        modules = (skkd, sklearn, skorch, torch, np)
        about = {
            "rows": options.rows,
            "epochs": options.epochs,
            "teacher_epochs": options.teacher_epochs,
            "versions": {module.__name__: module.__version__ for module in modules},
            "machine": platform.processor() or platform.machine(),
        }
        RESULTS.write_text(json.dumps(about | {"results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()

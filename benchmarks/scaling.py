"""What a fit costs from ten thousand to a million rows, and what further processes bring.

- *Fits*: the default student on 50 columns of float32, without new rows, with a fitted teacher that
  costs one matrix product, so that it is the student that is measured. Seconds, seconds of
  processor time, and what the fit adds to the rows at its peak.
- *Cross-fitting*: the same with boosted trees as an unfitted teacher and ``cv=5``. The share of the
  teacher is what is left when the same student is trained from its probabilities.
- *Labelling*: a fitted teacher asked about many rows, as a whole and in parts by joblib.
- *Processes*: a student trained in one process and in two, each with one thread.

Fits and cross-fitting are measured in processes of their own. Linux only.

    OMP_NUM_THREADS=1 python -m benchmarks.scaling --json benchmarks/results/scaling.json
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import sklearn
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.utils import gen_even_slices
from skorch import NeuralNetClassifier

import skkd
from benchmarks.memory import MB, N_FEATURES, Linear, Peaks, in_a_process, make_rows, warm_up
from skkd import DistilledClassifier
from skkd.students import TabularMLP

SIZES = (10_000, 100_000, 1_000_000)

# Hidden layers and batch size of the student that several processes train.
WIDE = [((256, 256), 256), ((1024, 1024), 4096)]


class Clock:
    """Seconds of a ``with`` block, on the wall and of the processors."""

    def __enter__(self):
        self.started = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error):
        wall, processors = self.started
        self.seconds = time.perf_counter() - wall
        self.processor_seconds = time.process_time() - processors


def measure_fit(n_rows: int) -> dict:
    """The default student with a cheap teacher."""
    warm_up()
    X, y = make_rows(n_rows, 0, np.float32)
    clf = DistilledClassifier(Linear(), augmenter=None, random_state=0)
    with Peaks() as peaks, Clock() as fit:
        clf.fit(X, y)
    with Clock() as predict:
        predicted = clf.predict(X)
    steps = clf.n_iter_ * -(-n_rows // clf.student_.batch_size)
    return {
        "rows": n_rows,
        "epochs": clf.n_iter_,
        "seconds": fit.seconds,
        "processor seconds": fit.processor_seconds,
        "milliseconds a step": 1000 * fit.processor_seconds / steps,
        "X": X.nbytes / MB,
        "added": (peaks.largest["VmRSS"] - peaks.before["VmRSS"]) / MB,
        "seconds of predict": predict.seconds,
        "accuracy": float(np.mean(predicted == y)),
    }


def measure_cross_fitting(n_rows: int) -> dict:
    """A teacher fitted six times: once a fold, and on all rows."""
    warm_up()
    X, y = make_rows(n_rows, 0, np.float32)
    teacher = HistGradientBoostingClassifier(max_iter=50, early_stopping=False, random_state=0)
    with Clock() as whole:
        DistilledClassifier(teacher, cv=5, augmenter=None, random_state=0).fit(X, y)
    with Clock() as alone:
        teacher.fit(X, y)
    proba = teacher.predict_proba(X)
    with Clock() as student:
        DistilledClassifier(None, random_state=0).fit(X, y, teacher_proba=proba)
    return {
        "rows": n_rows,
        "processor seconds": whole.processor_seconds,
        "processor seconds of one fit of the teacher": alone.processor_seconds,
        "processor seconds of the student": student.processor_seconds,
        "share of the teacher": 1 - student.processor_seconds / whole.processor_seconds,
    }


def measure_labelling(teacher, n_rows: int) -> dict:
    """A teacher's probabilities as a whole, and in parts by two processes."""
    X, y = make_rows(n_rows, 0, np.float32)
    teacher.fit(X[:300], y[:300])
    with Clock() as whole:
        proba = teacher.predict_proba(X)
    slices = list(gen_even_slices(n_rows, 20))
    joblib.Parallel(2)(joblib.delayed(answer)(teacher, X[:10]) for _ in range(2))  # start them
    with Clock() as here:
        parts = joblib.Parallel(2)(joblib.delayed(answer)(teacher, X[rows]) for rows in slices)
    np.testing.assert_allclose(np.concatenate([part for part, _ in parts]), proba, 1e-6, 1e-9)
    return {
        "teacher": type(teacher).__name__,
        "rows": n_rows,
        "processor seconds": whole.processor_seconds,
        "processor seconds of two processes": sum(seconds for _, seconds in parts),
        "processor seconds of the one that waits": here.processor_seconds,
        "seconds": whole.seconds,
        "seconds by two processes": here.seconds,
    }


def labelled() -> list[tuple]:
    """Teachers that cost little and much a row, and how many rows they are asked about."""
    forest = RandomForestClassifier(100, random_state=0)
    return [(forest, 1_000_000), (GaussianProcessClassifier(random_state=0), 50_000)]


def answer(teacher, X) -> tuple[np.ndarray, float]:
    """A part of the rows, and the processor time that it took."""
    with Clock() as clock:
        proba = teacher.predict_proba(X)
    return proba, clock.processor_seconds


def as_one_of_several() -> None:
    """What a launched process does: a fit whose steps are expensive. The first prints its times."""
    from accelerate import Accelerator
    from skorch.hf import AccelerateMixin

    class AcceleratedNet(AccelerateMixin, NeuralNetClassifier):
        pass

    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    X, y = make_rows(100_000, 0, np.float32)
    for hidden, batch_size in WIDE:
        net = AcceleratedNet(
            TabularMLP,
            optimizer=torch.optim.Adam,
            module__hidden=hidden,
            batch_size=batch_size,
            max_epochs=2,
            accelerator=accelerator,
        )
        clf = DistilledClassifier(Linear(), net, augmenter=None, random_state=0)
        with Clock() as clock:
            clf.fit(X, y)
        accelerator.print(json.dumps([clock.seconds, clock.processor_seconds]))


def measure_processes() -> list[dict]:
    """Fits by one and by two launched processes."""
    command = "-m torch.distributed.run --standalone --nproc-per-node {} -m benchmarks.scaling"
    times = []
    for count in (1, 2):
        launched = subprocess.run(
            [sys.executable, *command.format(count).split(), "--as-one-of-several"],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        times.append([json.loads(line) for line in launched.stdout.splitlines()])
    return [
        {
            "hidden": hidden,
            "batch_size": batch_size,
            "processor seconds of one": one[1],
            "processor seconds of each of two": two[1],
            "seconds of one": one[0],
            "seconds of two": two[0],
        }
        for (hidden, batch_size), one, two in zip(WIDE, *times, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", help="also write the results to this file")
    parser.add_argument("--as-one-of-several", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.as_one_of_several:
        as_one_of_several()
        return

    results: dict = {
        "columns": N_FEATURES,
        "fits": [in_a_process(measure_fit, n_rows) for n_rows in SIZES],
        "cross-fitting": [in_a_process(measure_cross_fitting, n_rows) for n_rows in SIZES[:2]],
        "labelling": [measure_labelling(*case) for case in labelled()],
        "processes": measure_processes(),
    }
    versions = {m.__name__: m.__version__ for m in (skkd, sklearn, torch, np)}
    results |= {"versions": versions, "machine": platform.processor() or platform.machine()}
    print(json.dumps(results, indent=1))
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

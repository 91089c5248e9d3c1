"""
Quick start: a forest and a boosting model distilled
====================================================

A teacher that is accurate and slow, a student that is small and fast, and a fair question: does the
teacher help? For each data set and seed three models are compared on held-out rows:

- the *teacher*: a random forest or gradient boosting;
- *labels alone*: skkd's default student, trained without the teacher;
- *distilled*: the same student with the same budget, trained by ``DistilledClassifier``. Nothing is
  tuned.

The data sets come with scikit-learn, so nothing is downloaded. Takes some minutes on two cores.
"""

# %%
# The data, the teachers, and what is measured
# --------------------------------------------

import os
import pickle
import sys
import time

import matplotlib.pyplot as plt
import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from skkd import DistilledClassifier
from skkd.balancers import FixedBalance

SMALL = "SKKD_SMALL" in os.environ  # set by the tests: one seed, small teachers
N_SEEDS, N_TREES = (1, 20) if SMALL else (5, 300)

DATA = {
    "digits": (load_digits, RandomForestClassifier(N_TREES, random_state=0)),
    "breast_cancer": (
        load_breast_cancer,
        GradientBoostingClassifier(n_estimators=N_TREES, random_state=0),
    ),
}


def milliseconds(predict, X, n_calls: int) -> float:
    """Median time of one call."""
    times = []
    for _ in range(n_calls):
        start = time.perf_counter()
        predict(X)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def measure(model, X, y) -> dict[str, float]:
    """Quality on held-out rows, size as a pickle, and latency."""
    proba = model.predict_proba(X)
    return {
        "accuracy": accuracy_score(y, model.classes_[proba.argmax(axis=1)]),
        "log-loss": log_loss(y, proba),
        "kilobytes": len(pickle.dumps(getattr(model, "student_", model))) / 1e3,
        "one row, ms": milliseconds(model.predict_proba, X[:1], 30),
        "all rows, ms": milliseconds(model.predict_proba, X, 5),
    }


def labels_alone(X, y, seed: int) -> DistilledClassifier:
    """The same student with a balancing parameter of 0, so that the teacher's word is not heard."""
    n_classes = len(np.unique(y))
    unheard = np.full((len(y), n_classes), 1 / n_classes)
    clf = DistilledClassifier(None, balancer=FixedBalance(0.0), random_state=seed)
    return clf.fit(X, y, teacher_proba=unheard)


# %%
# Distill
# -------
#
# ``cv=5`` fits the teacher such that no target comes from a model which saw that row's label; the
# teacher refitted on all rows is ``teacher_``.


def compare(load, teacher, seed: int) -> tuple[dict[str, dict[str, float]], dict]:
    """What teacher, labels alone and distilled reach on one split, and how the last was trained."""
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X.astype(np.float32), y, test_size=0.3, stratify=y, random_state=seed
    )
    distilled = DistilledClassifier(teacher, cv=5, random_state=seed).fit(X_train, y_train)
    models = {
        "teacher": distilled.teacher_,
        "labels alone": labels_alone(X_train, y_train, seed),
        "distilled": distilled,
    }
    measured = {label: measure(model, X_test, y_test) for label, model in models.items()}
    return measured, distilled.history_


results: dict[str, list[dict[str, float]]] = {}
histories = {}
for name, (load, teacher) in DATA.items():
    runs = Parallel(n_jobs=-1)(delayed(compare)(load, teacher, seed) for seed in range(N_SEEDS))
    for measured, history in runs:
        for label, numbers in measured.items():
            results.setdefault(f"{name:<14}{label:<13}", []).append(numbers)
        histories[name] = history

# %%
# The table
# ---------
#
# Means over the seeds; for accuracy and log-loss with the standard error.


def cell(values: list[float], *, error: bool) -> str:
    mean = np.mean(values)
    if not error:
        return f"{mean:.3g}" if mean < 100 else f"{mean:.0f}"
    return (
        f"{mean:.4f} ±{np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0:.4f}"
    )


columns = list(next(iter(results.values()))[0])
print(f"{'data':<14}{'model':<13}" + "".join(f"{column:>17}" for column in columns))
for label, runs in results.items():
    cells = [
        cell([run[column] for run in runs], error=column in ("accuracy", "log-loss"))
        for column in columns
    ]
    print(label + "".join(f"{text:>17}" for text in cells))

# %%
# The balancing parameter over the training
# -----------------------------------------
#
# Each loss keeps its share in the descent: the parameter moves as their gradients do. The band is
# between the smallest and the largest value of an epoch.

fig, axes = plt.subplots(
    2, len(histories), figsize=(8, 4.5), layout="constrained", sharex="col", sharey="row"
)
for (ax, losses), (name, history) in zip(axes.T, histories.items(), strict=True):
    epoch = history["epoch"]
    ax.fill_between(epoch, history["weight_min"], history["weight_max"], alpha=0.25, lw=0)
    ax.plot(epoch, history["weight"], "C0")
    ax.set_title(name)
    losses.plot(epoch, history["task_loss"], "C1--", label="task loss")
    losses.plot(epoch, history["distillation_loss"], "C2-.", label="distillation loss")
    losses.set(xlabel="epoch", yscale="log")
axes[0, 0].set(ylabel="balancing parameter", ylim=(0, 1))
axes[1, 0].set_ylabel("loss (nats)")
axes[1, 0].legend()
if len(sys.argv) > 1:  # a file to keep the figure in
    fig.savefig(sys.argv[1], dpi=150)
else:
    plt.show()

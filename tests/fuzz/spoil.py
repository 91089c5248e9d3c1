"""Replace one argument of a fit by something odd."""

import math

import numpy as np
import pandas as pd

from skkd import DistilledClassifier


class Odd:
    """Something that no parameter is."""

    def __repr__(self):
        return "Odd()"


ODD_VALUES = [
    0, -1, 1, 2.5, math.nan, math.inf, 1e300, -1e-300, "text", "", "auto", None, True, (), [], {},
    b"bytes", Odd(), Odd, np.float32(0.5), np.int64(3), np.array([1, 2]), "a\0b", "\ud800", 10**30,
]  # fmt: skip
PARTS = [
    "student__max_epochs", "student__batch_size", "student__lr", "student__module__hidden",
    "student__module__dropout", "student__optimizer__weight_decay", "student__callbacks",
    "student__device", "student__optimizer", "student__module__bins", "student__iterator_train",
    "balancer__ratio", "balancer__smoothing", "balancer__fade", "balancer__min_weight",
    "balancer__weight", "augmenter__prob", "augmenter__n_new", "augmenter__refresh",
    "augmenter__loss_weight", "teacher__C",
]  # fmt: skip


def spoil(rng, fit) -> None:
    """Replace one thing by something odd."""
    value = ODD_VALUES[int(rng.integers(len(ODD_VALUES)))]
    where = rng.choice(["param", "part", "argument", "y"], p=[0.4, 0.3, 0.2, 0.1])
    if where == "param":
        names = list(DistilledClassifier(None).get_params(deep=False))
        name = str(rng.choice([name for name in names if name not in ("n_jobs", "verbose")]))
        if name == "memory" and isinstance(value, str) and value.isalpha():
            value += "\0"  # any other text is a folder
        fit.params[name] = value
        if name in ("student", "balancer", "augmenter"):
            fit.nested.clear()
        if name == "teacher":
            fit.teacher = lambda X, y, labels: value
            del fit.params[name]
    elif where == "part":
        name = str(rng.choice(PARTS))
        # So many epochs are allowed, and would take too long.
        is_long = name == "student__max_epochs" and value is ODD_VALUES[-1]
        value = -1 if is_long else value
        fit.nested[name] = value
    elif where == "argument":
        name = str(rng.choice(["sample_weight", "teacher_proba", "X_unlabeled", "groups"]))
        fit.arguments[name] = value
    else:
        name = "y"
        odd = odd_labels(len(fit.rows))
        value = odd[int(rng.integers(len(odd)))]
        fit.y = value
    fit.is_spoiled = True
    fit.words.append(f"{name} := {str(value)[:30]!r} of {type(value).__name__}")


def odd_labels(n_rows: int) -> list:
    """Return what no classifier takes as y."""
    return [
        None,
        "text",
        np.zeros(n_rows),
        np.full(n_rows, np.nan),
        np.full(n_rows, 1j),
        np.arange(n_rows) / 7,
        np.arange(n_rows - 1),
        np.eye(n_rows)[:, :2],
        np.array(["a", 1, None] * n_rows, object)[:n_rows],
        np.array(["\ud800", "b"] * n_rows)[:n_rows],
        pd.Series(pd.date_range("2020", periods=n_rows)),
    ]

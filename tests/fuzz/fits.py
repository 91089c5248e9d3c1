"""Random arguments of a fit: labels, weights, teachers, parameters, and the caller's world."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import torch
from sklearn import config_context
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier

from skkd import DistilledClassifier, balancers, schedules
from skkd.augmenters import AUGMENTERS
from skkd.balancers import BALANCERS
from skkd.losses import DISTILLATION_LOSSES, kl
from tests.helpers import ConvNet, DropoutNet, Net, quick_net

from .fuzzed_teachers import CHANGES, FINE, draw_teacher
from .rows import Rows, take
from .spoil import spoil


@dataclass
class Fit:
    """All that a call of ``fit`` needs.

    Attributes
    ----------
    rows : Rows
    codes : int ndarray of shape (n_rows,)
        The classes, numbered in the order of their labels.
    labels : ndarray
        The label of each code.
    y : object
        ``labels[codes]`` in some container.
    arguments : dict
        Of ``fit``, besides X and y.
    teacher : callable
        Makes the teacher, given X, y and the labels.
    params : dict
        Parameters of the classifier.
    nested : dict
        Parameters of its parts.
    world : callable
        Makes the context in which the caller lives.
    is_spoiled : bool
        Whether something is wrong on purpose, so that an error is likely.
    is_long : bool
        Whether it trains long enough to learn what the teacher knows.
    words : list of str
        What was drawn.
    """

    rows: Rows
    codes: np.ndarray
    labels: np.ndarray
    y: Any
    arguments: dict
    teacher: Callable
    params: dict
    nested: dict
    world: Callable = contextlib.nullcontext
    is_spoiled: bool = False
    is_long: bool = False
    words: list[str] = field(default_factory=list)

    @property
    def leaves_rows_out(self) -> bool:
        """Whether some rows have a weight of zero."""
        return any(word.startswith("weights zero") for word in self.words)

    def make(self, X=None, y=None) -> DistilledClassifier:
        """Return a classifier that is not fitted yet."""
        X = self.rows.X if X is None else X
        labels = self.labels if y is None else np.arange(len(self.labels))
        teacher = self.teacher(X, self.y if y is None else y, labels)
        clf = DistilledClassifier(teacher, **self.params)
        return clf.set_params(**self.nested)


# Labels


def _labels(rng, n: int) -> np.ndarray:
    kinds = {
        "ints": np.arange(n),
        "int8": np.arange(n, dtype=np.int8),
        "far_ints": np.arange(n) * 1_000_003 - 5,
        "uint64": np.arange(n, dtype=np.uint64) + 2**63,
        "floats": np.arange(n, dtype=float),
        "float32": np.arange(n, dtype=np.float32) - 1,
        "texts": np.array(
            sorted(["no", "yes", "é", "z" * 40, "", "0", *map(str, range(1, 9))][:n])
        ),
        "objects": np.array(sorted(f"o{i}" for i in range(n)), dtype=object),
        "unknown_objects": np.array([10**20 + i for i in range(n)], dtype=object),
    }
    if n == 2:
        kinds |= {"bools": np.array([False, True])}
    if rng.random() < 0.95:
        kinds.pop("unknown_objects")
    return kinds[str(rng.choice(list(kinds)))]


def _in_container(rng, y: np.ndarray):
    kind = rng.choice(["array"] * 5 + ["list", "series", "category", "polars", "column", "tensor"])
    if kind == "list":
        return y.tolist(), kind
    if kind == "series":
        return pd.Series(y, index=np.arange(len(y))[::-1]), kind
    if kind == "category":
        return pd.Series(y).astype("category"), kind
    if kind == "polars" and y.dtype.kind in "iufb":
        return pl.Series(y), kind
    if kind == "column":
        return y.reshape(-1, 1), kind
    if kind == "tensor" and y.dtype in (np.int64, np.float64, bool):
        return torch.from_numpy(y.copy()), kind
    return y, f"array of {y.dtype}"


def _codes(rng, numbers: np.ndarray, n_classes: int) -> np.ndarray:
    score = np.nan_to_num(numbers[:, 0], posinf=0, neginf=0)
    score = score + 0.01 * rng.normal(size=len(score)) * (np.ptp(score) or 1.0)
    ranks = np.argsort(np.argsort(score, kind="stable"), kind="stable") / len(score)
    if rng.random() < 0.3:  # rare classes
        ranks = ranks**3
    codes = np.minimum((ranks * n_classes).astype(int), n_classes - 1)
    return np.unique(codes, return_inverse=True)[1]


# Weights


def draw_weights(rng, n_rows: int, codes: np.ndarray):
    uniform = rng.uniform(0.1, 3, n_rows)
    kinds = {
        "none": None,
        "ones": np.ones(n_rows),
        "some": uniform,
        "list": uniform.tolist(),
        "float32": uniform.astype(np.float32),
        "ints": rng.integers(1, 4, n_rows),
        "series": pd.Series(uniform),
        "zeros": np.where(rng.random(n_rows) < 0.3, 0.0, uniform),
        "zero_for_a_class": np.where(codes == codes.max(), 0.0, uniform),
        "huge": uniform * 10.0 ** rng.integers(5, 305),
        "tiny": uniform / 10.0 ** rng.integers(5, 307),
        "far_apart": 10.0 ** rng.integers(-200, 200, n_rows),
        "one_row": np.where(np.arange(n_rows) == 7, 1e9, 1e-9),
        "scalar": 2.0,
    }
    kind = str(rng.choice(["none"] * 12 + list(kinds)))
    return kinds[kind], kind


# Parameters


class Constant:
    """A temperature that is called."""

    def __call__(self, progress):
        return 2.0 + progress


def own_loss(student_logits, soft_targets, temperature):
    """A distillation loss as a user writes it."""
    return kl(student_logits, soft_targets, temperature)


def _student(rng, rows: Rows) -> tuple[Any, dict, str]:
    epochs = int(rng.integers(1, 3))
    if "image" in rows.kind:
        if rng.random() < 0.5:
            return quick_net(ConvNet, max_epochs=epochs), {}, "own convnet"
        return "convnet", {"student__max_epochs": 1, "student__module__widths": (4, 4)}, "convnet"
    small = {"student__max_epochs": epochs, "student__module__hidden": (8,)}
    makers: dict[str, Callable] = {
        "default": lambda: (None, small),
        "mlp": lambda: ("mlp", small | {"student__module__dropout": 0.5}),
        "mlp pruned": lambda: ("mlp", {"student__max_epochs": epochs}),
        "mlp_plr": lambda: ("mlp_plr", small),
        "net": lambda: (quick_net(max_epochs=epochs), {}),
        "sgd": lambda: (NeuralNetClassifier(Net, max_epochs=epochs, batch_size=-1), {}),
        "dropout": lambda: (quick_net(DropoutNet, max_epochs=epochs, batch_size=17), {}),
        "pipeline": lambda: (make_pipeline(StandardScaler(), quick_net(max_epochs=epochs)), {}),
    }
    has_texts = any(word in rows.kind for word in ("pandas", "polars", "table", "odd"))
    name = str(rng.choice([*["default"] * 6, *makers]))
    if has_texts and not name.startswith(("default", "mlp")) and rng.random() < 0.9:
        name = "default"
    return *makers[name](), name


def _parameters(rng, is_image: bool, is_fitted: bool, teacher_kind: str, labels, folder) -> dict:
    params: dict[str, Any] = {"augmenter": None, "random_state": int(rng.integers(100))}

    def maybe(name, values, chance=0.3):
        if rng.random() < chance:
            params[name] = values[int(rng.integers(len(values)))]

    params["balancer"] = str(rng.choice(list(BALANCERS)))
    maybe("balancer", [balancers.FixedBalance(w) for w in (0.0, 0.3, 1.0)], 0.3)
    augmenters = [name for name in AUGMENTERS if (name == "shift_flip_crop") == is_image]
    maybe("augmenter", [*augmenters, "auto"], 0.25)
    maybe("temperature", [0.5, 4, 20.0, "teacher_entropy", Constant(),
                          schedules.TemperatureSchedule()])  # fmt: skip
    maybe("distillation_loss", [*DISTILLATION_LOSSES, own_loss])
    maybe("calibrate", [None, "auto", "temperature", "vector"])
    maybe("early_stopping", [True], 0.15)
    maybe("validation_fraction", [0.02, 0.3, 0.9], 0.1)
    maybe("class_weight", ["balanced", dict(zip(labels.tolist(), [2.0] * 20, strict=False))], 0.15)
    maybe("memory", [str(folder)], 0.2)
    maybe("random_state", [None, np.random.RandomState(3), np.int64(7)], 0.1)
    if not is_fitted:
        cv = [2, 3, StratifiedKFold(2), StratifiedKFold(3, shuffle=True, random_state=0)]
        maybe("cv", cv + (["oob"] * 4 if "forest" in teacher_kind else []), 0.7)
        params.setdefault("cv", 2)
    return params


# The caller's world


@contextlib.contextmanager
def default_float64():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def array_api():
    """Let scikit-learn dispatch to array libraries, where it can."""
    try:
        context = config_context(array_api_dispatch=True)
        context.__enter__()
    except ImportError:  # scikit-learn before 1.8 needs a further package
        yield
        return
    try:
        yield
    finally:
        context.__exit__(None, None, None)


WORLDS: dict[str, Callable] = {
    "plain": contextlib.nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "default_float64": default_float64,
    "errstate": lambda: np.errstate(all="raise"),
    "pandas_output": lambda: config_context(transform_output="pandas"),
    "routing": lambda: config_context(enable_metadata_routing=True),
    "array_api": array_api,
    "assume_finite": lambda: config_context(assume_finite=True),
}


def draw_fit(rng, rows: Rows, folder) -> Fit:
    """Draw all that a fit needs beside its rows."""
    codes = _codes(rng, rows.numbers, int(rng.choice([2, 2, 2, 3, 5, 12])))
    labels = _labels(rng, codes.max() + 1)
    y, y_kind = _in_container(rng, labels[codes])
    weight, weight_kind = draw_weights(rng, len(rows), codes)
    readable = isinstance(rows.X, np.ndarray) and rows.X.ndim == 2 and rows.X.dtype.kind in "iuf"
    teacher, teacher_kind, is_fitted = draw_teacher(rng, readable)
    student, nested, student_kind = _student(rng, rows)
    params = _parameters(rng, "image" in rows.kind, is_fitted, teacher_kind, labels, folder)
    arguments: dict[str, Any] = {} if weight is None else {"sample_weight": weight}
    if rng.random() < 0.15:
        proba = rng.dirichlet(np.ones(len(labels)), len(rows))
        change = str(rng.choice(FINE if rng.random() < 0.8 else list(CHANGES)))
        arguments["teacher_proba"] = CHANGES[change](proba)
        teacher_kind = f"proba ({change}), {teacher_kind}"
        if rng.random() < 0.5:
            teacher, params["cv"], params["augmenter"] = (lambda X, y, labels: None), None, None
    world = str(rng.choice(["plain"] * 12 + list(WORLDS)))
    fit = Fit(rows, codes, labels, y, arguments, teacher, params | {"student": student}, nested)
    fit.world = WORLDS[world]
    fit.words = [rows.kind, f"y {y_kind}", f"weights {weight_kind}", f"teacher {teacher_kind}",
                 f"student {student_kind}", world]  # fmt: skip
    if rng.random() < 0.2:
        spoil(rng, fit)
    elif student is None and teacher_kind in ("reader", "frozen") and rng.random() < 0.3:
        lengthen(fit)
    elif rows.kind not in ("image_dataset", "lists") and teacher_kind in (
        "reader",
        "frozen",
        "in_place",
    ):
        if rng.random() < 0.3:
            index = rng.choice(len(rows), len(rows) // 2)
            arguments["X_unlabeled"] = [take(rows.X, index)]
            fit.words.append("unlabeled rows")
    return fit


def lengthen(fit: Fit) -> None:
    """Let a fit train long enough, without what could rightly keep it from learning."""
    kept = ("random_state", "memory", "calibrate", "student")
    fit.params = {"augmenter": None, "balancer": balancers.FixedBalance(0.5)} | {
        name: fit.params[name] for name in kept if name in fit.params
    }
    fit.arguments.clear()
    fit.nested["student__max_epochs"] = 80
    if "student__module__hidden" in fit.nested:  # a few units may learn too little, by chance
        fit.nested["student__module__hidden"] = (64,)
    fit.is_long = True
    fit.words.append("long")

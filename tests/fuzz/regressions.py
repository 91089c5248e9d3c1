"""Random calls of a regressor's ``fit`` and of all that follows it."""

import copy
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skkd import DistilledRegressor, balancers
from skkd.augmenters import AUGMENTERS
from skkd.balancers import BALANCERS
from skkd.export import OnnxStudent, load, save, to_onnx
from tests.regression.regressors import linear_net

from .calls import check, refused
from .fits import WORLDS, draw_weights
from .rows import Rows, draw_rows, plain_numbers, take
from .spoil import ODD_VALUES
from .watch import Wrong, last_of_skkd, leaves_alone, no_noise

LOSSES = ("squared_error", "huber", "absolute_error", "quantile", "poisson", "gamma")


class NumberReader(RegressorMixin, BaseEstimator):
    """Reads any container as numbers; a ridge regression does the rest."""

    def fit(self, X, y, sample_weight=None):
        self.model_ = make_pipeline(StandardScaler(), Ridge()).fit(plain_numbers(X), np.asarray(y))
        return self

    def predict(self, X):
        return self.model_.predict(plain_numbers(X))


class AskedForNumbers:
    """An object that only predicts; ``change`` is what happens to its answers on the way."""

    def __init__(self, reader, change: str):
        self.reader, self.change = reader, change

    def predict(self, X):
        return CHANGES[self.change](np.asarray(self.reader.predict(X)))


CHANGES: dict[str, Callable] = {
    "nothing": lambda values: values,
    "float32": lambda values: values.astype(np.float32),
    "list": lambda values: values.tolist(),
    "tensor": lambda values: torch.tensor(values, requires_grad=True),
    "frame": lambda values: pd.DataFrame(values),
    "read-only": lambda values: np.broadcast_to(values[:1], values.shape),
    "far off": lambda values: values * 1e6,
    "nan": lambda values: np.where(np.arange(values.size).reshape(values.shape) == 3, np.nan, 1.0),
    "too few rows": lambda values: values[:-1],
    "texts": lambda values: values.astype(str),
}
FINE = list(CHANGES)[:7]


def run_regression(seed: int) -> str:
    """Run one random call; return how it ended, as :func:`tests.fuzz.calls.run_call` does."""
    rng = np.random.default_rng([26, seed])
    with tempfile.TemporaryDirectory() as folder:
        rows = draw_rows(rng, folder)
        while "image" in rows.kind:
            rows = draw_rows(rng, folder)
        words: list[str] = [rows.kind]
        try:
            return _run(rng, rows, Path(folder), words)
        except BaseException as error:
            error.add_note("; ".join(words))
            raise


def _run(rng, rows: Rows, folder: Path, words: list[str]) -> str:
    torch.manual_seed(int(rng.integers(1000)))
    loss = str(rng.choice(["squared_error"] * 4 + list(LOSSES)))
    numbers = _numbers(rng, rows, loss, words)
    y = _in_container(rng, numbers, words)
    arguments: dict[str, Any] = {}
    weight, kind = draw_weights(rng, len(rows), np.zeros(len(rows), int))
    if weight is not None:
        arguments["sample_weight"] = weight
        words.append(f"weights {kind}")
    params = _parameters(rng, loss, folder, words)
    try:
        teacher = _teacher(rng, rows, numbers, arguments, words)
        reg = DistilledRegressor(teacher, **params).set_params(**_student(rng, rows, words))
    except Exception as error:
        if last_of_skkd(error) == "?" or "spoiled" in words:
            return f"refused: before the fit: {error}"
        raise
    world = str(rng.choice(["plain"] * 12 + list(WORLDS)))
    words.append(world)
    earlier = vars(reg).copy()
    with leaves_alone(X=rows.X, y=y, teacher=teacher, **arguments):
        try:
            with WORLDS[world](), no_noise(), leaves_alone():
                reg.fit(rows.X, y, **arguments)
        except Wrong:
            raise
        except Exception as error:
            check(vars(reg).keys() == earlier.keys(), "a fit that fails leaves something behind")
            return refused(error)
    with leaves_alone(X=rows.X), no_noise():
        values = check_values(rng, reg, rows, numbers)
    check_state(rng, reg, rows, numbers, (WORLDS[world], y, arguments), values, folder)
    return "right"


# What is drawn


def _numbers(rng, rows: Rows, loss: str, words: list[str]) -> np.ndarray:
    score = np.nan_to_num(rows.numbers[:, 0], posinf=0, neginf=0).clip(-1e6, 1e6)
    z = score / (np.abs(score).max() or 1.0) + 0.1 * rng.normal(size=len(rows))
    if loss in ("poisson", "gamma"):
        z = np.exp(z)
        z = np.floor(z * 3) if loss == "poisson" and rng.random() < 0.5 else z
    kinds: dict[str, Callable] = {
        "as it is": lambda: z,
        "large": lambda: z * 1e9,
        "huge": lambda: z * 10.0 ** rng.integers(30, 300),
        "tiny": lambda: z * 10.0 ** -rng.integers(30, 305),
        "far from 0": lambda: z + 1e7,
        "constant": lambda: np.full(len(z), 3.7),
        "outlier": lambda: np.where(np.arange(len(z)) == 5, 1e8, z),
        "ints": lambda: (z * 10).round().astype(np.int64),
        "int8": lambda: (z * 10).round().clip(-120, 120).astype(np.int8),
        "bool": lambda: z > np.median(z),
        "float32": lambda: z.astype(np.float32),
        "nan": lambda: np.where(np.arange(len(z)) == 5, np.nan, z),
        "inf": lambda: np.where(np.arange(len(z)) == 5, np.inf, z),
    }
    kind = str(rng.choice(["as it is"] * 10 + list(kinds)))
    words.append(f"y {kind}")
    numbers = kinds[kind]()
    if rng.random() < 0.15:
        words.append("two outputs")
        numbers = np.stack([numbers, numbers[::-1]], axis=1)
    return numbers


def _in_container(rng, y: np.ndarray, words: list[str]):
    makers: dict[str, Callable] = {
        "array": lambda: y,
        "list": y.tolist,
        "pandas": lambda: pd.DataFrame(y) if y.ndim == 2 else pd.Series(y, name="y"),
        "polars": lambda: pl.DataFrame(y) if y.ndim == 2 else pl.Series(y),
        "column": lambda: y.reshape(len(y), -1),
        "tensor": lambda: torch.from_numpy(y.copy()),
        "objects": lambda: y.astype(object),
    }  # fmt: skip
    kind = str(rng.choice(["array"] * 6 + list(makers)))
    words.append(kind)
    return makers[kind]()


def _teacher(rng, rows: Rows, y: np.ndarray, arguments: dict, words: list[str]):
    if rng.random() < 0.15:
        change = str(rng.choice(FINE if rng.random() < 0.8 else list(CHANGES)))
        words.append(f"predictions ({change})")
        arguments["teacher_prediction"] = CHANGES[change](np.asarray(y, float))
        return None
    change = str(rng.choice(FINE if rng.random() < 0.9 else list(CHANGES)))
    makers: dict[str, Callable] = {
        "reader": lambda: NumberReader().fit(rows.X, y),
        "frozen": lambda: FrozenEstimator(NumberReader().fit(rows.X, y)),
        f"asked ({change})": lambda: AskedForNumbers(NumberReader().fit(rows.X, y), change),
        "unfitted reader": NumberReader,
    }
    if isinstance(rows.X, np.ndarray) and rows.X.ndim == 2 and rows.X.dtype.kind in "iuf":
        makers["unfitted boosting"] = lambda: HistGradientBoostingRegressor(
            max_iter=3, random_state=0
        )
        makers["unfitted ridge"] = Ridge
    kind = str(rng.choice(list(makers)))
    words.append(f"teacher {kind}")
    return makers[kind]()


def _student(rng, rows: Rows, words: list[str]) -> dict:
    epochs = int(rng.integers(1, 3))
    small = {"student__max_epochs": epochs, "student__module__hidden": (8,)}
    makers: dict[str, Callable] = {
        "default": lambda: small,
        "pruned": lambda: {"student__max_epochs": epochs},
        "own": lambda: {"student": linear_net(lr=0.01, max_epochs=epochs)},
    }
    plain = isinstance(rows.X, np.ndarray) and rows.X.dtype.kind == "f" and "odd" not in rows.kind
    kind = str(rng.choice(["default", "default", "pruned"] + ["own"] * plain))
    words.append(f"student {kind}")
    return makers[kind]()


def _parameters(rng, loss: str, folder, words: list[str]) -> dict:
    params: dict[str, Any] = {"augmenter": None, "random_state": 3, "loss": loss}
    params["balancer"] = str(rng.choice(list(BALANCERS)))

    def maybe(name, values, chance):
        if rng.random() < chance:
            params[name] = values[int(rng.integers(len(values)))]

    maybe("balancer", [balancers.FixedBalance(weight) for weight in (0.0, 0.5, 1.0)], 0.4)
    maybe("augmenter", [*(name for name in AUGMENTERS if name != "shift_flip_crop"), "auto"], 0.25)
    maybe("distillation_loss", ["squared_error", "huber", "absolute_error"], 0.2)
    maybe("early_stopping", [True], 0.15)
    maybe("memory", [str(folder)], 0.2)
    maybe("quantile", [0.1, 0.9], 0.3)
    if rng.random() < 0.15:
        names = sorted(set(DistilledRegressor(None).get_params(deep=False)) - {"n_jobs", "verbose"})
        names = [name for name in names if name not in ("teacher", "student", "memory")]
        name = str(rng.choice(names))
        params[name] = ODD_VALUES[int(rng.integers(len(ODD_VALUES)))]
        words += ["spoiled", f"{name} := {str(params[name])[:30]!r}"]
    words.append(", ".join(f"{name}={str(value)[:40]}" for name, value in params.items()))
    return params


# What must hold


def unit_of(y: np.ndarray) -> float:
    """Return what predictions are compared in: the spread of y, or its size."""
    y = np.asarray(y, float)
    return max(float(y.std()), 1e-6 * float(np.abs(y).max()), 1e-300)


def tolerance(values: np.ndarray, y: np.ndarray) -> float:
    """Return how far equal predictions may be apart, by their dtype."""
    y = np.asarray(y, float)
    size = max(float(np.abs(values).max()), float(np.abs(y).max()))
    single = values.dtype == np.float32
    return (2e-3 if single else 1e-6) * unit_of(y) + (1e-6 if single else 1e-13) * size


def check_values(rng, reg, rows: Rows, y: np.ndarray) -> np.ndarray:
    """Check predictions for the training rows, and return them."""
    X, n_rows = rows.X, len(rows)
    values = reg.predict(X)
    shape = (n_rows,) if y.ndim == 1 else y.shape
    check(values.shape in (shape, (n_rows, 1)), f"shape {values.shape}")
    check(values.dtype in (np.float32, np.float64), f"dtype {values.dtype}")
    check(np.isfinite(values).all(), "predictions are not finite")
    if reg.loss in ("poisson", "gamma"):
        check((values >= 0).all(), "a negative count")
    # A logarithm's error is one of its number's size.
    allowed = tolerance(values, y) * (100 if reg.loss in ("poisson", "gamma") else 1)
    for index in (rng.permutation(n_rows), rng.choice(n_rows, 9), rng.choice(n_rows, 1)):
        differs = np.abs(reg.predict(take(X, index)) - values[index]).max()
        check(differs <= allowed, f"{len(index)} of the rows: {differs:.2g} apart")
    return values


def check_state(rng, reg, rows: Rows, y, given: tuple, values, folder: Path) -> None:
    """Check that a regressor says the same in another form, and fitted again."""
    X = rows.X

    def same(other, what: str, atol: float = 0.0) -> None:
        differs = np.abs(np.asarray(other, float) - values).max()
        check(differs <= atol, f"{what}: {differs:.2g} apart")

    state = rng.choice(["pickle", "copy", "student_only", "save", "onnx", "onnx", "again"])
    if state == "pickle":
        same(pickle.loads(pickle.dumps(reg.student_only())).predict(X), state)
    elif state == "copy":
        same(copy.deepcopy(reg).predict(X), state)
    elif state == "student_only":
        same(reg.student_only().predict(X), state)
    elif state == "save":
        try:
            save(reg, folder / "saved", teacher=False)
        except Exception as error:
            refused(error)
            return
        trusted = ["tests.regression.regressors.Linear", "tests.fuzz.regressions.NumberReader"]
        same(load(folder / "saved", trusted=trusted).predict(X), state)
    elif state == "onnx":
        try:
            to_onnx(reg, folder / "student.onnx", X)
        except Exception as error:
            refused(error)
            return
        found = OnnxStudent(folder / "student.onnx").predict(X)
        same(found, state, 10 * tolerance(values, y))
    elif reg.random_state == 3 and not reg.memory:
        live, container, arguments = given
        with live():
            same(reg.fit(X, container, **arguments).predict(X), state, tolerance(values, y))


__all__ = ["run_regression"]

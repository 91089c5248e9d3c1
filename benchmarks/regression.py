"""Compare the regression student with its teacher, labels only, and small boosted trees.

    python -m benchmarks.regression
    python -m benchmarks.regression --table

The results file has one line of JSON for each data set, number of training rows, seed and model. A
run skips the lines that are there. All models run on one thread.

The models:

- ``teacher``: LightGBM with 31 leaves, and as many trees as are best by cross-validation.
- ``trees_40`` and ``trees_100``: LightGBM with 15 leaves, trained on the labels.
- ``labels_only``: the student without a teacher and without synthetic rows.
- ``default``: ``DistilledRegressor(teacher, cv=5)``.
- ``plain``: the same without synthetic rows.
- ``fixed_0.25`` to ``fixed_1``: the same as ``plain``, with a fixed balancing parameter.

A third of the rows, at most 10,000, are test rows. ``seconds`` is process time of the fit. Each
model is also one ONNX file, from raw rows to numbers. ``row_us``, ``batch_ms`` and ``bytes`` are
those of the file, measured as in :mod:`benchmarks.frontier`.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skkd import DistilledRegressor
from skkd.balancers import FixedBalance
from skkd.export import to_onnx

from .alternatives import LevelCodes, onnx_of
from .frontier import latency, session_of
from .protocol import one_thread, take
from .regression_sets import REGRESSION_SETS, load_numbers
from .run import RESULTS, append, environment, read_lines

WEIGHTS = (0.25, 0.5, 0.75, 1.0)
WEIGHT_NAMES = [f"fixed_{weight:g}" for weight in WEIGHTS]
MODELS = (
    *("teacher", "trees_40", "trees_100", "labels_only", "default", "plain"),
    *WEIGHT_NAMES,
)
#: The models of the guide's table, in its order.
SHOWN = ("default", "teacher", "trees_40", "trees_100")

_MAX_TEST_ROWS = 10_000
_OUT = RESULTS / "regression.jsonl"


def trees(n_trees: int, n_leaves: int, rate: float, seed: int):
    """Return LightGBM on numbers and level codes."""
    model = lightgbm.LGBMRegressor(
        n_estimators=n_trees,
        num_leaves=n_leaves,
        learning_rate=rate,
        n_jobs=1,
        random_state=seed,
        verbose=-1,
    )
    return make_pipeline(LevelCodes(), model)


def choose_teacher(X, y: np.ndarray, seed: int):
    """Return a teacher whose number of trees is the best by cross-validation."""
    params = trees(400, 31, 0.05, seed)[-1].get_params()
    data = lightgbm.Dataset(LevelCodes().fit_transform(X), y)
    keys = ("num_leaves", "learning_rate", "verbose")
    found = lightgbm.cv(
        {key: params[key] for key in keys} | {"objective": "regression", "num_threads": 1},
        data,
        400,
        nfold=5,
        stratified=False,
        seed=seed,
    )
    losses = next(values for name, values in found.items() if name.endswith("-mean"))
    return trees(int(np.argmin(losses)) + 1, 31, 0.05, seed)


def build(model: str, teacher, seed: int, memory: str):
    """Return an unfitted model."""
    if model == "teacher":
        return teacher
    if model.startswith("trees_"):
        return trees(int(model.removeprefix("trees_")), 15, 0.1, seed)
    options = {"cv": 5, "memory": memory, "random_state": seed}
    if model == "default":
        return DistilledRegressor(teacher, **options)
    if model == "plain":
        return DistilledRegressor(teacher, augmenter=None, **options)
    weight = 0.0 if model == "labels_only" else float(model.removeprefix("fixed_"))
    return DistilledRegressor(
        None if weight == 0 else teacher,
        balancer=FixedBalance(weight),
        augmenter=None,
        random_state=seed,
        memory=memory,
    )


def measure(name: str, max_rows: int, seed: int, models: list[str]):
    """Yield the line of each model."""
    X, y = load_numbers(name)
    index = np.random.default_rng(seed).permutation(len(y))[: 2 * max_rows + 2 * _MAX_TEST_ROWS]
    train, test = train_test_split(index, test_size=1 / 3, random_state=seed)
    train, test = train[:max_rows], test[:_MAX_TEST_ROWS]
    X_train, y_train, X_test, y_test = take(X, train), y[train], take(X, test), y[test]
    with tempfile.TemporaryDirectory() as folder, one_thread(), joblib.parallel_config(n_jobs=1):
        teacher = choose_teacher(X_train, y_train, seed)
        for model in models:
            start = time.process_time()
            extra = {"teacher_prediction": y_train} if model == "labels_only" else {}
            fitted = build(model, clone(teacher), seed, folder).fit(X_train, y_train, **extra)
            seconds = time.process_time() - start
            predicted = fitted.predict(X_test)
            line = {"set": name, "rows": max_rows, "seed": seed, "model": model}
            line |= {"n_train": len(y_train), "n_test": len(y_test), "seconds": seconds}
            line |= {
                "r2": r2_score(y_test, predicted),
                "rmse": root_mean_squared_error(y_test, predicted),
                "mae": mean_absolute_error(y_test, predicted),
            }
            if isinstance(fitted, DistilledRegressor):
                line["weight"] = fitted.history_["weight"][[0, -1]].tolist()
                line["augmenter"] = repr(fitted.augmenter_)
            yield line | cost_of_file(fitted, X_test) | environment()


def cost_of_file(fitted, X) -> dict[str, float]:
    """Measure the ONNX file of a fitted model."""
    if isinstance(fitted, DistilledRegressor):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "student.onnx"
            to_onnx(fitted, path, X, dtype="float32")
            file = path.read_bytes()
    else:
        codes, model = fitted[0], fitted[-1]
        file = onnx_of(codes, model, X.shape[1])
    return latency(session_of(file), X) | {"bytes": len(file)}


def shares(lines: list[dict], rows: int) -> pd.DataFrame:
    """Return each model's RMSE as a share of that of labels only, a row for each seed and set."""
    frame = pd.DataFrame([line for line in lines if line["rows"] == rows])
    errors = frame.pivot(index=["set", "seed"], columns="model", values="rmse")
    return errors.div(errors["labels_only"], axis=0)


def table(lines: list[dict], rows: int) -> list[str]:
    """Write a row for each set: R2, RMSE as a share of labels only, and costs of the files."""
    frame = pd.DataFrame([line for line in lines if line["rows"] == rows])
    r2 = frame.groupby(["set", "model"])["r2"].mean().unstack()
    costs = frame.groupby(["set", "model"])[["row_us", "bytes"]].median()
    by_seed = shares(lines, rows)
    mean, error = by_seed.groupby("set").mean(), by_seed.groupby("set").sem()
    out = []
    for name in mean.index:
        of_models = [f"{mean.loc[name, model]:.3f}" for model in SHOWN[1:]]
        latency = [f"{costs.loc[(name, model), 'row_us']:.0f}" for model in SHOWN]
        size = [f"{costs.loc[(name, model), 'bytes'] / 1000:.0f}" for model in SHOWN]
        out.append(
            f"| {name} | {r2.loc[name, 'labels_only']:.3f} | {r2.loc[name, 'default']:.3f} | "
            f"{mean.loc[name, 'default']:.3f} ± {error.loc[name, 'default']:.3f} | "
            f"{' | '.join(of_models)} | {' / '.join(latency)} | {' / '.join(size)} |"
        )
    means = " | ".join(f"{mean[model].mean():.3f}" for model in SHOWN)
    return [*out, f"| **mean** | | | {means} | | |"]


def table_of_weights(lines: list[dict], rows: int) -> list[str]:
    """Write a row for each set: shares of labels only by balancing parameter."""
    mean = shares(lines, rows).groupby("set").mean()[["plain", *WEIGHT_NAMES]]
    of_sets = [
        f"| {name} | {' | '.join(f'{share:.3f}' for share in mean.loc[name])} |"
        for name in mean.index
    ]
    return [*of_sets, f"| **mean** | {' | '.join(f'{share:.3f}' for share in mean.mean())} |"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=REGRESSION_SETS, default=REGRESSION_SETS)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--rows", nargs="+", type=int, default=[4000], help="training rows at most")
    parser.add_argument("--table", action="store_true", help="print what is there, and end")
    options = parser.parse_args(arguments)
    lines = read_lines(_OUT)
    if options.table:
        for rows in sorted({line["rows"] for line in lines}):
            print(f"At most {rows:,} rows:", *table(lines, rows), sep="\n")
        print("By weight:", *table_of_weights(lines, min(options.rows)), sep="\n")
        return 0
    done = {(line["set"], line["rows"], line["seed"], line["model"]) for line in lines}
    for rows in options.rows:
        for seed in options.seeds:
            for name in options.sets:
                missing = [one for one in options.models if (name, rows, seed, one) not in done]
                for line in measure(name, rows, seed, missing):
                    append(_OUT, line)
                    print(
                        f"{name:10}{rows:7,}{seed:3}  {line['model']:12}R2 {line['r2']:.4f}  "
                        f"RMSE {line['rmse']:.5g}{line['seconds']:8.1f} s  "
                        f"{line.get('weight', '')} {line.get('augmenter', '')}",
                        flush=True,
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Random uses of a fitted classifier or regressor: reports, deferral, displays, encoders."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skkd import (
    BalanceDisplay,
    DeferralDisplay,
    DeferringClassifier,
    DistilledClassifier,
    FidelityDisplay,
)
from skkd.export import OnnxStudent, to_onnx
from skkd.report import distillation_report
from skkd.students import TableEncoder

from .calls import check, refused
from .fits import Fit, draw_fit, draw_weights
from .fuzzed_teachers import Asked, Reader
from .rows import draw_rows, take
from .spoil import ODD_VALUES
from .watch import Wrong, leaves_alone, no_noise


def run_use(seed: int) -> str:
    """Fit, use what was fitted in one way, and check it; return how it ended."""
    rng = np.random.default_rng([27, seed])
    with tempfile.TemporaryDirectory() as folder:
        fit = draw_fit(rng, draw_rows(rng, folder), folder)
        words = list(fit.words)
        use = str(rng.choice(list(USES)))
        words.append(use)
        try:
            if use == "encoder":
                return _encode(rng, fit)
            try:
                clf = fit.make().fit(fit.rows.X, fit.y, **fit.arguments)
            except Exception as error:  # campaigns of calls look at these
                return f"refused: {error}"
            with no_noise(), leaves_alone(X=fit.rows.X, y=fit.y, teacher=clf.teacher):
                return USES[use](rng, clf, fit, Path(folder), words)
        except BaseException as error:
            error.add_note("; ".join(words))
            raise
        finally:
            plt.close("all")


def _attempt(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or a text that says how it was refused."""
    try:
        return call()
    except Wrong:
        raise
    except Exception as error:
        return refused(error)


def _options(rng, params: dict, words: list[str], chance: float = 0.25) -> dict:
    """Replace one of some parameters by something odd, at times."""
    if rng.random() < chance:
        name = str(rng.choice(list(params)))
        params[name] = ODD_VALUES[int(rng.integers(len(ODD_VALUES)))]
        words.append(f"{name} := {str(params[name])[:30]!r}")
    return params


def _some(rng, fit: Fit) -> tuple:
    """Return some rows with their labels, at times none of a class."""
    index = rng.permutation(len(fit.rows))[: int(rng.integers(1, len(fit.rows)))]
    return take(fit.rows.X, index), take(fit.y, index), index


def _report(rng, clf: DistilledClassifier, fit: Fit, folder: Path, words: list[str]) -> str:
    X, y, index = _some(rng, fit)
    params = _options(
        rng,
        {
            "baseline": None,
            "scoring": rng.choice([None, "neg_log_loss", "balanced_accuracy"]),
            "margin": float(rng.choice([0.0, 0.01])),
            "confidence_level": float(rng.choice([0.5, 0.95])),
            "n_bootstrap": int(rng.integers(10, 50)),
            "random_state": int(rng.integers(9)),
            "sample_weight": draw_weights(rng, len(index), fit.codes[index])[0],
        },
        words,
    )
    if rng.random() < 0.2:
        del params["baseline"]
        params |= {"X_train": fit.rows.X, "y_train": fit.y}
    params["latency"] = bool(rng.random() < 0.1)
    report = _attempt(lambda: distillation_report(clf, X, y, **params))
    if isinstance(report, str):
        return report
    check(report.verdict.strip(), "no verdict")
    for text in (str(report), repr(report), report.verdict):
        check("-0.0 " not in text, "a minus zero")
    page = folder / "report.html"
    report.to_html(page)
    check(page.stat().st_size > 1000, "an empty page")
    again = _attempt(lambda: distillation_report(clf, X, y, **params | {"latency": False}))
    if not params["latency"] and isinstance(params["random_state"], int):
        check(str(again) == str(report), "the same report again differs")
    return "right"


def _defer(rng, clf: DistilledClassifier, fit: Fit, folder: Path, words: list[str]) -> str:
    X, y, _ = _some(rng, fit)
    goal = str(rng.choice(["agreement", "accuracy_loss", "defer"]))
    value = {"agreement": 0.9, "accuracy_loss": 0.2, "defer": float(rng.choice([0.0, 0.3, 1.0]))}
    params = _options(rng, {goal: value[goal], "confidence_level": 0.8}, words)
    student: Any = clf if rng.random() < 0.5 else clf.student_only()
    if rng.random() < 0.3:
        try:
            student = OnnxStudent(to_onnx(clf, folder / "student.onnx", fit.rows.X).path)
        except Exception as error:
            return refused(error)
    reader = Reader().fit(fit.rows.X, fit.y)
    teacher = clf.teacher_ if clf.teacher_ is not None and rng.random() < 0.5 else Asked(reader)
    words.append(f"student {type(student).__name__}, teacher {type(teacher).__name__}")
    both = _attempt(lambda: DeferringClassifier(student, teacher, **params).fit(X, y))
    if isinstance(both, str):
        return both
    proba = both.predict_proba(fit.rows.X)
    check(np.isfinite(proba).all(), "probabilities are not finite")
    check(np.abs(proba.sum(axis=1) - 1).max() < 1e-4, "probabilities do not sum to one")
    labels = both.predict(fit.rows.X)
    check(np.isin(labels, both.classes_).all(), "unknown labels")
    check(np.array_equal(labels, both.classes_[proba.argmax(axis=1)]), "predict differs")
    deferred = both.defers(fit.rows.X)
    for model, rows in ((student, ~deferred), (teacher, deferred)):
        if rows.any() and hasattr(model, "predict"):
            expected = np.asarray(model.predict(take(fit.rows.X, np.flatnonzero(rows))))
            check((labels[rows].astype(str) == expected.astype(str)).mean() > 0.95, "whose answer?")
    display = DeferralDisplay.from_estimator(both, X, y)
    check(len(display.scores) == len(np.asarray(y)) + 1, "scores of the display")
    return "right"


def _displays(rng, clf: DistilledClassifier, fit: Fit, folder: Path, words: list[str]) -> str:
    X, y, _ = _some(rng, fit)
    BalanceDisplay.from_estimator(clf).figure_.savefig(folder / "balance.png")
    display = _attempt(lambda: FidelityDisplay.from_estimator(clf, X, y))
    if isinstance(display, str):
        return display
    display.figure_.savefig(folder / "fidelity.png")
    columns = _attempt(clf.describe_columns)
    if not isinstance(columns, str) and fit.rows.kind != "image_dataset":
        n_columns = np.shape(fit.rows.X)[1] if fit.rows.kind == "lists" else fit.rows.X.shape[1]
        check(len(columns) == n_columns, f"{len(columns)} of {n_columns} columns described")
    return "right"


def _encode(rng, fit: Fit) -> str:
    X = fit.rows.X
    encoder = _attempt(lambda: TableEncoder().fit(X))
    if isinstance(encoder, str):
        return encoder
    with no_noise(), leaves_alone(X=X):
        encoded = encoder.transform(X)
    check(encoded.shape[0] == len(fit.rows), "rows of the encoder")
    check(encoded.shape[1] == len(encoder.get_feature_names_out()), "names of the encoder")
    dense = encoded.toarray() if hasattr(encoded, "toarray") else np.asarray(encoded)
    check(np.isfinite(dense).all(), "numbers of the encoder")
    index = rng.permutation(len(fit.rows))
    other = encoder.transform(take(X, index))
    other = other.toarray() if hasattr(other, "toarray") else np.asarray(other)
    check(np.array_equal(other, dense[index]), "the encoder depends on the order of the rows")
    if isinstance(X, pd.DataFrame):
        check(np.array_equal(TableEncoder().fit_transform(X), dense), "fit_transform differs")
    return "right"


USES: dict[str, Callable] = {
    "report": _report,
    "deferral": _defer,
    "displays": _displays,
    "encoder": _encode,
}

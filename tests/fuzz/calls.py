"""Random calls of ``fit`` and of all that follows it, and what must hold after each."""

import copy
import pickle
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone

from skkd.export import OnnxStudent, load, save, to_onnx
from tests.helpers import ConvNet, DropoutNet, Net

from .fits import Constant, Fit, draw_fit, own_loss
from .fuzzed_teachers import Asked, InPlace, Reader
from .rows import draw_rows, take
from .watch import Wrong, is_allowed, last_of_skkd, leaves_alone, no_noise, place_of


def check(condition, what: str) -> None:
    """Raise :class:`Wrong` unless a condition holds."""
    if not condition:
        raise Wrong(what)


def tolerance(proba: np.ndarray) -> float:
    """Return how far equal probabilities may be apart, by their dtype."""
    return 2e-3 if proba.dtype == np.float32 else 1e-6


def run_call(seed: int) -> str:
    """Run one random call; return how it ended.

    Returns
    -------
    outcome : str
        "right", or "refused: ..." with the message. :class:`Wrong` or the error itself is raised
        for all else.
    """
    rng = np.random.default_rng([25, seed])
    with tempfile.TemporaryDirectory() as folder:
        rows = draw_rows(rng, folder)
        fit = draw_fit(rng, rows, folder)
        try:
            return _run(rng, fit, Path(folder))
        except BaseException as error:
            error.add_note("; ".join(fit.words))
            error.add_note(_params_in_short(fit))
            raise


def _params_in_short(fit: Fit) -> str:
    params = {**fit.params, **fit.nested}
    del params["student"]
    return ", ".join(f"{name}={str(value)[:40]}" for name, value in params.items())


def _run(rng, fit: Fit, folder: Path) -> str:
    torch.manual_seed(int(rng.integers(1000)))
    np.random.seed(int(rng.integers(1000)))
    try:
        clf = fit.make()
    except Exception as error:  # of the teacher's own fit, or of scikit-learn's set_params
        if fit.is_spoiled or last_of_skkd(error) == "?":
            return f"refused: before the fit: {error}"
        raise
    earlier = vars(clf).copy()
    watched = {"X": fit.rows.X, "y": fit.y, "teacher": clf.teacher, **fit.arguments}
    with leaves_alone(**watched):
        try:
            with fit.world(), no_noise(), leaves_alone():
                clf.fit(fit.rows.X, fit.y, **fit.arguments)
        except Wrong:
            raise
        except Exception as error:
            check(vars(clf).keys() == earlier.keys(), "a fit that fails leaves something behind")
            return refused(error)
    try:
        with leaves_alone(X=fit.rows.X), no_noise():
            proba = check_answers(rng, clf, fit)
    except (ValueError, TypeError) as error:
        if not fit.leaves_rows_out:  # of weight zero: they may hold what fit never saw
            raise
        return refused(error)
    if fit.is_long:
        check_learned(clf, fit)
    check_state(rng, clf, fit, proba, folder)
    if rng.random() < 0.3:
        check_refused_rows(rng, clf, fit)
    return "right"


def refused(error: Exception) -> str:
    """Return how a call ended that was refused; raise an error that is not for people."""
    if not is_allowed(error):
        raise error
    return f"refused: {type(error).__name__} at {last_of_skkd(error)}: {error}"


def check_answers(rng, clf, fit: Fit) -> np.ndarray:
    """Check the answers of a fitted classifier about its training rows; return probabilities."""
    X, n_rows = fit.rows.X, len(fit.rows)
    proba = clf.predict_proba(X)
    y = np.asarray(fit.y).ravel()
    check(np.array_equal(clf.classes_, np.unique(y)), f"classes_ {clf.classes_}")
    check(proba.shape == (n_rows, len(clf.classes_)), f"shape {proba.shape}")
    check(proba.dtype in (np.float32, np.float64), f"dtype {proba.dtype}")
    check(np.isfinite(proba).all(), "probabilities are not finite")
    check((proba >= 0).all() and (proba <= 1).all(), "probabilities outside [0, 1]")
    check(np.abs(proba.sum(axis=1) - 1).max() < 1e-5, "probabilities do not sum to one")
    with np.errstate(divide="ignore"):
        log_proba = clf.predict_log_proba(X)
    check(np.allclose(np.exp(log_proba), proba, atol=1e-5), "predict_log_proba differs")
    labels = clf.predict(X)
    check(labels.dtype == clf.classes_.dtype, f"labels of dtype {labels.dtype}")
    check(np.array_equal(labels, clf.classes_[log_proba.argmax(axis=1)]), "predict differs")
    scores = clf.decision_function(X)
    if len(clf.classes_) == 2:
        check(np.array_equal(scores > 0, labels == clf.classes_[1]), "decision_function differs")
    for index in (rng.permutation(n_rows), rng.choice(n_rows, 9), rng.choice(n_rows, 1)):
        part = clf.predict_proba(take(X, index))
        differs = np.abs(part - proba[index]).max()
        check(differs < tolerance(proba), f"{len(index)} of the rows: {differs:.2g} apart")
    return proba


def check_learned(clf, fit: Fit) -> None:
    """Check that the student is closer to the teacher than to the most frequent label."""
    share = np.bincount(fit.codes).max() / len(fit.codes)
    student, teacher = (
        np.mean(np.asarray(one.predict(fit.rows.X)) == fit.labels[fit.codes])
        for one in (clf, clf.teacher_)
    )
    check(
        student >= share + 0.3 * (teacher - share) - 0.05,
        f"accuracy {student:.2f}, of the teacher {teacher:.2f}, of one label {share:.2f}",
    )


def check_state(rng, clf, fit: Fit, proba, folder: Path) -> None:
    """Check that a classifier says the same in another form, fitted again, and by another way."""
    X = fit.rows.X

    def same(other, what: str, atol: float = 0.0) -> None:
        differs = np.abs(other - proba).max()
        check(differs <= atol, f"{what}: {differs:.2g} apart")

    state = rng.choice(["pickle", "copy", "student_only", "save", "onnx", "again", "twin", "more",
                        "failure"])  # fmt: skip
    if state == "pickle":
        with no_noise():
            same(pickle.loads(pickle.dumps(clf.student_only())).predict_proba(X), state)
    elif state == "copy":
        same(copy.deepcopy(clf).predict_proba(X), state)
    elif state == "student_only":
        alone = clf.student_only()
        same(alone.predict_proba(X), state)
        check(np.array_equal(alone.predict(X), clf.predict(X)), "labels of student_only")
    elif state == "save":
        try:
            save(clf, folder / "saved", teacher=bool(rng.random() < 0.3))
        except Exception as error:
            refused(error)
            return
        again = load(folder / "saved", trusted=_trusted(clf))
        same(again.predict_proba(X), state)
        check(np.array_equal(again.predict(X), clf.predict(X)), "labels after load")
    elif state == "onnx":
        try:
            to_onnx(clf, folder / "student.onnx", X)
        except Exception as error:
            refused(error)
            return
        if not isinstance(X, torch.utils.data.Dataset):
            same(OnnxStudent(folder / "student.onnx").predict_proba(X), state, 1e-4)
    elif state == "again" and isinstance(fit.params["random_state"], int):
        with fit.world():
            again = clone(clf) if rng.random() < 0.3 and _is_unfitted(clf) else fit.make()
            same(again.fit(X, fit.y, **fit.arguments).predict_proba(X), "the same fit again")
    elif state == "twin":
        check_twin(clf, fit, proba)
    elif state == "more" and hasattr(clf, "partial_fit"):
        check_partial_fit(rng, clf, fit)
    elif state == "failure":
        try:
            clf.fit(X, np.zeros(len(fit.rows)))
        except ValueError:
            same(clf.predict_proba(X), "after a fit that failed")
        else:
            raise Wrong("a single class was accepted")


def _is_unfitted(clf) -> bool:
    return not hasattr(clf, "partial_fit")


def _trusted(clf) -> list:
    own = [Reader, Asked, InPlace, Constant, own_loss]
    names = [f"{one.__module__}.{one.__name__}" for one in [*own, Net, DropoutNet, ConvNet]]
    trees = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
    return [*names, "torch.nn.modules.dropout.Dropout", trees, "sklearn.tree._tree.Tree"]


def check_twin(clf, fit: Fit, proba) -> None:
    """The same numbers as a plain array, and the labels as 0, 1, ..., give the same model."""
    plain, params = fit.rows.plain, dict(fit.params)
    if plain is None or fit.is_spoiled or not isinstance(params["random_state"], int):
        return
    if fit.arguments.get("X_unlabeled") is not None:  # rows like X, which the twin has not
        return
    # scikit-learn's scaler rounds in the dtype that it is given.
    if "student pipeline" in fit.words and fit.rows.kind in ("float16", "swapped_bytes"):
        return
    params.pop("memory", None)
    if isinstance(params.get("class_weight"), dict):
        weights = zip(range(20), params["class_weight"].values(), strict=False)
        params["class_weight"] = dict(weights)
    arguments = dict(fit.arguments)
    if arguments.get("sample_weight") is not None and np.ndim(arguments["sample_weight"]):
        arguments["sample_weight"] = np.asarray(arguments["sample_weight"], float)
    twin = Fit(fit.rows, fit.codes, fit.labels, fit.y, arguments, fit.teacher, params, fit.nested)
    try:
        with fit.world():
            other = twin.make(plain, fit.codes).fit(plain, fit.codes, **arguments)
    except Exception as error:
        notes = getattr(error, "__notes__", [])
        if any(note.startswith("Raised by the teacher") for note in notes):
            return  # which may take other dtypes in another way
        raise Wrong(f"the plain twin is refused: {error!r}") from error
    differs = np.abs(other.predict_proba(plain) - proba).max()
    check(differs < 10 * tolerance(proba), f"a plain twin: {differs:.2g} apart")


def check_partial_fit(rng, clf, fit: Fit) -> None:
    """Check that training goes on from a fit, on a part of its rows."""
    arguments, n_rows = dict(fit.arguments), len(fit.rows)
    index = np.sort(rng.choice(n_rows, n_rows // 2, replace=False))
    part = {name: take(value, index) for name, value in arguments.items()
            if name != "X_unlabeled" and (hasattr(value, "iloc") or np.ndim(value))}  # fmt: skip
    n_epochs = clf.n_iter_
    try:
        with fit.world(), no_noise():
            clf.partial_fit(take(fit.rows.X, index), take(fit.y, index), **part)
    except Wrong:
        raise
    except Exception as error:
        refused(error)
        return
    check(clf.n_iter_ == n_epochs + 1, "epochs of partial_fit")
    check(np.isfinite(clf.predict_proba(fit.rows.X)).all(), "not finite after partial_fit")


def _as_objects(X) -> np.ndarray:
    """Return a frame's values, which may have no type in common."""
    return np.stack([np.asarray(X[name], dtype=object) for name in X.columns], axis=1)


def check_refused_rows(rng, clf, fit: Fit) -> None:
    """Ask about rows that are not like those of fit: an answer for each row, or an error."""
    X = fit.rows.X
    odd: list = [
        None, "text", 3, [], np.zeros((4, 99)), np.zeros(4), np.full((4, 2), np.nan),
        np.array([["a", "b"]] * 3), np.full((2, 2), np.inf), np.zeros((0, 2)), take(X, [0, 0]),
        np.full((3, 1), 1e300), np.zeros((2, 1, 8, 8)), torch.zeros(3, 2), np.full((2, 3), 1j),
    ]  # fmt: skip
    if hasattr(X, "columns"):
        odd += [X[list(X.columns)[::-1]], X[list(X.columns)[:1]], _as_objects(X)]
    rows = odd[int(rng.integers(len(odd)))]
    try:
        with no_noise():
            proba = clf.predict_proba(rows)
    except Wrong:
        raise
    except Exception as error:
        if not is_allowed(error):
            error.add_note(f"predict_proba of {str(rows)[:50]} of {type(rows).__name__}")
            raise
        return
    check(np.isfinite(proba).all() and proba.shape[1] == len(clf.classes_), f"answer to {rows!r}")


__all__ = ["place_of", "run_call"]

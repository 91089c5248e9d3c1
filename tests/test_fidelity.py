"""What is drawn is read back from the figure and compared with counts by hand."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skkd import FidelityDisplay
from tests.helpers import fitted_teacher, make_data, quick

X, Y = make_data()
TEACHER = fitted_teacher(X, Y)


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def made(n_rows=200, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    teacher, student = rng.dirichlet(np.ones(n_classes), (2, n_rows))
    return teacher, student, rng.integers(n_classes, size=n_rows), rng.integers(1, 4, n_rows)


def heights(bars):
    return [bar.get_height() for bar in bars]


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_are_counted_by_both_probabilities(weighted):
    teacher, student, _, weight = made()
    weight = weight if weighted else np.ones(200)
    display = FidelityDisplay.from_predictions(
        teacher, student, sample_weight=weight if weighted else None
    )
    counts = np.zeros((40, 40))
    for t, s, w in zip(teacher, student, weight, strict=True):
        counts[int(t.max() * 40), int(s[t.argmax()] * 40)] += w
    np.testing.assert_array_equal(display.counts, counts)
    # A mesh has a row for each value of y, which is the student's.
    drawn = display.mesh_.get_array().reshape(40, 40)
    np.testing.assert_array_equal(drawn.filled(0), counts.T)
    agreement = np.average(teacher.argmax(1) == student.argmax(1), weights=weight)
    assert display.agreement == pytest.approx(agreement)
    assert f"{100 * agreement:.1f} %" in display.axes_[0].get_title()


def test_certain_rows_are_in_the_last_bin():
    display = FidelityDisplay.from_predictions(np.eye(2), np.eye(2))
    assert display.counts[-1, -1] == display.counts.sum() == 2
    assert display.agreement == 1


@pytest.mark.parametrize("n_classes", [2, 4])
def test_rows_of_another_label_are_told_by_who_is_right(n_classes):
    teacher, student, y, weight = made(n_classes=n_classes)
    display = FidelityDisplay.from_predictions(teacher, student, y, sample_weight=weight)
    names = ["teacher right", "student right", "both wrong"][: 2 if n_classes == 2 else 3]
    assert list(display.bars_) == names
    edges = np.linspace(1 / n_classes, 1, 11)
    expected = {name: np.zeros(10) for name in ("teacher right", "student right", "both wrong")}
    for t, s, label, w in zip(teacher, student, y, weight, strict=True):
        said = t.argmax(), s.argmax()
        if said[0] != said[1]:
            who = dict(zip(said, names, strict=False)).get(label, "both wrong")
            expected[who][np.searchsorted(edges, t.max(), side="right") - 1] += w
    for name in names:
        np.testing.assert_allclose(
            heights(display.bars_[name]), 100 * expected[name] / weight.sum()
        )
    tops = np.zeros(10)
    for bars in display.bars_.values():
        np.testing.assert_allclose([bar.get_y() for bar in bars], tops)
        tops += heights(bars)
    total = sum(np.sum(heights(bars)) for bars in display.bars_.values())
    assert total == pytest.approx(100 * (1 - display.agreement))


def test_without_labels_nobody_is_right():
    teacher, student, y, _ = made()
    [(name, bars)] = FidelityDisplay.from_predictions(teacher, student).bars_.items()
    told = FidelityDisplay.from_predictions(teacher, student, y).bars_.values()
    assert name == "labels differ"
    np.testing.assert_allclose(heights(bars), sum(np.array(heights(part)) for part in told))


def test_labels_are_found_by_value():
    teacher, student, y, _ = made()
    classes = np.array(["b", "c", "a"])
    by_name = FidelityDisplay.from_predictions(teacher, student, classes[y], classes=classes)
    by_index = FidelityDisplay.from_predictions(teacher, student, y)
    for name, share in by_index.parted.items():
        np.testing.assert_array_equal(by_name.parted[name], share)


def test_estimator_and_teacher_are_asked():
    clf = quick(TEACHER).fit(X, Y)
    display = FidelityDisplay.from_estimator(clf, X, Y)
    expected = FidelityDisplay.from_predictions(TEACHER.predict_proba(X), clf.predict_proba(X), Y)
    np.testing.assert_array_equal(display.counts, expected.counts)
    for name, share in expected.parted.items():
        np.testing.assert_array_equal(display.parted[name], share)


def test_pipeline_of_a_frame():
    frame = pd.DataFrame(X, columns=list("abcde"))
    teacher = LogisticRegression().fit(StandardScaler().fit_transform(X), Y)
    pipeline = make_pipeline(StandardScaler(), quick(teacher)).fit(frame, Y)
    display = FidelityDisplay.from_estimator(pipeline, frame)
    proba = teacher.predict_proba(StandardScaler().fit_transform(X))
    expected = FidelityDisplay.from_predictions(proba, pipeline.predict_proba(frame))
    np.testing.assert_array_equal(display.counts, expected.counts)


def test_own_axes_and_styles():
    axes = plt.subplots(2, 1)[1]
    teacher, student, y, _ = made()
    display = FidelityDisplay.from_predictions(
        teacher, student, y, ax=axes, mesh_kw={"cmap": "magma"}, bar_kw={"alpha": 0.5}
    )
    assert list(display.axes_) == list(axes) and display.figure_ is axes[0].figure
    assert display.mesh_.get_cmap().name == "magma"
    assert {bar.get_alpha() for bars in display.bars_.values() for bar in bars} == {0.5}
    with pytest.raises(ValueError, match="ax has 1 Axes; two are needed"):
        display.plot(axes[0])


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"teacher_proba": np.ones(3)}, r"teacher_proba has shape \(3,\)"),
        ({"teacher_proba": np.ones((0, 3))}, "at least one row"),
        ({"student_proba": np.ones((200, 2)) / 2}, r"student_proba has shape \(200, 2\)"),
        ({"student_proba": np.ones((200, 3))}, "must sum to one"),
        ({"y": np.full(200, 7)}, r"y has the label \[7\]"),
        ({"y": [0, 1]}, "inconsistent numbers"),
        ({"sample_weight": [1.0]}, "inconsistent numbers"),
    ],
)
def test_bad_predictions(changed, match):
    teacher, student, y, _ = made()
    given = {"teacher_proba": teacher, "student_proba": student, "y": y} | changed
    with pytest.raises(ValueError, match=match):
        FidelityDisplay.from_predictions(**given)


def test_bad_estimators():
    with pytest.raises(TypeError, match="must be a DistilledClassifier"):
        FidelityDisplay.from_estimator(TEACHER, X)
    clf = quick(None).fit(X, Y, teacher_proba=TEACHER.predict_proba(X))
    with pytest.raises(ValueError, match="no teacher to ask.*FidelityDisplay.from_predictions"):
        FidelityDisplay.from_estimator(clf, X)


def test_import_of_skkd_does_not_import_matplotlib():
    code = "import sys, skkd; skkd.FidelityDisplay, skkd.LatencyDisplay, skkd.report; "
    code += "sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw, caller in [
        (lambda: FidelityDisplay.from_estimator(None, None), "from_estimator"),
        (lambda: FidelityDisplay.from_predictions(None, None), "from_predictions"),
    ]:
        with pytest.raises(ImportError, match=f"FidelityDisplay.{caller} requires matplotlib"):
            draw()

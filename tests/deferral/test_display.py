"""What is drawn is read back from the figure, and compared with scores of single thresholds."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skkd import DeferralDisplay, DeferringClassifier
from tests.helpers import make_data

X, Y = make_data(400)
TEACHER = LogisticRegression().fit(X[:150], Y[:150])
STUDENT = LogisticRegression().fit(X[:150, :], np.where(X[:150, 0] > 0.5, 0, Y[:150]))
CLF = DeferringClassifier(STUDENT, TEACHER, defer=0.3).fit(X[150:250])


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("with_labels", [True, False])
def test_scores_are_those_of_each_threshold(with_labels):
    X_new, y = X[250:], Y[250:]
    display = DeferralDisplay.from_estimator(CLF, X_new, y if with_labels else None)
    found = STUDENT.predict(X_new), TEACHER.predict(X_new)
    wanted = y if with_labels else found[1]
    sure = STUDENT.predict_proba(X_new).max(axis=1)
    expected = [
        (np.where(sure < threshold, found[1], found[0]) == wanted).mean()
        for threshold in [*np.sort(sure), np.inf]
    ]
    shares, scores = display.line_.get_data()
    np.testing.assert_allclose(scores, expected)
    np.testing.assert_allclose(shares, np.arange(151) / 150)
    [share], [score] = display.marker_.get_data()
    assert share == pytest.approx(CLF.defers(X_new).mean())
    assert score == pytest.approx((CLF.predict(X_new) == wanted).mean())
    name = "accuracy" if with_labels else "agreement with the teacher"
    assert display.ax_.get_ylabel() == name


def test_own_axes_and_style():
    ax = plt.subplots()[1]
    display = DeferralDisplay.from_estimator(CLF, X, Y, ax=ax, line_kw={"lw": 3})
    assert display.ax_ is ax and display.figure_ is ax.figure
    assert display.line_.get_linewidth() == 3
    again = DeferralDisplay(scores=np.array([0.8, 0.9]), deferred_share=1.0, score_name="f").plot()
    assert again.marker_.get_data()[1] == [0.9] and again.ax_.get_ylabel() == "f"


def test_bad_input(monkeypatch):
    with pytest.raises(NotFittedError):
        DeferralDisplay.from_estimator(DeferringClassifier(STUDENT, TEACHER, defer=0.3), X)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        DeferralDisplay.from_estimator(CLF, X, Y[:3])
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="DeferralDisplay.from_estimator requires matplotlib"):
        DeferralDisplay.from_estimator(CLF, X)

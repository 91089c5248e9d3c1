"""What is drawn is read back from the figure."""

import sys
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skkd import LatencyDisplay

LABELS = {"teacher": "teacher", "baseline": "labels only", "student": "student"}


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def made_report(models=("teacher", "baseline", "student"), seed=0, timed=True):
    """What the display looks at in a report."""
    rng = np.random.default_rng(seed)
    costs = {}
    for model in models:
        median, more = 10 ** rng.uniform(-2, 2), rng.uniform(1, 3)
        times = {"milliseconds": median, "milliseconds_p99": median * more} if timed else {}
        costs[model] = {"bytes": 1.0, **times}
    measures = {model: {"accuracy": rng.random()} for model in models}
    return SimpleNamespace(costs=costs, measures=measures, labels=LABELS)


def place_of(container):
    line, _, (bar,) = container
    [[start, end]] = [segment[:, 0] for segment in bar.get_segments()]
    [x], [y] = line.get_xdata(), line.get_ydata()
    assert start == pytest.approx(x)
    return x, end, y


def test_models_stand_where_they_should():
    report = made_report()
    display = LatencyDisplay.from_report(report)
    [(_, drawn)] = display.errorbars_.items()
    assert list(drawn) == ["teacher", "baseline", "student"]
    for model, container in drawn.items():
        costs, accuracy = report.costs[model], report.measures[model]["accuracy"]
        expected = costs["milliseconds"], costs["milliseconds_p99"], accuracy
        assert place_of(container) == pytest.approx(expected)
    assert display.ax_.get_xscale() == "log"
    assert len({container[0].get_color() for container in drawn.values()}) == 3
    assert len({container[0].get_marker() for container in drawn.values()}) == 3
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["teacher", "labels only", "student"]
    assert display.ax_.get_ylabel() == "accuracy"


def test_score_is_chosen():
    report = made_report()
    for model, measures in report.measures.items():
        measures["average_precision"] = len(model) / 10
    display = LatencyDisplay.from_report(report, measure="average_precision")
    assert [place_of(container)[2] for container in display.errorbars_[""].values()] == [
        len(model) / 10 for model in report.measures
    ]
    assert display.ax_.get_ylabel() == "average precision"


def test_reports_have_a_color_and_models_a_marker():
    reports = {"digits": made_report(), "adult": made_report(("student", "teacher"), seed=1)}
    display = LatencyDisplay.from_reports(reports)
    styles = {
        (report, model): (container[0].get_color(), container[0].get_marker())
        for report, drawn in display.errorbars_.items()
        for model, container in drawn.items()
    }
    assert len(styles) == len(set(styles.values())) == 5
    for report in reports:
        assert len({color for (name, _), (color, _) in styles.items() if name == report}) == 1
    for model in LABELS:
        assert len({marker for (_, name), (_, marker) in styles.items() if name == model}) == 1
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["teacher", "labels only", "student", "digits", "adult"]


def test_own_axes_and_style():
    ax = plt.subplots()[1]
    display = LatencyDisplay.from_report(made_report(), ax=ax, errorbar_kw={"ms": 3})
    assert display.ax_ is ax and display.figure_ is ax.figure
    assert display.errorbars_[""]["student"][0].get_markersize() == 3


def test_bad_reports():
    with pytest.raises(ValueError, match="The report has no latencies; make it with latency=True"):
        LatencyDisplay.from_report(made_report(timed=False))
    with pytest.raises(ValueError, match="The report 'a' has no latencies"):
        LatencyDisplay.from_reports({"a": made_report(timed=False)})
    with pytest.raises(TypeError, match="reports must be a dict"):
        LatencyDisplay.from_reports([made_report()])
    with pytest.raises(ValueError, match="reports is empty"):
        LatencyDisplay.from_reports({})


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="LatencyDisplay.from_reports requires matplotlib"):
        LatencyDisplay.from_report(made_report())

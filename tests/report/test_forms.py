"""What a report shows as text, frame, HTML and figure is what it holds."""

import base64
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skkd.report import distillation_report
from skkd.report._costs import COSTS
from skkd.report._figures import merged
from skkd.report._measures import MEASURES
from tests.helpers import make_data, quick

X, Y_INDEX = make_data(700)
Y = np.array(["<b>left</b>", "middle & more", "right"])[Y_INDEX]
MODELS = ["teacher", "labels only", "student"]


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def report():
    clf = quick(LogisticRegression().fit(X[:300], Y[:300])).fit(X[:300], Y[:300])
    return distillation_report(
        clf, X[300:], Y[300:], X_train=X[:300], y_train=Y[:300], n_bootstrap=100, random_state=0
    )


@pytest.fixture(scope="module")
def student_only(report):
    """The same, as it were without teacher, baseline and times."""
    return replace(
        report,
        measures={"student": report.measures["student"]},
        per_class={"student": report.per_class["student"]},
        reliability={"student": report.reliability["student"]},
        differences={},
        costs={"student": {"parameters": 67.0, "bytes": 1000.0}},
        fidelity=None,
        outcome=None,
    )


# Text


def test_text_has_all_numbers(report):
    text = str(report)
    assert "400 rows of 3 classes" in text
    assert " ".join(report.verdict.split()) in " ".join(text.split())
    for name, measure in MEASURES.items():
        [line] = [line for line in text.splitlines() if line.startswith(f"{measure.label}  ")]
        for model in report.measures:
            assert f"{report.measures[model][name]:.4f}" in line
        low, high = report.differences["baseline"][name][1:]
        assert f"({low:+.4f}, {high:+.4f})" in line
    for note in report.notes:
        assert note in " ".join(text.split())


def test_text_is_aligned(report):
    tables = str(report).split("\n\n")[2:5]
    for table in tables:
        lines = [line for line in table.splitlines() if not line.startswith("Recall")]
        ends = {match.end() for match in re.finditer(r"\S+(?: \S+)*", lines[0])}
        assert len({len(line) for line in lines} - {0}) <= 2  # a last cell may be empty
        assert len(ends) >= 3


def test_text_names_few_of_many_classes(report):
    many = replace(
        report,
        classes=np.arange(500),
        class_rows=np.ones(500),
        per_class={
            model: {name: np.ones(500) for name in ("recall", "precision", "f1")}
            for model in report.per_class
        },
    )
    text = str(many)
    assert len(text.splitlines()) < 65
    assert "... and 480 more: to_frame('per_class')" in text


def test_repr_is_a_line(report):
    accuracy = report.measures["student"]["accuracy"]
    assert repr(report) == (
        f"<DistillationReport: 400 rows, accuracy {accuracy:.4f}, {report.outcome}>"
    )


# Frames


def test_frame_of_measures(report):
    frame = report.to_frame()
    assert list(frame.index) == list(MEASURES)
    for model, measures in report.measures.items():
        pd.testing.assert_series_equal(
            frame[model], pd.Series(measures)[frame.index], check_names=False
        )
    assert frame.loc["accuracy", "student - baseline"] == pytest.approx(
        frame.loc["accuracy", "student"] - frame.loc["accuracy", "baseline"]
    )
    difference = report.differences["teacher"]["log_loss"]
    columns = ["student - teacher", "student - teacher low", "student - teacher high"]
    assert tuple(frame.loc["log_loss", columns]) == difference
    assert np.isnan(frame.loc["agreement", "student - teacher"])


def test_frame_of_costs(report):
    frame = report.to_frame("costs")
    assert list(frame.index) == list(COSTS)
    for model, costs in report.costs.items():
        np.testing.assert_array_equal(frame[model], list(costs.values()))


def test_frame_of_classes(report):
    frame = report.to_frame("per_class")
    assert list(frame.index) == list(report.classes) and frame.index.name == "class"
    np.testing.assert_array_equal(frame["rows"], report.class_rows)
    np.testing.assert_array_equal(frame["f1 student"], report.per_class["student"]["f1"])
    assert frame.shape == (3, 1 + 3 * 3)


def test_frames_leave_out_what_is_unknown(student_only):
    assert list(student_only.to_frame().columns) == ["student"]
    assert list(student_only.to_frame("costs").index) == ["parameters", "bytes"]


def test_unknown_frame(report):
    with pytest.raises(ValueError, match="table='latency' is not known.*'per_class'"):
        report.to_frame("latency")


def test_without_pandas(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert str(report)
    with pytest.raises(ImportError, match="to_frame requires pandas.*pip install"):
        report.to_frame()


# HTML


class Page(HTMLParser):
    """Reads a page, and fails where tags are not closed in their order."""

    VOID = {"meta", "img", "link", "br"}

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.attributes, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    with matplotlib.rc_context({"axes.facecolor": "black", "savefig.transparent": True}):
        report.to_html(path, title="Left <or> right")
    assert not plt.get_fignums()
    return path.read_text(encoding="utf-8")


def test_page_has_all_numbers(report, page):
    text = Page(page).text
    assert "Left <or> right" in text and " ".join(report.verdict.split()) in text
    for model in report.measures:
        for name in MEASURES:
            assert f"{report.measures[model][name]:.4f}" in text
    for label in report.classes:
        assert label in text
    for note in report.notes:
        assert note in text
    assert "<b>left</b>" not in page


def test_page_needs_nothing_else(page):
    found = Page(page)
    tags = {tag for tag, _ in found.attributes}
    assert not tags & {"script", "link", "iframe", "object"}
    assert not re.search(r"url\(|@import|https?:", re.sub(r'base64,[^"]*', "", page))
    images = [attributes for tag, attributes in found.attributes if tag == "img"]
    assert len(images) == 5
    for image in images:
        assert image["alt"]
        kind, _, data = image["src"].partition(";base64,")
        assert kind == "data:image/svg+xml"
        root = ElementTree.fromstring(base64.b64decode(data))
        assert root.tag.endswith("svg")
        # Lines and shapes of the figure are drawn; links in it lead to itself only.
        links = {v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")}
        assert all(link.startswith(("#", "data:image/png")) for link in links)


def test_figures_are_drawn_in_the_default_style(page):
    [first] = re.findall(r"base64,([^\"]*)", page)[:1]
    svg = base64.b64decode(first).decode()
    assert "#000000" not in re.findall(r'id="patch_2">\s*<path[^>]*fill: ([^;"]*)', svg)


def test_page_is_readable_on_any_screen(page):
    found = Page(page).attributes
    metas = {attributes.get("name"): attributes.get("content") for _, attributes in found}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == "light dark"
    assert page.count("<table>") == page.count('<div class="table" tabindex="0"><table>') == 3


def test_same_report_gives_the_same_page(report, page, tmp_path):
    report.to_html(tmp_path / "again.html", title="Left <or> right")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_notebooks_show_tables(report):
    html = report._repr_html_()
    text = Page(html).text
    assert " ".join(report.verdict.split()) in text and "<img" not in html and "<html" not in html
    # Rules of style reach nothing of the notebook but the report.
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    rules = re.findall(r"([^{}]+)\{", re.sub(r"@media[^{]*\{", "", style))
    assert all(rule.strip().startswith(".skkd-report") for rule in rules)


def test_page_without_most_of_it(student_only, tmp_path):
    student_only.to_html(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert Page(html) and html.count("<img") == 1
    assert "nan" not in Page(html).text


def test_facts(report):
    def facts(**costs):
        changed = replace(report, costs=costs)
        return re.findall(r"<li><b>(.*?)</b>(.*?)</li>", changed._repr_html_())

    teacher = {"milliseconds": 20.0, "bytes": 5000.0}
    kept = report.measures["student"]["retained_accuracy"]
    assert facts(teacher=teacher, student={"milliseconds": 0.1, "bytes": 10_000.0}) == [
        (f"{100 * kept:.1f} %", "of the teacher&#39;s accuracy"),
        ("200×", "faster on one row"),
        ("2×", "larger"),
    ]
    assert len(facts(teacher={"bytes": np.nan}, student={"bytes": 1.0})) == 1
    found = replace(report, scoring=["roc_auc", "log_loss"])._repr_html_()
    for name, label in [("roc_auc", "ROC AUC"), ("log_loss", "log-loss")]:
        values = [report.measures[model][name] for model in ("student", "teacher")]
        assert f"<li><b>{values[0]:.4f}</b>{label}, teacher {values[1]:.4f}</li>" in found


# Figures


def test_figure_shows_all(report):
    figure = report.plot()
    assert isinstance(figure, plt.Figure)
    axes = {ax.get_label(): ax for ax in figure.axes}
    gains = axes["gains"]
    assert [label.get_text() for label in gains.get_yticklabels()] == [
        "accuracy",
        "balanced accuracy",
        "ROC AUC",
    ]
    for lines, other in zip(gains.collections, report.differences, strict=True):
        names = ("accuracy", "balanced_accuracy", "roc_auc")
        ends = [[x for x, _ in path.vertices] for path in lines.get_paths()]
        np.testing.assert_allclose(ends, [report.differences[other][name][1:] for name in names])
    points = [line for line in gains.lines if line.get_marker() != "None"]
    for line, other in zip(points, report.differences, strict=True):
        assert line.get_label() == f"student - {report.labels[other]}"
        assert line.get_xdata()[0] == report.differences[other]["accuracy"].estimate
    assert axes["losses"].get_yticklabels()[0].get_text() == "log-loss"
    assert {"latency", "fidelity", "parted"} <= axes.keys()


def test_reliability_is_drawn(report):
    [ax] = [ax for ax in report.plot().axes if ax.get_label() == "reliability"]
    curves = ax.lines[1:]
    for line, (model, curve) in zip(curves, report.reliability.items(), strict=True):
        confidence, accuracy, share = merged(curve, 30 / report.n_rows)
        np.testing.assert_array_equal(line.get_xdata(), confidence)
        np.testing.assert_array_equal(line.get_ydata(), accuracy)
        error = report.measures[model]["calibration_error"]
        assert line.get_label() == f"{report.labels[model]}, error {error:.3f}"


def test_thin_bins_are_merged_with_their_neighbors():
    n_rows = np.array([0, 10, 25, 0, 100, 5, 31, 2])
    right = np.array([0, 1, 20, 0, 70, 5, 31, 1])
    sure = np.array([0, 2.0, 10.0, 0, 60.0, 4.0, 28.0, 2.0])
    with np.errstate(invalid="ignore"):
        curve = {
            "share": n_rows / n_rows.sum(),
            "accuracy": right / n_rows,
            "confidence": sure / n_rows,
        }
    n_merged = np.array([35, 100, 38])
    expected = [np.array([12, 60, 34]) / n_merged, np.array([21, 70, 37]) / n_merged]
    np.testing.assert_allclose(
        merged(curve, 30 / n_rows.sum()), [*expected, n_merged / n_rows.sum()]
    )
    [[confidence], [accuracy], [share]] = merged(curve, 1.0)
    assert (confidence, accuracy, share) == pytest.approx(
        (sure.sum() / n_rows.sum(), right.sum() / n_rows.sum(), 1.0)
    )


def test_figure_without_most_of_it(student_only):
    assert [ax.get_label() for ax in student_only.plot().axes] == ["reliability"]


def test_without_matplotlib(report, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert report._repr_html_()
    for draw, caller in [
        (report.plot, "plot"),
        (lambda: report.to_html(tmp_path / "a"), "to_html"),
    ]:
        with pytest.raises(ImportError, match=f"DistillationReport.{caller} requires matplotlib"):
            draw()
    assert not (tmp_path / "a").exists()

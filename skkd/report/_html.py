"""A report as HTML: a fragment for notebooks, and one file with its figures."""

import base64
import io
import math
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from .._plots import short
from ._figures import draw, panels_of
from ._measures import label_of
from ._text import DEFINITIONS, class_rows, cost, cost_rows, decimal, measure_rows

_CAPTIONS = {
    "differences": "The student minus the others, with intervals. If a line crosses zero, the "
    "difference may be chance.",
    "reliability": "How often the most probable class is right, over its probability. Below the "
    "diagonal a model is overconfident.",
    "latency": "Score over the time for one row: a marker at the median, a line to the 99th "
    "percentile.",
    "fidelity": "Above the diagonal the student is surer of the teacher's class than the teacher.",
    "parted": "Rows on which the labels of teacher and student differ, by the teacher's "
    "probability.",
}


@cache
def _template(name: str):
    loader = PackageLoader("skkd.report", "")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def as_fragment(report, title: str = "Distillation report", images=()) -> str:
    """Write the report as HTML for any page.

    Parameters
    ----------
    report : DistillationReport
    title : str
    images : iterable of pairs of str
        Captions and figures, as SVG in base64.
    """
    classes = class_rows(report, ("recall", "precision"))
    return _template("report.html.jinja").render(
        report=report,
        title=title,
        never_predicted=short(report.never_predicted["student"]),
        facts=_facts(report),
        measures=[measure_rows(report)[0], *_measure_cells(report)],
        costs=cost_rows(report),
        classes=classes,
        above_classes=[
            ("", 2),
            *((name, len(report.measures)) for name in ("recall", "precision")),
        ],
        images=images,
        definitions=DEFINITIONS,
    )


def as_page(report, title: str) -> str:
    """Write the report as a page of its own, with figures; needs matplotlib."""
    body = as_fragment(report, title, _images(report))
    return _template("page.html.jinja").render(title=title, body=body)


def _facts(report) -> list[tuple[str, str]]:
    """Return the main numbers: the scores, and how much faster and smaller the student is."""
    facts = []
    student, teacher = report.measures["student"], report.measures.get("teacher")
    if report.scoring == ["accuracy"] and math.isfinite(student.get("retained_accuracy", math.nan)):
        facts.append((f"{100 * student['retained_accuracy']:.1f} %", "of the teacher's accuracy"))
    else:
        for name in report.scoring:
            beside = f", teacher {decimal(teacher[name])}" if teacher else ""
            facts.append((decimal(student[name]), label_of(name) + beside))
    if "teacher" in report.costs:
        for name, more, less in [
            ("milliseconds", "faster on one row", "slower on one row"),
            ("bytes", "smaller", "larger"),
        ]:
            of_teacher, of_student = (
                report.costs[model].get(name, math.nan) for model in ("teacher", "student")
            )
            ratio = of_teacher / of_student
            if math.isfinite(ratio) and ratio > 0:
                times, word = (ratio, more) if ratio >= 1 else (1 / ratio, less)
                facts.append((f"{cost(times)}\N{MULTIPLICATION SIGN}", word))
    return facts


def _measure_cells(report):
    """Yield the rows of the table of measures; a difference is (value, interval, is clear)."""
    n_models = len(report.measures)
    names = {label_of(name): name for name in report.measures["student"]}
    for row in measure_rows(report)[1:]:
        cells: list = row[: 1 + n_models]
        for text, found in zip(row[1 + n_models :], report.differences.values(), strict=True):
            value, _, interval = text.partition(" ")
            difference = found.get(names[row[0]])
            clear = difference is not None and (difference.low > 0 or difference.high < 0)
            cells.append((value, interval, clear))
        yield cells


def _images(report) -> list[tuple[str, str]]:
    """Draw all figures as vector images, which are sharp at any size."""
    from matplotlib import rc_context, rcParamsDefault
    from matplotlib.figure import Figure

    panels = {name for column in panels_of(report) for name in column}
    with rc_context({**rcParamsDefault, "svg.hashsalt": "skkd"}):
        # Without pyplot, which would show the figures and apply the user's style.
        made, axes = {}, {}
        if "gains" in panels:
            made["differences"] = Figure(figsize=(4.6, 3.6), layout="constrained")
            axes["gains"], axes["losses"] = made["differences"].subplots(2, 1)
        for name in ("reliability", "latency", "fidelity", "parted"):
            if name in panels:
                made[name] = Figure(figsize=(4.6, 3.6), layout="constrained")
                axes[name] = made[name].subplots()
        draw(report, axes)
        return [(_CAPTIONS[name], _svg(figure)) for name, figure in made.items()]


def _svg(figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")

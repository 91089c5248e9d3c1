"""A report as text, and its numbers as people write them."""

import math
from textwrap import fill

from ._costs import COSTS
from ._measures import label_of

_MOST_CLASSES = 20
_WIDTH = 100  # of sentences

DEFINITIONS = {
    "predicted label": "the class that a model finds most probable.",
    "balanced accuracy": "mean over the classes of the share of rows that are right.",
    "average precision": "area under the precision-recall curve: of the rarer one of two classes; "
    "the mean over one class against the rest for more.",
    "ROC AUC": "area under the ROC curve; the mean over one class against the rest for more than "
    "two classes.",
    "log-loss": "mean negative logarithm of the probability of the true label, in nats. "
    "Probabilities are clipped to 2.2e-16.",
    "Brier score": "mean squared error of the probabilities: of one class for two classes, summed "
    "over all for more.",
    "calibration error": "expected calibration error: the mean distance between the probability of "
    "the most probable class and how often it is right, over 15 bins of equal width.",
    "agreement": "share of rows with the teacher's label: of all rows, and of those on which the "
    "teacher is right or wrong.",
    "bytes": "size as a pickle; a student is counted without its training history.",
}


def decimal(value: float) -> str:
    """Write a measure; large ones, in the unit of y, with fewer digits."""
    if math.isnan(value):
        return ""
    return f"{value:z.4f}" if abs(value) < 100 else f"{value:,.1f}"


def signed(value: float) -> str:
    """Write a difference."""
    if math.isnan(value):
        return ""
    return f"{value:+z.4f}" if abs(value) < 100 else f"{value:+,.1f}"


def interval(difference) -> str:
    """Write a difference with its interval."""
    if math.isnan(difference.estimate):
        return ""
    if math.isnan(difference.low):
        return signed(difference.estimate)
    return f"{signed(difference.estimate)} ({signed(difference.low)}, {signed(difference.high)})"


def cost(value: float) -> str:
    """Write a cost: whole if it is large, with three digits otherwise."""
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def measure_rows(report) -> list[list[str]]:
    """Return the table of measures: a header, and a row for each measure."""
    models = list(report.measures)
    header = ["", *(report.labels[model] for model in models)]
    header += [f"student - {report.labels[other]}" for other in report.differences]
    rows = [header]
    for name in report.measures["student"]:
        values = [report.measures[model][name] for model in models]
        if all(map(math.isnan, values)):
            continue
        row = [label_of(name), *map(decimal, values)]
        for found in report.differences.values():
            row.append(interval(found[name]) if name in found else "")
        rows.append(row)
    return rows


def cost_rows(report) -> list[list[str]]:
    """Return the table of costs."""
    rows = [["", *(report.labels[model] for model in report.costs)]]
    for name, label in COSTS.items():
        values = [costs.get(name, math.nan) for costs in report.costs.values()]
        if not all(map(math.isnan, values)):
            rows.append([label, *map(cost, values)])
    return rows


def class_rows(report, names: tuple[str, ...]) -> list[list[str]]:
    """Return the table of classes, with a column for each measure in ``names`` and model."""
    models = list(report.measures)
    rows = [["class", "rows", *(report.labels[model] for _ in names for model in models)]]
    for i, label in enumerate(report.classes.tolist()):
        values = [report.per_class[model][name][i] for name in names for model in models]
        shown = ["" if math.isnan(value) else f"{value:.3f}" for value in values]
        rows.append([str(label), cost(report.class_rows[i]), *shown])
    return rows


def as_text(report) -> str:
    """Write the whole report for a terminal."""
    title = f"Distillation report on {report.n_rows:,} rows of {len(report.classes)} classes"
    parts = head_of_text(report, title)
    classes = class_rows(report, ("recall",))
    table = "Recall by class\n" + _aligned(classes[: _MOST_CLASSES + 1])
    if (n_more := len(classes) - 1 - _MOST_CLASSES) > 0:
        table += f"\n... and {n_more} more: to_frame('per_class')"
    return "\n\n".join([*parts, table, notes_of_text(report)])


def head_of_text(report, title: str) -> list[str]:
    """Write title, verdict, measures and costs."""
    verdict = "\n".join(fill(sentence, _WIDTH) for sentence in report.verdict.split("\n"))
    parts = [title, verdict, _aligned(measure_rows(report))]
    costs = cost_rows(report)
    return [*parts, _aligned(costs)] if len(costs) > 1 else parts


def notes_of_text(report) -> str:
    """Write the notes as a list."""
    return "\n".join(fill(f"* {note}", _WIDTH, subsequent_indent="  ") for note in report.notes)


def _aligned(rows: list[list[str]]) -> str:
    """Align rows in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    )

"""A report as text, and the numbers in it as people write them."""

import math
from textwrap import fill

from ._costs import COSTS
from ._measures import MEASURES

_MOST_CLASSES = 20
_WIDTH = 100  # of sentences

DEFINITIONS = {
    "log-loss": "minus the mean logarithm of the probability given to the label, in nats; "
    "probabilities are kept from 0 and 1 by 2.2e-16.",
    "ROC AUC": "area under the ROC curve; for more than two classes the mean over one class "
    "against the rest, of those in the test set.",
    "Brier score": "mean squared error of the probabilities: of one of them for two classes, "
    "summed over all for more.",
    "calibration error": "expected calibration error: the mean distance, weighted by rows, between "
    "how probable the most probable class is and how often it is right, over 15 bins of equal "
    "width.",
    "agreement": "share of rows with the teacher's label: of all rows, of those where the teacher "
    "is right, and of those where it is wrong.",
    "labels": "of all models are the classes they hold most probable.",
    "bytes": "size as a pickle; of a student without the record of its training.",
}


def decimal(value: float) -> str:
    """A measure."""
    return "" if math.isnan(value) else f"{value:.4f}"


def signed(value: float) -> str:
    """A difference."""
    return "" if math.isnan(value) else f"{value:+.4f}"


def interval(difference) -> str:
    """A difference with its interval."""
    if math.isnan(difference.estimate):
        return ""
    if math.isnan(difference.low):
        return signed(difference.estimate)
    return f"{signed(difference.estimate)} ({signed(difference.low)}, {signed(difference.high)})"


def cost(value: float) -> str:
    """A cost: whole where it is large, three digits otherwise."""
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def measure_rows(report) -> list[list[str]]:
    """The table of measures: a header, and a row for each measure."""
    models = list(report.measures)
    header = ["", *(report.labels[model] for model in models)]
    header += [f"student - {report.labels[other]}" for other in report.differences]
    rows = [header]
    for name, measure in MEASURES.items():
        values = [report.measures[model].get(name, math.nan) for model in models]
        if all(map(math.isnan, values)):
            continue
        row = [measure.label, *map(decimal, values)]
        for found in report.differences.values():
            row.append(interval(found[name]) if name in found else "")
        rows.append(row)
    return rows


def cost_rows(report) -> list[list[str]]:
    """The table of costs."""
    rows = [["", *(report.labels[model] for model in report.costs)]]
    for name, label in COSTS.items():
        values = [costs.get(name, math.nan) for costs in report.costs.values()]
        if not all(map(math.isnan, values)):
            rows.append([label, *map(cost, values)])
    return rows


def class_rows(report, names: tuple[str, ...]) -> list[list[str]]:
    """The table of classes: for each of the measures ``names``, a column for each model."""
    models = list(report.measures)
    rows = [["class", "rows", *(report.labels[model] for _ in names for model in models)]]
    for i, label in enumerate(report.classes.tolist()):
        values = [report.per_class[model][name][i] for name in names for model in models]
        shown = ["" if math.isnan(value) else f"{value:.3f}" for value in values]
        rows.append([str(label), cost(report.class_rows[i]), *shown])
    return rows


def as_text(report) -> str:
    """The whole report, for a terminal."""
    title = f"Distillation report on {report.n_rows:,} rows of {len(report.classes)} classes"
    parts = [title, fill(report.verdict, _WIDTH), _aligned(measure_rows(report))]
    costs = cost_rows(report)
    if len(costs) > 1:
        parts.append(_aligned(costs))
    classes = class_rows(report, ("recall",))
    table = "Recall, class by class\n" + _aligned(classes[: _MOST_CLASSES + 1])
    if (n_more := len(classes) - 1 - _MOST_CLASSES) > 0:
        table += f"\n... and {n_more} more: to_frame('per_class')"
    parts.append(table)
    parts.append(
        "\n".join(fill(f"* {note}", _WIDTH, subsequent_indent="  ") for note in report.notes)
    )
    return "\n\n".join(parts)


def _aligned(rows: list[list[str]]) -> str:
    """Rows as columns of equal width, the first one to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    )

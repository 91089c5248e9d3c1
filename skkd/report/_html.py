"""A report as HTML: a fragment for notebooks, and a page that is one file with its figures."""

import base64
import io
import math
from html import escape

from ._figures import columns_of, draw
from ._measures import MEASURES
from ._text import DEFINITIONS, class_rows, cost, cost_rows, measure_rows

# Colours come from the reader's system, so that the page is light or dark as all others there.
# Figures stand on white paper, for their lines are made for it.
_STYLE = """
.skkd-report { font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
.skkd-report h1, .skkd-report li { overflow-wrap: anywhere; }
.skkd-report h1 { font-size: 1.5em; line-height: 1.25; margin: 0 0 .3em; }
.skkd-report h2 { font-size: 1.1em; margin: 2em 0 .5em; }
.skkd-report .verdict { font-size: 1.15em; margin: .8em 0; max-width: 48em;
  padding: .6em .9em; border-left: 5px solid #888; background: rgb(128 128 128 / .12); }
.skkd-report .better { border-color: #1a7f37; }
.skkd-report .no-worse { border-color: #0072b2; }
.skkd-report .worse { border-color: #c8102e; }
.skkd-report .facts { display: flex; flex-wrap: wrap; gap: .5em 2.2em; margin: 1em 0; padding: 0;
  list-style: none; }
.skkd-report .facts b { display: block; font-size: 1.6em; line-height: 1.2; }
.skkd-report .table { overflow-x: auto; max-width: 100%; }
.skkd-report table { border-collapse: collapse; font-size: .93em; margin: 0; }
.skkd-report th, .skkd-report td { padding: .28em .8em; text-align: right; white-space: nowrap;
  border-bottom: 1px solid rgb(128 128 128 / .35); background: none; color: inherit; }
.skkd-report th:first-child { text-align: left; padding-left: 0; font-weight: 400; }
.skkd-report tbody th { white-space: normal; overflow-wrap: anywhere; min-width: 12em; }
.skkd-report thead th { font-weight: 600; vertical-align: bottom; white-space: normal; }
.skkd-report thead th[scope="colgroup"] { text-align: center; border: 0; }
.skkd-report .range { display: block; font-size: .86em; opacity: .8; }
.skkd-report .clear { font-weight: 600; }
.skkd-report ul.notes, .skkd-report dl { max-width: 48em; font-size: .93em; padding-left: 1.2em; }
.skkd-report dt { font-weight: 600; } .skkd-report dd { margin: 0 0 .5em; }
.skkd-report .figures { display: grid; gap: 1.2em;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); }
.skkd-report figure { margin: 0; }
.skkd-report img { display: block; width: 100%; height: auto; background: #fff;
  border-radius: 4px; }
.skkd-report figcaption { font-size: .86em; margin-top: .3em; }
@media (max-width: 640px) {
  .skkd-report table { font-size: 12px; }
  .skkd-report th, .skkd-report td { padding: .35em .25em; }
  .skkd-report td { white-space: normal; }
  .skkd-report tbody th { min-width: 3.6em; }
  .skkd-report thead th { font-size: 10.5px; }
  .skkd-report .range { font-size: 10.5px; line-height: 1.25; }
}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 1160px; padding: 24px 16px 48px; background: Canvas;
  color: CanvasText; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""

_CAPTIONS = {
    "differences": "The student less the others, with intervals. Where a line crosses zero, the "
    "difference may be chance.",
    "reliability": "How often the most probable class is right, over how probable it is. Below the "
    "diagonal a model is too sure of itself.",
    "latency": "Accuracy over the time for one row: median, and a line to the 99th percentile.",
    "fidelity": "Above the diagonal the student is surer of the teacher's class than the teacher.",
    "parted": "Rows for which teacher and student name another label, by how sure the teacher is.",
}


def as_fragment(report, title: str = "Distillation report", figures: str = "") -> str:
    """The report as HTML to stand in any page."""
    rows = f"{report.n_rows:,} row{'s' * (report.n_rows != 1)} of {len(report.classes)} classes"
    outcome = (report.outcome or "").replace(" ", "-")
    costs = cost_rows(report)
    parts = [
        f"<style>{_STYLE}</style>",
        '<div class="skkd-report">',
        f"<h1>{escape(title)}</h1>",
        f"<div>{rows}</div>",
        f'<div class="verdict {outcome}">{escape(report.verdict)}</div>',
        _facts(report),
        "<h2>How good</h2>",
        _measures(report),
        f"<h2>What it costs</h2>{_table(costs)}" if len(costs) > 1 else "",
        figures,
        "<h2>Class by class</h2>",
        _classes(report),
        "<h2>How it was measured</h2>",
        f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in report.notes)}</ul>',
        "<details><summary>What the words mean</summary><dl>",
        *(
            f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>"
            for word, meaning in DEFINITIONS.items()
        ),
        "</dl></details>",
        "</div>",
    ]
    return "\n".join(part for part in parts if part)


def as_page(report, title: str) -> str:
    """The report as a page of its own, with figures; needs matplotlib."""
    body = as_fragment(report, title, _figures(report))
    return _PAGE.format(title=escape(title), body=body)


def _facts(report) -> str:
    """What a reader takes home: accuracy kept, and how much faster and smaller."""
    facts = []
    kept = report.measures["student"].get("retained_accuracy", math.nan)
    if math.isfinite(kept):
        facts.append((f"{100 * kept:.1f} %", "of the teacher's accuracy"))
    if "teacher" in report.costs:
        teacher, student = report.costs["teacher"], report.costs["student"]
        for name, more, less in [
            ("milliseconds", "faster", "slower"),
            ("bytes", "smaller", "larger"),
        ]:
            ratio = teacher.get(name, math.nan) / student.get(name, math.nan)
            if math.isfinite(ratio) and ratio > 0:
                times, word = (ratio, more) if ratio >= 1 else (1 / ratio, less)
                on = " on one row" if name == "milliseconds" else ""
                facts.append((f"{cost(times)}\N{MULTIPLICATION SIGN}", f"{word}{on}"))
    items = "".join(f"<li><b>{escape(number)}</b>{escape(what)}</li>" for number, what in facts)
    return f'<ul class="facts">{items}</ul>' if items else ""


def _measures(report) -> str:
    """The table of measures, with intervals below the differences."""
    n_models = len(report.measures)
    rows = measure_rows(report)
    by_label = {measure.label: name for name, measure in MEASURES.items()}
    cells = []
    for row in rows[1:]:
        line = [escape(cell) for cell in row]
        for column, found in enumerate(report.differences.values(), start=1 + n_models):
            difference = found.get(by_label[row[0]])
            if row[column] and difference is not None:
                value, _, reach = row[column].partition(" ")
                clear = difference.low > 0 or difference.high < 0
                value = f'<span class="clear">{value}</span>' if clear else value
                line[column] = f'{value}<span class="range">{reach}</span>'
        cells.append(line)
    return _table_of(rows[0], cells)


def _classes(report) -> str:
    names = ("recall", "precision")
    rows = class_rows(report, names)
    above = [("", 2), *((name, len(report.measures)) for name in names)]
    return _table(rows, above)


def _table(rows: list[list[str]], above: tuple | list = ()) -> str:
    return _table_of(rows[0], [[escape(cell) for cell in row] for row in rows[1:]], above)


def _table_of(header: list[str], rows: list[list[str]], above: tuple | list = ()) -> str:
    """A table; ``above`` its header stand texts over some columns each."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    if above:
        groups = "".join(
            f'<th scope="colgroup" colspan="{span}">{escape(text)}</th>' for text, span in above
        )
        head = f"{groups}</tr><tr>{head}"
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="table" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figures(report) -> str:
    """All figures, as images of lines and not of points, so that they are sharp at any size."""
    from matplotlib import rc_context, rcParamsDefault
    from matplotlib.figure import Figure

    panels = {name for column in columns_of(report) for name in column}
    with rc_context({**rcParamsDefault, "svg.hashsalt": "skkd"}):
        # Not of pyplot, which would show them, and in whatever style is set.
        made, axes = {}, {}
        if "gains" in panels:
            made["differences"] = Figure(figsize=(4.6, 3.6), layout="constrained")
            axes["gains"], axes["losses"] = made["differences"].subplots(2, 1)
        for name in ("reliability", "latency", "fidelity", "parted"):
            if name in panels:
                made[name] = Figure(figsize=(4.6, 3.6), layout="constrained")
                axes[name] = made[name].subplots()
        draw(report, axes)
        images = [_image(figure, _CAPTIONS[name]) for name, figure in made.items()]
    return f'<h2>In pictures</h2><div class="figures">{"".join(images)}</div>'


def _image(figure, caption: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )

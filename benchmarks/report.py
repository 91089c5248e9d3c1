"""From lines of results to the tables and figures of the report.

    python -m benchmarks.report benchmarks/results/study.jsonl

writes ``report.md``, the tables in it as CSV, and the figures beside the file, or to ``--out``.
The milliseconds of the figure are those of ``serving.jsonl`` beside the results, where it is there.
``--against FILE`` compares the accuracies with those of another file, and fails where more than one
in ten is off by more than two standard errors: by chance one in twenty is. ``--paired-with FILE``
prints what has changed since another file, on the same splits.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from . import analysis, figures
from .methods import parts_of
from .run import RESULTS, WITHOUT_NEW_ROWS, read_lines

MAX_OUTSIDE = 0.1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS / "study.jsonl")
    parser.add_argument("--out", type=Path, help="folder; default: that of the results")
    parser.add_argument("--targets", default="calibrated", help="targets that the figures show")
    parser.add_argument("--student", default="default", help="method that is set against teachers")
    parser.add_argument("--against", type=Path, help="other results that these should reproduce")
    parser.add_argument("--paired-with", type=Path, help="other results, to print what changed")
    options = parser.parse_args(arguments)
    try:
        frame = analysis.read_results(options.results)
        if options.against is not None:
            return compare(frame, analysis.read_results(options.against))
        if options.paired_with is not None:
            reference = analysis.read_results(options.paired_with)
            print(_markdown(analysis.changes(frame, reference)))
            return 0
        costs = pd.DataFrame(read_lines(options.results.parent / "serving.jsonl"))
        folder = options.out or options.results.parent
        write(frame, folder, options.targets, options.student, costs)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def write(
    frame: pd.DataFrame, folder: Path, targets: str, student: str, costs: pd.DataFrame
) -> None:
    """Write the report with its tables and figures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    students = frame[~frame["method"].str.startswith("teacher")]
    if analysis.BASELINE not in set(students["method"]):
        raise ValueError(f"No run of {analysis.BASELINE!r}, which all others are compared with.")
    if student not in set(students["method"]):
        student = students["method"].iloc[-1]
    columns = {student: student, "without new rows": WITHOUT_NEW_ROWS}
    methods = [name for name in columns.values() if name in set(students["method"])]
    served = {name: analysis.serving(frame, name) for name in methods}
    tables = {
        "summary": analysis.summary(students),
        "differences": _with_errors(analysis.differences(students)),
        "regret": _with_errors(analysis.regrets(students)),
        "hindsight_regret": _with_errors(analysis.regrets(students, hindsight=True)),
        "serving": served[student],
        "scores": frame.groupby(["set", "method"])[[*analysis.SCORES]].mean(),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", float_format="%.5g")
    shown = [name for name in tables["summary"].index if _is_shown(name, targets)]
    rank_text = _draw(frame, students, folder, shown, student, costs)
    text = [
        "# Results",
        _provenance(frame),
        "## Overview",
        "Points of accuracy over labels only, and log-losses.",
        _markdown(analysis.overview(frame, columns)),
        "## All methods",
        "Means over sets; differences and regrets in points of accuracy, see Protocol."
        + _gaps(tables["summary"]["sets"]),
        _markdown(tables["summary"]),
        "## Ranks",
        rank_text,
        *(
            f"## Teacher and student ({name})\n\n{_markdown(table)}"
            for name, table in served.items()
        ),
        "## Difference to labels only by set",
        _markdown(_as_text(tables["differences"])),
        "## Regret by set, best fixed weight chosen on the other seeds",
        _regret_text(tables["regret"]),
        "## Regret by set, best fixed weight in hindsight",
        _regret_text(tables["hindsight_regret"]),
    ]
    (folder / "report.md").write_text("\n\n".join(text) + "\n")
    print(f"Wrote {folder / 'report.md'}, {len(tables)} tables and the figures.")


def compare(frame: pd.DataFrame, reference: pd.DataFrame) -> int:
    """Print how far accuracies are from a reference; 1 where too many are off."""
    table = analysis.reproduction(frame, reference)
    if table.empty:
        raise ValueError("The two files have no set and method in common.")
    print(table.round(2).to_string())
    n_outside = int((~table["within two errors"]).sum())
    print(f"{len(table) - n_outside} of {len(table)} means are within two standard errors.")
    return 1 if n_outside > MAX_OUTSIDE * len(table) else 0


def _is_shown(name: str, targets: str) -> bool:
    method = parts_of(name)
    return method.rule in ("labels", "default") or method.targets == targets


def _draw(frame, students, folder: Path, shown: list[str], student: str, costs) -> str:
    """Draw the figures; return what the tests on ranks say."""
    difference = analysis.by_set(analysis.differences(students))[0]
    title = "Accuracy less that of labels only, in points"
    figures.heat_map(difference[shown].T, title).savefig(folder / "differences.png", dpi=130)
    for name, hindsight in (("regret", False), ("hindsight_regret", True)):
        regret = analysis.by_set(analysis.regrets(students, hindsight=hindsight))[0]
        regret = regret.reindex(columns=[method for method in shown if method in regret])
        if regret.notna().any(axis=None):
            where = "in hindsight" if hindsight else "on the other seeds"
            title = f"Regret in points against the best fixed weight, chosen {where}"
            figure = figures.heat_map(regret.T, title, low_is_good=True)
            figure.savefig(folder / f"{name}.png", dpi=130)
    panels = {"labels only": analysis.BASELINE, "distilled": student}
    points = analysis.accuracy_and_latency(frame, panels, costs)
    figures.accuracy_against_latency(points).savefig(folder / "latency.png", dpi=130)
    # By differences, which are paired: not all methods were run on all seeds.
    complete = difference[shown].dropna(axis=1)
    n_methods = complete.shape[1]
    if len(complete) < 3 or n_methods < 3:
        return "Too few methods that were run on all of at least three sets."
    ranks, p, critical = analysis.ranks(complete)
    title = f"Mean rank over {len(complete)} sets (Friedman p = {p:.2g})"
    figures.critical_difference(ranks, critical, title).savefig(folder / "ranks.png", dpi=130)
    return (
        f"Friedman's test over {len(complete)} sets and {n_methods} methods: p = {p:.2g}. "
        f"Critical difference of mean ranks (Nemenyi, 5 %): {critical:.2f}."
    )


def _with_errors(paired: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard error by method (rows) and set (columns)."""
    mean, error = analysis.by_set(paired)
    table = pd.concat({"mean": mean.T, "error": error.T}, axis=1).swaplevel(axis=1)
    return table.rename_axis(index="method")


def _gaps(n_sets: pd.Series) -> str:
    """A warning of methods whose means are over fewer sets than those of others."""
    fewer = n_sets[n_sets < n_sets.max()]
    if fewer.empty:
        return ""
    names = ", ".join(f"{name} ({n})" for name, n in fewer.items())
    return (
        f" Some methods were run on fewer than {n_sets.max()} sets, and their means must not be "
        f"compared with those of others: {names}."
    )


def _regret_text(table: pd.DataFrame) -> str:
    if table.isna().all(axis=None):
        return "Needs runs of fixed weights, and of two seeds at least to choose on the others."
    return _markdown(_as_text(table.dropna(how="all"), low_is_good=True))


def _as_text(table: pd.DataFrame, *, low_is_good: bool = False) -> pd.DataFrame:
    """``mean ± error`` in each cell, and the mean over sets at the right; the best comes first."""
    mean, error = (table.xs(part, axis=1, level=1) for part in ("mean", "error"))
    text = analysis.as_text(mean, error)
    order = mean.mean(axis=1).sort_values(ascending=low_is_good).index
    return text.assign(mean=mean.mean(axis=1).map("{:+.2f}".format)).loc[order]


def _provenance(frame: pd.DataFrame) -> str:
    parts = [
        f"{len(frame)} runs on {frame['set'].nunique()} sets and {frame['seed'].nunique()} seeds, "
        f"at most {frame['max_rows'].iloc[0]} training rows, "
        f"{frame['epochs_scale'].iloc[0]:g} times the default student's epochs.",
        f"Dates: {frame['date'].min()} to {frame['date'].max()}.",
        f"Machine: {'; '.join(frame['machine'].unique())}.",
        f"Versions: {'; '.join(frame['versions'].unique())}.",
    ]
    return "\n".join(parts)


def _markdown(table: pd.DataFrame) -> str:
    """A table in Markdown."""
    table = table.reset_index()
    rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    lines = [list(map(str, table.columns)), ["---"] * table.shape[1], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return str(value)


if __name__ == "__main__":
    sys.exit(main())

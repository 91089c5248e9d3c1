"""Who dominates whom on the lines of :mod:`benchmarks.frontier`.

An alternative *dominates* the default student if four things are true. Its accuracy and its
log-loss are better, and a single row takes no more time and the file no more bytes. "Better" means
by more than two standard errors of the paired difference over the seeds. With one seed there is no
error, and any difference counts.

``labels_only`` is not an alternative but the same student. If it is better in both scores, the
teacher did harm.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from .figures import loss_against_latency

OURS = "default"
BASELINE = "labels_only"

#: The table names the best log-loss among models that answer a row in so many microseconds.
FAST = 20.0

_COSTS = ["row_us", "bytes"]


def means(lines: list[dict]) -> pd.DataFrame:
    """Average scores over the seeds, and take the median of costs."""
    how = {"accuracy": "mean", "log_loss": "mean", "auc": "mean", "n_train": "mean"}
    how |= {"row_us": "median", "batch_ms": "median", "bytes": "median", "fit_seconds": "median"}
    frame = pd.DataFrame(lines)
    return frame.groupby(["set", "rows", "model"], sort=False).agg(how)


def dominators(lines: list[dict]) -> list[str]:
    """List the models that dominate the default on one data set and size.

    Parameters
    ----------
    lines : list of dict
        All lines of that data set and size.
    """
    frame = pd.DataFrame(lines)
    costs = frame.groupby("model")[_COSTS].median()
    return [
        model
        for model in dict.fromkeys(frame["model"])
        if model not in (OURS, BASELINE)
        and (costs.loc[model] <= costs.loc[OURS]).all()
        and is_better(frame, model, OURS)
    ]


def is_better(frame: pd.DataFrame, model: str, other: str) -> bool:
    """Check whether both scores are better by two errors over common seeds."""
    scores = frame.pivot(index="seed", columns="model", values=["accuracy", "log_loss"])
    accuracy = scores["accuracy"][model] - scores["accuracy"][other]
    log_loss = scores["log_loss"][other] - scores["log_loss"][model]
    return all(_is_positive(gain.dropna()) for gain in (accuracy, log_loss))


def _is_positive(gains: pd.Series) -> bool:
    error = gains.std() / np.sqrt(len(gains)) if len(gains) > 1 else 0.0
    return bool(gains.mean() > 2 * error)


def front(points: pd.DataFrame) -> pd.DataFrame:
    """Keep the models that no other beats in both log-loss and latency, fastest first."""
    ordered = points.sort_values(["row_us", "log_loss"])
    best = ordered["log_loss"].cummin().shift(fill_value=np.inf)
    return ordered[ordered["log_loss"] < best]


def by_set(lines: list[dict]) -> dict[tuple[str, int], list[dict]]:
    """Group the lines by data set and rows, where the default has a line."""
    groups: dict[tuple[str, int], list[dict]] = {}
    for line in lines:
        groups.setdefault((line["set"], line["rows"]), []).append(line)
    complete = {key: own for key, own in groups.items() if OURS in {one["model"] for one in own}}
    return dict(sorted(complete.items(), key=lambda item: item[0][1]))


def table(lines: list[dict]) -> str:
    """Write a row for each data set and size, and count those without a dominator."""
    out = [
        "| data set | rows | accuracy / log-loss | row, µs | kB | teacher | best of 20 µs |"
        " dominated by | harm |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    groups = by_set(lines)
    n_dominated = n_won = 0
    for (name, _), own in groups.items():
        frame = pd.DataFrame(own)
        points = means(own).droplevel(["set", "rows"])
        ours = points.loc[OURS]
        fast = points[points["row_us"] <= FAST].drop(index=BASELINE, errors="ignore")
        winner = fast["log_loss"].idxmin() if len(fast) else "none"
        better = dominators(own)
        harm = BASELINE in points.index and is_better(frame, BASELINE, OURS)
        n_dominated += bool(better)
        n_won += winner == OURS
        out.append(
            f"| {name} | {ours['n_train']:,.0f} | {_scores(ours)} | {ours['row_us']:.1f}"
            f" | {ours['bytes'] / 1000:.0f} | {_teacher(points)} | {_named(winner)}"
            f" | {', '.join(map(_named, better)) or 'none'} | {'yes' if harm else 'no'} |"
        )
    out.append(
        f"\nNo alternative dominates on {len(groups) - n_dominated} of {len(groups)}; the default "
        f"has the best log-loss within {FAST:g} µs on {n_won}."
    )
    return "\n".join(out)


def fit_times(lines: list[dict]) -> str:
    """Write how long the default's fit takes beside that of labels only, on large tables."""
    out = [
        "| data set | rows | labels only, s | default, s | its teacher, s | without it, times |",
        "|---|---|---|---|---|---|",
    ]
    for (name, rows), own in by_set(lines).items():
        if rows <= 4000:
            continue
        columns = ["n_train", "fit_seconds", "teacher_seconds"]
        points = pd.DataFrame(own).groupby("model")[columns].median()
        base, ours = points.loc[BASELINE, "fit_seconds"], points.loc[OURS]
        seconds, of_teacher = ours["fit_seconds"], ours["teacher_seconds"]
        out.append(
            f"| {name} | {ours['n_train']:,.0f} | {base:.0f} | {seconds:.0f} | {of_teacher:.0f} "
            f"| {(seconds - of_teacher) / base:.1f} |"
        )
    return "\n".join(out)


def _scores(point: pd.Series) -> str:
    return f"{point['accuracy']:.3f} / {point['log_loss']:.3f}"


def _teacher(points: pd.DataFrame) -> str:
    return _scores(points.loc["teacher"]) if "teacher" in points.index else ""


def _named(model: str) -> str:
    return model.replace("_", " ")


def draw(lines: list[dict], folder: Path) -> list[Path]:
    """Draw two pictures: ``frontier_small.png`` up to 4,000 rows, and ``frontier_large.png``."""
    groups = by_set(lines)
    paths = []
    for size, is_large in (("small", False), ("large", True)):
        panels = {
            name: means(own).droplevel(["set", "rows"])
            for (name, rows), own in groups.items()
            if (rows > 4000) == is_large
        }
        if panels:
            paths.append(folder / f"frontier_{size}.png")
            figure = loss_against_latency({name: (own, front(own)) for name, own in panels.items()})
            figure.savefig(paths[-1], dpi=150)
    return paths

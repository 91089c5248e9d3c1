"""The tables that people read say what the committed lines of results say."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import analysis, dominance
from benchmarks.run import RESULTS, WITHOUT_NEW_ROWS, read_lines

ROOT = Path(__file__).parents[2]
README, STUDY = ROOT / "README.md", ROOT / "benchmarks" / "README.md"
TABLES, SPEED = ROOT / "benchmarks" / "tables.md", ROOT / "benchmarks" / "speed.md"
SHOWN = {"default": "default", "without synthetic rows": WITHOUT_NEW_ROWS}

# Methods that are written out, where they aren't `rule` or "fixed 0.5".
WRITTEN = {
    "default": "default",
    "default, without synthetic rows": WITHOUT_NEW_ROWS,
    "labels only": "labels",
    "labels only, five times the steps": "labels/student__max_epochs=750",
    "search over fixed weights in five folds": "search",
    "fixed 0.5, with synthetic rows": "default/balancer='fixed',balancer__weight=0.5",
    "fixed 0.5, in-sample targets": "fixed(0.5)@insample",
    "fixed 0.5, uncalibrated targets": "fixed(0.5)@oof",
    "`descent_share` on shared targets": "descent_share@calibrated",
    "`descent_share`, in-sample targets": "descent_share@insample",
    "`descent_share`, uncalibrated targets": "descent_share@oof",
    # Rules that skkd no longer has.
    "`competence` (cut)": "competence@calibrated",
    "`gated` (cut)": "gated@calibrated",
    "`geometric_mean` (cut)": "geometric_mean@calibrated",
    "`hypergradient` (cut)": "hypergradient@calibrated",
    "`random`, the control": "random@calibrated",
    "early-stopped (0.9 until half)": "early_stopped@calibrated",
    "falling, 1 to 0": "linear_down@calibrated",
    "rising, 0 to 1": "linear_up@calibrated",
    "held, then falling": "hold_then_decay@calibrated",
}


def table(path: Path, heading: str, nth: int = 0) -> dict[str, list[str]]:
    """Cells of the rows below a heading's line, by the first cell; without bold type."""
    text = path.read_text().replace("**", "")
    body = text.split(f"\n{heading}")[nth + 1]
    rows = re.match(r".*\n\|[-|]+\n((?:\|.*\n)+)", body)[1]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]
    return {row[0]: row[1:] for row in cells}


def written(text: str) -> str:
    """Numbers as the tables have them: no sign before a zero."""
    return re.sub(r"[+-]0\.0+(?!\d)", "0", text)


@cache
def results(name: str) -> pd.DataFrame:
    return analysis.read_results(RESULTS / name)


@pytest.mark.parametrize(("path", "name"), [(STUDY, "study.jsonl"), (TABLES, "fresh/study.jsonl")])
def test_gains_over_labels_only_by_set(path, name):
    frame = results(name)
    rows = table(path, "| data set | teacher | best fixed λ ")
    expected = analysis.overview(frame, SHOWN)
    for of_set, cells in expected.iterrows():
        assert rows[of_set] == [written(cell) for cell in cells], of_set
    assert rows["mean"] == [written(cell) for cell in _means(frame)]
    assert rows.keys() == {*frame["set"], "mean"}


def test_numbers_of_the_readme():
    text = " ".join(README.read_text().split())
    lines = read_lines(RESULTS / "frontier.jsonl")
    points = dominance.means(lines)
    ours = points.xs("default", level="model")
    of_labels = points.xs("labels_only", level="model").loc[ours.index]
    is_large = ours.index.get_level_values("rows") > 4000
    large = ours[is_large]
    teacher = points.xs("teacher", level="model").loc[large.index]
    gap = 100 * (large["log_loss"] / teacher["log_loss"] - 1).mean()
    gain = 100 * (1 - large["log_loss"] / of_labels["log_loss"][is_large]).mean()
    times = [row.split("|")[-2] for row in dominance.fit_times(lines).splitlines()[2:]]
    n_rows = large["n_train"]
    for claim in (
        f"{_not_dominated()} tables",
        f"seven tables of {n_rows.min().round(-3):,.0f} to {n_rows.max():,.0f} rows",
        f"log-loss is on average {gap:.1f} % above its teacher's",
        f"{gain:.0f} % below that of the same student trained on labels only",
        f"One row takes {ours['row_us'].min():.0f} to {ours['row_us'].max():.0f} µs",
        "a fit of a large table takes about twice as long as on labels only",
    ):
        assert claim in text, claim
    assert len(times) == 7 and round(np.median(list(map(float, times)))) == 2
    assert "On adult and mpls_stops, 100 trees of LightGBM answer sooner" in text
    for name in ("adult", "mpls_stops"):
        own = points.loc[name, 60_000]
        assert (own.loc["trees_100"] < own.loc["default"])[["row_us", "log_loss"]].all()
    assert len(large) == 7 and set(pd.DataFrame(lines)["seed"]) == {0, 1, 2}


def test_advice_beside_the_frontier():
    text = " ".join(STUDY.read_text().split())
    points = dominance.means(read_lines(RESULTS / "frontier.jsonl"))
    large = points[points.index.get_level_values("rows") > 4000]["log_loss"].unstack()
    behind = 100 * (large["default"] / large["teacher"] - 1)
    behind = behind[behind > 0]
    assert len(behind) == 4 and len(large) == 7
    least, most = f"{behind.min():.1f}", f"{behind.max():.1f}"
    assert f"lower on four of the seven tables, by {least} to {most} %" in text
    for name in ("adult", "mpls_stops"):
        micros = points.loc[(name, 60_000, "trees_100"), "row_us"]
        assert f"slightly better, in {micros:.0f} µs a row" in text


def test_what_came_out_beside_autogluon():
    text = " ".join(STUDY.read_text().split())
    lines = pd.DataFrame(read_lines(RESULTS / "autogluon.jsonl"))
    runs = lines.pivot(index=["set", "seed"], columns="model", values=["accuracy", "log_loss"])
    theirs, ours = (runs.xs(name, axis=1, level=1) for name in ("AutoGluon's student", "skkd"))
    difference = (ours - theirs).groupby("set")
    assert (difference["log_loss"].mean() < 0).sum() == 5
    gain, error = 100 * difference["accuracy"].mean(), 100 * difference["accuracy"].sem()
    assert set(gain.index[gain < 0]) == {"electricity"}
    shown = f"({gain['electricity']:.2f} ± {error['electricity']:.2f} percentage points)"
    assert shown.replace("-", "−") in text


def _not_dominated() -> str:
    """Return on how many of all tables no alternative dominates, such as "12 of 14"."""
    last = dominance.table(read_lines(RESULTS / "frontier.jsonl")).splitlines()[-1]
    return re.search(r"dominates on (\d+ of \d+);", last)[1]


def test_tables_of_alternatives_and_of_the_times_of_fits():
    lines = read_lines(RESULTS / "frontier.jsonl")
    assert dominance.table(lines) in STUDY.read_text()
    assert dominance.fit_times(lines) in STUDY.read_text()


def test_what_came_out():
    text = " ".join(STUDY.read_text().split())
    frame, fresh = results("study.jsonl"), results("fresh/study.jsonl")
    summary = analysis.summary(frame[~frame["method"].str.startswith("teacher")])
    ours, plain, labels = (summary.loc[name] for name in (*SHOWN.values(), "labels"))
    fixed = summary[summary.index.str.startswith("fixed")]["regret"].min()
    by_set = frame.pivot_table(index="set", columns="method", values=["accuracy", "auc"])
    n_better = (by_set["accuracy"]["default"] > by_set["accuracy"]["teacher"]).sum()
    gain, error = analysis.by_set(analysis.differences(fresh))
    of_fresh = f"{gain['default'].mean():.2f} ± {analysis.error_of_mean(error)['default']:.2f}"
    seconds = [one["fit_seconds"] / labels["fit_seconds"] for one in (ours, plain)]
    words = {3: "three", 4: "four", 5: "five", 7: "seven", 8: "eight", 9: "nine", 10: "ten"}
    for claim in (
        f"{words[frame['seed'].nunique()]} seeds and the default settings",
        f"{-ours['regret']:.2f} ahead of the best fixed weight of each data set",
        f"it is {plain['regret']:.2f} behind",
        f"{fixed:.2f} behind",
        f"beats its teacher on {words[n_better]} data sets of twelve",
        f"{ours['difference'] - plain['difference']:.2f} percentage points. The moving weight",
        f"{seconds[0]:.1f} times as long as on labels only with synthetic rows",
        f"{seconds[1]:.1f} times without",
        f"the gain is {of_fresh}",
    ):
        assert claim in text, claim
    assert (
        ours["harmed"] == 0 and (by_set["auc"]["default"] / by_set["auc"]["teacher"]).min() > 0.994
    )


def _means(frame: pd.DataFrame) -> list[str]:
    gain, error = analysis.by_set(analysis.differences(frame))
    mean, error = gain.mean(), analysis.error_of_mean(error)
    best = mean.filter(regex=r"^fixed\(.*@calibrated").idxmax()
    weight = best.removeprefix("fixed").removesuffix("@calibrated")
    losses = frame.pivot_table(index="set", columns="method", values="log_loss").mean()
    return [
        f"{mean['teacher']:+.2f}",
        f"no one weight: {mean[best]:+.2f} {weight}",
        *(f"{mean[method]:+.2f} ± {error[method]:.2f}" for method in SHOWN.values()),
        *(f"{losses[method]:.3f}" for method in ("labels", *SHOWN.values())),
    ]


@pytest.mark.parametrize(("nth", "name"), [(0, "study.jsonl"), (1, "wide/study.jsonl")])
def test_methods_of_the_study(nth, name):
    rows = table(TABLES, "| method | seeds | over labels only ", nth)
    frame = results(name)
    summary = analysis.summary(frame[~frame["method"].str.startswith("teacher")])
    summary = summary[summary["sets"] == summary["sets"].max()]
    methods = {_method(shown): cells for shown, cells in rows.items()}
    assert methods.keys() == set(summary.index)
    for method, cells in methods.items():
        assert cells == _written_summary(summary.loc[method]), method


def _method(shown: str) -> str:
    if shown in WRITTEN:
        return WRITTEN[shown]
    if shown.startswith("fixed "):
        return f"fixed({float(shown.removeprefix('fixed ')):g})@calibrated"
    return shown.strip("`") + "@calibrated"


def _written_summary(row: pd.Series) -> list[str]:
    text = {
        "seeds": f"{row['runs'] / row['sets']:g}",
        "difference": f"{row['difference']:+.2f}",
        "worst": f"{row['worst']:+.2f}",
        **{name: f"{row[name]:.2f}" for name in ("regret", "worst regret")},
        **{name: f"{row[name]:.3f}" for name in ("log_loss", "ece")},
    }
    if row["error"] > 0:
        text["difference"] += f" ± {row['error']:.2f}"
    return [written(cell).replace("nan", "") for cell in text.values()]


def test_latency_and_size():
    rows = table(TABLES, "| data set | teacher | one row | one row, ONNX ")
    for line in read_lines(RESULTS / "serving.jsonl"):
        ratios = [
            line[f"teacher_{cost}"] / line[f"{which}_{cost}"]
            for cost in ("row_ms", "batch_ms")
            for which in ("student", "onnx")
        ]
        ratios.append(line["teacher_bytes"] / line["onnx_bytes"])
        assert rows.pop(line["set"])[1:] == [f"{ratio:,.0f}" for ratio in ratios], line["set"]
    assert not rows


def test_beside_autogluon():
    frame = pd.DataFrame(read_lines(RESULTS / "autogluon.jsonl"))
    theirs = "AutoGluon's student"
    models = [theirs, "skkd", "skkd without new rows"]
    accuracies = table(TABLES, "| data set | its ensemble | its student ")
    seconds = table(TABLES, "| data set | seconds: its `distill` ")
    assert accuracies.keys() == seconds.keys() == set(frame["set"])
    for of_set, lines in frame.groupby("set"):
        runs = lines.pivot(index="seed", columns="model", values=["accuracy", "seconds"])
        accuracy = runs["accuracy"]
        gain = 100 * accuracy[models[1:]].sub(accuracy[theirs], axis=0)
        means = accuracy[["AutoGluon's ensemble", *models]].mean()
        gains = [f"{m:+.2f} ± {e:.2f}" for m, e in zip(gain.mean(), gain.sem(), strict=True)]
        shown = [f"{mean:.3f}" for mean in means] + gains
        assert accuracies[of_set] == [written(cell) for cell in shown], of_set
        medians = runs["seconds"][models].median()
        assert seconds[of_set][:3] == [f"{median:.0f}" for median in medians], of_set


def test_time_of_training():
    lines = json.loads((RESULTS / "speed.json").read_text())["training"]
    rows = table(SPEED, "| | batch 128 | batch 1,024 |")
    names = {
        "hand-written loop": "bare PyTorch loop",
        "skkd, fixed weight": "skkd, FixedBalance",
        "skkd, `DescentShare`": "skkd, DescentShare",
        "plain skorch, default loader": "plain skorch",
    }
    assert rows.keys() == names.keys()
    for shown, name in names.items():
        ratios = [line[name] / line["bare PyTorch loop"] for line in lines]
        pairs = zip(ratios[::2], ratios[1::2], strict=True)
        cells = [f"{plain:.2f} ({fused:.2f})" for plain, fused in pairs]
        assert rows[shown] == [cell.replace(" (1.00)", "") for cell in cells], shown


def test_time_of_a_step():
    small, large = json.loads((RESULTS / "speed.json").read_text())["rules"]
    rows = table(SPEED, "| rule | batch 128 | batch 1,024 |")
    for shown, cells in rows.items():
        name = shown.replace("`", "").replace(" all gradients", " all")
        name = name.replace("equal_gradients", "gradient_norm")  # the name that it had
        assert cells == [f"{line[name]:.2f}" for line in (small, large)], shown

"""The figures of the report, by matplotlib."""

import re

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter


def in_words(method: str) -> str:
    """Return what people call a method of the study."""
    named = {"labels": "labels only", "default/augmenter=None": "default, without synthetic rows"}
    fixed = re.fullmatch(r"fixed\((.+)\)@calibrated", method)
    return f"fixed λ = {fixed[1]}" if fixed else named.get(method, method)


def heat_map(table: pd.DataFrame, title: str, *, low_is_good: bool = False) -> Figure:
    """Points by method (rows) and set (columns), with the mean over sets at the right."""
    table = table.assign(mean=table.mean(axis=1))
    figure = Figure(figsize=(max(7, 3.5 + 0.75 * table.shape[1]), 1.4 + 0.3 * table.shape[0]))
    axes = figure.subplots()
    limit = max(np.nanpercentile(table.abs(), 90), 0.5)
    # Blue is good and red is bad, which people who are colour-blind can tell apart as well.
    colours = "RdBu_r" if low_is_good else "RdBu"
    axes.imshow(table, cmap=colours, vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        if np.isfinite(value):
            ink = "white" if abs(value) > 0.6 * limit else "black"
            text = f"{value:.2f}".replace("-0.00", "0.00")
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=ink)
    axes.set_xticks(range(table.shape[1]), table.columns, rotation=40, ha="right")
    axes.set_yticks(range(table.shape[0]), [in_words(method) for method in table.index])
    axes.axvline(table.shape[1] - 1.5, color="black", linewidth=1)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    return figure


def critical_difference(ranks: pd.Series, difference: float, title: str) -> Figure:
    """Mean ranks on a line; bars join methods that do not differ (Demsar, JMLR 7, 2006).

    Parameters
    ----------
    ranks : Series
        Mean rank by method, ascending.
    difference : float
        Nemenyi's critical difference.
    """
    n_methods = len(ranks)
    bars = groups_within(ranks.to_numpy(), difference)
    half = -(-n_methods // 2)
    top, depth = 0.6 + 0.22 * len(bars), 0.35 * half
    figure = Figure(figsize=(9, 0.9 + 0.75 * (top + depth)))
    axes = figure.subplots()
    low, high = 1, n_methods
    margin = 0.45 * (high - low)
    axes.set(xlim=(low - margin, high + margin), ylim=(-top - depth, 1.0))
    axes.axis("off")
    axes.hlines(0, low, high, color="black")
    for tick in range(low, high + 1, max(1, n_methods // 12)):
        axes.vlines(tick, 0, 0.1, color="black")
        axes.text(tick, 0.15, str(tick), ha="center", fontsize=8)
    axes.hlines(0.6, low, low + difference, color="black", linewidth=2)
    axes.text(low, 0.68, f"critical difference {difference:.2f}", fontsize=8)
    for i, (start, end) in enumerate(bars):
        height = -0.25 - 0.22 * i
        axes.hlines(height, ranks.iloc[start] - 0.05, ranks.iloc[end] + 0.05, linewidth=3)
    for i, (name, rank) in enumerate(ranks.items()):
        is_left = i < half
        height = -top - 0.35 * (i if is_left else n_methods - 1 - i)
        edge = low - 0.03 * margin if is_left else high + 0.03 * margin
        axes.plot([rank, rank, edge], [0, height, height], color="grey", linewidth=0.8)
        label = f"{name}  {rank:.2f}" if is_left else f"{rank:.2f}  {name}"
        axes.text(edge, height, label, ha="right" if is_left else "left", va="center", fontsize=8)
    axes.set_title(title, fontsize=10)
    figure.tight_layout()
    return figure


def groups_within(ranks: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """First and last index of the longest runs of ascending ranks that span at most a difference.

    Examples
    --------
    >>> groups_within(np.array([1.0, 1.5, 2.5, 5.0]), 1.2)
    [(0, 1), (1, 2)]
    """
    ends = np.searchsorted(ranks, ranks + difference, side="right") - 1
    return [
        (start, int(end))
        for start, end in enumerate(ends)
        if end > start and (start == 0 or end > ends[start - 1])
    ]


def accuracy_against_latency(points: pd.DataFrame) -> Figure:
    """A panel a set: accuracy and milliseconds for a single row.

    Parameters
    ----------
    points : DataFrame
        Of :func:`benchmarks.analysis.accuracy_and_latency`.
    """
    sets = list(dict.fromkeys(points["set"]))
    n_columns = min(4, len(sets))
    n_rows = -(-len(sets) // n_columns)
    size = (3.0 * n_columns, 2.3 * n_rows + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True).ravel()
    for axes, name in zip(panels, sets, strict=False):
        for model, own in points[points["set"] == name].groupby("model", sort=False):
            axes.errorbar(own["ms"], own["accuracy"], own["error"], marker="o", ls="", label=model)
        axes.set(xscale="log")
        axes.xaxis.set_minor_formatter(NullFormatter())  # labels of few decades would overlap
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=8)
    for i in range(len(sets), len(panels)):
        panels[i].axis("off")
        panels[i - n_columns].tick_params(labelbottom=True)
    figure.supxlabel("milliseconds for a single row, one thread", fontsize=9)
    figure.supylabel("test accuracy", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), fontsize=8)
    return figure


# The palette of Okabe and Ito, which color-blind people can tell apart, and a shape for each.
_STYLES = {
    "trees": {"label": "LightGBM", "color": "#0072B2", "marker": "o"},
    "soft_trees": {"label": "LightGBM, distilled", "color": "#56B4E9", "marker": "s"},
    "teacher": {"label": "teacher, compiled", "color": "black", "marker": "*", "markersize": 9},
    "logistic": {"label": "logistic regression", "color": "#CC79A7", "marker": "v"},
    "mlp": {"label": "MLPClassifier", "color": "#009E73", "marker": "^"},
    "labels_only": {"label": "skkd, labels only", "color": "#D55E00", "marker": "D", "mfc": "none"},
    "default": {"label": "skkd", "color": "#D55E00", "marker": "D", "markersize": 8, "zorder": 4},
}


def loss_against_latency(panels: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> Figure:
    """Draw a panel for each data set: log-loss against latency, with the Pareto front.

    A model far behind the others is drawn at the upper edge.

    Parameters
    ----------
    panels : dict from str to (DataFrame, DataFrame)
        For each data set, all models and those on the front. The index names the models as
        :mod:`benchmarks.frontier` does. Columns are ``row_us`` and ``log_loss``.
    """
    n_columns = min(4, len(panels))
    n_rows = -(-len(panels) // n_columns)
    figure = Figure(figsize=(2.3 * n_columns + 0.2, 2.1 * n_rows + 0.7), layout="constrained")
    places = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True).ravel()
    handles: dict = {}
    for axes, (name, (points, front)) in zip(places, panels.items(), strict=False):
        top = _highest_shown(points)
        kinds = points.index.str.replace(r"_\d+$", "", regex=True)
        for kind, own in points.groupby(kinds, sort=False):
            own = own.sort_values("row_us")
            style = {"markersize": 5, "linewidth": 0.8, "alpha": 0.9} | _STYLES[kind]
            style["linestyle"] = "-" if "trees" in kind else ""
            shown = np.minimum(own["log_loss"], top)
            handles[kind] = axes.plot(own["row_us"], shown, clip_on=False, **style)[0]
        x = [*front["row_us"], points["row_us"].max()]
        y = [*front["log_loss"], front["log_loss"].iloc[-1]]
        handles["front"] = axes.step(
            x, y, where="post", color="0.6", linewidth=4, alpha=0.4, zorder=0, label="Pareto front"
        )[0]
        axes.set(xscale="log")
        axes.set_ylim(top=top)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for i in range(len(panels), len(places)):
        places[i].axis("off")
        places[i - n_columns].tick_params(labelbottom=True)
    label = (
        "microseconds for a single row, ONNX on one thread (markers on the upper edge lie above)"
    )
    figure.supxlabel(label, fontsize=9)
    figure.supylabel("test log-loss", fontsize=9)
    order = [*_STYLES, "front"]
    shown = [handles[kind] for kind in order if kind in handles]
    figure.legend(
        handles=shown,
        loc="outside upper center",
        ncols=min(4, n_columns + 1),
        fontsize=8,
        frameon=False,
    )
    return figure


def _highest_shown(points: pd.DataFrame) -> float:
    """The highest log-loss that a panel has room for, at most three times the usual spread."""
    losses = points["log_loss"]
    main = losses[losses.index.isin(["teacher", "default", "trees_100"])]
    return min(losses.max(), losses.min() + 3 * max(main.max() - losses.min(), 0.02 * main.max()))

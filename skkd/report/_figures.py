"""The figures of a report, drawn on given Axes."""

import numpy as np

from .._plots import MARKERS, LatencyDisplay, model_style
from ._measures import label_of

_LOSSES = ("log_loss", "brier_score", "calibration_error")

_FEWEST_ROWS = 30  # of a dot in the calibration panel


def panels_of(report) -> list[tuple[str, str]]:
    """Return the names of the report's panels, two in a column."""
    columns = [("gains", "losses")] if report.differences and report.n_rows > 1 else []
    has_latency = any("milliseconds" in costs for costs in report.costs.values())
    columns.append(("reliability", "latency" if has_latency else "reliability"))
    if report.fidelity is not None:
        columns.append(("fidelity", "parted"))
    return columns


def draw(report, axes: dict) -> None:
    """Draw the panels on their Axes, given by name."""
    if "gains" in axes:
        judged = {"average_precision"} & {*report.scoring}
        draw_differences(
            axes["gains"], report, ("accuracy", "balanced_accuracy", *judged, "roc_auc")
        )
        draw_differences(axes["losses"], report, _LOSSES)
        axes["gains"].set_xlabel("higher is better \N{RIGHTWARDS ARROW}")
        axes["losses"].set_xlabel("\N{LEFTWARDS ARROW} lower is better")
        above = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "frameon": False}
        axes["gains"].legend(ncols=2, columnspacing=1.0, handletextpad=0.2, **above)
    draw_reliability(axes["reliability"], report)
    if "latency" in axes:
        LatencyDisplay.from_report(report, measure=report.scoring[0], ax=axes["latency"])
        axes["latency"].set_ylabel(label_of(report.scoring[0]))
    if "fidelity" in axes:
        report.fidelity.plot([axes["fidelity"], axes["parted"]])


def draw_differences(ax, report, names: tuple[str, ...]) -> None:
    """Draw the student's measures less those of the others, with intervals.

    Parameters
    ----------
    ax : matplotlib Axes
    report : DistillationReport
    names : tuple of str
        The measures.
    """
    from matplotlib.ticker import MaxNLocator

    ax.axvline(0, color="0.3", linestyle="--", linewidth=0.8)
    apart = 0.3 * (np.arange(len(report.differences)) - (len(report.differences) - 1) / 2)
    for (other, found), shift in zip(report.differences.items(), apart, strict=True):
        estimate, low, high = np.array([found[name] for name in names]).T
        rows = np.arange(len(names)) + shift
        color = model_style(other)["color"]
        ax.hlines(rows, low, high, color=color, linewidth=1.5)
        label = f"student - {report.labels[other]}"
        ax.plot(estimate, rows, MARKERS[other], color=color, markersize=5, label=label)
    ax.set_yticks(range(len(names)), [label_of(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(4))


def draw_reliability(ax, report) -> None:
    """Draw how often the most probable class is right, over its probability.

    Bins with few rows are merged with their neighbors. The area of a dot is its share of the rows.
    """
    ax.plot([0, 1], [0, 1], color="0.3", linestyle="--", linewidth=0.8)
    lowest = []
    for model, curve in report.reliability.items():
        style = model_style(model)
        label = f"{report.labels[model]}, error {report.measures[model]['calibration_error']:.3f}"
        confidence, accuracy, share = merged(curve, _FEWEST_ROWS / report.n_rows)
        ax.plot(confidence, accuracy, linewidth=1, label=label, **style)
        ax.scatter(confidence, accuracy, 10 + 240 * share, style["color"], alpha=0.7)
        lowest.append((confidence.min(), accuracy.min()))
    x, y = np.floor(10 * np.min(lowest, axis=0)) / 10
    ax.set(
        xlabel="probability of the most probable class",
        ylabel="how often it is right",
        xlim=(x - 0.04 * (1 - x), 1 + 0.04 * (1 - x)),
        ylim=(y - 0.04 * (1 - y), 1 + 0.04 * (1 - y)),
    )
    ax.legend(loc="upper left")


def merged(curve: dict[str, np.ndarray], fewest: float) -> np.ndarray:
    """Merge neighboring bins until each has a share of the rows of at least ``fewest``.

    Returns
    -------
    merged : ndarray of shape (3, n_bins)
        Mean confidence, accuracy and share of each bin.
    """
    known = curve["share"] > 0
    share = curve["share"][known]
    sums = np.array([share * curve["confidence"][known], share * curve["accuracy"][known], share])
    bins: list[np.ndarray] = []
    for column in sums.T:
        if bins and bins[-1][2] < fewest:
            bins[-1] = bins[-1] + column
        else:
            bins.append(column)
    if len(bins) > 1 and bins[-1][2] < fewest:
        last = bins.pop()
        bins[-1] = bins[-1] + last
    found = np.array(bins).T
    found[:2] /= found[2]
    return found

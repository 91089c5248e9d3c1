"""The figures of a report, each on Axes that are there already."""

import numpy as np

from .._plots import MARKERS, LatencyDisplay, model_style
from ._measures import MEASURES

_COMPARED = {
    "gains": ("accuracy", "balanced_accuracy", "roc_auc"),
    "losses": ("log_loss", "brier_score", "calibration_error"),
}


def columns_of(report) -> list[tuple[str, str]]:
    """Names of the panels, two in a column, of those that the report has."""
    columns = [("gains", "losses")] if report.differences and report.n_rows > 1 else []
    has_latency = any("milliseconds" in costs for costs in report.costs.values())
    columns.append(("reliability", "latency" if has_latency else "reliability"))
    if report.fidelity is not None:
        columns.append(("fidelity", "parted"))
    return columns


def draw(report, axes: dict) -> None:
    """Draw the panels on their Axes, given by name."""
    if "gains" in axes:
        draw_differences(axes["gains"], report, _COMPARED["gains"])
        draw_differences(axes["losses"], report, _COMPARED["losses"])
        axes["gains"].set_xlabel("higher is better \N{RIGHTWARDS ARROW}")
        axes["losses"].set_xlabel("\N{LEFTWARDS ARROW} lower is better")
        above = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "frameon": False}
        axes["gains"].legend(ncols=2, columnspacing=1.0, handletextpad=0.2, **above)
    draw_reliability(axes["reliability"], report)
    if "latency" in axes:
        LatencyDisplay.from_report(report, ax=axes["latency"])
    if "fidelity" in axes:
        report.fidelity.plot([axes["fidelity"], axes["parted"]])


def draw_differences(ax, report, names: tuple[str, ...]) -> None:
    """The student's measures less those of the others, with intervals.

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
    ax.set_yticks(range(len(names)), [MEASURES[name].label for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(4))


def draw_reliability(ax, report) -> None:
    """How often the most probable class is right, over how probable it is.

    The area of a dot is the share of the rows that it stands for.
    """
    ax.plot([0, 1], [0, 1], color="0.3", linestyle="--", linewidth=0.8)
    for model, curve in report.reliability.items():
        style = model_style(model)
        label = f"{report.labels[model]}, error {report.measures[model]['calibration_error']:.3f}"
        known = curve["share"] > 0
        confidence, accuracy = curve["confidence"][known], curve["accuracy"][known]
        ax.plot(confidence, accuracy, linewidth=1, label=label, **style)
        ax.scatter(confidence, accuracy, 250 * curve["share"][known], style["color"], alpha=0.7)
    ax.set(
        xlabel="probability of the most probable class",
        ylabel="how often it is right",
        xlim=(np.floor(10 / len(report.classes)) / 10, 1.04),
        ylim=(-0.04, 1.04),
    )
    ax.legend()

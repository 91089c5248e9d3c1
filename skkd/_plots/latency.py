"""Scores over latency, as a figure."""

from collections.abc import Mapping
from typing import Any, Self

from .styles import MARKERS, import_pyplot, line_style, model_style


class LatencyDisplay:
    """Plot a score over the milliseconds that one row takes.

    Make it with :meth:`from_report` or :meth:`from_reports`. A marker is at the median of the
    calls, and a line reaches their 99th percentile. The best models are at the upper left.

    Parameters
    ----------
    points : dict of dicts of dicts of float
        By report and model (``"teacher"``, ``"baseline"``, ``"student"``): ``score``,
        ``milliseconds`` and ``milliseconds_p99``.
    labels : dict of str
        By model, its name in the legend.
    score_name : str, default="accuracy"
        Name of the score.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
    errorbars_ : dict of dicts of matplotlib ErrorbarContainer
        By report and model.

    See Also
    --------
    skkd.report.distillation_report : Measures both.

    Examples
    --------
    >>> from skkd import LatencyDisplay
    >>> points = {
    ...     "digits": {
    ...         "teacher": {"score": 0.97, "milliseconds": 14.7, "milliseconds_p99": 16.0},
    ...         "student": {"score": 0.98, "milliseconds": 0.16, "milliseconds_p99": 0.2},
    ...     }
    ... }
    >>> display = LatencyDisplay(points, {"teacher": "forest", "student": "student"}).plot()
    >>> display.ax_.get_xlabel()
    'milliseconds for one row'
    """

    def __init__(
        self,
        points: Mapping[str, Mapping[str, Mapping[str, float]]],
        labels: Mapping[str, str],
        score_name: str = "accuracy",
    ) -> None:
        self.points = points
        self.labels = labels
        self.score_name = score_name

    @classmethod
    def from_report(
        cls,
        report: Any,
        *,
        measure: str = "accuracy",
        ax: Any = None,
        errorbar_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the models of one report.

        Parameters
        ----------
        report : DistillationReport
            Made with ``latency=True``.
        measure : str, default="accuracy"
            A key of the report's ``measures``.
        ax, errorbar_kw
            As in :meth:`plot`.

        Returns
        -------
        display : LatencyDisplay

        Raises
        ------
        ValueError
            If the report has no latencies.
        """
        return cls.from_reports({"": report}, measure=measure, ax=ax, errorbar_kw=errorbar_kw)

    @classmethod
    def from_reports(
        cls,
        reports: Mapping[str, Any],
        *,
        measure: str = "accuracy",
        ax: Any = None,
        errorbar_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the models of several reports, each in its own color.

        Parameters
        ----------
        reports : dict of DistillationReport
            By name.
        measure : str, default="accuracy"
            A key of the reports' ``measures``.
        ax, errorbar_kw
            As in :meth:`plot`.

        Returns
        -------
        display : LatencyDisplay

        Raises
        ------
        ValueError
            If ``reports`` is empty, or a report has no latencies.
        TypeError
            If ``reports`` is not a dict.
        """
        import_pyplot(f"{cls.__name__}.from_reports")
        if not isinstance(reports, Mapping):
            raise TypeError(
                "reports must be a dict of names to reports, as {'digits': report}; got "
                f"{type(reports).__name__}."
            )
        if not reports:
            raise ValueError("reports is empty; give at least one, as {'digits': report}.")
        points: dict = {}
        labels: dict = {}
        for name, report in reports.items():
            points[name] = {
                model: {"score": report.measures[model][measure], **costs}
                for model, costs in report.costs.items()
                if "milliseconds" in costs
            }
            if not points[name]:
                of = f" {name!r}" if name else ""
                raise ValueError(f"The report{of} has no latencies; make it with latency=True.")
            labels |= report.labels
        return cls(points, labels, measure.replace("_", " ")).plot(ax, errorbar_kw=errorbar_kw)

    def plot(self, ax: Any = None, *, errorbar_kw: dict[str, Any] | None = None) -> Self:
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None: a new figure.
        errorbar_kw : dict, default=None
            Replaces defaults of ``Axes.errorbar``.

        Returns
        -------
        self : LatencyDisplay
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        from matplotlib import cbook, lines, ticker

        errorbar_kw = cbook.normalize_kwargs(errorbar_kw or {}, lines.Line2D)
        if ax is None:
            ax = plt.subplots(figsize=(5.6, 4), layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        self.errorbars_: dict = {}
        several = len(self.points) > 1
        for i, (name, models) in enumerate(self.points.items()):
            self.errorbars_[name] = {}
            for model, point in models.items():
                style = line_style(i) if several else model_style(model)
                own = {"color": style["color"], **errorbar_kw}
                self.errorbars_[name][model] = self._draw(model, point, own)
        ax.set(xscale="log", xlabel="milliseconds for one row", ylabel=self.score_name)
        ax.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(ticker.NullFormatter())
        ax.margins(0.12)
        self._legend(several)
        return self

    def _draw(self, model, point, errorbar_kw):
        median, slow = point["milliseconds"], point["milliseconds_p99"]
        own = {
            "xerr": [[0], [max(slow - median, 0)]],
            "marker": MARKERS[model],
            "markersize": 8,
            "linestyle": "none",
            "elinewidth": 1.2,
            "capsize": 3,
            **errorbar_kw,
        }
        return self.ax_.errorbar([median], [point["score"]], **own)

    def _legend(self, several: bool) -> None:
        from matplotlib.lines import Line2D

        drawn = list(dict.fromkeys(model for models in self.points.values() for model in models))
        handles = []
        for model in drawn:
            color = "0.3" if several else model_style(model)["color"]
            style: dict[str, Any] = {"marker": MARKERS[model], "linestyle": "none"}
            handles.append(Line2D([], [], color=color, label=self.labels[model], **style))
        if several:
            handles += [
                Line2D([], [], color=line_style(i)["color"], linewidth=4, label=str(name))
                for i, name in enumerate(self.points)
            ]
        # Above the Axes, because the lines to the 99th percentile reach across them.
        self.ax_.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False
        )

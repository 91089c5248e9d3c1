"""What a balancing rule did over a training, as a figure."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from .._classifier import DistilledClassifier
from .._regressor import DistilledRegressor
from .answers import fitted_in
from .styles import import_pyplot, line_style

COLUMNS = (
    "epoch",
    "weight",
    "weight_min",
    "weight_max",
    "task_loss",
    "distillation_loss",
    "distillation_share",
)

_KINDS = (DistilledClassifier, DistilledRegressor)

_WEIGHT, _SHARE = "teacher's\nweight λ", "distillation's\nshare"


class BalanceDisplay:
    r"""Plot the teacher's weight, the losses and the shares over a training.

    Make it with :meth:`from_estimator` or :meth:`from_histories`. The panels share the epochs:

    * The teacher's weight λ, with a band from its smallest to its largest value in the epoch.
    * Both losses, on a log scale if they span a decade.
    * The distillation's share of what the rule measures. A dashed line marks the rule's target,
      such as :math:`\rho / (1 + \rho)` for a ratio :math:`\rho`.

    Several trainings have a color and a line style each, and one panel for each loss.

    Parameters
    ----------
    histories : dict of dicts
        By name, the columns of a ``history_`` as float arrays with one entry per epoch:
        ``epoch``, ``weight``, ``weight_min``, ``weight_max``, ``task_loss``,
        ``distillation_loss``, ``distillation_share``. ``valid_score`` is optional. It is
        drawn as the validation loss, for a single training.
    target_shares : dict of float or None, default=None
        The target of each rule by name, in (0, 1). None: no targets.
    loss_unit : str, default="nats"
        Unit of the distillation loss; empty if unknown. The task loss is in nats.

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of matplotlib Axes
        From top to bottom: weight, losses, share. For several trainings: weight, task loss,
        distillation loss, share.
    lines_ : dict of dicts of matplotlib Line2D
        By name and column.
    bands_, target_lines_ : dict of matplotlib PolyCollection and Line2D
        By name. Only rules with a target have a target line.

    See Also
    --------
    BalanceLandscapeDisplay : Scores of a search over the fixed weights.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skkd import BalanceDisplay, DistilledClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = DistilledClassifier(RandomForestClassifier(random_state=0), cv=3, random_state=0)
    >>> display = BalanceDisplay.from_estimator(clf.fit(X, y))
    >>> [ax.get_title() for ax in display.axes_]
    ['DescentShare', '', '']
    """

    def __init__(
        self,
        histories: Mapping[Any, Mapping[str, np.ndarray]],
        *,
        target_shares: Mapping[Any, float | None] | None = None,
        loss_unit: str = "nats",
    ) -> None:
        self.histories = histories
        self.target_shares = target_shares
        self.loss_unit = loss_unit

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        name: str | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
        fill_between_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the training of one classifier.

        Parameters
        ----------
        estimator : DistilledClassifier, DistilledRegressor, Pipeline or search
            Fitted. A Pipeline must end in one of the first two; of a search, the
            ``best_estimator_`` is drawn.
        name : str, default=None
            Title, the name of the rule. None: the class of the balancer.
        ax, line_kw, fill_between_kw
            As in :meth:`plot`.

        Returns
        -------
        display : BalanceDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it neither is nor contains one of these.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        clf = fitted_in(estimator, kinds=_KINDS)
        name = type(clf.balancer_).__name__ if name is None else name
        return cls.from_histories(
            {name: clf}, ax=ax, line_kw=line_kw, fill_between_kw=fill_between_kw
        )

    @classmethod
    def from_histories(
        cls,
        histories: Mapping[Any, Any],
        *,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
        fill_between_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw several trainings over one another.

        Parameters
        ----------
        histories : dict
            By name, a ``history_``, a frame of one, or a fitted estimator as in
            :meth:`from_estimator`. Only an estimator knows the share that its rule aims at.
        ax, line_kw, fill_between_kw
            As in :meth:`plot`.

        Returns
        -------
        display : BalanceDisplay

        Raises
        ------
        ValueError
            If ``histories`` is empty, or one lacks columns, epochs or numbers.
        TypeError
            If ``histories`` or one of its values has another type.
        """
        import_pyplot(f"{cls.__name__}.from_histories")
        if not isinstance(histories, Mapping):
            raise TypeError(
                "histories must be a dict of names to histories or fitted classifiers, as "
                f"{{'descent_share': clf}}; got {type(histories).__name__}."
            )
        if not histories:
            raise ValueError("histories is empty; give at least one, as {'descent_share': clf}.")
        columns, targets, in_nats = {}, {}, True
        for name, value in histories.items():
            if isinstance(value, Mapping) or hasattr(value, "columns"):
                columns[name] = _read_history(name, value)
                continue
            clf = fitted_in(value, f"histories[{name!r}]", _KINDS)
            columns[name] = _read_history(name, clf.history_)
            targets[name] = getattr(clf.balancer_, "target_share", None)
            in_nats &= clf.distillation_loss in ("kl", "reverse_kl", "js", "dkd")
        display = cls(columns, target_shares=targets, loss_unit="nats" if in_nats else "")
        return display.plot(ax, line_kw=line_kw, fill_between_kw=fill_between_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        line_kw: dict[str, Any] | None = None,
        fill_between_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the histories.

        Parameters
        ----------
        ax : matplotlib Axes or array of Axes, default=None
            Axes for the panels, three for one training and four for several; or one that is
            divided into them. None: a new figure.
        line_kw : dict, default=None
            Replaces defaults of ``Axes.plot``, for all lines but the targets.
        fill_between_kw : dict, default=None
            Replaces defaults of ``Axes.fill_between``.

        Returns
        -------
        self : BalanceDisplay
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        from matplotlib import cbook, collections, lines

        line_kw = cbook.normalize_kwargs(line_kw or {}, lines.Line2D)
        fill_between_kw = cbook.normalize_kwargs(fill_between_kw or {}, collections.PolyCollection)
        several = len(self.histories) > 1
        self.axes_ = _stacked_axes(plt, ax, 4 if several else 3)
        self.figure_ = self.axes_[0].figure
        self.lines_: dict[Any, dict[str, Any]] = {}
        self.bands_: dict[Any, Any] = {}
        self.target_lines_: dict[Any, Any] = {}
        for i, name in enumerate(self.histories):
            self._draw_weight(name, line_style(i), line_kw, fill_between_kw)
            self._draw_losses(name, line_style(i) if several else None, line_kw)
            self._draw_share(name, line_style(i), line_kw)
        self._label(several, new=ax is None)
        return self

    def _draw_weight(self, name, style, line_kw, fill_between_kw) -> None:
        ax, history = self.axes_[0], self.histories[name]
        # A line around the band shows the band of a single epoch, which has no area.
        band = {"facecolor": style["color"], "edgecolor": style["color"], "alpha": 0.2}
        self.bands_[name] = ax.fill_between(
            history["epoch"],
            history["weight_min"],
            history["weight_max"],
            **{**band, "linewidth": 0.5, **fill_between_kw},
        )
        style = {"label": name, **style, **line_kw}
        self.lines_[name] = {"weight": _draw(ax, history, "weight", style)}

    def _draw_losses(self, name, style, line_kw) -> None:
        """Draw both losses in one style, or in a style each with the validation loss."""
        history, (task, distillation) = self.histories[name], self.axes_[[1, -2]]
        curves = [
            ("task_loss", "task loss", task),
            ("distillation_loss", "distillation loss", distillation),
        ]
        if style is None and "valid_score" in history:
            curves.append(("valid_score", "validation loss", task))
        for i, (column, label, ax) in enumerate(curves, start=1):
            own = {"label": label, **(style or line_style(i)), **line_kw}
            self.lines_[name][column] = _draw(ax, history, column, own)

    def _draw_share(self, name, style, line_kw) -> None:
        ax = self.axes_[-1]
        own = {**style, **line_kw}
        self.lines_[name]["distillation_share"] = _draw(
            ax, self.histories[name], "distillation_share", own
        )
        target = (self.target_shares or {}).get(name)
        if target is not None:
            self.target_lines_[name] = ax.axhline(
                target, color=style["color"], linestyle=(0, (4, 3)), linewidth=0.8
            )

    def _label(self, several: bool, new: bool) -> None:
        from matplotlib import ticker

        weight, share, losses = self.axes_[0], self.axes_[-1], self.axes_[1:-1]
        unit = f" ({self.loss_unit})" if self.loss_unit else ""
        names = ["task loss\n(nats)", f"distillation\nloss{unit}"] if several else [f"loss{unit}"]
        for ax, label in zip(self.axes_, [_WEIGHT, *names, _SHARE], strict=True):
            ax.set_ylabel(label)
        for ax in (weight, share):  # a share leaves [0, 1] if gradients conflict
            ax.set_ylim(min(-0.03, ax.dataLim.y0), max(1.03, ax.dataLim.y1))
        for ax in losses:
            _log_if_wide(ax)
        share.set_xlabel("epoch")
        share.xaxis.set_major_locator(ticker.MaxNLocator("auto", integer=True))
        self.figure_.align_ylabels(self.axes_)
        if not several:
            weight.set_title(next(iter(self.histories)))
            losses[0].legend()
        else:
            shown = [lines["weight"] for lines in self.lines_.values()], list(self.lines_)
            if new:
                self.figure_.legend(*shown, loc="outside upper center", ncols=3)
            else:
                weight.legend(*shown)
        if self.target_lines_:
            first = next(iter(self.target_lines_.values()))
            label = "targets" if several else f"target {first.get_ydata()[0]:.3g}"
            share.legend([first], [label]).legend_handles[0].set_color("0.3")


def _read_history(name, history) -> dict[str, np.ndarray]:
    """Return the columns to draw, as float arrays of one length."""
    missing = [column for column in COLUMNS if column not in history]
    if missing:
        raise ValueError(
            f"histories[{name!r}] lacks {', '.join(missing)}; give the history_ of a fitted "
            "DistilledClassifier, with all its columns."
        )
    columns = {}
    for column in (*COLUMNS, "valid_score"):
        if column in history:
            try:
                columns[column] = np.asarray(history[column], dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{column!r} of histories[{name!r}] must hold numbers: {error}"
                ) from error
    shapes = {column: values.shape for column, values in columns.items()}
    shape = shapes["epoch"]
    if len(shape) != 1 or shape == (0,) or {*shapes.values()} != {shape}:
        raise ValueError(
            f"The columns of histories[{name!r}] must be of one length and not empty; "
            f"their shapes are {shapes}."
        )
    return columns


def _stacked_axes(plt, ax, n_panels: int) -> np.ndarray:
    if ax is None:
        size = (6.4, 0.6 + 1.6 * n_panels)
        return plt.subplots(n_panels, sharex=True, figsize=size, layout="constrained")[1]
    if isinstance(ax, plt.Axes):
        if not ax.axison or ax.get_subplotspec() is None:
            raise ValueError(
                "ax can't be divided into panels: it was divided before, or is no subplot. "
                f"Give an array of {n_panels} Axes, such as display.axes_."
            )
        ax.set_axis_off()
        return ax.get_subplotspec().subgridspec(n_panels, 1).subplots(sharex=True)
    axes = np.asarray(ax, dtype=object).ravel()
    if len(axes) != n_panels:
        raise ValueError(
            f"ax has {len(axes)} Axes; {n_panels} are needed: weight, "
            + ("task loss, distillation loss" if n_panels == 4 else "losses")
            + " and share."
        )
    return axes


def _draw(ax, history, column: str, style: dict):
    """Draw a column; values without a neighbor to be joined to are dots."""
    y = -history[column] if column == "valid_score" else history[column]
    known = np.r_[False, np.isfinite(y), False]
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    dots = {"marker": "o", "markersize": 4, "markevery": np.flatnonzero(alone).tolist()}
    own = {"linewidth": 1.5, **(dots if alone.any() else {}), **style}
    (line,) = ax.plot(history["epoch"], y, **own)
    return line


def _log_if_wide(ax) -> None:
    from matplotlib import ticker

    values = np.concatenate([line.get_ydata() for line in ax.lines])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(ticker.NullFormatter())

"""What a balancing rule did over a training, as a figure; matplotlib is imported to draw only."""

from collections.abc import Mapping

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._classifier import DistilledClassifier

__all__ = ["BalanceDisplay"]

COLUMNS = (
    "epoch",
    "weight",
    "weight_min",
    "weight_max",
    "task_loss",
    "distillation_loss",
    "distillation_share",
)

# Okabe and Ito's colours without yellow, which is faint on white. As many colours as line styles
# would always pair the same two, so there is one style less.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))


_WEIGHT, _SHARE = "balancing\nparameter", "distillation's\nshare"


class BalanceDisplay:
    r"""The balancing parameter, the losses and the importance over the training.

    Make it with :meth:`from_estimator` or :meth:`from_histories`. Panels above one another share
    the epochs: the balancing parameter, with a band from its smallest to its largest value in the
    epoch; both losses; and the distillation's share of the importance that the rule looks at, with
    a dashed line where the rule aims at one, such as :math:`\rho / (1 + \rho)` for a ratio
    :math:`\rho`. Several trainings have a colour and a line style each, and a panel for each of
    the losses. Losses are on a log scale where they span a decade.

    Parameters
    ----------
    histories : dict of dicts
        By name, the columns of a ``history_`` as float arrays of one entry an epoch: ``epoch``,
        ``weight``, ``weight_min``, ``weight_max``, ``task_loss``, ``distillation_loss``,
        ``distillation_share``, and ``valid_score`` where there is one. With ``valid_score`` the
        held-out log-loss is drawn beside the losses, if there is only one training.
    target_shares : dict of float or None, default=None
        By name, the share that the rule aims at, in (0, 1), where it aims at one.
    loss_unit : str, default="nats"
        Unit of the distillation loss; the task loss is a cross-entropy, in nats. Empty: unknown.

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of matplotlib Axes
        From top to bottom: balancing parameter, losses, share; or, for several trainings,
        balancing parameter, task loss, distillation loss, share.
    lines_ : dict of dicts of matplotlib Line2D
        By name and column.
    bands_ : dict of matplotlib PolyCollection
        By name.
    target_lines_ : dict of matplotlib Line2D
        By name, where there is a target.

    See Also
    --------
    BalanceLandscapeDisplay : Scores of a search, over the fixed weights.

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

    def __init__(self, histories, *, target_shares=None, loss_unit="nats"):
        self.histories = histories
        self.target_shares = target_shares
        self.loss_unit = loss_unit

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None, line_kw=None, fill_between_kw=None):
        """Draw the training of one classifier.

        Parameters
        ----------
        estimator : DistilledClassifier, Pipeline or search
            Fitted. A Pipeline must end in a DistilledClassifier; of a search, such as
            GridSearchCV, the ``best_estimator_`` is drawn.
        name : str, default=None
            Name of the rule, the title. None: the class of the balancer.
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
            If it is no DistilledClassifier and does not end in one.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        clf = fitted_classifier(estimator)
        name = type(clf.balancer_).__name__ if name is None else name
        return cls.from_histories(
            {name: clf}, ax=ax, line_kw=line_kw, fill_between_kw=fill_between_kw
        )

    @classmethod
    def from_histories(cls, histories, *, ax=None, line_kw=None, fill_between_kw=None):
        """Draw several trainings over one another.

        Parameters
        ----------
        histories : dict
            Names to a ``history_``, as it is or as a frame, or to a fitted estimator as in
            :meth:`from_estimator`. Only of an estimator the share that its rule aims at is known.
        ax, line_kw, fill_between_kw
            As in :meth:`plot`.

        Returns
        -------
        display : BalanceDisplay

        Raises
        ------
        ValueError
            If there is no history, or a history lacks columns, epochs or numbers.
        TypeError
            If ``histories`` or one of its values is of another type.
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
            if isinstance(value, Mapping) or hasattr(value, "columns"):  # a frame has columns
                columns[name] = _read_history(name, value)
                continue
            clf = fitted_classifier(value, f"histories[{name!r}]")
            columns[name] = _read_history(name, clf.history_)
            targets[name] = getattr(clf.balancer_, "target_share", None)
            in_nats &= clf.distillation_loss in ("kl", "reverse_kl", "js", "dkd")
        display = cls(columns, target_shares=targets, loss_unit="nats" if in_nats else "")
        return display.plot(ax, line_kw=line_kw, fill_between_kw=fill_between_kw)

    def plot(self, ax=None, *, line_kw=None, fill_between_kw=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or array of Axes, default=None
            Axes to draw on: one for each panel, which are 3 for one training and 4 for several, or
            one whose place they take. None: a new figure.
        line_kw : dict, default=None
            For ``Axes.plot``, over the defaults, for all lines but the targets.
        fill_between_kw : dict, default=None
            For ``Axes.fill_between``, over the defaults.

        Returns
        -------
        self : BalanceDisplay
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        from matplotlib import cbook, collections, lines

        line_kw = cbook.normalize_kwargs(line_kw, lines.Line2D)
        fill_between_kw = cbook.normalize_kwargs(fill_between_kw, collections.PolyCollection)
        several = len(self.histories) > 1
        self.axes_ = _stacked_axes(plt, ax, 4 if several else 3)
        self.figure_ = self.axes_[0].figure
        self.lines_, self.bands_, self.target_lines_ = {}, {}, {}
        for i, name in enumerate(self.histories):
            self._draw_weight(name, line_style(i), line_kw, fill_between_kw)
            self._draw_losses(name, line_style(i) if several else None, line_kw)
            self._draw_share(name, line_style(i), line_kw)
        self._label(several, new=ax is None)
        return self

    def _draw_weight(self, name, style, line_kw, fill_between_kw) -> None:
        ax, history = self.axes_[0], self.histories[name]
        # A line around the band shows that of a single epoch, which has no area.
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
        """Draw both losses in one style, or, without one, in a style each, with held-out rows."""
        history, (task, distillation) = self.histories[name], self.axes_[[1, -2]]
        curves = [
            ("task_loss", "task loss", task),
            ("distillation_loss", "distillation loss", distillation),
        ]
        if style is None and "valid_score" in history:
            curves.append(("valid_score", "held-out log-loss", task))
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
        for ax in (weight, share):  # a share leaves [0, 1] where gradients conflict
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


def import_pyplot(caller: str):
    """Import matplotlib for ``caller``, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} requires matplotlib. You can install matplotlib with "
            "`pip install matplotlib`"
        ) from error
    return plt


def line_style(i: int) -> dict:
    """Colour and line style of the i-th line, which can be told apart without colour as well."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": LINE_STYLES[i % len(LINE_STYLES)]}


def classifier_in(estimator, name: str = "estimator") -> DistilledClassifier:
    """The DistilledClassifier that an estimator is or, as a Pipeline, ends in."""
    last = estimator
    while isinstance(last, Pipeline):
        last = last.steps[-1][1]
    if isinstance(last, DistilledClassifier):
        return last
    kind = "a Pipeline that ends in " if last is not estimator else ""
    raise TypeError(
        f"{name} must be a DistilledClassifier, a Pipeline that ends in one or a search over "
        f"either; got {kind}{last if isinstance(last, type) else type(last).__name__}."
    )


def is_search(estimator) -> bool:
    """Whether it is a search over parameters, fitted or not; only these have an ``error_score``."""
    return hasattr(estimator, "estimator") and hasattr(estimator, "error_score")


def fitted_classifier(estimator, name: str = "estimator") -> DistilledClassifier:
    """The fitted DistilledClassifier that an estimator is, ends in, or has found to be best."""
    if is_search(estimator):
        check_is_fitted(estimator, "cv_results_")
        if not hasattr(estimator, "best_estimator_"):
            raise ValueError(
                f"{name} is a search with refit={estimator.refit!r}, which keeps no fitted "
                "estimator; search with refit=True."
            )
        estimator = estimator.best_estimator_
    clf = classifier_in(estimator, name)
    check_is_fitted(clf)
    return clf


def _read_history(name, history) -> dict[str, np.ndarray]:
    """The columns to draw, as float arrays of one length."""
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
                "ax can't be divided into panels: it was used for that before, or is no subplot. "
                f"Give an array of {n_panels} Axes, such as display.axes_."
            )
        ax.set_axis_off()
        return ax.get_subplotspec().subgridspec(n_panels, 1).subplots(sharex=True)
    axes = np.asarray(ax, dtype=object).ravel()
    if len(axes) != n_panels:
        raise ValueError(
            f"ax has {len(axes)} Axes; {n_panels} are needed: balancing parameter, "
            + ("task loss, distillation loss" if n_panels == 4 else "losses")
            + " and share."
        )
    return axes


def _draw(ax, history, column: str, style: dict):
    """Draw a column; values that have no neighbour to be joined to, as in one epoch, as dots."""
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

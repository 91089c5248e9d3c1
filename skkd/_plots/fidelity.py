"""Where a student differs from its teacher, as a figure."""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length

from .answers import (
    as_seen_by,
    check_proba,
    fitted_in,
    label_columns,
    proba_of,
    teacher_proba_of,
)
from .styles import COLORS, import_pyplot

_N_BINS = 40  # of the histogram, over [0, 1]
_N_BARS = 10
_BAR_COLORS = (COLORS[0], COLORS[4], "0.6")


class FidelityDisplay:
    """Plot where a student's probabilities and labels differ from its teacher's.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`. On the left, the student's
    probability of the teacher's most probable class, over the teacher's probability of it. On the
    diagonal both are equally sure. On the right, the share of rows on which their labels differ,
    over the teacher's probability. With true labels, colors show which of them is right.

    Parameters
    ----------
    counts : ndarray of shape (n_bins, n_bins)
        Rows by the teacher's probability (first axis) and the student's. The bins are equally wide
        over [0, 1].
    parted : dict of ndarrays of shape (n_bars,)
        Shares of all rows by the teacher's probability. The bins are equally wide from
        1 / ``n_classes`` to 1. Keys: ``"labels differ"``; or ``"teacher right"``, ``"student
        right"`` and, for more than two classes, ``"both wrong"``.
    agreement : float
        Share of rows with the same label.
    n_classes : int

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of matplotlib Axes, of shape (2,)
    mesh_ : matplotlib QuadMesh
    bars_ : dict of matplotlib BarContainer
        By the names in ``parted``.

    See Also
    --------
    skkd.report.distillation_report : Agreement in numbers, with intervals.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skkd import DistilledClassifier, FidelityDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(random_state=0).fit(X[::2], y[::2])
    >>> clf = DistilledClassifier(forest, random_state=0).set_params(student__max_epochs=5)
    >>> display = FidelityDisplay.from_estimator(clf.fit(X[1::2], y[1::2]), X, y)
    >>> list(display.bars_)
    ['teacher right', 'student right', 'both wrong']
    """

    def __init__(
        self,
        *,
        counts: np.ndarray,
        parted: dict[str, np.ndarray],
        agreement: float,
        n_classes: int,
    ) -> None:
        self.counts = counts
        self.parted = parted
        self.agreement = agreement
        self.n_classes = n_classes

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        ax: Any = None,
        mesh_kw: dict[str, Any] | None = None,
        bar_kw: dict[str, Any] | None = None,
    ) -> "FidelityDisplay":
        """Ask teacher and student about rows that neither has seen, and draw.

        Parameters
        ----------
        estimator : DistilledClassifier, Pipeline or search
            Fitted, with its teacher. A Pipeline must end in a DistilledClassifier; of a search the
            ``best_estimator_`` is drawn.
        X : array, frame or CSR matrix of shape (n_rows, n_features)
        y : array of shape (n_rows,), default=None
            True labels.
        ax, mesh_kw, bar_kw
            As in :meth:`plot`.

        Returns
        -------
        display : FidelityDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If it has no teacher; use :meth:`from_predictions` then.
        TypeError
            If it neither is nor contains a DistilledClassifier.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        clf = fitted_in(estimator)
        X = as_seen_by(estimator, X)
        teacher_proba = teacher_proba_of(clf, X)
        if teacher_proba is None:
            raise ValueError(
                "The classifier has no teacher to ask. Give its probabilities for X as well: "
                f"{cls.__name__}.from_predictions(teacher_proba, clf.predict_proba(X))."
            )
        return cls.from_predictions(
            teacher_proba,
            proba_of(clf, X, clf.classes_),
            y,
            classes=clf.classes_,
            ax=ax,
            mesh_kw=mesh_kw,
            bar_kw=bar_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        teacher_proba: Any,
        student_proba: Any,
        y: Any = None,
        *,
        classes: Any = None,
        sample_weight: Any = None,
        ax: Any = None,
        mesh_kw: dict[str, Any] | None = None,
        bar_kw: dict[str, Any] | None = None,
    ) -> "FidelityDisplay":
        """Draw known probabilities.

        Parameters
        ----------
        teacher_proba, student_proba : array of shape (n_rows, n_classes)
            For the same rows and classes.
        y : array of shape (n_rows,), default=None
            True labels. None: bars show only where labels differ.
        classes : array of shape (n_classes,), default=None
            Labels in the order of the columns. None: 0, 1, ...
        sample_weight : array of shape (n_rows,), default=None
            Weights of the rows. None: all rows count equally.
        ax, mesh_kw, bar_kw
            As in :meth:`plot`.

        Returns
        -------
        display : FidelityDisplay

        Raises
        ------
        ValueError
            If the probabilities or labels don't fit together.
        """
        import_pyplot(f"{cls.__name__}.from_predictions")
        display = compare(teacher_proba, student_proba, y, classes, sample_weight)
        return display.plot(ax, mesh_kw=mesh_kw, bar_kw=bar_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        mesh_kw: dict[str, Any] | None = None,
        bar_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw both panels.

        Parameters
        ----------
        ax : array of two matplotlib Axes, default=None
            Axes to draw on. None: a new figure.
        mesh_kw : dict, default=None
            Replaces defaults of ``Axes.pcolormesh``.
        bar_kw : dict, default=None
            Replaces defaults of ``Axes.bar``.

        Returns
        -------
        self : FidelityDisplay
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            ax = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")[1]
        axes = np.asarray(ax, dtype=object).ravel()
        if len(axes) != 2:
            raise ValueError(f"ax has {len(axes)} Axes; two are needed: probabilities and bars.")
        self.axes_, self.figure_ = axes, axes[0].figure
        self._draw_probabilities(axes[0], mesh_kw or {})
        self._draw_parted(axes[1], bar_kw or {})
        return self

    def _draw_probabilities(self, ax, mesh_kw) -> None:
        from matplotlib import colormaps
        from matplotlib.colors import ListedColormap, LogNorm

        edges = np.linspace(0, 1, len(self.counts) + 1)
        shown = np.ma.masked_equal(self.counts.T, 0)
        # A log scale, because both are sure of most rows, and the others matter.
        norm = LogNorm(shown.min(), max(shown.max(), 10 * shown.min()))
        # Without the palest shades, in which single rows are hard to see.
        shades = ListedColormap(colormaps["Blues"](np.linspace(0.3, 1, 256)))
        own = {"cmap": shades, "norm": norm, "rasterized": True, **mesh_kw}
        self.mesh_ = ax.pcolormesh(edges, edges, shown, **own)
        ax.plot([0, 1], [0, 1], color="0.3", linestyle="--", linewidth=0.8)
        ax.figure.colorbar(self.mesh_, ax=ax, label="rows")
        ax.set(
            title=f"same label for {100 * self.agreement:.1f} % of the rows",
            xlabel="teacher's probability of its class",
            ylabel="student's probability of that class",
            xlim=(np.floor(10 / self.n_classes) / 10, 1),
            ylim=(0, 1),
        )

    def _draw_parted(self, ax, bar_kw) -> None:
        edges = np.linspace(1 / self.n_classes, 1, len(next(iter(self.parted.values()))) + 1)
        bottom = np.zeros(len(edges) - 1)
        self.bars_ = {}
        for (name, share), color in zip(self.parted.items(), _BAR_COLORS, strict=False):
            style = {"color": color, "edgecolor": "white", "linewidth": 0.5, "label": name}
            own = {"width": np.diff(edges), "align": "edge", **style, **bar_kw}
            self.bars_[name] = ax.bar(edges[:-1], 100 * share, bottom=100 * bottom, **own)
            bottom = bottom + share
        if not bottom.any():
            ax.set_ylim(0, 1)
            ax.text(0.5, 0.5, "on no row", transform=ax.transAxes, ha="center")
        elif len(self.parted) > 1:
            ax.legend()
        ax.set(
            title="where their labels differ",
            xlabel="teacher's probability of its class",
            ylabel="share of all rows (%)",
            xlim=(edges[0], 1),
        )


def compare(
    teacher_proba, student_proba, y=None, classes=None, sample_weight=None
) -> FidelityDisplay:
    """Make the display of :meth:`FidelityDisplay.from_predictions` without drawing it."""
    teacher_proba, student_proba = np.asarray(teacher_proba), np.asarray(student_proba)
    if teacher_proba.ndim != 2 or not len(teacher_proba):
        raise ValueError(
            f"teacher_proba has shape {teacher_proba.shape}; expected (n_rows, n_classes), "
            "with at least one row."
        )
    n_rows, n_classes = teacher_proba.shape
    check_proba(teacher_proba, n_rows, n_classes, "teacher_proba")
    check_proba(student_proba, n_rows, n_classes, "student_proba")
    weight = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    check_consistent_length(teacher_proba, weight)
    of_teacher, of_student = teacher_proba.argmax(axis=1), student_proba.argmax(axis=1)
    rows = np.arange(n_rows)
    confidence = teacher_proba[rows, of_teacher]
    counts, *_ = np.histogram2d(
        confidence,
        student_proba[rows, of_teacher],
        bins=_N_BINS,
        range=[[0, 1], [0, 1]],
        weights=weight,
    )
    differ = of_teacher != of_student
    groups = {"labels differ": differ}
    if y is not None:
        classes = np.arange(n_classes) if classes is None else np.asarray(classes)
        labels = label_columns(y, teacher_proba, classes, "y")
        groups = {
            "teacher right": differ & (of_teacher == labels),
            "student right": differ & (of_student == labels),
        }
        if n_classes > 2:
            groups["both wrong"] = differ & (of_teacher != labels) & (of_student != labels)
    parted = {
        name: np.histogram(
            confidence[group], _N_BARS, (1 / n_classes, 1), weights=weight[group] / weight.sum()
        )[0]
        for name, group in groups.items()
    }
    agreement = float(np.average(~differ, weights=weight))
    return FidelityDisplay(counts=counts, parted=parted, agreement=agreement, n_classes=n_classes)

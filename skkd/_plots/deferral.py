"""What it is worth to ask the teacher about the rows that the student is unsure of, as a figure."""

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from .answers import proba_of
from .styles import COLORS, import_pyplot


class DeferralDisplay:
    """Plot the score over the share of rows that a student defers to its teacher.

    Make it with :meth:`from_estimator`. On the left, the student answers all rows. On the right,
    the teacher does. The rows of which the student is least sure are deferred first.

    Parameters
    ----------
    scores : ndarray of shape (n_rows + 1,)
        The score after each number of deferred rows, from none to all.
    deferred_share : float
        The share of rows below the threshold of the classifier, where the marker stands.
    score_name : str, default="accuracy"
        Name of the score.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
    line_ : matplotlib Line2D
        The scores.
    marker_ : matplotlib Line2D
        The point at the classifier's threshold.

    See Also
    --------
    skkd.DeferringClassifier : Chooses the threshold.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skkd import DeferralDisplay, DeferringClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> forest = RandomForestClassifier(random_state=0).fit(X[:900], y[:900])
    >>> student = LogisticRegression(max_iter=1000).fit(X[:900:3], y[:900:3])
    >>> clf = DeferringClassifier(student, forest, defer=0.2).fit(X[900:1300])
    >>> display = DeferralDisplay.from_estimator(clf, X[1300:], y[1300:])
    >>> bool(display.scores[-1] == forest.score(X[1300:], y[1300:]))
    True
    """

    def __init__(
        self, *, scores: np.ndarray, deferred_share: float, score_name: str = "accuracy"
    ) -> None:
        self.scores = scores
        self.deferred_share = deferred_share
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Ask student and teacher about rows that neither has seen, and draw.

        Parameters
        ----------
        estimator : DeferringClassifier
            Fitted.
        X : array, frame or CSR matrix of shape (n_rows, n_features)
        y : array of shape (n_rows,), default=None
            True labels, for the accuracy. None: the score is the agreement with the teacher.
        ax, line_kw
            As in :meth:`plot`.

        Returns
        -------
        display : DeferralDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator, "threshold_")
        classes = estimator.classes_
        proba = {
            name: proba_of(getattr(estimator, f"{name}_"), X, classes)
            for name in ("student", "teacher")
        }
        labels = {name: classes[one.argmax(axis=1)] for name, one in proba.items()}
        wanted = labels["teacher"] if y is None else column_or_1d(y)
        check_consistent_length(X, wanted)
        sure = proba["student"].max(axis=1)
        hits = {name: (found == wanted).astype(int) for name, found in labels.items()}
        gains = (hits["teacher"] - hits["student"])[np.argsort(sure, kind="stable")]
        scores = (hits["student"].sum() + np.concatenate([[0], gains.cumsum()])) / len(sure)
        share = float((sure < estimator.threshold_).mean())
        name = "agreement with the teacher" if y is None else "accuracy"
        display = cls(scores=scores, deferred_share=share, score_name=name)
        return display.plot(ax, line_kw=line_kw)

    def plot(self, ax: Any = None, *, line_kw: dict[str, Any] | None = None) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None: a new figure.
        line_kw : dict, default=None
            Replaces defaults of ``Axes.plot`` for the scores.

        Returns
        -------
        self : DeferralDisplay
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        from matplotlib import cbook, lines, ticker

        if ax is None:
            ax = plt.subplots(figsize=(5.6, 4), layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        shares = np.linspace(0, 1, len(self.scores))
        own = {"color": COLORS[0], **cbook.normalize_kwargs(line_kw or {}, lines.Line2D)}
        (self.line_,) = ax.plot(shares, self.scores, **own)
        at = round(self.deferred_share * (len(self.scores) - 1))
        (self.marker_,) = ax.plot(
            [shares[at]],
            [self.scores[at]],
            "D",
            color=COLORS[1],
            label="the threshold",
            clip_on=False,
        )
        ax.axhline(self.scores[-1], color="0.5", linestyle="--", linewidth=1, label="teacher")
        ax.xaxis.set_major_formatter(ticker.PercentFormatter(1))
        ax.set(xlabel="rows that go to the teacher", ylabel=self.score_name, xlim=(0, 1))
        ax.legend(loc="lower right", frameon=False)
        return self

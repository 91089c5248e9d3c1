"""Scores of a search over the fixed weights, beside those of the dynamic rules."""

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ..balancers import BALANCERS, Balancer, FixedBalance
from .answers import distilled_in, is_search
from .styles import import_pyplot, line_style

_MARKERS = ("o", "s", "^", "D", "v", "P")  # one for each temperature that gets a line

_GRID = (
    '[{"balancer": [FixedBalance()], "balancer__weight": [0.0, 0.25, 0.5, 0.75, 1.0], '
    '"temperature": [1.0, 2.0]}, {"balancer": ["descent_share", "loss_share"], '
    '"temperature": [1.0, 2.0]}]'
)


class BalanceLandscapeDisplay:
    """Plot test scores over the fixed weights, with dynamic rules as lines.

    Make it with :meth:`from_search`. A good rule's line lies near the top of the curves.

    Each temperature has a curve over the fixed weights. Each dynamic rule has a horizontal line, at
    its best temperature. Error bars are standard errors of the mean over the folds; those of the
    rules are at the right. Differences of scores vary less than the scores, because all candidates
    see the same folds.

    Parameters
    ----------
    fixed : dict of dicts of arrays
        By temperature, ``weight``, ``mean`` and ``error`` of the score, ordered by weight. None
        as a temperature: the best one for each weight.
    rules : dict of dicts
        ``mean``, ``error`` and ``temperature`` of each rule, by its name with the non-default
        parameters.
    score_name : str, default="score"
        Name of the score.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
    errorbars_ : dict of matplotlib ErrorbarContainer
        By temperature.
    rule_lines_ : dict of matplotlib Line2D
        By rule.
    rule_errorbars_ : dict of matplotlib ErrorbarContainer
        By rule.

    See Also
    --------
    BalanceDisplay : The teacher's weight and the losses over a training.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skkd import BalanceLandscapeDisplay, DistilledClassifier
    >>> from skkd.balancers import FixedBalance
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(random_state=0).fit(X[::2], y[::2])
    >>> clf = DistilledClassifier(FrozenEstimator(forest), random_state=0)
    >>> clf = clf.set_params(student__max_epochs=5)
    >>> grid = [
    ...     {"balancer": [FixedBalance()], "balancer__weight": [0.0, 0.5, 1.0]},
    ...     {"balancer": ["descent_share"]},
    ... ]
    >>> search = GridSearchCV(clf, grid, cv=2).fit(X[1::2], y[1::2])
    >>> display = BalanceLandscapeDisplay.from_search(search)
    >>> list(display.rules)
    ['DescentShare']
    """

    def __init__(
        self,
        *,
        fixed: Mapping[Any, Mapping[str, np.ndarray]],
        rules: Mapping[str, Mapping[str, Any]],
        score_name: str = "score",
    ) -> None:
        self.fixed = fixed
        self.rules = rules
        self.score_name = score_name

    @classmethod
    def from_search(
        cls,
        search: Any,
        *,
        metric: str | None = None,
        ax: Any = None,
        errorbar_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw what a search over balance and temperature found.

        Of candidates that differ in other parameters only, the best one is drawn. Its score is
        optimistic, the more so the more of them were tried. More than six temperatures have one
        curve, at the best temperature for each weight. Failed candidates are left out. Successive
        halving counts the last score of a candidate, which may be from fewer rows.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV or HalvingRandomSearchCV
            Fitted, over a DistilledClassifier or a Pipeline that ends in one.
        metric : str, default=None
            Metric to draw, if the search has several. None: the one of ``refit``.
        ax, errorbar_kw
            As in :meth:`plot`.

        Returns
        -------
        display : BalanceLandscapeDisplay

        Raises
        ------
        NotFittedError
            If the search is not fitted.
        ValueError
            If no candidate with a fixed weight has a score, or the metric is unknown.
        TypeError
            If ``search`` is no search over a DistilledClassifier.
        """
        import_pyplot(f"{cls.__name__}.from_search")
        _check_search(search)
        column, score_name = _metric(search, metric)
        fixed: dict[tuple, tuple] = {}
        rules: dict[str, tuple] = {}
        for balancer, temperature, mean, error in _scored_candidates(search, column):
            if isinstance(balancer, FixedBalance):
                _keep_best(fixed, (temperature, balancer.weight), (mean, error, temperature))
            else:
                _keep_best(rules, _rule_name(balancer), (mean, error, temperature))
        if not fixed:
            raise ValueError(
                "No candidate with a fixed weight has a score. Search over fixed weights and over "
                f"rules, as in param_grid={_GRID}; in a Pipeline, names need the step's prefix."
            )
        display = cls(
            fixed=_curves(fixed),
            rules={
                name: dict(zip(("mean", "error", "temperature"), best, strict=True))
                for name, best in rules.items()
            },
            score_name=score_name,
        )
        return display.plot(ax, errorbar_kw=errorbar_kw)

    def plot(self, ax: Any = None, *, errorbar_kw: dict[str, Any] | None = None) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None: a new figure.
        errorbar_kw : dict, default=None
            Replaces defaults of ``Axes.errorbar`` for the fixed weights.

        Returns
        -------
        self : BalanceLandscapeDisplay
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        from matplotlib import cbook, lines

        new = ax is None
        if new:
            ax = plt.subplots(figsize=(6.4, 5.2), layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        self._draw_fixed(cbook.normalize_kwargs(errorbar_kw or {}, lines.Line2D))
        self._draw_rules()
        ax.set(xlabel="teacher's fixed weight λ", ylabel=f"mean test {self.score_name}")
        ax.set_xticks(np.linspace(0, 1, 6))
        shown = [*self.errorbars_.values(), *self.rule_lines_.values()]
        if new:
            self.figure_.legend(handles=shown, loc="outside lower center", ncols=2)
        else:
            ax.legend(handles=shown)
        return self

    def _draw_fixed(self, errorbar_kw) -> None:
        # Shades of gray have an order, as temperatures have, and leave the colors to the rules.
        self.errorbars_ = {}
        for i, (temperature, curve) in enumerate(self.fixed.items()):
            shade = f"{0.65 * (1 - i / max(len(self.fixed) - 1, 1)):.2f}"
            at = "best temperature" if temperature is None else _at(temperature)
            style = {
                "label": f"fixed, {at}",
                "color": shade,
                "marker": _MARKERS[i % len(_MARKERS)],
                "markersize": 5,
                "elinewidth": 1,
                "capsize": 2,
                **errorbar_kw,
            }
            self.errorbars_[temperature] = self.ax_.errorbar(
                curve["weight"], curve["mean"], curve["error"], **style
            )

    def _draw_rules(self) -> None:
        self.rule_lines_, self.rule_errorbars_ = {}, {}
        one_temperature = len({*self.fixed, *(r["temperature"] for r in self.rules.values())}) == 1
        for i, (name, rule) in enumerate(self.rules.items()):
            style = line_style(i)
            label = name if one_temperature else f"{name}, {_at(rule['temperature'])}"
            line = self.ax_.axhline(rule["mean"], label=label, **style)
            bar = self.ax_.errorbar(
                1.06 + 0.04 * i, rule["mean"], rule["error"], color=style["color"], capsize=2
            )
            self.rule_lines_[name], self.rule_errorbars_[name] = line, bar


def _check_search(search) -> None:
    if not is_search(search):
        kind = search if isinstance(search, type) else type(search).__name__
        raise TypeError(
            "search must be a fitted GridSearchCV or another search of scikit-learn over a "
            f"DistilledClassifier; got {kind}."
        )
    check_is_fitted(search, "cv_results_")
    distilled_in(search.estimator, "search.estimator")


def _metric(search, metric: str | None) -> tuple[str, str]:
    """Return the metric's name in ``cv_results_``, and its name for people."""
    if not search.multimetric_:
        if metric not in (None, "score"):
            raise ValueError(
                f"metric={metric!r}, but the search has one metric only; leave metric=None."
            )
        scoring = "accuracy" if search.scoring is None else search.scoring
        return "score", scoring.replace("_", " ") if isinstance(scoring, str) else "score"
    known = [n.removeprefix("mean_test_") for n in search.cv_results_ if n.startswith("mean_test_")]
    name = search.refit if metric is None and isinstance(search.refit, str) else metric
    if name is None or name not in known:
        raise ValueError(
            f"metric={metric!r} does not name one of the search's metrics; choose one of "
            f"{', '.join(map(repr, known))}."
        )
    return name, name.replace("_", " ")


def _scored_candidates(search, column: str) -> Iterator[tuple]:
    """Yield balancer, temperature, mean score and standard error of each scored candidate."""
    results = search.cv_results_
    mean, std = results[f"mean_test_{column}"], results[f"std_test_{column}"]
    # Halving lists a candidate once per iteration, the one with most rows last.
    last = {repr(params): i for i, params in enumerate(results["params"])}
    for i in last.values():
        if np.isfinite(mean[i]):
            # The search sets parameters in the same way, so every form of a grid works.
            values = {k: clone(v, safe=False) for k, v in results["params"][i].items()}
            clf = distilled_in(clone(search.estimator).set_params(**values))
            error = std[i] / np.sqrt(search.n_splits_)
            rule = BALANCERS[clf.balancer]() if isinstance(clf.balancer, str) else clf.balancer
            yield rule, _temperature(clf), mean[i], error


def _temperature(clf) -> float | str:
    """Return the temperature as a number, or the name of its schedule or rule."""
    given = clf.temperature
    return float(given) if isinstance(given, Real) else getattr(given, "__name__", str(given))


def _at(temperature: float | str) -> str:
    return f"T = {temperature:.3g}" if isinstance(temperature, float) else f"T = {temperature}"


def _keep_best(best: dict, key, found: tuple) -> None:
    if key not in best or found[0] > best[key][0]:
        best[key] = found


def _rule_name(balancer: Balancer) -> str:
    with config_context(print_changed_only=True):
        return " ".join(repr(balancer).split()).removesuffix("()")


def _curves(fixed: dict[tuple, tuple]) -> dict:
    """Gather the best of each temperature and weight to a curve for each temperature."""
    if len({at for at, _ in fixed}) > len(_MARKERS):
        merged: dict[tuple, tuple] = {}
        for (_, weight), one in fixed.items():
            _keep_best(merged, (None, weight), one)
        fixed = merged
    curves = {}
    for temperature in sorted({at for at, _ in fixed}, key=lambda at: (isinstance(at, str), at)):
        weights = sorted(weight for at, weight in fixed if at == temperature)
        found = [fixed[temperature, weight] for weight in weights]
        curves[temperature] = {
            "weight": np.array(weights, dtype=np.float64),
            "mean": np.array([mean for mean, *_ in found]),
            "error": np.array([error for _, error, _ in found]),
        }
    return curves

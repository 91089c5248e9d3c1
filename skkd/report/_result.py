"""What a report found, and its forms."""

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._atomic_write import write
from .._plots import FidelityDisplay, import_pyplot
from ._bootstrap import Difference
from ._costs import COSTS
from ._figures import draw, panels_of
from ._html import as_fragment, as_page
from ._measures import label_of
from ._text import as_text


@dataclass(frozen=True, repr=False)
class DistillationReport:
    """Hold a student's measures beside those of its teacher and a baseline.

    Made by :func:`distillation_report`. ``print(report)`` shows it as text, and a notebook as
    tables. Models are called ``"teacher"``, ``"baseline"`` and ``"student"``; unavailable ones are
    left out.

    Attributes
    ----------
    verdict : str
        A line on classes that the student never predicts, a line against the baseline, and one
        against the teacher.
    outcome : {"better", "no worse", "worse", "mixed", "undecided"} or None
        The student against the baseline, or against the teacher without a baseline. "mixed":
        better by one measure, worse by another. None: there is nothing to compare with.
    outcomes : dict of dicts of str
        By the other model and measure: "better", "no worse", "worse" or "undecided". The measures
        are ``log_loss`` and those in ``scoring``.
    scoring : list of str
        The measures of the verdict, besides log-loss.
    measures : dict of dicts of float
        By model and measure: ``accuracy``, ``balanced_accuracy``, ``average_precision``,
        ``roc_auc``, ``log_loss``, ``brier_score``, ``calibration_error``. With a teacher also
        ``agreement``, ``agreement_teacher_right``, ``agreement_teacher_wrong`` and
        ``retained_accuracy``. The given scorers' scores come last.
    differences : dict of dicts of Difference
        By the other model and measure. The student's value less the other's: ``estimate``, ``low``
        and ``high``.
    costs : dict of dicts of float
        By model: ``parameters`` (of nets), ``bytes``. With latency also ``milliseconds`` and
        ``milliseconds_p99`` of one row, ``rows_per_second_1000`` and ``rows_per_second_10000``.
        NaN if unknown.
    classes, class_rows : ndarray of shape (n_classes,)
        Labels, in the order of ``per_class``, and test rows of each, or their weight.
    never_predicted : dict of lists
        By model. Classes that have test rows but are the most probable class of no row.
    per_class : dict of dicts of ndarrays of shape (n_classes,)
        By model: ``recall``, ``precision``, ``f1``.
    reliability : dict of dicts of ndarrays of shape (15,)
        By model and bin of the calibration error: mean ``confidence``, ``accuracy``, and
        ``share`` of the rows.
    fidelity : FidelityDisplay or None
        The student's probabilities against the teacher's. Not yet drawn.
    labels : dict of str
        Names of the models in texts and figures.
    n_rows : int
        Test rows with a positive weight.
    margin, confidence_level, n_bootstrap
        As given.
    notes : list of str
        How the report was made, and what is missing.
    """

    verdict: str
    outcome: str | None
    outcomes: dict[str, dict[str, str]]
    scoring: list[str]
    measures: dict[str, dict[str, float]]
    differences: dict[str, dict[str, Difference]]
    costs: dict[str, dict[str, float]]
    classes: np.ndarray
    class_rows: np.ndarray
    never_predicted: dict[str, list[Any]]
    per_class: dict[str, dict[str, np.ndarray]]
    reliability: dict[str, dict[str, np.ndarray]]
    fidelity: FidelityDisplay | None
    labels: dict[str, str]
    n_rows: int
    margin: float
    confidence_level: float
    n_bootstrap: int
    notes: list[str]

    def to_frame(self, table: str = "measures") -> Any:
        """Return a table of the report; needs pandas.

        Parameters
        ----------
        table : {"measures", "costs", "per_class"}, default="measures"
            Rows are measures, costs or classes; columns are models. "measures" has columns such as
            ``student - teacher``, ``student - teacher low`` and ``student - teacher high`` as
            well, "per_class" columns such as ``recall student``.

        Returns
        -------
        frame : pandas.DataFrame
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "DistillationReport.to_frame requires pandas. You can install pandas with "
                "`pip install pandas`"
            ) from error
        if table == "measures":
            columns: dict = {**self.measures}
            for other, found in self.differences.items():
                name = f"student - {other}"
                columns[name] = {key: value.estimate for key, value in found.items()}
                columns[f"{name} low"] = {key: value.low for key, value in found.items()}
                columns[f"{name} high"] = {key: value.high for key, value in found.items()}
            return pd.DataFrame(columns).reindex(_known(self.measures["student"], self.measures))
        if table == "costs":
            return pd.DataFrame(self.costs).reindex(_known(COSTS, self.costs))
        if table == "per_class":
            columns = {"rows": self.class_rows}
            for name in ("recall", "precision", "f1"):
                columns |= {f"{name} {m}": values[name] for m, values in self.per_class.items()}
            return pd.DataFrame(columns, index=pd.Index(self.classes, name="class"))
        raise ValueError(
            f"table={table!r} is not known; choose one of 'measures', 'costs', 'per_class'."
        )

    def to_html(self, path: str | os.PathLike[str], *, title: str = "Distillation report") -> None:
        """Write the report as one HTML file that includes its figures.

        Parameters
        ----------
        path : str or path
        title : str, default="Distillation report"
        """
        import_pyplot(f"{type(self).__name__}.to_html")
        write(path, as_page(self, title).encode("utf-8"))

    def plot(self) -> Any:
        """Draw differences, calibration, latency and fidelity.

        Returns
        -------
        figure : matplotlib Figure
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        columns = panels_of(self)
        figure = plt.figure(figsize=(4.6 * len(columns), 7.4), layout="constrained")
        draw(self, figure.subplot_mosaic([list(row) for row in zip(*columns, strict=True)]))
        return figure

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        outcome = "" if self.outcome is None else f", {self.outcome}"
        score = self.measures["student"][self.scoring[0]]
        label = label_of(self.scoring[0])
        return f"<DistillationReport: {self.n_rows:,} rows, {label} {score:z.4f}{outcome}>"

    def _repr_html_(self) -> str:
        return as_fragment(self)


def _known(names, values: dict[str, dict[str, float]]) -> list[str]:
    """Return the names that have a value for any model."""
    return [
        name
        for name in names
        if not all(math.isnan(of_model.get(name, math.nan)) for of_model in values.values())
    ]

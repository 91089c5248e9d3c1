"""What a report found, and the forms in which it can be read."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._plots import FidelityDisplay, import_pyplot
from ._bootstrap import Difference
from ._costs import COSTS
from ._figures import columns_of, draw
from ._html import as_fragment, as_page
from ._measures import MEASURES
from ._text import as_text


@dataclass(frozen=True, repr=False)
class DistillationReport:
    """A student beside its teacher and a baseline, on rows that none of them has seen.

    Made by :func:`distillation_report`. ``print(report)`` shows it as text, and a notebook as
    tables. Models are called ``"teacher"``, ``"baseline"`` and ``"student"``; those that were not
    there are left out.

    Attributes
    ----------
    verdict : str
        A sentence: the student against the baseline, or the teacher without one.
    outcome : {"better", "no worse", "worse", "not to be told apart"} or None
        The same in a word, by accuracy. None with nothing to compare with.
    measures : dict of dicts of float
        By model and measure: ``accuracy``, ``balanced_accuracy``, ``roc_auc``, ``log_loss``,
        ``brier_score``, ``calibration_error``; with a teacher also ``agreement``,
        ``agreement_teacher_right``, ``agreement_teacher_wrong`` and ``retained_accuracy``.
    differences : dict of dicts of Difference
        By the other model and measure: the student's value less the other's, as ``estimate``,
        ``low`` and ``high``.
    costs : dict of dicts of float
        By model: ``parameters`` (of nets), ``bytes``, and with latency ``milliseconds`` and
        ``milliseconds_p99`` of one row, ``rows_per_second_1000`` and ``rows_per_second_10000``. NaN
        where it is not known.
    classes : ndarray of shape (n_classes,)
        Labels, in the order of the entries of ``class_rows`` and ``per_class``.
    class_rows : ndarray of shape (n_classes,)
        Rows of each class, or their weight.
    per_class : dict of dicts of ndarrays of shape (n_classes,)
        By model: ``recall``, ``precision``, ``f1``.
    reliability : dict of dicts of ndarrays of shape (15,)
        By model: mean ``confidence``, ``accuracy`` and ``share`` of the rows in each bin of the
        calibration error.
    fidelity : FidelityDisplay or None
        The student's probabilities beside the teacher's, not yet drawn.
    labels : dict of str
        What the models are called in text and figures.
    n_rows : int
        Test rows of positive weight.
    margin, confidence_level : float
    n_bootstrap : int
        As given.
    notes : list of str
        What a reader should know: how it was measured, and what is missing.
    """

    verdict: str
    outcome: str | None
    measures: dict[str, dict[str, float]]
    differences: dict[str, dict[str, Difference]]
    costs: dict[str, dict[str, float]]
    classes: np.ndarray
    class_rows: np.ndarray
    per_class: dict[str, dict[str, np.ndarray]]
    reliability: dict[str, dict[str, np.ndarray]]
    fidelity: FidelityDisplay | None
    labels: dict[str, str]
    n_rows: int
    margin: float
    confidence_level: float
    n_bootstrap: int
    notes: list[str]

    def to_frame(self, table="measures"):
        """A table of the report; needs pandas.

        Parameters
        ----------
        table : {"measures", "costs", "per_class"}, default="measures"
            "measures": a row for each measure, a column for each model, and for each difference
            three columns, as ``student - teacher``, ``student - teacher low`` and ``student -
            teacher high``. "costs": a row for each cost, a column for each model. "per_class": a
            row for each class, a column for its rows and for each model and measure, as ``recall
            student``.

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
            return pd.DataFrame(columns).reindex(_known(MEASURES, self.measures))
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

    def to_html(self, path, *, title="Distillation report") -> None:
        """Write the report as one HTML file with its figures inside, which needs no network.

        Parameters
        ----------
        path : str or path
        title : str, default="Distillation report"
        """
        import_pyplot(f"{type(self).__name__}.to_html")
        Path(path).write_text(as_page(self, title), encoding="utf-8")

    def plot(self):
        """Draw differences, calibration, latency and where student and teacher part.

        Returns
        -------
        figure : matplotlib Figure
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        columns = columns_of(self)
        figure = plt.figure(figsize=(4.6 * len(columns), 7.4), layout="constrained")
        draw(self, figure.subplot_mosaic([list(row) for row in zip(*columns, strict=True)]))
        return figure

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        outcome = "" if self.outcome is None else f", {self.outcome}"
        accuracy = self.measures["student"]["accuracy"]
        return f"<DistillationReport: {self.n_rows:,} rows, accuracy {accuracy:.4f}{outcome}>"

    def _repr_html_(self) -> str:
        return as_fragment(self)


def _known(names, values: dict[str, dict[str, float]]) -> list[str]:
    """Those of the names, in their order, of which a value is known."""
    return [
        name
        for name in names
        if not all(math.isnan(of_model.get(name, math.nan)) for of_model in values.values())
    ]

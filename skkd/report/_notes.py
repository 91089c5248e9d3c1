"""What a reader of a report should know: how it was measured, and what is missing."""

import math
import os
import platform

import torch

from .._classifier import DistilledClassifier
from .._plots import short
from ._bootstrap import MAX_AUC_REPEATS
from ._costs import BATCH_SIZES


def notes_on(report, models) -> list[str]:
    """Sentences about a report that is otherwise complete.

    Parameters
    ----------
    report : DistillationReport
    models : dict
        By name, a model and its rows.
    """
    notes = []
    if report.differences:
        n_areas = min(report.n_bootstrap, MAX_AUC_REPEATS)
        notes.append(
            f"Intervals of {100 * report.confidence_level:g} % are from {report.n_bootstrap:,} "
            f"resamples of the test rows ({n_areas:,} for the AUC), the same ones for all models. "
            "They are about other test rows, not about another training."
        )
    if report.n_rows == 1:
        notes.append("There is one row only, so that nothing has an interval.")
    if "teacher" not in report.measures:
        notes.append("There is no teacher to ask, and no teacher_proba was given.")
    missing = report.classes[report.class_rows == 0]
    if len(missing):
        notes.append(
            f"No test row is of {len(missing)} of the {len(report.classes)} classes: "
            f"{short(missing)}; means over classes leave them out."
        )
    notes += _training(report, models) + _costs(report)
    return notes


def _training(report, models) -> list[str]:
    """Whether the baseline had the same budget."""
    if report.labels["baseline"] != "labels alone":
        return []
    student, alone = models["student"][0], models["baseline"][0]
    epochs = [
        f"{model.n_epochs_} epoch{'s' * (model.n_epochs_ != 1)}" for model in (alone, student)
    ]
    note = f"Labels alone were trained for {epochs[0]}, the student for {epochs[1]}"
    if isinstance(student, DistilledClassifier) and student.augmenter_ is not None:
        note += ", in which it saw new rows as well"
    return [note + "."]


def _costs(report) -> list[str]:
    notes = [
        f"The {report.labels[name]} can't be pickled, so its size is not known."
        for name, costs in report.costs.items()
        if math.isnan(costs["bytes"])
    ]
    if "milliseconds" in report.costs["student"]:
        notes.append(
            "Times are of predict_proba in one process, each model in turn: "
            f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} of them for "
            "PyTorch."
        )
        for name, costs in report.costs.items():
            for size in BATCH_SIZES:
                if math.isnan(costs[f"rows_per_second_{size}"]):
                    notes.append(
                        f"The {report.labels[name]} was not timed on {size:,} rows at once, which "
                        "would take too long or too much memory."
                    )
    return notes

"""Notes of a report: how it was made, and what is missing."""

import math
import os
import platform

import torch

from .._plots import proba_of, short
from .._teacher import TeacherAverage
from ._bootstrap import MAX_SCORE_REPEATS
from ._costs import BATCH_SIZES
from ._measures import label_of, row_terms
from ._models import LABELS_ONLY
from ._scores import rare
from ._verdict import NO_WORSE, UNDECIDED, margin_of, names_in_sentences


def notes_on(report, models) -> list[str]:
    """Return sentences about a report that is otherwise complete.

    Parameters
    ----------
    report : DistillationReport
    models : dict
        By name, a model and its rows.
    """
    return _classes(report) + _margin(report) + notes_on_models(report, models)


def notes_on_models(report, models) -> list[str]:
    """Return what is to be said of models of any task."""
    notes = []
    if report.differences:
        n_scores = min(report.n_bootstrap, MAX_SCORE_REPEATS)
        notes.append(
            f"Intervals of {100 * report.confidence_level:g} % are from {report.n_bootstrap:,} "
            f"resamples of the test rows, {n_scores:,} for areas under curves and for "
            "given scorers. All models have the same resamples. The intervals are about other test "
            "rows, not about another training."
        )
    if report.n_rows == 1:
        notes.append("There is only one test row, so nothing has an interval.")
    if "teacher" not in report.measures:
        notes.append("There is no teacher to ask, and its answers were not given.")
    return notes + _training(report, models) + _costs(report)


def notes_on_teachers(models, labels, classes, weight) -> list[str]:
    """Return a sentence about each of several teachers.

    Parameters
    ----------
    models : dict
        By name, a model and its rows.
    labels : int ndarray of shape (n_rows,)
    classes : ndarray of shape (n_classes,)
    weight : ndarray of shape (n_rows,)
    """
    teacher, X = models.get("teacher", (None, None))
    if not isinstance(teacher, TeacherAverage):
        return []
    notes = []
    for (name, share), member in zip(teacher.named_weights.items(), teacher.members, strict=True):
        terms = row_terms(labels, proba_of(member, X, classes), weight)
        accuracy, loss = (terms[key].sum() / weight.sum() for key in ("right", "log_loss"))
        notes.append(
            f"The teacher {name!r} has the weight {share:.2f} in the mean of all teachers. Its own "
            f"accuracy is {accuracy:.4f}, and its log-loss {loss:.4f}."
        )
    return notes


def _classes(report) -> list[str]:
    """Classes that are never predicted, rare or missing."""
    notes = []
    if report.never_predicted["student"]:
        notes.append(
            f"Never predicted by the student: {short(report.never_predicted['student'])}. To "
            "predict a rare class, lower the threshold on its probability "
            "(sklearn.model_selection.TunedThresholdClassifierCV), or fit with "
            "class_weight='balanced'."
        )
    if (few := rare(report.class_rows)).any():
        share = 100 * report.class_rows[few].sum() / report.class_rows.sum()
        notes.append(
            f"Rare in the test rows, {share:.2g} % in all: {short(report.classes[few])}. A model "
            "that never predicts a rare class can have a high accuracy; look at average precision "
            "and balanced accuracy."
        )
    missing = report.classes[report.class_rows == 0]
    if len(missing):
        notes.append(
            f"No test row has {len(missing)} of the {len(report.classes)} classes: "
            f"{short(missing)}. Means over classes leave them out."
        )
    return notes


def _margin(report) -> list[str]:
    """Whether a loss of more than the margin is ruled out, by score."""
    if not report.outcomes:
        return []
    other, outcomes = next(iter(report.outcomes.items()))
    notes = []
    for name in report.scoring:
        loss = f"a loss of more than {margin_of(name, report.margin)}"
        against = f"{label_of(name)} against {names_in_sentences(report)[other]}"
        if outcomes[name] == NO_WORSE:
            notes.append(f"No worse by {against}: the interval rules out {loss}.")
        elif outcomes[name] == UNDECIDED and name != "log_loss":
            notes.append(f"Undecided by {against}: the test rows are too few to rule out {loss}.")
    return notes


def _training(report, models) -> list[str]:
    """Whether the baseline was trained as long as the student."""
    if report.labels["baseline"] != LABELS_ONLY:
        return []
    student, baseline = models["student"][0], models["baseline"][0]
    n_epochs = [len(model.history_["epoch"]) for model in (baseline, student)]
    epochs = [f"{n} epoch{'s' * (n != 1)}" for n in n_epochs]
    note = f"The model on labels only was trained for {epochs[0]}, the student for {epochs[1]}"
    if getattr(student, "augmenter_", None) is not None:
        note += " with synthetic rows"
    return [note + "."]


def _costs(report) -> list[str]:
    """How latency was measured, and which costs are unknown."""
    names = names_in_sentences(report)
    notes = [
        f"The size of {names[name]} is unknown, because it can't be pickled."
        for name, costs in report.costs.items()
        if math.isnan(costs["bytes"])
    ]
    if "milliseconds" in report.costs["student"]:
        notes.append(
            "Times are of predictions in one process, each model in turn: "
            f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} of them for "
            "PyTorch."
        )
        for name, costs in report.costs.items():
            for size in BATCH_SIZES:
                if math.isnan(costs[f"rows_per_second_{size}"]):
                    notes.append(
                        f"{size:,} rows at once were not timed for {names[name]}: they would take "
                        "too long or too much memory."
                    )
    return notes

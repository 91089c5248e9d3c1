"""From lines of results to tables: paired differences, regret, ranks and tests.

Points are hundredths of accuracy. Everything is paired: a difference is taken between runs on the
same split and seed, its standard error is that of the mean over seeds.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from .methods import TARGETS, WEIGHTS, WITHOUT_TARGETS, parts_of
from .run import read_lines

BASELINE = "labels"
SCORES = ("accuracy", "log_loss", "auc", "ece", "agreement")
# The name that a rule has in older lines, and the one it has now.
_RENAMED = {r"^gradient_norm\b": "equal_gradients"}

COSTS = ("fit_seconds", "fits", "row_ms", "batch_ms", "bytes", "weight")


def read_results(path: Path) -> pd.DataFrame:
    """Results, one row a run; of repeated runs the last one.

    Raises
    ------
    ValueError
        Where runs of different sizes are in one file: they must not be compared.
    """
    frame = pd.DataFrame(read_lines(path))
    if frame.empty:
        raise ValueError(f"{path} holds no results; run `python -m benchmarks.run` first.")
    settings = frame[["max_rows", "epochs_scale"]].drop_duplicates()
    if len(settings) > 1:
        raise ValueError(
            f"{path} holds runs of different --max-rows or --epochs-scale:\n{settings}\n"
            "Give each setting a file of its own by --out."
        )
    frame["method"] = frame["method"].replace(_RENAMED, regex=True)
    return frame.drop_duplicates(["method", "set", "seed"], keep="last")


def accuracies(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in points: a row for each set and seed, a column for each method."""
    return 100 * frame.pivot(index=["set", "seed"], columns="method", values="accuracy")


def by_set(paired: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means over seeds and their standard errors: a row for each set, a column for each method."""
    groups = paired.groupby(level="set")
    return groups.mean(), groups.sem()


def error_of_mean(error: pd.DataFrame) -> pd.Series:
    """Standard error of the mean over sets, from those of the sets, for each method."""
    return np.sqrt((error**2).sum(min_count=1)) / error.count()


def differences(frame: pd.DataFrame, baseline: str = BASELINE) -> pd.DataFrame:
    """Accuracy less that of the baseline on the same split, in points."""
    accuracy = accuracies(frame)
    return accuracy.sub(accuracy[baseline], axis=0)


def accuracy_and_latency(
    frame: pd.DataFrame, students: dict[str, str], served: pd.DataFrame
) -> pd.DataFrame:
    """What a single row costs each model, and how accurate it is: a row for each set and model.

    Parameters
    ----------
    frame : DataFrame
        Results, one row a run.
    students : dict of str
        Methods by the name they are shown under. All have the same net; that of the last is
        shown as its ONNX file as well.
    served : DataFrame
        Lines of ``benchmarks.serving``, which are of one machine. Without any, milliseconds are
        those of the results.
    """
    measured = served.set_index("set") if len(served) else pd.DataFrame()
    points = []
    for name, of_set in frame.groupby("set"):
        for model, method in {"teacher": "teacher", **students}.items():
            own = of_set[of_set["method"] == method]
            point = {"set": name, "accuracy": own["accuracy"].mean()}
            point["error"] = own["accuracy"].sem() if len(own) > 1 else 0.0
            costs = {model: own["row_ms"].median()}
            if name in measured.index:
                owner = "teacher" if model == "teacher" else "student"
                costs = {model: measured.loc[name, f"{owner}_row_ms"]}
                if method == [*students.values()][-1]:
                    costs[f"{model}, ONNX"] = measured.loc[name, "onnx_row_ms"]
            points += [point | {"model": shown, "ms": ms} for shown, ms in costs.items()]
    return pd.DataFrame(points)


def regrets(frame: pd.DataFrame, *, hindsight: bool = False) -> pd.DataFrame:
    """Accuracy of the best fixed weight less that of each method, in points.

    The best weight is that of the same targets, where a method names none that of calibrated ones;
    labels only are the weight 0. By default it is chosen on the other seeds of the set, for a
    maximum over noise would flatter it: a method can then have a negative regret. In hindsight it
    is the best of the set's means over all seeds.

    Returns
    -------
    regret : DataFrame
        A row for each set and seed, a column for each method that fixed weights were run for.
    """
    accuracy = accuracies(frame)
    best = {
        targets: _best_fixed(accuracy[names], hindsight)
        for targets, names in _fixed_weights(accuracy.columns).items()
    }
    regret = {}
    for name in accuracy.columns.drop(["teacher", "teacher@calibrated"], errors="ignore"):
        method = parts_of(name)
        targets = method.targets
        if method.rule in WITHOUT_TARGETS and best and targets not in best:
            targets = next(iter(best))
        if targets in best:
            regret[name] = best[targets] - accuracy[name]
    return pd.DataFrame(regret, index=accuracy.index)


def _fixed_weights(names: pd.Index) -> dict[str, list[str]]:
    """The methods of a fixed weight by their targets, where all weights were run."""
    found = {}
    for targets in TARGETS:
        wanted = [BASELINE, *(f"fixed({weight:g})@{targets}" for weight in WEIGHTS)]
        present = [name for name in wanted if name in names]
        if len(present) >= 3:
            found[targets] = present
    return found


def _best_fixed(accuracy: pd.DataFrame, hindsight: bool) -> pd.Series:
    """The accuracy on each set and seed of the weight that is best on the set's other seeds."""
    groups = accuracy.groupby(level="set")
    means = groups.transform("mean")
    if not hindsight:
        counts = groups.transform("count")
        means = (means * counts - accuracy) / (counts - 1).where(counts > 1)
    known = means.notna().any(axis=1)
    choice = means[known].idxmax(axis=1)
    chosen = pd.Series(np.nan, index=accuracy.index)
    chosen[known] = [accuracy.at[row, name] for row, name in choice.items()]
    return chosen


def overview(frame: pd.DataFrame, methods: dict[str, str]) -> pd.DataFrame:
    """What a reader wants first: by set, points over labels only as text, and log-losses.

    Parameters
    ----------
    frame : DataFrame
        Results, with the teacher's.
    methods : dict of str
        Methods to show, by the name they are shown under.
    """
    mean, error = by_set(differences(frame))
    losses = frame.pivot_table(index="set", columns="method", values="log_loss")
    table = pd.DataFrame({"teacher": mean["teacher"].map("{:+.2f}".format)})
    weights = [name for name in mean if name.startswith("fixed(") and name.endswith("@calibrated")]
    if weights:
        best = mean[weights].idxmax(axis=1)
        values = mean[weights].max(axis=1).map("{:+.2f}".format)
        table["best fixed weight"] = values + best.str.extract(r"\((.+)\)")[0].radd(" (") + ")"
    text = as_text(mean, error)
    for name, method in methods.items():
        if method in mean:
            table[name] = text[method]
    for name, method in {"labels only": BASELINE, **methods}.items():
        if method in losses:
            table[f"log-loss, {name}"] = losses[method].map("{:.3f}".format, na_action="ignore")
    return table


def as_text(mean: pd.DataFrame, error: pd.DataFrame) -> pd.DataFrame:
    """``mean ± error`` in each cell; without the error where there is one run only."""
    alone = mean.map("{:+.2f}".format)
    text = (alone + error.map(" ± {:.2f}".format)).where(error.notna(), alone)
    return text.where(mean.notna(), "")


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a method: means over sets of what was measured, and how it compares.

    ``difference`` is to labels only, in points; ``p`` the two-sided Wilcoxon signed-rank test of
    its means by set; ``harmed`` how many sets are below labels only by more than two standard
    errors. Methods come by their mean difference.
    """
    means = frame.groupby(["method", "set"])[[*SCORES, *COSTS]].mean().groupby("method").mean()
    table = means[[*SCORES]].copy()
    table.insert(0, "sets", frame.groupby("method")["set"].nunique())
    table.insert(1, "runs", frame.groupby("method").size())
    mean, error = by_set(differences(frame))
    table["difference"] = mean.mean()
    table["error"] = error_of_mean(error)
    table["worst"] = mean.min()
    harmed = (mean < -2 * error).sum()
    table["harmed"] = harmed.where(error.notna().any())  # one seed tells nothing about that
    table["p"] = [_wilcoxon(mean[name].dropna()) for name in table.index]
    for column, hindsight in (("regret", False), ("hindsight regret", True)):
        regret = by_set(regrets(frame, hindsight=hindsight))[0]
        table[column] = regret.mean()
        table[f"worst {column}"] = regret.max()
    return table.join(means[[*COSTS]]).sort_values("difference", ascending=False)


def _wilcoxon(values: pd.Series) -> float:
    return float(stats.wilcoxon(values).pvalue) if (values != 0).any() else 1.0


def ranks(accuracy: pd.DataFrame) -> tuple[pd.Series, float, float]:
    """Mean ranks over sets, with Friedman's test and Nemenyi's critical difference.

    Parameters
    ----------
    accuracy : DataFrame
        A row for each set, a column for each method, at least three; without gaps.

    Returns
    -------
    ranks : Series
        1 is best; ascending.
    p : float
        Of Friedman's test that all methods are alike.
    difference : float
        Mean ranks that are closer than this do not differ at the 5 % level (Nemenyi; Demsar, JMLR
        7, 2006).
    """
    n_sets, n_methods = accuracy.shape
    mean_ranks = accuracy.rank(axis=1, ascending=False).mean().sort_values()
    p = stats.friedmanchisquare(*accuracy.to_numpy().T).pvalue
    quantile = stats.studentized_range.ppf(0.95, n_methods, np.inf) / np.sqrt(2)
    return mean_ranks, p, quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_sets))


def serving(frame: pd.DataFrame, student: str) -> pd.DataFrame:
    """Teacher and student by set: how good and how big (medians over seeds).

    How fast is measured apart, by ``benchmarks.serving``: the runs of a study may be made on
    different days.
    """
    columns = ["accuracy", "auc", "bytes"]
    medians = frame.groupby(["method", "set"])[columns].median()
    teacher, own = medians.loc["teacher"], medians.loc[student]
    kinds = frame[frame["method"] == "teacher"].groupby("set")["kind"].first()
    difference, error = by_set(differences(frame, "teacher"))
    return pd.DataFrame(
        {
            "teacher": kinds,
            "teacher accuracy": teacher["accuracy"],
            "student accuracy": own["accuracy"],
            "difference": difference[student],
            "error": error[student],
            "auc ratio": own["auc"] / teacher["auc"],
            "bytes ratio": own["bytes"] / teacher["bytes"],
        }
    ).dropna(subset=["student accuracy"])


def changes(frame: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """What has changed since other results, as text: by set, and the mean over sets at the end.

    Accuracies in points, with the standard error of the paired differences over seeds, and
    log-losses; of students' runs on splits that are in both files. A line that is in both, which
    nobody ran again, is left out.
    """
    key = ["set", "seed", "method"]
    students = frame[~frame["method"].str.startswith("teacher")]
    pairs = students.merge(reference, on=key, suffixes=("", " before")).set_index(key)
    pairs = pairs[pairs["fit_seconds"] != pairs["fit_seconds before"]]
    accuracy, log_loss = (
        (pairs[score] - pairs[f"{score} before"]).unstack("method")
        for score in ("accuracy", "log_loss")
    )
    mean, error = by_set(100 * accuracy)
    mean.loc["mean"], error.loc["mean"] = mean.mean(), error_of_mean(error)
    losses = log_loss.groupby("set").mean()
    losses.loc["mean"] = losses.mean()
    losses = losses.map("{:+.3f}".format, na_action="ignore")
    return as_text(mean, error).join(losses.add_prefix("log-loss, "))


def reproduction(frame: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """How far accuracies are from those of another file, in standard errors of the two means.

    The spread over seeds is that of the reference, which has more of them.
    """
    groups = [
        (100 * part.set_index(["set", "method"])["accuracy"]).groupby(level=[0, 1])
        for part in (frame, reference)
    ]
    table = pd.DataFrame({"here": groups[0].mean(), "reference": groups[1].mean()}).dropna()
    n_runs = [group.count().reindex(table.index) for group in groups]
    spread = groups[1].std().reindex(table.index)
    table["difference"] = table["here"] - table["reference"]
    table["error"] = spread * np.sqrt(1 / n_runs[0] + 1 / n_runs[1])
    table["within two errors"] = table["difference"].abs() <= 2 * table["error"] + 1e-9
    return table

"""Write the model card of an exported student."""

from ._onnx_inputs import Inputs, dtype_name
from ._stand_ins import kind_of


def model_card(clf, inputs: Inputs, levels: dict, versions: dict, report) -> str:
    """Describe a student as Markdown.

    Parameters
    ----------
    clf : DistilledClassifier, DistilledRegressor or a student by itself
    inputs : Inputs
    levels : dict
        The known categories of columns.
    versions : dict
    report : DistillationReport or None
    """
    teacher = getattr(clf, "teacher", None)
    taught = "" if teacher is None else f", distilled from a {kind_of(teacher)}"
    if hasattr(clf, "classes_"):
        task = f"{len(clf.classes_)} classes{taught}.\n\nClasses: "
        task += ", ".join(map(str, clf.classes_.tolist()))
    else:
        task = f"{len(clf.target_scaling_.mean)} output(s) of a regression{taught}"
    lines = [
        "# Model card",
        "",
        f"A student of skkd for {task}.",
        "",
        "## Inputs",
        "",
        "| column | input | type | categories |",
        "|---|---|---|---|",
    ]
    for one in inputs.tensors:
        for column in one.columns or (f"all, {one.shape}".replace("None", "n"),):
            known = ", ".join(map(str, levels.get(column, [])))
            lines.append(f"| {column} | {one.name} | {dtype_name(one.dtype)} | {known} |")
    if report is not None:
        models = list(report.measures)
        lines += ["", f"## Measures on {report.n_rows} test rows", "", report.verdict, ""]
        lines += [f"| measure | {' | '.join(models)} |", "|---" * (len(models) + 1) + "|"]
        for measure in report.measures["student"]:
            values = [report.measures[model].get(measure) for model in models]
            shown = ["" if value is None else f"{value:.4f}" for value in values]
            lines.append(f"| {measure} | {' | '.join(shown)} |")
    lines += ["", "## Versions", "", ", ".join(f"{one} {has}" for one, has in versions.items())]
    return "\n".join(lines) + "\n"

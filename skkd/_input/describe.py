"""Say in words what becomes of each column of a table."""

from typing import Any

from sklearn.compose import ColumnTransformer

_KINDS = {"numeric": "number", "categorical": "category", "date": "date"}
_REASON = "no level is in enough rows"


def described(names, transformer: ColumnTransformer | None, kind: str, encoding: str) -> Any:
    """Return what becomes of each column, as a frame where pandas is installed.

    Kind and encoding are those of columns that the transformer does not use, or of all without one.
    """
    names, used = list(names), transformer is None
    reason = "" if used else _REASON
    same = {"kind": kind, "used": used, "encoding": encoding, "reason": reason}
    rows = [{"column": name} | same for name in names]
    for part_name, part, columns in getattr(transformer, "transformers_", ()):
        for at, column in enumerate(columns if part_name != "remainder" else ()):
            place = names.index(column) if isinstance(column, str) else column
            how = _encoding(part_name, part, at)
            of_part = {"kind": _KINDS[part_name], "used": True, "encoding": how, "reason": ""}
            rows[place] |= of_part
    try:
        import pandas
    except ImportError:
        return rows
    return pandas.DataFrame(rows)


def _encoding(name: str, part, at: int) -> str:
    """Return what a part of the encoder does to the column at a place among its own."""
    if name == "numeric":
        return "number" + _missing(at in part["impute"].indicator_.features_)
    if name == "categorical":
        rare = part["one_hot"].infrequent_categories_[at]
        n_levels = len(part["one_hot"].categories_[at]) - (0 if rare is None else len(rare))
        return f"one-hot, {n_levels} levels" + ("" if rare is None else " and one for rare ones")
    clock = "" if part.zones_[at] is None else f"; clock of {part.zones_[at]}"
    return ", ".join(part.parts_of(at)) + clock + _missing(at in part.marked_)


def _missing(is_marked: bool) -> str:
    return "; missing: median, marked" if is_marked else "; missing: median"

"""The examples and the README's code run as they stand, but for a few epochs only."""

import ast
import re
import sys
from pathlib import Path
from types import ModuleType

import joblib
import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))


# What makes an example long, and what the tests put in its place.
SMALLER = {
    "N_BOOTSTRAP": 100,
    "N_CALLS": 20,
    "N_EPOCHS": 3,
    "N_FOLDS": 2,
    "N_ITERATIONS": 10,
    "N_ROWS": 900,
    "N_SEEDS": 1,
    "N_TREES": 20,
    "N_WEIGHTS": 3,
    "TEMPERATURES": [1.0],
}


def smaller(source: str) -> ast.Module:
    """The code of an example with small numbers for its constants."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Assign):
            node.value = _smaller(node.targets[0], node.value)
    return tree


def _smaller(target: ast.expr, value: ast.expr) -> ast.expr:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        value.elts = [_smaller(*pair) for pair in zip(target.elts, value.elts, strict=True)]
    elif isinstance(target, ast.Name) and target.id in SMALLER:
        return ast.parse(repr(SMALLER[target.id]), mode="eval").body
    return value


@pytest.mark.slow
@pytest.mark.filterwarnings("error::FutureWarning")
@pytest.mark.usefixtures("few_epochs")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")  # plt.show() must not wait for somebody to close a window
    code = compile(smaller(path.read_text()), path, "exec")
    main = ModuleType("__main__")
    monkeypatch.setitem(
        sys.modules, "__main__", main
    )  # pickles look for an example's classes there
    main.__file__ = str(path)
    with joblib.parallel_config("sequential"):  # new processes would not know of the few epochs
        exec(code, vars(main))
    plt.close("all")
    assert capsys.readouterr().out


def test_there_are_examples():
    assert len(EXAMPLES) >= 4


@pytest.mark.slow
@pytest.mark.usefixtures("few_epochs")
def test_code_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    namespace: dict = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)

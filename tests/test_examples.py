"""The examples and the README's code run as they stand, but for a few epochs only."""

import re
import runpy
import sys
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))


@pytest.mark.slow
@pytest.mark.filterwarnings("error::FutureWarning")
@pytest.mark.usefixtures("few_epochs")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, monkeypatch, capsys):
    monkeypatch.setenv("SKKD_SMALL", "1")
    monkeypatch.setattr(sys, "argv", [str(path)])
    plt.switch_backend("Agg")  # plt.show() must not wait for somebody to close a window
    with joblib.parallel_config("sequential"):  # new processes would not know of the few epochs
        runpy.run_path(str(path), run_name="__main__")
    plt.close("all")
    assert capsys.readouterr().out


def test_there_are_examples():
    assert len(EXAMPLES) >= 4


@pytest.mark.usefixtures("few_epochs")
def test_code_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    namespace: dict = {"__name__": "page"}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)

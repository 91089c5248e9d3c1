"""What a user's type checker sees: right calls pass ``mypy --strict``, wrong ones don't."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skkd

HERE = Path(__file__).parent
PACKAGE = Path(skkd.__file__).parent

pytestmark = pytest.mark.slow
SUBJECTS = ["rules", "classifier"]


def refused_lines(name, folder):
    """Lines in which ``mypy --strict`` finds an error, and its output."""
    env = dict(os.environ)
    if "site-packages" not in PACKAGE.parts:
        env["MYPYPATH"] = str(PACKAGE.parent)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--config-file=", f"--cache-dir={folder}", str(HERE / name)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    found = re.findall(rf"{re.escape(name)}:(\d+): error", done.stdout)
    return sorted({int(line) for line in found}), done.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder that keeps what mypy knows of torch from one run to the next."""
    return tmp_path_factory.mktemp("mypy")


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("subject", SUBJECTS)
def test_right_calls_are_accepted(subject, cache):
    lines, output = refused_lines(f"right_{subject}.py", cache)
    assert not lines, output


@pytest.mark.parametrize("subject", SUBJECTS)
def test_wrong_calls_are_refused(subject, cache):
    name = f"wrong_{subject}.py"
    wrong = [
        number
        for number, line in enumerate((HERE / name).read_text().splitlines(), start=1)
        if line.endswith("# wrong")
    ]
    lines, output = refused_lines(name, cache)
    assert lines == wrong, output

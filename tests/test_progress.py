"""What ``verbose`` shows, by a clock of ours."""

import re
import time

import pytest
from sklearn.tree import DecisionTreeClassifier

from skkd._progress import Progress, duration
from tests.helpers import make_data, quick


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when a test says so."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return wait


def test_lines_say_how_long_the_rest_takes(clock, capsys):
    with Progress(1).phase("folds", 5) as phase:
        for _ in range(5):
            clock(90)
            phase.advance()
    assert capsys.readouterr().out.splitlines() == [
        "folds ...",
        "folds: 1 of 5, about 6 min left",
        "folds: 2 of 5, about 4.5 min left",
        "folds: 3 of 5, about 3 min left",
        "folds: 4 of 5, about 90.0 s left",
        "folds: 7.5 min",
    ]


def test_at_most_a_line_a_second(clock, capsys):
    with Progress(1).phase("rows", 1000) as phase:
        for _ in range(1000):
            clock(1 / 256)
            phase.advance()
    assert len(capsys.readouterr().out.splitlines()) == 2 + 3


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.04, "0.0 s"), (99, "99.0 s"), (1440, "24 min"), (9000, "2.5 h")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_lines_go_to_stdout_and_bars_to_stderr(verbose, capsys):
    progress = Progress(verbose)
    with progress.phase("work", 2) as phase:
        progress.say("half of it")
        phase.advance()
        phase.advance()
    captured = capsys.readouterr()
    assert ("half of it" in captured.out) is (verbose > 0)
    assert ("work: 100%" in captured.err and "2/2" in captured.err) is (verbose == 2)


def test_phases_of_a_fit(capsys):
    X, y = make_data(300)
    clf = quick(DecisionTreeClassifier(max_depth=3), cv=3, calibrate="auto", verbose=1)
    clf.fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    started = [line.removesuffix(" ...") for line in lines if line.endswith(" ...")]
    pilot = "pilot, two short trainings"
    assert started == ["teacher's folds", "teacher's fit on 300 rows", pilot, "training"]
    ended = [line.rpartition(": ")[0] for line in lines if re.search(r": [\d.]+ s$", line)]
    assert ended == started
    assert any(line.startswith("calibration: ") for line in lines)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_folds_are_counted_in_any_process(n_jobs, capsys):
    X, y = make_data(300)
    quick(DecisionTreeClassifier(max_depth=3), cv=4, n_jobs=n_jobs, verbose=2).fit(X, y)
    assert re.search(r"teacher's folds: 100%.* 4/4 ", capsys.readouterr().err)

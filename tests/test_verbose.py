"""What a training prints."""

import re

import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from skkd import DistilledClassifier, TrainingDivergedError
from tests.helpers import FailingNet, fitted_teacher, make_data, quick, quick_net

X, Y = make_data()
TEACHER = fitted_teacher(X, Y)


@pytest.mark.parametrize(
    "student",
    [
        None,
        quick_net(verbose=1),
        quick_net(verbose=3),
        quick_net(verbose=1).set_params(module__n_features=5, module__n_classes=3).initialize(),
        Pipeline([("scale", StandardScaler()), ("net", quick_net(verbose=1))]),
    ],
    ids=["default", "net", "loud", "initialised", "pipeline"],
)
def test_silent_by_default(student, capsys):
    clf = DistilledClassifier(TEACHER, student, random_state=0)
    if student is None:
        clf.set_params(student__max_epochs=2)
    capsys.readouterr()
    clf.fit(X, Y)
    clf.partial_fit(X, Y)
    clf.predict(X)
    clf.student_.predict_proba(X)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


LINE = re.compile(
    r"epoch +\d+/15  loss \d+\.\d{4}  task \d+\.\d{4}  distillation \d+\.\d{4}  "
    r"weight [01]\.\d{3}  (valid -\d+\.\d{4}  )?\d+\.\d\d s"
)


def epochs_of(capsys):
    lines = capsys.readouterr().out.splitlines()
    return [line for line in lines if line.startswith("epoch")]


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_line_an_epoch(early_stopping, capsys):
    clf = quick(TEACHER, verbose=1, early_stopping=early_stopping, n_iter_no_change=20).fit(X, Y)
    lines = epochs_of(capsys)
    assert len(lines) == clf.n_iter_ == 15
    assert all(LINE.fullmatch(line) for line in lines)
    assert all(("valid" in line) is early_stopping for line in lines)
    assert len(set(map(len, lines))) == 1
    assert f"loss {clf.history_['loss'][3]:.4f}" in lines[3]


def test_chunks_count_on(capsys):
    clf = quick(TEACHER, verbose=1)
    for _ in range(3):
        clf.partial_fit(X, Y)
    lines = epochs_of(capsys)
    assert [re.match(r"epoch +(\d+)", line)[1] for line in lines] == ["1", "2", "3"]


def test_progress_bar(capsys):
    quick(TEACHER, verbose=2).fit(X, Y)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "15/15" in captured.err and "loss=" in captured.err and "weight=" in captured.err


def test_progress_bar_is_closed_when_a_fit_fails(capsys):
    student = quick_net(FailingNet, module__good_steps=2, module__failure=float("nan"))
    clf = quick(TEACHER, student=student, verbose=2)
    with pytest.raises(TrainingDivergedError):
        clf.fit(X, Y)
    assert not list(tqdm._instances)

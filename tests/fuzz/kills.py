"""End a process at a random moment of a write, or let it meet a full disk; then do it again.

Each case forks: the parent has imported everything and never computes in several threads.
"""

import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from skkd import DistilledClassifier
from skkd.export import OnnxStudent, load, save, to_onnx
from skkd.report import distillation_report
from tests.helpers import make_data

from .watch import Wrong

X, Y = make_data(80)

# Seconds after which a process that should end is taken for one that waits for ever.
_PATIENCE = 120


def _fit(memory: Path) -> DistilledClassifier:
    clf = DistilledClassifier(
        LogisticRegression(), cv=3, memory=memory, augmenter=None, random_state=0
    )
    clf.set_params(student__max_epochs=2, student__module__hidden=(8,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clf.fit(X, Y)


@cache
def _fitted() -> tuple[DistilledClassifier, np.ndarray, Any]:
    """Return a classifier, its probabilities, and a report."""
    with tempfile.TemporaryDirectory() as folder:
        clf = _fit(Path(folder, "memory"))
        clf.teacher_  # noqa: B018  read before the folder is gone
    report = distillation_report(
        clf, X, Y, baseline=None, latency=False, n_bootstrap=100, random_state=0
    )
    return clf, clf.predict_proba(X), report


def _write_fit(folder: Path) -> None:
    np.save(folder / "answers.npy", _fit(folder / "memory").predict_proba(X))


WRITERS: dict[str, Callable[[Path], Any]] = {
    "fit": _write_fit,
    "save": lambda folder: save(_fitted()[0], folder / "target", teacher=True),
    "onnx": lambda folder: to_onnx(_fitted()[0], folder / "target", X),
    "html": lambda folder: _fitted()[2].to_html(folder / "target"),
}


def _check_target(step: str, target: Path) -> None:
    """Raise :class:`Wrong` unless a file is whole and says what it should."""
    if step == "html":
        is_whole = target.read_text().rstrip().endswith("</html>")
    else:
        read = load if step == "save" else OnnxStudent
        found = read(target).predict_proba(X)
        is_whole = np.allclose(found, _fitted()[1], atol=1e-5)
    if not is_whole:
        raise Wrong(f"{step}: the file at the target path is broken")


def _forked(function: Callable, *args) -> int:
    """Call a function in a child process; return the child's number. It exits 0, or 1."""
    if (child := os.fork()) == 0:
        status = 1
        try:
            function(*args)
            status = 0
        finally:
            os._exit(status)
    return child


def _wait(child: int, what: str) -> int:
    """Return a child's exit status; end it and raise :class:`Wrong` if it takes too long."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise Wrong(f"{what}: still at work after {_PATIENCE} seconds; a stuck lock?")


@cache
def _duration(step: str) -> float:
    """Return about how many seconds a step takes, forked as in a case."""
    _fitted()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        _wait(_forked(WRITERS[step], Path(folder)), step)
        return time.perf_counter() - started


def _killed_at(step: str, folder: Path, number: int) -> None:
    """Do a step, and end this process at a given one of its uses of the folder."""
    seen = count(1)

    def hook(event: str, args: tuple) -> None:
        if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"):
            if str(folder) in f"{args}" and next(seen) == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    WRITERS[step](folder)


def run_kill(seed: int) -> str:
    """Kill a process in a step, check what it left, and do the step again.

    That is at a random moment, or at a random one of its uses of files. Half of the fits have a
    second process beside them, which must finish alone.
    """
    rng = np.random.default_rng([27, seed])
    step = str(rng.choice(list(WRITERS)))
    moment = rng.uniform(0, 1.1 * _duration(step))
    number = int(rng.integers(1, 36 if step == "fit" else 7))
    by_time = rng.random() < 0.5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if step != "fit" and rng.random() < 0.5:  # a file to replace
            WRITERS[step](folder)
        if by_time:
            children = [_forked(WRITERS[step], folder)]
        else:
            children = [_forked(_killed_at, step, folder, number)]
        if step == "fit" and rng.random() < 0.5:
            children.append(_forked(_write_fit, folder))
        if by_time:
            time.sleep(moment)
            os.kill(children[0], signal.SIGKILL)
        _wait(children[0], step)
        for other in children[1:]:
            if _wait(other, "the process beside"):
                raise Wrong("fit: the process beside the killed one failed")
        if step != "fit" and (folder / "target").exists():
            _check_target(step, folder / "target")
        if _wait(_forked(WRITERS[step], folder), f"{step} again"):
            raise Wrong(f"{step}: fails after a kill")
        _check_again(step, folder)
    return "right"


def _check_again(step: str, folder: Path) -> None:
    if step != "fit":
        _check_target(step, folder / "target")
    elif not np.array_equal(np.load(folder / "answers.npy"), _fitted()[1]):
        raise Wrong("fit: another answer after a kill")


# Full disks and folders that can't be written


def _with_full_disk(step: str, folder: Path, n_bytes: int) -> None:
    """Do a step where files can't be longer than some bytes, as if the disk were full."""
    import resource  # which not all systems have

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))
    _expect_os_error(step, folder)


def _with_read_only_folder(step: str, folder: Path) -> None:
    os.seteuid(65534)  # for root, no folder is read-only
    _expect_os_error(step, folder)


def _expect_os_error(step: str, folder: Path) -> None:
    """Do a step that may end in an OSError; a fit must not, for it needs no memory."""
    try:
        if step == "fit":
            found = _fit(folder / "memory").predict_proba(X)
            os._exit(0 if np.array_equal(found, _fitted()[1]) else 3)
        WRITERS[step](folder)
    except OSError:
        os._exit(2)


def run_full_disk(seed: int) -> str:
    """Do a step on a full disk or in a read-only folder; the old file must stay, and nothing else.

    A fit must give the right answer without its cache.
    """
    rng = np.random.default_rng([28, seed])
    step = str(rng.choice(list(WRITERS)))
    with tempfile.TemporaryDirectory() as name:
        folder, old = Path(name), None
        if step != "fit" and rng.random() < 0.7:
            WRITERS[step](folder)
            old = (folder / "target").read_bytes()
        _fitted()
        if rng.random() < 0.3 and os.getuid() == 0:
            folder.chmod(0o555)
            status = _wait(_forked(_with_read_only_folder, step, folder), step)
        else:
            n_bytes = int(10 ** rng.uniform(0, 5))
            status = _wait(_forked(_with_full_disk, step, folder, n_bytes), step)
        if step == "fit":
            if status:
                raise Wrong(f"fit: ended with {status} on a full disk")
        elif status == 2:
            left = sorted(path.name for path in folder.iterdir())
            if left != ([] if old is None else ["target"]):
                raise Wrong(f"{step}: left {left}")
            if old is not None and (folder / "target").read_bytes() != old:
                raise Wrong(f"{step}: the old file is gone")
        elif status:
            raise Wrong(f"{step}: ended with {status} on a full disk")
        folder.chmod(0o755)
        if _wait(_forked(WRITERS[step], folder), f"{step} again"):
            raise Wrong(f"{step}: fails after a full disk")
        _check_again(step, folder)
    return "right"

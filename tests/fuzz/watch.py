"""What a call must leave as it was, and which errors and warnings it may end in."""

import contextlib
import os
import pickle
import random
import signal
import traceback
import warnings
from collections.abc import Iterator

import joblib
import numpy as np
import sklearn
import torch

import skkd
from skkd.exceptions import ExportError, LoadError, TrainingDivergedError

PACKAGE = os.path.dirname(skkd.__file__) + os.sep

OURS = (ValueError, TypeError, ExportError, LoadError, TrainingDivergedError)


class Wrong(AssertionError):
    """Something that skkd must never do."""


class Hang(BaseException):
    """A call that did not end in time."""


@contextlib.contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise :class:`Hang` in this thread after some seconds."""

    def stop(number, frame):
        raise Hang(f"still at work after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def global_state() -> dict:
    """Return all that belongs to the process and not to skkd."""
    return {
        "numpy's global generator": pickle.dumps(np.random.get_state()),
        "torch's global generator": torch.get_rng_state().numpy().tobytes(),
        "random's global generator": random.getstate(),
        "numpy's error state": np.geterr(),
        "scikit-learn's configuration": sklearn.get_config(),
        "warning filters": list(warnings.filters),
        "autograd": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "default dtype": torch.get_default_dtype(),
        "threads of torch": torch.get_num_threads(),
        "determinism of torch": torch.are_deterministic_algorithms_enabled(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "environment": set(os.environ.items()),
        "working directory": os.getcwd(),
        "SIGINT": signal.getsignal(signal.SIGINT),
    }


@contextlib.contextmanager
def leaves_alone(**objects) -> Iterator[None]:
    """Raise :class:`Wrong` if the global state or one of some objects is changed inside.

    An object whose bytes differ from pickle to pickle can't be watched.
    """
    before = global_state()
    hashes = {name: _hash(value) for name, value in objects.items()}
    stable = [name for name, value in objects.items() if _hash(value) == hashes[name]]
    yield
    after = global_state()
    changed = [_difference(name, before[name], after[name]) for name in before
               if before[name] != after[name]]  # fmt: skip
    changed += [name for name in stable if _hash(objects[name]) != hashes[name]]
    if changed:
        raise Wrong(f"changed: {', '.join(sorted(changed))[:900]}")


def _difference(name: str, before, after) -> str:
    if isinstance(before, set):
        return f"{name}: {before ^ after}"
    return name if isinstance(before, bytes) else f"{name}: {before} to {after}"[:300]


def _hash(value) -> str | None:
    if isinstance(value, list) and len(value) == 1:  # of unlabeled rows
        value = value[0]
    if hasattr(value, "iloc"):  # pandas keeps caches in its objects
        columns = [value.iloc[:, i] for i in range(value.shape[1])] if value.ndim > 1 else [value]
        value = [(one.name, str(one.dtype), one.index.tolist(), one.tolist()) for one in columns]
    try:
        return joblib.hash(value)
    except Exception:  # joblib can't hash masked arrays, and lone surrogates
        return None


def is_allowed(error: BaseException) -> bool:
    """Whether an error is one for people: of an allowed kind, and raised by who can explain it.

    That is skkd, scikit-learn, or the code of the user, which is in this folder.
    """
    if not isinstance(error, OURS):
        return False
    if any(note.startswith("Raised by the teacher") for note in getattr(error, "__notes__", [])):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    if any(frame.filename.endswith(("utils/validation.py", "_param_validation.py", "_encode.py"))
           for frame in frames):  # fmt: skip
        return True
    if f"{os.sep}tests{os.sep}" in frames[-1].filename or "sklearn" in frames[-1].filename:
        return True
    # Without a "raise", the error is one of compiled code.
    is_raised = (frames[-1].line or "").startswith("raise")
    return is_raised and frames[-1].filename.startswith(PACKAGE)


def place_of(error: BaseException) -> str:
    """Return file and line where an error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    # The file itself, not the checkout that it is in.
    here = os.getcwd() + os.sep
    return f"{frames[-1].filename.removeprefix(here)}:{frames[-1].lineno}" if frames else "?"


def last_of_skkd(error: BaseException) -> str:
    """Return the last line of skkd that an error came through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(PACKAGE):
            return f"{frame.filename.removeprefix(PACKAGE)}:{frame.lineno}"
    return "?"


@contextlib.contextmanager
def no_noise() -> Iterator[list]:
    """Raise :class:`Wrong` for a warning that skkd's own arithmetic or deprecated calls gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
    for one in caught:
        noisy = (RuntimeWarning, DeprecationWarning, FutureWarning, PendingDeprecationWarning)
        if issubclass(one.category, noisy) and one.filename.startswith(PACKAGE):
            raise Wrong(f"{one.category.__name__} at {one.filename}:{one.lineno}: {one.message}")

"""Run the seeds of a mode one after the other, keep a log, and go on where it ends."""

import faulthandler
import json
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from tests.helpers import make_data, quick

from .calls import run_call
from .damage import run_damage
from .endurance import run_life
from .kills import run_full_disk, run_kill
from .regressions import run_regression
from .uses import run_use
from .watch import Hang, Wrong, last_of_skkd, place_of, time_limit

MODES = {
    "calls": run_call,
    "damage": run_damage,
    "regressions": run_regression,
    "uses": run_use,
    "kills": run_kill,
    "full": run_full_disk,
    "life": run_life,
}

# Seconds for one case. A hang in native code ends the process after twice this time.
_LIMIT, _LONGER = 300, {"kills": 600, "full": 600, "life": 7200}


def run(mode: str, count: int, start: int | None, seconds: float, folder) -> Path:
    """Run cases of a mode, and return the log, which holds a line of JSON for each."""
    log = Path(folder, f"{mode}.jsonl")
    log.parent.mkdir(parents=True, exist_ok=True)
    first = _next_seed(log) if start is None else start
    warm_up()
    end = time.monotonic() + seconds
    with log.open("a") as file:
        for seed in range(first, first + count):
            if time.monotonic() > end:
                break
            result = outcome(mode, seed)
            file.write(json.dumps(result) + "\n")
            file.flush()
            if result["outcome"] not in ("right", "refused"):
                print(_line(mode, result).encode(errors="backslashreplace").decode(), flush=True)
    return log


def warm_up() -> None:
    """Fit once: torch sets environment variables and warning filters when it is first used."""
    X, y = make_data()
    quick(None).fit(X, y, teacher_proba=np.eye(3)[y])


def outcome(mode: str, seed: int) -> dict:
    """Run one case and say how it ended: right, refused, wrong, raw or hang."""
    started, limit = time.perf_counter(), _LONGER.get(mode, _LIMIT)
    faulthandler.dump_traceback_later(2 * limit, exit=True)
    try:
        with time_limit(limit), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = MODES[mode](seed)
        kind, _, detail = said.partition(": ")
        result = {"outcome": kind, "detail": detail}
    except Hang as error:
        result = {"outcome": "hang", "detail": f"{error} at {last_of_skkd(error)}"}
    except Wrong as error:
        result = {"outcome": "wrong", "detail": str(error), "case": _case(error)}
    except Exception as error:
        detail = f"{type(error).__name__}: {error} [{last_of_skkd(error)} > {place_of(error)}]"
        result = {"outcome": "raw", "detail": detail, "case": _case(error)}
    finally:
        faulthandler.cancel_dump_traceback_later()
    return {"seed": seed, **result, "seconds": round(time.perf_counter() - started, 3)}


def _case(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


def _next_seed(log: Path) -> int:
    """Return the seed after the last one in a log."""
    if not log.exists() or not (lines := log.read_text().splitlines()):
        return 0
    return json.loads(lines[-1])["seed"] + 1


def _line(mode: str, result: dict) -> str:
    case = "\n    ".join(result.get("case", []))
    return (
        f"{result['outcome']}: {result['detail'][:400]}\n    {case}\n"
        f"    again: python -m tests.fuzz {mode} --only {result['seed']}"
    )


def report(log: Path, mode: str) -> int:
    """Print what a log says of the newest run of each seed; return 1 if something is wrong."""
    newest = {}
    for line in log.read_text().splitlines():
        result = json.loads(line)
        newest[result["seed"]] = result
    counts = Counter(result["outcome"] for result in newest.values())
    seconds = sum(result["seconds"] for result in newest.values())
    print(f"{mode}: {len(newest)} cases in {seconds:.0f} s: {dict(counts)}")
    return int(not set(counts) <= {"right", "refused"})

"""What ``verbose`` shows of a fit or a report: lines, or progress bars."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# Seconds between two lines that say how far a phase is.
_PAUSE = 1.0


@dataclass(frozen=True)
class Progress:
    """Show the phases of a fit or a report.

    Attributes
    ----------
    verbose : int
        0 shows nothing, 1 prints lines, 2 shows a bar for each phase.
    """

    verbose: int = 0

    def say(self, message: str) -> None:
        """Print a line, above the bars if there are any."""
        if self.verbose >= 2:
            _tqdm().write(message)
        elif self.verbose:
            print(message, flush=True)

    @contextmanager
    def phase(self, name: str, total: int = 1) -> Iterator["Phase"]:
        """Show a phase of so many parts while it runs; it is told how many are done."""
        start = time.perf_counter()
        if self.verbose >= 2:
            with _tqdm()(total=total, desc=name) as bar:
                phase = Phase(self, name, total, start, bar)
                yield phase
                if not phase.done:
                    phase.reach(total)
            return
        self.say(f"{name} ...")
        yield Phase(self, name, total, start)
        self.say(f"{name}: {duration(time.perf_counter() - start)}")


SILENT = Progress()


@dataclass
class Phase:
    """A phase that runs."""

    progress: Progress
    name: str
    total: int
    start: float
    bar: Any = None
    done: int = 0
    last_line: float = 0.0

    def reach(self, done: int, line: str = "", **values: str) -> None:
        """Show that so many parts are done, by this line, or by values beside the bar."""
        self.done = done
        now = time.perf_counter()
        if self.bar is not None:
            self.bar.set_postfix(values, refresh=False)
            self.bar.update(done - self.bar.n)
        elif line:
            self.progress.say(line)
        elif 0 < done < self.total and now - max(self.start, self.last_line) >= _PAUSE:
            self.last_line = now
            left = (now - self.start) / done * (self.total - done)
            share = f"{done:,} of {self.total:,}"
            self.progress.say(f"{self.name}: {share}, about {duration(left)} left")

    def advance(self, n: int = 1) -> None:
        """Show that more parts are done."""
        self.reach(self.done + n)


def duration(seconds: float) -> str:
    """Return a time as people say it: ``"8.3 s"``, ``"24 min"``, ``"2.5 h"``."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.2g} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _tqdm():
    from tqdm.auto import tqdm  # late: it warns in notebooks without widgets

    return tqdm

"""Progress of a report, as lines or bars."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec


class Progress:
    """Shows the stages of a report.

    Parameters
    ----------
    verbose : int
        1 prints a line per stage; 2 shows a progress bar per stage (a line without tqdm).
    """

    def __init__(self, verbose: int):
        self._verbose = verbose

    @contextmanager
    def stage(self, name: str, total: int = 1) -> Iterator[Callable[[int], object]]:
        """Show a stage while it runs; yield a function to call with the number of parts done."""
        start = time.perf_counter()
        if self._verbose >= 2 and find_spec("tqdm"):
            with import_module("tqdm.auto").tqdm(total=total, desc=name) as bar:
                yield bar.update
                bar.update(total - bar.n)
            return
        yield lambda done: None
        if self._verbose:
            print(f"{name}: {time.perf_counter() - start:.2f} s")

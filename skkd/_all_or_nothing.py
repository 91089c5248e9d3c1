"""A fit that fails leaves nothing behind."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

__all__ = ["all_or_nothing"]


@contextlib.contextmanager
def all_or_nothing(estimator: Any) -> Iterator[None]:
    """Leave an estimator as it was if a fit fails, and the caller's settings as they are."""
    before = estimator.__dict__.copy()
    try:
        # A caller may have turned autograd off, or made numpy raise.
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            np.errstate(all="warn", under="ignore"),
        ):
            yield
    except BaseException:
        estimator.__dict__ = before
        raise

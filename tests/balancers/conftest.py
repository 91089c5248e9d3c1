import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _as_in_the_loop():
    """Let numpy divide by zero in silence, as the training loop does for the balancers."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        yield

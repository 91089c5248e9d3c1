"""What all tests share: fixed seeds, one thread, repeatable hypothesis."""

import os

os.environ["SCIPY_ARRAY_API"] = "1"  # before scipy is imported; scikit-learn's array API needs it

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from skkd._student import sizes as _sizes  # noqa: E402

torch.set_num_threads(1)

settings.register_profile(
    "skkd",
    derandomize=True,
    deadline=None,
    # The fixture below, which seeds once a test and not once an example.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("skkd")


@pytest.fixture(autouse=True)
def _seeded():
    """Set numpy's and torch's global random states."""
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def few_epochs(monkeypatch):
    """skkd's own students train for ten epochs: for code that has to run, and not to learn."""
    for name in ("_of_mlp", "_of_convnet"):
        of_rows = getattr(_sizes, name)
        monkeypatch.setattr(
            _sizes, name, lambda n_rows, of_rows=of_rows: of_rows(n_rows) | {"max_epochs": 10}
        )

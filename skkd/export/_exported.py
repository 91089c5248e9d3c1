"""What an export returns."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Exported:
    """A file with a student in it, which was compared with ``predict_proba``.

    Attributes
    ----------
    path : Path
    n_bytes : int
        Its size.
    n_rows_checked : int
        Rows on which it was compared.
    max_difference : float
        The largest difference between two probabilities on these rows.
    inputs, outputs : dict
        From names to dtype and shape, with None for the number of rows. Texts have dtype "str".
    """

    path: Path
    n_bytes: int
    n_rows_checked: int
    max_difference: float
    inputs: dict[str, tuple[str, tuple]] = field(repr=False)
    outputs: dict[str, tuple[str, tuple]] = field(repr=False)

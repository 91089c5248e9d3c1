"""Where rows without labels come from in a fit, and what speaks against them."""

from sklearn.base import clone
from skorch import NeuralNet

from .._input import DatasetRows, materialized
from .._student import preprocessed
from .._teacher import TeacherSignal
from ..augmenters import Augmenter
from .batches import are_plain
from .processes import check_accelerator
from .synthetic import AugmentedRows, Source, UnlabeledRows


def unlabeled_sources(
    augmenter: Augmenter | None, X_unlabeled, signal: TeacherSignal, student, seed: int
) -> list[Source]:
    """Return the sources of rows without labels, labeled by the teacher, ready for the net.

    Parameters
    ----------
    augmenter : Augmenter or None
    X_unlabeled : rows or None
    signal : TeacherSignal
        Of the training rows.
    student : net or Pipeline
        Prepared for the rows.
    seed : int
    """
    sources: list[Source] = []
    rows, n_rows = signal.rows, len(signal.rows.labels)

    def prepare(X):
        return preprocessed(student, X)

    if X_unlabeled is not None:
        sources.append(UnlabeledRows(X_unlabeled, n_rows, signal.ask, prepare, seed))
    if augmenter is not None:
        fitted = clone(augmenter).fit(materialized(rows.raw), rows.sample_weight)
        sources.append(AugmentedRows(fitted, n_rows, signal.ask_synthetic, prepare, seed))
    return sources


def check_plan(net: NeuralNet, X, options, X_unlabeled) -> None:
    """Raise an error for what the student can't be trained with, before the teacher's work.

    Parameters
    ----------
    net : skorch.NeuralNet
        Initialized.
    X : array, frame or other rows
        As the teacher takes them.
    options : Options
    X_unlabeled : rows or None
    """
    augmenter = options.augmenter if isinstance(options.augmenter, Augmenter) else None
    if augmenter is not None:
        if isinstance(X, DatasetRows):
            raise ValueError(
                f"augmenter={augmenter!r} needs the rows in an array, and X is a torch Dataset. "
                "Set augmenter=None."
            )
        augmenter.check_rows(X)
    if options.fits_teacher and isinstance(X, DatasetRows):
        raise ValueError(
            "An unfitted teacher needs the rows in an array, and X is a torch Dataset. Give a "
            "fitted teacher, or teacher_proba."
        )
    has_unlabeled = augmenter is not None or X_unlabeled is not None
    check_accelerator(net, options.balancer, has_unlabeled=has_unlabeled)
    if has_unlabeled and not are_plain(net):
        raise ValueError(
            "augmenter and X_unlabeled need a student with skorch's own Dataset and PyTorch's own "
            "DataLoader, which take rows of X as they are."
        )

"""A short training on labels alone: do labels go on to teach, once they are known by heart?

Where labels are noisy, a student that knows them better than its teacher does has learnt the noise,
and the teacher should keep its say. Where they are clean, what the student learns beyond its
teacher is true, and the teacher is in the way. Rows that it trains on can't tell one from the
other, so a fifth of them is held out here. The teacher's answers are not shown to this student, for
they may know the labels of the rows held out.
"""

import copy

import numpy as np
from skorch import NeuralNet
from skorch.callbacks import LRScheduler
from skorch.history import History

from .._input.rows import Rows
from .._input.validation_split import hash_rows, split_held_out
from .._random import PrivateTorchState
from .._teacher.competence import knowledge_of_teacher
from ..balancers import FixedBalance, Pilot
from ..losses import kl
from ..students import LearningRateSchedule
from .batches import batch_size_of
from .loop import train

_HELD_OUT = 0.2
# Of so many steps and as many epochs as the real training at most.
_N_STEPS = 1000
# They are copied.
_MAX_ROWS = 10_000
# Fewer would tell nothing.
_MIN_HELD_OUT = 50
# Epochs whose accuracies are averaged at both ends.
_WINDOW = 3


def run_pilot(rows: Rows, net: NeuralNet, seed: int) -> Pilot | None:
    """What labels alone teach after the student knows them as well as its teacher does.

    Parameters
    ----------
    rows : Rows
        All that may be looked at; of many, some are taken.
    net : skorch.NeuralNet
        Initialised for the rows; a copy of it is trained.
    seed : int

    Returns
    -------
    pilot : Pilot or None
        None where rows or epochs are too few to tell.
    """
    n_all = len(rows.labels)
    n_rows = min(n_all, _MAX_ROWS)
    n_kept = round((1 - _HELD_OUT) * n_rows)
    n_batches = -(-n_kept // batch_size_of(net, n_kept))
    n_epochs = min(round(_N_STEPS / n_batches), net.max_epochs)
    if n_rows - n_kept < _MIN_HELD_OUT or n_epochs < 2 * _WINDOW:
        return None
    if n_rows < n_all:
        some = np.random.default_rng(seed).choice(n_all, n_rows, replace=False, shuffle=False)
        rows = rows.take(np.sort(some))
    kept, out = split_held_out(rows.X, rows.labels, _HELD_OUT, seed)
    fit_rows, held_out = rows.take(kept), rows.take(out)
    # A row that is there ten times tells no more than one of weight ten.
    n_distinct = len(np.unique(hash_rows(held_out.X, seed)))
    if n_distinct < _MIN_HELD_OUT:
        return None
    history = train(
        copy_for_short_training(net),
        fit_rows,
        FixedBalance(0.0).reset(),
        loss=kl,
        temperature=lambda progress: 1.0,
        n_epochs=n_epochs,
        held_out=held_out,
        seed=seed,
        torch_state=PrivateTorchState(seed),
    )
    return gain_after(history, knowledge_of_teacher(fit_rows).loss, n_distinct)


def gain_after(history: dict[str, np.ndarray], teacher_loss: float, n_rows: int) -> Pilot:
    """The held-out accuracy at the end less that when the own loss passed the teacher's."""
    accuracy = history["valid_accuracy"]
    passed = np.flatnonzero(history["task_loss"] < teacher_loss)
    middle = passed[0] if len(passed) else len(accuracy) - 1
    before = accuracy[max(middle - _WINDOW // 2, 0) :][:_WINDOW].mean()
    after = accuracy[-_WINDOW:].mean()
    # As if half of the errors were common to both: they are the same student at two times.
    mean = (before + after) / 2
    return Pilot(float(after - before), float(np.sqrt(mean * (1 - mean) / n_rows)))


def copy_for_short_training(net: NeuralNet) -> NeuralNet:
    """A copy without the callbacks that look at a training or write it down.

    Not by ``copy``, which pickles a net, and a module of a local class can't be.
    """
    twin = object.__new__(type(net))
    twin.__dict__.update(net.__dict__)
    twin.__dict__["module_"] = copy.deepcopy(net.module_)
    twin.__dict__["history_"] = History()
    twin.__dict__["callbacks_"] = [
        (name, copy.deepcopy(callback))
        for name, callback in net.callbacks_
        if isinstance(callback, (LearningRateSchedule, LRScheduler))
    ]
    twin.initialize_optimizer()
    return twin

"""Copies of nets: unfitted, or with a module of their own."""

import copy
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline
from skorch import NeuralNet
from skorch.callbacks import LRScheduler
from skorch.history import History

from ..students import LearningRateSchedule


def cloned(net: NeuralNet) -> NeuralNet:
    """Return an unfitted copy of a net, with callbacks that share what theirs hold.

    scikit-learn's ``clone`` copies all that callbacks hold: a lock or an open file of a writer
    can't be copied, and a list of the user's would stay empty.
    """
    callbacks = net.callbacks
    if not isinstance(callbacks, (list, tuple)):
        return clone(net)
    fresh = clone(copied(net, callbacks=None))
    fresh.callbacks = []
    for one in callbacks:
        named = isinstance(one, tuple)
        fresh.callbacks.append((one[0], copy.copy(one[1])) if named else copy.copy(one))
    return fresh


def copied(student, without: frozenset[str] = frozenset(), **attributes: Any):
    """Return a copy of a student whose net has other attributes, or fewer; all else is shared.

    Not by ``copy``, which pickles a net: a module of a local class can't be pickled.
    """
    if isinstance(student, Pipeline):
        *steps, (name, net) = student.steps
        return Pipeline([*steps, (name, copied(net, without, **attributes))])
    twin = object.__new__(type(student))
    vars(twin).update(vars(student), **attributes)
    for name in without & vars(twin).keys():
        delattr(twin, name)
    return twin


def copied_for_training(student, *, short: bool = False):
    """Return a copy of a student with a module and optimizer of its own, for further training.

    A ``short`` training leaves out the callbacks that look at a training or write it down, and
    starts the optimizer anew.
    """
    net = student.steps[-1][1] if isinstance(student, Pipeline) else student
    own: dict[str, Any] = {"module_": copy.deepcopy(net.module_)}
    if short:
        kinds = (LearningRateSchedule, LRScheduler)
        callbacks = [(name, one) for name, one in net.callbacks_ if isinstance(one, kinds)]
        own.update(history_=History(), callbacks_=copy.deepcopy(callbacks))
    else:
        callbacks = [(name, copy.copy(one)) for name, one in net.callbacks_]
        own.update(history_=copy.deepcopy(net.history_), callbacks_=callbacks)
    twin = copied(student, **own)
    of_twin = twin.steps[-1][1] if isinstance(twin, Pipeline) else twin
    of_twin.initialize_optimizer()
    if not short:
        of_twin.optimizer_.load_state_dict(copy.deepcopy(net.optimizer_.state_dict()))
    return twin

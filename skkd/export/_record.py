"""A student as plain data and tensors, and back.

A skorch net pickles itself, so it is taken apart here: its class by name, its parameters, and the
tensors of its module.
"""

import importlib

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from skorch import NeuralNet, NeuralNetClassifier
from torch import Tensor, nn

from .._random import PrivateTorchState
from .._student.net import _DEFAULT_CALLBACKS
from ..exceptions import ExportError, LoadError
from ._trust import is_net, name_of, refuse_unknown

_PLAIN_NET = name_of(NeuralNetClassifier)


def recorded(student) -> dict | str | None:
    """A student, fitted or not, as a dict of what skops can write; without weights."""
    if student is None or isinstance(student, str):
        return student
    steps, net_name, net = [], None, student
    if isinstance(student, Pipeline):
        *steps, (net_name, net) = student.steps
    if isinstance(net.module, nn.Module):
        raise ExportError(
            f"The student's module is an instance, {type(net.module).__name__}(...), and can't be "
            "made again when it is loaded. Give its class to the net instead, and what its "
            "constructor takes as module__...=."
        )
    # Those of a clone, for callbacks keep what they saw in the training.
    params = clone(net).get_params(deep=False)
    params = {name: value for name, value in params.items() if not name.startswith("_")}
    params["device"] = "cpu"
    return {"steps": steps, "net_name": net_name, "class": name_of(type(net)), "params": params}


def tensors_of(net: NeuralNet) -> dict[str, Tensor]:
    """The tensors of a fitted net's module, by name."""
    tensors = {}
    for name, value in net.module_.state_dict().items():
        if not isinstance(value, Tensor):
            raise ExportError(
                f"{name} of the student's module {type(net.module_).__name__} is a "
                f"{type(value).__name__}, and only tensors can be saved. Make it a buffer."
            )
        # A copy, for safetensors refuses weights that share memory.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
    return tensors


def restored(record: dict | str | None, trusted: list[str]):
    """An unfitted student from what :func:`recorded` gives."""
    if record is None or isinstance(record, str):
        return record
    net = _class(record["class"], trusted)(**record["params"])
    if record["net_name"] is None:
        return net
    return Pipeline([*record["steps"], (record["net_name"], net)])


def _class(name: str, trusted: list[str]) -> type[NeuralNet]:
    refuse_unknown([name], [_PLAIN_NET, *trusted], "The file")
    if not is_net(name):
        raise LoadError(f"{name} in place of the net is no net of skorch.")
    module, _, kind = name.rpartition(".")
    return getattr(importlib.import_module(module), kind)


def initialise(net: NeuralNet, tensors: dict[str, Tensor], dtype: np.dtype) -> None:
    """Make a net's module and give it its weights; raise a LoadError where they don't fit."""
    with PrivateTorchState(0).active():
        net.initialize()
    net.callbacks_ = [one for one in net.callbacks_ if one[0] not in _DEFAULT_CALLBACKS]
    if dtype == np.float64:
        net.module_.double()
    module = type(net.module_).__name__
    made = {name: (one.shape, one.dtype) for name, one in net.module_.state_dict().items()}
    saved = {name: (one.shape, one.dtype) for name, one in tensors.items()}
    if made != saved:
        differing = sorted(
            name for name in made.keys() | saved.keys() if made.get(name) != saved.get(name)
        )
        raise LoadError(
            f"The module {module} is not the one that was saved: names, shapes or dtypes of its "
            f"tensors differ, as in {differing[:5]}."
        )
    net.module_.load_state_dict(tensors)
    net.module_.eval()
    net.initialize_optimizer()


def check_restored(net: NeuralNet, again: NeuralNet) -> None:
    """Raise an ExportError unless a restored net has all that the first one's module has."""
    for (path, part), copied in zip(
        net.module_.named_modules(), again.module_.modules(), strict=True
    ):
        for name in sorted(vars(part).keys() | vars(copied).keys()):
            if name == "training" or (name.startswith("_") and name != "_buffers"):
                continue
            if not _are_equal(vars(part).get(name), vars(copied).get(name)):
                where = f"{path}.{name}" if path else name
                raise ExportError(
                    f"{where} of the student's module {type(net.module_).__name__} is neither a "
                    "parameter nor a buffer, and what it was when the classifier was saved would "
                    "be lost. Register it as a buffer, or set it in the constructor."
                )


def _are_equal(value, other) -> bool:
    if type(value) is not type(other):
        return False
    if isinstance(value, Tensor):
        value, other = (one.detach().cpu().numpy() for one in (value, other))
    if isinstance(value, np.ndarray):
        equal_nan = value.dtype.kind in "fc"
        return value.dtype == other.dtype and np.array_equal(value, other, equal_nan=equal_nan)
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(
            _are_equal(value[key], other[key]) for key in value
        )
    if isinstance(value, (list, tuple)):
        return len(value) == len(other) and all(map(_are_equal, value, other))
    if isinstance(value, (str, int, float, bool, type(None))):
        return value == other or value != value
    return True

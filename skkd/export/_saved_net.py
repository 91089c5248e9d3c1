"""Turn a student into plain data and tensors, and back.

A net of skorch pickles itself. A saved file has the name of its class, its parameters, and the
tensors of its module instead.
"""

import importlib

import numpy as np
import torch
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from skorch import NeuralNet, NeuralNetClassifier, NeuralNetRegressor
from torch import Tensor, nn

from .._random import PrivateTorchState
from .._student import drop_default_callbacks
from ..exceptions import ExportError, LoadError
from ..students import PeriodicMLP, ResidualConvNet, TabularMLP
from ._saved_types import is_net, name_of, refuse_unknown

_PLAIN_NETS = [name_of(NeuralNetClassifier), name_of(NeuralNetRegressor)]
_OF_SKKD = (TabularMLP, PeriodicMLP, ResidualConvNet)


def recorded(student) -> dict | str | None:
    """Return a student as a dict that skops can write, without weights."""
    if student is None or isinstance(student, str):
        return student
    steps, net_name, net = [], None, student
    if isinstance(student, Pipeline):
        *steps, (net_name, net) = student.steps
    if isinstance(net.module, nn.Module):
        raise ExportError(
            f"The student's module is an instance, {type(net.module).__name__}(...), which load "
            "cannot make again. Give its class to the net, and the arguments of its constructor "
            "as module__...=."
        )
    # Of a clone, because callbacks keep what they saw in the training.
    params = clone(net).get_params(deep=False)
    params = {name: value for name, value in params.items() if not name.startswith("_")}
    params["device"] = "cpu"
    return {"steps": steps, "net_name": net_name, "class": name_of(type(net)), "params": params}


def tensors_of(net: NeuralNet) -> dict[str, Tensor]:
    """Return the tensors of a fitted net's module, by name."""
    tensors = {}
    for name, value in net.module_.state_dict().items():
        if not isinstance(value, Tensor):
            raise ExportError(
                f"{name} of the student's module {type(net.module_).__name__} is a "
                f"{type(value).__name__}. Only tensors can be saved; make it a buffer."
            )
        # A copy, because safetensors refuses weights that share memory.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
    return tensors


def restored(record: dict | str | None, trusted: list[str]):
    """Return an unfitted student from what :func:`recorded` returned."""
    if record is None or isinstance(record, str):
        return record
    net = _class(record["class"], trusted)(**record["params"] | {"device": "cpu"})
    if record["net_name"] is None:
        return net
    return Pipeline([*record["steps"], (record["net_name"], net)])


def _class(name: str, trusted: list[str]) -> type[NeuralNet]:
    refuse_unknown([name], [*_PLAIN_NETS, *trusted], "The file")
    if not is_net(name):
        raise LoadError(f"{name} in place of the net is not a net of skorch.")
    module, _, kind = name.rpartition(".")
    return getattr(importlib.import_module(module), kind)


def initialize(net: NeuralNet, tensors: dict[str, Tensor], dtype: np.dtype) -> None:
    """Make a net's module and give it its weights.

    Raises
    ------
    LoadError
        If the weights do not fit the module, or are not finite.
    """
    if net.module in _OF_SKKD:
        # Before the module is made, because its parameters may ask for more memory than there is.
        _check_sizes(net, tensors)
        with torch.device("meta"):
            _check_same(net.module(**net.get_params_for("module")), tensors)
    with PrivateTorchState(0).active():
        net.initialize()
    drop_default_callbacks(net)
    if dtype == np.float64:
        net.module_.double()
    _check_same(net.module_, tensors, "dtype")
    net.module_.load_state_dict(tensors)
    net.module_.eval()
    for name, weights in net.module_.named_parameters():
        if not weights.isfinite().all():
            raise LoadError(f"{name} of the student has NaN or infinite weights.")
    net.initialize_optimizer()


def _check_sizes(net: NeuralNet, tensors: dict[str, Tensor]) -> None:
    """Refuse parameters that would make a larger module than the tensors fill."""
    n_numbers = sum(one.numel() for one in tensors.values())
    for name, value in net.get_params_for("module").items():
        sizes = list(value) if isinstance(value, (list, tuple)) else [value]
        most = len(tensors) if name in ("hidden", "widths") else n_numbers
        if len(sizes) > most or any(isinstance(one, int) and one > n_numbers for one in sizes):
            raise LoadError(f"module__{name} of the student does not fit its weights.")


def _check_same(module: nn.Module, tensors: dict[str, Tensor], *more: str) -> None:
    """Raise a LoadError unless tensors have the module's names and shapes."""

    def described(state: dict) -> dict:
        return {
            name: (one.shape, *(getattr(one, part) for part in more)) for name, one in state.items()
        }

    made, saved = described(module.state_dict()), described(tensors)
    if made != saved:
        names = made.keys() | saved.keys()
        differing = [name for name in sorted(names) if made.get(name) != saved.get(name)]
        raise LoadError(
            f"The module {type(module).__name__} is not the one that was saved: names, shapes or "
            f"dtypes of its tensors differ, as in {differing[:5]}."
        )


def check_restored(net: NeuralNet, again: NeuralNet) -> None:
    """Raise an ExportError unless a restored module has all of the first one."""
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
                    "parameter nor a buffer, so its value would be lost. Register it as a buffer, "
                    "or set it in the constructor."
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

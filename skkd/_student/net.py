"""A student's net: made ready for its rows, called, and copied.

A student is a skorch net, or a Pipeline that ends in one. The user's object is cloned and never
changed.
"""

import inspect
import math
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import Pipeline
from skorch import NeuralNet
from skorch.callbacks import EpochScoring
from torch import Tensor, nn

from .._input import (
    DatasetRows,
    Rows,
    TableEncoder,
    Targets,
    as_tensor,
    check_finite,
    float_for,
    forget_rare_levels,
    is_frame,
    needs_encoder,
    read_numbers,
    take,
)
from .._progress import Progress
from .._random import PrivateTorchState
from ..students import (
    PeriodicMLP,
    ResidualConvNet,
    TabularMLP,
)
from .accelerator import initialize_unwrapped
from .copies import cloned
from .given_net import NETS, is_default, split_student
from .sizes import sized

# Sparse rows of more columns, such as words, are projected to so many numbers for skkd's students.
_WIDE, _PROJECTED = 2**11, 256

# Callbacks that read skorch's per-batch history; the loop records what they would.
DEFAULT_CALLBACKS = frozenset({"epoch_timer", "train_loss", "valid_loss", "valid_acc", "print_log"})


def prepare_student(
    student, X, targets: Targets, torch_state: PrivateTorchState
) -> tuple[NeuralNet | Pipeline, NeuralNet, Rows]:
    """Fit a student's preprocessing and initialize its net for some rows.

    Parameters
    ----------
    student : skorch.NeuralNet, Pipeline, str or None
    X : array, frame or CSR matrix of shape (n_given, ...)
        All rows that the user gave.
    targets : Targets
        Labels and weights of the rows that count.
    torch_state : PrivateTorchState
        What initial weights are drawn from.

    Returns
    -------
    student : skorch.NeuralNet or Pipeline
        Ready to be trained.
    net : skorch.NeuralNet
        The student, or the last step of it.
    rows : Rows
        The rows that count, as the net takes them; not yet with the teacher's answers.
    """
    steps, net = split_student(student, targets.task.name)
    raw = X if targets.kept is None else take(X, targets.kept)
    inputs, dtype = raw, None if steps else float_for(X)
    if steps and isinstance(X, DatasetRows):
        raise ValueError(
            "X is a torch Dataset, and the student's Pipeline would need its rows in an array. Let "
            "the dataset transform its images, and give the net without a Pipeline."
        )
    encodes = is_default(net) and not steps
    is_plain = isinstance(X, np.ndarray) and X.dtype.kind in "biuf"
    if encodes and not is_plain and needs_encoder(X):
        steps = [("encode", TableEncoder())]
    elif not steps:
        inputs, has_nan = read_numbers(raw, dtype, allow_nan=encodes)
        if not isinstance(raw, (np.ndarray, DatasetRows)) and not is_frame(raw):
            raw = inputs
        if has_nan:
            inputs = raw if is_frame(raw) else inputs
            steps = [("encode", TableEncoder())]
    if steps:
        steps, inputs = fit_steps(steps, inputs, targets.task.given(targets.labels))
    if is_default(net) and sparse.issparse(inputs) and inputs.shape[1] > _WIDE:
        projection = projection_of(inputs)
        steps, inputs = [*steps, ("project", projection)], projection.transform(inputs)
    if steps:
        inputs = as_net_input(inputs, net, dtype if encodes else float_for(inputs))
    net = _initialized(net, inputs, targets, torch_state)
    rows = Rows(inputs, raw, targets.labels, targets.sample_weight, numbers=targets.kept)
    return Pipeline([*steps, ("net", net)]) if steps else net, net, rows


def fit_steps(steps: list, X, y) -> tuple[list, Any]:
    """Fit clones of preprocessing steps one after the other; return them and the last output."""
    fitted, n_rows = [], X.shape[0]
    for name, step in steps:
        if not is_empty(step):
            step = clone(step)
            X = step.fit_transform(X, y)
            forget_rare_levels(step)
            if X.shape[0] != n_rows:
                raise ValueError(
                    f"The step {name!r} of the student's Pipeline made {X.shape[0]} rows of "
                    f"{n_rows}. Labels and the teacher's answers belong to all rows: drop rows "
                    "before fit."
                )
        fitted.append((name, step))
    return fitted, X


def projection_of(X) -> TruncatedSVD:
    """Fit a projection of wide rows to few numbers, by weights that half precision holds."""
    projection = TruncatedSVD(min(_PROJECTED, *X.shape), random_state=0).fit(X)
    projection.components_ = projection.components_.astype(np.float16).astype(np.float32)
    return projection


def is_empty(step) -> bool:
    """Whether a Pipeline's step does nothing."""
    return step is None or step == "passthrough"


def as_net_input(X, net, dtype=None):
    """Return what a student's preprocessing gave as finite numbers for the net.

    In the net's dtype, or in the one that is given. Whole numbers stay whole for a module with an
    embedding.
    """
    if not hasattr(X, "tocsr"):
        X = np.asarray(X)
    else:
        X = X.tocsr()
    whole = X.dtype.kind in "biu" and any(
        isinstance(part, (nn.Embedding, nn.EmbeddingBag)) for part in _parts(net)
    )
    if not whole:
        X = X.astype(net_dtype(net) if dtype is None else dtype, copy=False)
        check_finite(X)
    return X


def _parts(net) -> list:
    """Return the parts of the net's module, where it exists already."""
    module = getattr(net, "module_", net.module)
    return list(module.modules()) if isinstance(module, nn.Module) else []


def _initialized(net, X, targets, torch_state) -> NeuralNet:
    """Return a fresh copy of the net, initialized for these rows, with one output a column."""
    net, task = cloned(net), targets.task
    is_classifier = task.name == "classification"
    net.set_params(criterion=NETS[task.name][1], **_filled_in(net, X, targets))
    check_settings(net)
    if is_classifier:
        net.classes = task.columns
    with torch_state.active():
        try:
            net.initialize() if not hasattr(net, "accelerator") else initialize_unwrapped(net)
        except (TypeError, ValueError, RuntimeError) as error:
            raise (ValueError if type(error) is RuntimeError else type(error))(
                f"The student's net can't be made with {_given_to_module(net)}: {error}"
            ) from error
    drop_default_callbacks(net)
    usual = (torch.float32, torch.float64, torch.get_default_dtype())
    if X.dtype.kind == "f" and next(net.module_.parameters(), torch.zeros(0)).dtype in usual:
        net.module_.to(getattr(torch, X.dtype.name))
    if hasattr(net.module_, "adapt"):
        net.module_.adapt(X, targets.sample_weight)
    output = _probe(net, X, task, torch_state)
    sums = output.sum(-1)
    if (
        is_classifier
        and (output >= 0).all()
        and torch.allclose(sums, torch.ones_like(sums), atol=1e-4)
    ):
        net.set_params(criterion=nn.NLLLoss)  # the module ends in a softmax
    return net


def check_settings(net: NeuralNet) -> None:
    """Raise an error for epochs, batch sizes and the like that can't be trained with."""
    for name, or_all in (("max_epochs", ""), ("batch_size", ", or -1 for all rows")):
        value = getattr(net, name)
        is_whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not (is_whole and (value >= 1 or (or_all and value == -1))):
            raise ValueError(
                f"{name}={value!r} of the student is not allowed; give a whole number of at least "
                f"1{or_all} (student__{name}=...)."
            )
    decay = getattr(net, "optimizer__weight_decay", 0.0)
    for name, value, zero in (("lr", net.lr, "above"), ("optimizer__weight_decay", decay, "from")):
        is_number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
        if not (is_number and 0 <= float(value) < math.inf and (zero == "from" or value > 0)):
            raise ValueError(
                f"{name}={value!r} of the student is not allowed; give a finite number {zero} 0 "
                f"(student__{name}=...)."
            )
    if not hasattr(net, "accelerator"):
        try:
            torch.device(net.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"device={net.device!r} of the student is not allowed; name one, such as 'cpu' "
                "(student__device=...)."
            ) from error
    if not callable(net.iterator_train):
        raise TypeError(
            f"iterator_train={net.iterator_train!r} of the student can't be called; give a class "
            "such as torch.utils.data.DataLoader."
        )


def _given_to_module(net: NeuralNet) -> str:
    """Return the module's parameters as a user would write them."""
    params = net.get_params_for("module")
    return (
        ", ".join(f"module__{name}={value!r}" for name, value in params.items()) or "no arguments"
    )


def drop_default_callbacks(net: NeuralNet) -> None:
    """Leave out skorch's own callbacks, whose work the loop does."""
    kept = []
    for name, callback in net.callbacks_:
        if name in DEFAULT_CALLBACKS:
            continue
        if isinstance(callback, EpochScoring):
            callback.use_caching = False  # the cache would miss the validation rows
        kept.append((name, callback))
    net.callbacks_ = kept


def looks_at_validation_rows(net: NeuralNet) -> bool:
    """Whether a callback of an initialized net needs validation rows."""
    for _, callback in net.callbacks_:
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and monitor.startswith("valid"):
            return True
        if isinstance(callback, EpochScoring) and not callback.on_train:
            return True
    return False


def _filled_in(net: NeuralNet, X, targets: Targets) -> dict:
    """Return parameters that skkd sets: what depends on the data, and what the loop does itself."""
    params: dict = {
        "predict_nonlinearity": "auto",
        "train_split": None,
        "verbose": 0,
        **sized(net, X, targets),
    }
    if not isinstance(net.module, type):
        return params
    filled = {
        "n_features": math.prod(X.shape[1:]),
        "n_classes": targets.task.n_outputs,
        "n_outputs": targets.task.n_outputs,
    }
    if issubclass(net.module, ResidualConvNet):  # elsewhere the name may mean another thing
        filled["n_channels"] = X.shape[1] if len(X.shape) == 4 else 1
    known = inspect.signature(net.module).parameters
    for name, size in filled.items():
        if name in known and not hasattr(net, f"module__{name}"):
            params[f"module__{name}"] = size
    return params


def _probe(net: NeuralNet, X, task, torch_state: PrivateTorchState) -> Tensor:
    """Return the module's output for the first rows; raise a ValueError for a wrong one."""
    net.module_.eval()
    with torch_state.active(), torch.no_grad():
        output = net.infer(as_tensor(X[:8], net.device))
    net.module_.train()
    output = output[0] if isinstance(output, tuple) else output
    name, n_outputs = type(net.module_).__name__, task.n_outputs
    if output.ndim != 2 or output.shape[1] != n_outputs:
        what, hint = "outputs", ""
        if task.name == "classification":
            what = "classes"
            if n_outputs == 2 and output.numel() == len(output):
                hint = " Two classes need two outputs, one for each."
        raise ValueError(
            f"The student's module {name} gives output of shape {tuple(output.shape)} for "
            f"{len(output)} rows, but y has {n_outputs} {what}: its last layer must have "
            f"{n_outputs} outputs.{hint}"
        )
    if not torch.is_floating_point(output):
        raise ValueError(f"The student's module {name} gives {output.dtype}; it must give logits.")
    return output


class Forward:
    """A net's logits, called in every step and at every prediction.

    Parameters
    ----------
    net : skorch.NeuralNet
        Initialized.
    """

    def __init__(self, net: NeuralNet):
        # The module itself, unless the net has a way of its own to call it.
        self.call = net.module_ if type(net).infer is NeuralNet.infer else net.infer
        self.are_probabilities = isinstance(net.criterion_, nn.NLLLoss)

    def __call__(self, X) -> Tensor:
        """Return logits of shape (n_rows, n_outputs)."""
        output = self.call(X)
        # As in skorch, the first of several outputs is the prediction.
        output = output[0] if isinstance(output, tuple) else output
        if self.are_probabilities:  # the module was recognized as ending in a softmax
            return output.clamp_min(torch.finfo(output.dtype).tiny).log()
        return output


def net_dtype(net: NeuralNet) -> np.dtype:
    """Return the floating dtype that the net computes in."""
    for parameter in net.module_.parameters():
        if parameter.is_floating_point():
            return np.dtype(str(parameter.dtype).removeprefix("torch."))
    return np.dtype(np.float32)


def net_of(student) -> NeuralNet:
    """Return the net at the end of a student."""
    return student.steps[-1][1] if isinstance(student, Pipeline) else student


def guide(net: NeuralNet, rows: Rows, task, *, hears_teacher: bool) -> None:
    """Let the encoding of numbers follow what the student is to learn, where it can.

    That is the teacher's answers, or the labels where no balancer listens to the teacher.
    """
    if isinstance(net.module_, (TabularMLP, PeriodicMLP)):
        targets = rows.answers if hears_teacher else task.as_answers(rows.labels)
        net.module_.adapt(rows.X, rows.sample_weight, task.for_net(targets))


def prune(
    net: NeuralNet, X, sample_weight, seed: int, progress: Progress, variance: float | None = None
) -> None:
    """Take out of a trained net what it does not need, where its module knows how to tell.

    Parameters
    ----------
    X : array or CSR matrix
        The training rows as the net takes them.
    variance : float or None
        Of numbers around the net's outputs. None: these are logits.
    """
    if hasattr(net.module_, "prune"):
        # A module of the user's, for classes, need not know of a variance.
        known = {} if variance is None else {"variance": variance}
        with progress.phase("pruning"):
            params = net.module_.prune(X, sample_weight, seed, **known)
        for name, value in params.items():
            # Not by set_params, which would begin anew.
            setattr(net, f"module__{name}", value)
    net.initialize_optimizer()  # its moments would be twice the size of the student

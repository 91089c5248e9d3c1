"""Preparing a student for training, and asking it afterwards.

A student is a skorch net, or a Pipeline that ends in one; the object that the user gave is cloned
and never changed.
"""

import inspect
import math

import numpy as np
import torch
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import InputTags, get_tags
from skorch import NeuralNet, NeuralNetClassifier
from skorch.callbacks import EpochScoring
from torch import Tensor, nn

from .._input.chunks import row_slices
from .._input.frame_encoder import encode
from .._input.tables import forget_rare_levels
from .._random import PrivateTorchState
from .._training.batches import as_tensor
from .._training.processes import left_unwrapped
from ..students import (
    STUDENTS,
    PeriodicMLP,
    ResidualConvNet,
    TabularMLP,
    default_student,
    make_student,
)
from ..students._sizes import sized

# Callbacks which read skorch's per-batch history; the loop records what they would.
_DEFAULT_CALLBACKS = {"epoch_timer", "train_loss", "valid_loss", "valid_acc", "print_log"}

# Entries of X that one forward pass takes at prediction time: large enough to keep the processor
# busy, small enough for its cache and for the activations of a convolutional net.
_FORWARD_ENTRIES = 2**19
# Rows on a processor, whose cache also holds the activations: with narrow rows of the default
# student, whose hidden layers are wider, 10,000 at once take up to half as long again.
_FORWARD_ROWS = 1024


def as_net(student):
    """A student that is a name, or None, as the net that it stands for; any other as it is."""
    if student is None:
        return default_student()
    return make_student(student) if isinstance(student, str) else student


def is_known(student) -> bool:
    """Whether a student is a name that stands for a net, or None."""
    return student is None or (isinstance(student, str) and student in STUDENTS)


def split_student(student) -> tuple[list, NeuralNetClassifier]:
    """The preprocessing steps of a student and its net; raise a TypeError for anything else.

    Returns
    -------
    steps : list of (name, transformer)
        Empty unless the student is a Pipeline.
    net : skorch.NeuralNetClassifier
    """
    student = as_net(student)
    steps, net = [], student
    if isinstance(student, Pipeline):
        steps, (_, net) = student.steps[:-1], student.steps[-1]
    if not isinstance(net, NeuralNetClassifier):
        raise TypeError(
            f"student must be a skorch NeuralNetClassifier, a Pipeline that ends in one, a name of "
            f"skkd.students.STUDENTS, or None for the default; got {student!r}."
        )
    _check_criterion(net)
    return steps, net


def is_default(net: NeuralNet) -> bool:
    """Whether a net is a student of skkd for tables, whose input skkd encodes by itself."""
    return net.module in (TabularMLP, PeriodicMLP)


def input_tags(student):
    """What the student accepts, as scikit-learn's input tags."""
    if isinstance(student, Pipeline):
        steps = [step for _, step in student.steps[:-1] if not _is_empty(step)]
        if steps:
            return get_tags(steps[0]).input_tags
        student = student.steps[-1][1]
    if is_known(student):
        student = as_net(student)
    if not isinstance(student, NeuralNet):
        return InputTags(sparse=True)
    return InputTags(sparse=student.module is not ResidualConvNet, allow_nan=is_default(student))


def _is_empty(step) -> bool:
    return step is None or step == "passthrough"


def looks_at_held_out_rows(net: NeuralNet) -> bool:
    """Whether a callback of an initialised net needs rows that are held out."""
    for _, callback in net.callbacks_:
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and monitor.startswith("valid"):
            return True
        if isinstance(callback, EpochScoring) and not callback.on_train:
            return True
    return False


def fit_preprocessing(steps: list, X, y):
    """Fit clones of the steps one after the other; return them and X as the net will see it."""
    fitted = []
    for name, step in steps:
        if not _is_empty(step):
            step = clone(step)
            X = step.fit_transform(X, y)
            forget_rare_levels(step)
        fitted.append((name, step))
    return fitted, X


def preprocess(student, X):
    """X as the net of a fitted student sees it."""
    if isinstance(student, Pipeline):
        for _, step in student.steps[:-1]:
            if not _is_empty(step):
                X = encode(step, X)
    return X


def net_of(student) -> NeuralNetClassifier:
    """The net at the end of a fitted student."""
    return student.steps[-1][1] if isinstance(student, Pipeline) else student


def initialise_net(
    net: NeuralNet, X, sample_weight, n_classes: int, torch_state: PrivateTorchState
) -> NeuralNet:
    """A fresh copy of the net, initialised for these rows, that gives one output a class.

    Parameters
    ----------
    X : array or CSR matrix
        The training rows as the net sees them.
    """
    net = clone(net)
    net.set_params(**_filled_in(net, X, n_classes))
    with torch_state.active(), left_unwrapped(net):
        net.initialize()
    net.callbacks_ = [
        (name, callback) for name, callback in net.callbacks_ if name not in _DEFAULT_CALLBACKS
    ]
    for _, callback in net.callbacks_:
        if isinstance(callback, EpochScoring):
            callback.use_caching = False  # the cache would miss the rows that are held out
    if X.dtype == np.float64:
        net.module_.double()
    if hasattr(net.module_, "adapt"):
        net.module_.adapt(X, sample_weight)
    output = probe(net, X, torch_state)
    _check_output(output, n_classes)
    if _are_probabilities(output):
        net.set_params(criterion=nn.NLLLoss)
    return net


def narrow(net: NeuralNet, X, sample_weight, seed: int) -> None:
    """Take out what a trained student's module can do without, where it knows how to tell.

    Parameters
    ----------
    X : array or CSR matrix
        The training rows as the net sees them.
    """
    if isinstance(net.module_, (TabularMLP, PeriodicMLP)):
        for name, value in net.module_.narrow(X, sample_weight, seed).items():
            # Not by set_params, which would begin anew.
            setattr(net, f"module__{name}", value)


def _check_criterion(net: NeuralNet) -> None:
    kind = net.criterion if isinstance(net.criterion, type) else type(net.criterion)
    options = [name for name in net.get_params(deep=False) if name.startswith("criterion__")]
    if kind not in (nn.NLLLoss, nn.CrossEntropyLoss):
        raise ValueError(
            f"criterion={net.criterion!r} of the student would not be used: the task loss is "
            "cross-entropy. Leave the criterion at skorch's default."
        )
    if options:
        raise ValueError(
            f"{', '.join(options)} of the student would not be used: the task loss is "
            "cross-entropy. Weigh classes by class_weight of DistilledClassifier."
        )


def _filled_in(net: NeuralNet, X, n_classes: int) -> dict:
    """Parameters that skkd sets: what depends on the data, and what the loop does itself."""
    params: dict = {
        "criterion": nn.CrossEntropyLoss,
        "predict_nonlinearity": "auto",
        "train_split": None,
        "verbose": 0,
    }
    given = net.get_params(deep=False)
    if isinstance(net.module, type):
        sizes = {
            "n_features": math.prod(X.shape[1:]),
            "n_classes": n_classes,
        }
        if issubclass(net.module, ResidualConvNet):  # elsewhere the name may mean another thing
            sizes["n_channels"] = X.shape[1] if len(X.shape) == 4 else 1
        known = inspect.signature(net.module).parameters
        for name, size in sizes.items():
            if name in known and f"module__{name}" not in given:
                params[f"module__{name}"] = size
    return params | sized(net, X)


def probe(net: NeuralNet, X, torch_state: PrivateTorchState) -> Tensor:
    """The module's output for the first rows, in evaluation mode."""
    was_training = net.module_.training
    net.module_.eval()
    try:
        with torch_state.active(), torch.no_grad():
            return first_output(net.infer(as_tensor(X[:8], net.device)))
    finally:
        net.module_.train(was_training)


def first_output(output) -> Tensor:
    """As in skorch, the first of several outputs is the prediction."""
    return output[0] if isinstance(output, tuple) else output


def _check_output(output: Tensor, n_classes: int) -> None:
    if output.ndim != 2 or output.shape[1] != n_classes:
        hint = ""
        if n_classes == 2 and output.numel() == len(output):
            hint = " Two classes need two outputs, one for each."
        raise ValueError(
            f"The student's module gives output of shape {tuple(output.shape)} for "
            f"{len(output)} rows, but y has {n_classes} classes: its last layer must have "
            f"{n_classes} outputs.{hint}"
        )
    if not torch.is_floating_point(output):
        raise ValueError(f"The student's module gives {output.dtype}; it must give logits.")


def _are_probabilities(output: Tensor) -> bool:
    """Whether the module ends in a softmax. Logits and log-softmax both serve as logits."""
    sums = output.sum(-1)
    return bool((output >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-4))


def gives_probabilities(net: NeuralNet) -> bool:
    """Whether the net's module was recognised as ending in a softmax."""
    return isinstance(net.criterion_, nn.NLLLoss)


def as_logits(output: Tensor, are_probabilities: bool) -> Tensor:
    """Logits from a module's output; of probabilities the log, with zeros floored."""
    output = first_output(output)
    if are_probabilities:
        return output.clamp_min(torch.finfo(output.dtype).tiny).log()
    return output


def student_logits(net: NeuralNet, X, transform=None) -> np.ndarray:
    """The student's logits in evaluation mode, or what ``transform`` makes of them.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_rows, ...)
        Preprocessed.
    transform : callable or None
        From a Tensor of logits to a Tensor of the same shape.

    Returns
    -------
    logits : ndarray of shape (n_rows, n_classes), in the net's dtype
    """
    module = net.module_
    if module.training:
        module.eval()
    are_probabilities = gives_probabilities(net)
    forward = plain_forward(net)
    n_entries = _FORWARD_ENTRIES
    if torch.device(net.device).type == "cpu":
        n_entries = min(n_entries, _FORWARD_ROWS * math.prod(X.shape[1:]))

    def values_of(part) -> np.ndarray:
        logits = as_logits(forward(as_tensor(part, net.device)), are_probabilities)
        return (logits if transform is None else transform(logits)).cpu().numpy()

    with torch.inference_mode():
        if math.prod(X.shape) <= n_entries:
            return values_of(X)
        answers = np.empty(0)
        for rows in row_slices(X, n_entries):
            values = values_of(X[rows])
            if rows.start == 0:
                answers = np.empty((X.shape[0], *values.shape[1:]), dtype=values.dtype)
            answers[rows] = values
    return answers


def plain_forward(net: NeuralNet):
    """The module itself, unless the net has a way of its own to call it."""
    return net.module_ if type(net).infer is NeuralNet.infer else net.infer


def net_dtype(net: NeuralNet) -> np.dtype:
    """The floating dtype that the net computes in."""
    floating = (p.dtype for p in net.module_.parameters() if p.is_floating_point())
    return np.dtype(str(next(floating, torch.float32)).removeprefix("torch."))

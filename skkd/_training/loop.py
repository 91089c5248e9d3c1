"""The training of a student: epochs of steps, with skorch's callbacks around them.

A skorch net brings the parts (module, optimizer, callbacks, iterator, history). The way over the
batches is our own, for losses, gradients and balancer meet in each step.
"""

import copy
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochScoring
from torch import Tensor

from .._input.labels import of_labels
from .._input.rows import Rows
from .._random import PrivateTorchState
from .._student.net import net_dtype, student_logits
from .._teacher.competence import knowledge_of_teacher
from ..balancers import Balancer, Pilot
from .batches import make_batches
from .history import EpochRecord, History
from .objective import make_objective
from .processes import processes_of
from .step import Step
from .synthetic import NewRows, Source


class Patience:
    """Early stopping on a held-out score, with the best weights kept.

    Parameters
    ----------
    n_epochs : int
        Epochs without a better score after which to stop.
    """

    def __init__(self, n_epochs: int):
        self.n_epochs = n_epochs
        self.best_score = -np.inf
        self.best_state: dict | None = None
        self.waited = 0

    def ends(self, score: float, module: torch.nn.Module) -> bool:
        """Take in an epoch's score; whether it is time to stop."""
        if score > self.best_score:
            self.best_score, self.waited = score, 0
            self.best_state = copy.deepcopy(module.state_dict())
        else:
            self.waited += 1
        return self.waited >= self.n_epochs


def train(
    net: NeuralNet,
    rows: Rows,
    balancer: Balancer,
    *,
    loss: Callable[..., Tensor],
    temperature: Callable[[float], float | str],
    n_epochs: int,
    earlier: dict[str, np.ndarray] | None = None,
    held_out: Rows | None = None,
    patience: Patience | None = None,
    new_rows: Sequence[Source] = (),
    pilot: Pilot | None = None,
    seed: int,
    torch_state: PrivateTorchState,
    verbose: int = 0,
) -> dict[str, np.ndarray]:
    """Train an initialised net in place.

    Parameters
    ----------
    balancer : Balancer
        Reset; its state moves.
    loss : callable
        The distillation loss.
    temperature : callable
        Its temperature as a function of progress.
    n_epochs : int
        At most this many epochs; progress is measured by them.
    earlier : dict of arrays or None
        Training in parts: the history of earlier calls, empty at first. Progress is then measured
        by the net's ``max_epochs``, and the learning rate is not scheduled, for there is no planned
        end.
    new_rows : sequence of AugmentedRows or UnlabeledRows
        Rows without labels.
    pilot : Pilot or None
        What a short training told, for a balancer that asks for it.
    seed : int
        Of the order of the rows.
    torch_state : PrivateTorchState
        What dropout draws from.

    Returns
    -------
    history : dict of arrays, one entry an epoch
    """
    net.notify("on_train_begin", X=rows.X, y=rows.labels)
    batches = make_batches(net, rows.X, seed=seed, torch_state=torch_state)
    processes = processes_of(net)
    kind = {"loss": loss, "device": net.device, "dtype": getattr(torch, net_dtype(net).name)}
    objective = make_objective(
        rows.labels, rows.proba, rows.sample_weight, temperature=temperature(0.0), **kind
    )
    new = NewRows(new_rows, n_batches=len(batches), seed=seed, **kind) if new_rows else None
    if processes is not None:
        processes.check_alike(net, rows, held_out, seed)
        batches = processes.parts(batches)
        if processes.number:  # the first one draws as it would alone; others print nothing
            torch_state, verbose = PrivateTorchState(seed + processes.number), 0
    step = Step(net, objective, balancer, torch_state, new, processes)
    step.state.seed, step.state.pilot = seed, pilot
    if "teacher" in balancer.requirements() and earlier is None:
        step.state.teacher = knowledge_of_teacher(rows)
    first = len(earlier["epoch"]) if earlier else 0
    if earlier:
        losses = earlier["task_loss"], earlier["distillation_loss"]
        step.state.epoch_losses = list(zip(*(values.tolist() for values in losses), strict=True))
    history = History(verbose, first + n_epochs)
    planned = n_epochs if earlier is None else None
    epochs = _Epochs(net, batches, step, rows, held_out, planned, temperature)
    try:
        for epoch in range(first, first + n_epochs):
            row = epochs.run(epoch)
            history.append(row)
            if epochs.is_stopped_by_callback() or (
                patience is not None and patience.ends(row["valid_score"], net.module_)
            ):
                break
    except KeyboardInterrupt:
        if epochs.record is not None and epochs.record.n_steps:
            history.append(epochs.record.summary(balancer, **epochs.settings))
        if not history.n_epochs:
            raise
        warnings.warn(
            "Training was interrupted; the student keeps what it learned so far.", stacklevel=2
        )
    finally:
        history.close()
        step.zero_gradients()
    if patience is not None and patience.best_state is not None:
        net.module_.load_state_dict(patience.best_state)
    net.module_.eval()
    net.notify("on_train_end", X=rows.X, y=rows.labels)
    return history.columns()


class _Epochs:
    """Runs epochs, and tells the net's callbacks.

    Parameters
    ----------
    planned : int or None
        Epochs until the end of training; None: no end is known.
    temperature : callable
        The temperature of an epoch, as a function of progress.
    """

    def __init__(
        self,
        net: NeuralNet,
        batches,
        step: Step,
        rows: Rows,
        held_out: Rows | None,
        planned: int | None,
        temperature: Callable[[float], float | str],
    ):
        self.net = net
        self.planned = planned
        self.temperature = temperature
        self.batches = batches
        self.step = step
        self.held_out = held_out
        self.record: EpochRecord | None = None
        self.hooks = _batch_hooks(net)
        self.labels = torch.as_tensor(rows.labels, dtype=torch.int64, device=net.device)
        self.datasets: dict = {"dataset_train": None, "dataset_valid": None}
        if net.callbacks_:
            self.datasets["dataset_train"] = net.get_dataset(rows.X, rows.labels)
            if held_out is not None:
                self.datasets["dataset_valid"] = net.get_dataset(held_out.X, held_out.labels)

    @property
    def settings(self) -> dict[str, float]:
        """What an epoch ran with, for the record."""
        return {
            "temperature": self.step.objective.mean_temperature,
            "lr": self.net.optimizer_.param_groups[0]["lr"],
        }

    def run(self, epoch: int) -> dict[str, float]:
        """Train on every batch once; return the epoch's row of ``history_``."""
        self.net.notify("on_epoch_begin", **self.datasets)
        new_rows = self.step.new_rows
        self.record = EpochRecord(epoch, 0.0 if new_rows is None else new_rows.share)
        state = self.step.state
        n_epochs = self.planned or self.net.max_epochs
        n_steps = n_epochs * len(self.batches)
        temperature = self.temperature(min(epoch / max(n_epochs - 1, 1), 1.0))
        self.step.objective.soften(temperature)
        if new_rows is not None:
            new_rows.begin_epoch(temperature)
        self.net.module_.train()
        with np.errstate(
            invalid="ignore", divide="ignore", over="ignore"
        ):  # balancers guard theirs
            for i, (X, rows) in enumerate(self.batches):
                state.epoch, state.step = epoch, epoch * len(self.batches) + i
                state.progress = min(state.step / max(n_steps - 1, 1), 1.0)
                self._run_batch(X, rows, self.record)
        row = self.record.summary(self.step.balancer, **self.settings)
        self.record = None
        state.epoch_losses.append((row["task_loss"], row["distillation_loss"]))
        if self.held_out is not None:
            log_proba = held_out_log_proba(self.net, self.held_out)
            row.update(score_held_out(log_proba, self.held_out))
        _record_for_callbacks(self.net, row)
        return row

    def _run_batch(self, X, rows, record: EpochRecord) -> None:
        progress = None if self.planned is None else self.step.state.progress
        for begin in self.hooks["on_batch_begin"]:
            begin(self.net, batch=(X, self.labels[rows]), training=True, progress=progress)
        on_gradients = self._on_gradients if self.hooks["on_grad_computed"] else None
        losses, logits = self.step(X, rows, record.add, on_gradients)
        for end in self.hooks["on_batch_end"]:
            loss = self.step.weighted(losses)
            batch = (X, self.labels[rows])
            end(self.net, batch=batch, training=True, loss=loss, y_pred=logits)

    def _on_gradients(self) -> None:
        for hook in self.hooks["on_grad_computed"]:
            hook(self.net, named_parameters=self.net.get_all_learnable_params(), training=True)

    def is_stopped_by_callback(self) -> bool:
        """Tell the callbacks that the epoch is over; skorch's stop training by this exception."""
        try:
            self.net.notify("on_epoch_end", **self.datasets)
        except KeyboardInterrupt:
            return True
        return False


def _batch_hooks(net: NeuralNet) -> dict[str, list[Callable]]:
    """The hooks around a batch, of each only those which do something."""
    hooks: dict[str, list[Callable]] = {}
    # Scores are taken at the end of an epoch here, so these need no batches.
    callbacks = [
        callback for _, callback in net.callbacks_ if not isinstance(callback, EpochScoring)
    ]
    for name in ("on_batch_begin", "on_grad_computed", "on_batch_end"):
        hooks[name] = [
            getattr(callback, name)
            for callback in callbacks
            if getattr(type(callback), name, None) is not getattr(Callback, name)
        ]
    # skorch's history gets an entry a batch, and grows a lot by it: only where a callback reads it.
    if hooks["on_batch_end"] or type(net).on_batch_begin is not NeuralNet.on_batch_begin:
        hooks["on_batch_begin"].insert(0, net.on_batch_begin)
    for name in ("on_grad_computed", "on_batch_end"):
        if getattr(type(net), name) is not getattr(NeuralNet, name):
            hooks[name].insert(0, getattr(net, name))
    return hooks


def held_out_log_proba(net: NeuralNet, rows: Rows) -> np.ndarray:
    """The student's log-probabilities for held-out rows."""
    net.module_.eval()
    return student_logits(net, rows.X, lambda logits: torch.log_softmax(logits, -1))


def score_held_out(log_proba: np.ndarray, rows: Rows) -> dict[str, float]:
    """Minus the log-loss on the labels (higher is better), and the accuracy."""
    own = of_labels(log_proba, rows.labels)
    hit = log_proba.argmax(axis=1) == rows.labels
    return {
        "valid_score": float(np.average(own, weights=rows.sample_weight)),
        "valid_accuracy": float(np.average(hit, weights=rows.sample_weight)),
    }


def _record_for_callbacks(net: NeuralNet, row: dict[str, float]) -> None:
    """What skorch's default callbacks would have written, which others may monitor."""
    history = net.history
    if not history[-1]["batches"]:
        history.new_batch()  # which some callbacks look into
    values = {"train_loss": row["loss"]}
    if "valid_score" in row:
        values.update(valid_loss=-row["valid_score"], valid_acc=row["valid_accuracy"])
    for name, value in values.items():
        sign = -1.0 if name == "valid_acc" else 1.0
        earlier = [sign * old[name] for old in history[:-1] if name in old]
        history.record(name, float(value))
        history.record(f"{name}_best", bool(sign * value < min(earlier, default=np.inf)))
    history.record("dur", float(row["seconds"]))

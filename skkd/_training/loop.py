"""The training of a student: epochs of steps, with skorch's callbacks around them.

A skorch net brings the parts: module, optimizer, callbacks, iterator, history. The way over the
batches is our own, for losses, gradients and balancer meet in each step.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochScoring
from torch import Tensor

from .._input import Rows
from .._progress import SILENT, Progress
from .._random import PrivateTorchState
from .._student import net_dtype, student_outputs
from .._warnings import warn
from ..balancers import Balancer, Pilot
from ..exceptions import TrainingDivergedError
from ..students import seed_dropout
from .batches import make_batches
from .history import EpochRecord, as_columns, show_epoch
from .processes import Processes
from .step import Step
from .synthetic import Source, SyntheticRows

History = dict[str, np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """What all trainings of one fit have in common.

    Attributes
    ----------
    task : Classification or Regression
    loss : callable
        The distillation loss.
    temperature : float, "teacher_entropy" or callable
        Its temperature; a callable gives it for a progress in [0, 1].
    pilot : Pilot or None
        What two short trainings showed, for a balancer that asks for it.
    """

    task: Any
    loss: Callable[..., Tensor]
    temperature: float | str | Callable[[float], float] = 1.0
    pilot: Pilot | None = None


class Patience:
    """Early stopping on a validation score, with the best weights kept.

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
    recipe: Recipe,
    *,
    n_epochs: int,
    seed: int,
    torch_state: PrivateTorchState,
    validation: Rows | None = None,
    patience: Patience | None = None,
    synthetic: Sequence[Source] = (),
    earlier: History | None = None,
    in_parts: bool = False,
    keeps_interrupted: bool = False,
    progress: Progress = SILENT,
) -> History:
    """Train an initialized net in place.

    Parameters
    ----------
    rows : Rows
        With the teacher's answers.
    balancer : Balancer
        Reset; its state moves.
    n_epochs : int
        At most this many epochs; progress is measured by them.
    seed : int
        Of the order of the rows.
    torch_state : PrivateTorchState
        What random layers draw from.
    synthetic : sequence of AugmentedRows or UnlabeledRows
        Rows without labels.
    earlier : dict of arrays or None
        The history that goes on. None: a new training.
    in_parts : bool, default=False
        Whether no end is planned. If so, the net's ``max_epochs`` measures the progress. The
        learning rate is then constant.
    keeps_interrupted : bool, default=False
        Whether Ctrl-C ends the training and keeps what was learned. False: it is raised.
    progress : Progress

    Returns
    -------
    history : dict of arrays, one entry an epoch
    """
    net.notify("on_train_begin", X=rows.X, y=rows.labels)
    batches = make_batches(net, rows.X, seed=seed, torch_state=torch_state)
    accelerator, processes = getattr(net, "accelerator", None), None
    if accelerator is not None and accelerator.num_processes > 1:
        processes = Processes(accelerator)
    dtype = getattr(torch, net_dtype(net).name)
    options = {"loss": recipe.loss, "device": net.device, "dtype": dtype}
    objective = recipe.task.objective(rows.labels, rows.answers, rows.loss_weight, **options)
    unlabeled = None
    if synthetic:
        unlabeled = SyntheticRows(
            synthetic, recipe.task, n_batches=len(batches), seed=seed, options=options
        )
    if processes is not None:
        processes.check_alike(net, rows, validation, seed)
        batches = processes.parts(batches)
        if processes.number:  # the first one draws as it would alone; others print nothing
            torch_state, progress = PrivateTorchState(seed + processes.number), SILENT
        seed_dropout(net.module_, seed + processes.number)
    else:
        seed_dropout(net.module_, seed)
    step = Step(net, objective, balancer, torch_state, unlabeled, processes)
    step.state.seed, step.state.pilot = seed, recipe.pilot
    if "teacher" in balancer.requirements() and not in_parts:
        step.state.teacher = recipe.task.knowledge(rows)
    first = 0
    if earlier:
        first = len(earlier["epoch"])
        losses = earlier["task_loss"].tolist(), earlier["distillation_loss"].tolist()
        step.state.epoch_losses = list(zip(*losses, strict=True))
    epochs = Epochs(net, batches, step, rows, validation, recipe, None if in_parts else n_epochs)
    finished: list[dict[str, float]] = []
    try:
        with progress.phase("training", first + n_epochs) as phase:
            for epoch in range(first, first + n_epochs):
                finished.append(epochs.run(epoch))
                show_epoch(phase, finished[-1])
                if epochs.is_stopped_by_callback(keeps_interrupted) or (
                    patience is not None and patience.ends(finished[-1]["valid_score"], net.module_)
                ):
                    break
    except KeyboardInterrupt:
        if not keeps_interrupted:
            raise
        if epochs.record is not None and epochs.record.n_steps:
            finished.append(epochs.record.summary(balancer, **epochs.settings))
        if not finished:
            raise
        warn("Training was interrupted; the student keeps what it learned so far.")
    finally:
        net.optimizer_.zero_grad()
    if patience is not None and patience.best_state is not None:
        net.module_.load_state_dict(patience.best_state)
    _check_weights(net, finished[-1])
    net.module_.eval()
    net.notify("on_train_end", X=rows.X, y=rows.labels)
    return as_columns(finished)


class Epochs:
    """Runs epochs, and tells the net's callbacks.

    Parameters
    ----------
    planned : int or None
        Epochs until the end of training; None: no end is known.
    """

    def __init__(
        self,
        net: NeuralNet,
        batches,
        step: Step,
        rows: Rows,
        validation: Rows | None,
        recipe: Recipe,
        planned: int | None,
    ):
        self.net = net
        self.planned = planned
        self.recipe = recipe
        self.batches = batches
        self.step = step
        self.validation = validation
        self.record: EpochRecord | None = None
        self.hooks = _batch_hooks(net)
        self.labels = step.objective.labels
        self.datasets: dict = {"dataset_train": None, "dataset_valid": None}
        if net.callbacks_:
            for_net = recipe.task.for_net
            self.datasets["dataset_train"] = net.get_dataset(rows.X, for_net(rows.labels))
            if validation is not None:
                of_validation = net.get_dataset(validation.X, for_net(validation.labels))
                self.datasets["dataset_valid"] = of_validation

    @property
    def settings(self) -> dict[str, float]:
        """What an epoch ran with, for the record."""
        return {
            **self.step.objective.settings,
            "lr": self.net.optimizer_.param_groups[0]["lr"],
        }

    def run(self, epoch: int) -> dict[str, float]:
        """Train on every batch once; return the epoch's row of ``history_``."""
        self.net.notify("on_epoch_begin", **self.datasets)
        unlabeled = self.step.synthetic
        self.record = EpochRecord(epoch, 0.0 if unlabeled is None else unlabeled.share)
        state = self.step.state
        n_epochs = self.planned or self.net.max_epochs
        n_steps = n_epochs * len(self.batches)
        temperature = self.recipe.temperature
        if callable(temperature):
            temperature = temperature(min(epoch / max(n_epochs - 1, 1), 1.0))
        self.step.objective.soften(temperature)
        if unlabeled is not None:
            unlabeled.begin_epoch(temperature)
        self.net.module_.train()
        # Rules guard their divisions themselves.
        with np.errstate(all="ignore"):
            for i, (X, rows) in enumerate(self.batches):
                state.epoch, state.step = epoch, epoch * len(self.batches) + i
                state.progress = min(state.step / max(n_steps - 1, 1), 1.0)
                self._run_batch(X, rows)
        row = self.record.summary(self.step.balancer, **self.settings)
        self.record = None
        state.epoch_losses.append((row["task_loss"], row["distillation_loss"]))
        if self.validation is not None:
            task = self.recipe.task
            outputs = student_outputs(self.net, self.validation.X, task.for_scores)
            row.update(task.scores(outputs, self.validation))
        _record_for_callbacks(self.net, row)
        return row

    def _run_batch(self, X, rows) -> None:
        assert self.record is not None
        progress = None if self.planned is None else self.step.state.progress
        for begin in self.hooks["on_batch_begin"]:
            begin(self.net, batch=(X, self.labels[rows]), training=True, progress=progress)
        on_gradients = self._on_gradients if self.hooks["on_grad_computed"] else None
        outcome = self.step(X, rows, on_gradients)
        self.record.add(outcome)
        for end in self.hooks["on_batch_end"]:
            loss, batch = self.step.followed_loss(outcome), (X, self.labels[rows])
            end(self.net, batch=batch, training=True, loss=loss, y_pred=outcome.logits)

    def _on_gradients(self) -> None:
        for hook in self.hooks["on_grad_computed"]:
            hook(self.net, named_parameters=self.net.get_all_learnable_params(), training=True)

    def is_stopped_by_callback(self, may_stop: bool) -> bool:
        """Tell the callbacks that the epoch is over; skorch's stop training by this exception."""
        try:
            self.net.notify("on_epoch_end", **self.datasets)
        except KeyboardInterrupt:
            if not may_stop:  # it is Ctrl-C: a short training has no callback that stops it
                raise
            return True
        return False


def _batch_hooks(net: NeuralNet) -> dict[str, list[Callable]]:
    """Return the hooks around a batch, of each only those that do something."""
    hooks: dict[str, list[Callable]] = {}
    for name in ("on_batch_begin", "on_grad_computed", "on_batch_end"):
        hooks[name] = []
        for _, callback in net.callbacks_:
            # Scores are taken at the end of an epoch here, so EpochScoring needs no batches.
            if isinstance(callback, EpochScoring):
                continue
            if getattr(type(callback), name, None) is not getattr(Callback, name):
                hooks[name].append(getattr(callback, name))
    # skorch's history gets an entry a batch, and grows a lot by it: only where a callback reads it.
    if hooks["on_batch_end"] or type(net).on_batch_begin is not NeuralNet.on_batch_begin:
        hooks["on_batch_begin"].insert(0, net.on_batch_begin)
    for name in ("on_grad_computed", "on_batch_end"):
        if getattr(type(net), name) is not getattr(NeuralNet, name):
            hooks[name].insert(0, getattr(net, name))
    return hooks


def _check_weights(net: NeuralNet, last: dict[str, float]) -> None:
    """Raise an error if the last step made the student's weights NaN or infinite."""
    for parameter in net.module_.parameters():
        if not torch.isfinite(parameter).all():
            losses = last["task_loss"], last["distillation_loss"], last["weight"]
            n_batches = len(net.history[-1].get("batches", [])) if len(net.history) else 0
            raise TrainingDivergedError(int(last["epoch"]), max(n_batches, 1), *losses)


def _record_for_callbacks(net: NeuralNet, row: dict[str, float]) -> None:
    """Record what skorch's default callbacks would have, which others may monitor."""
    history = net.history
    if not history[-1]["batches"]:
        history.new_batch()  # which some callbacks look into
    values = {"train_loss": row["loss"]}
    if "valid_score" in row:
        values["valid_loss"] = -row["valid_score"]
    if "valid_accuracy" in row:
        values["valid_acc"] = row["valid_accuracy"]
    for name, value in values.items():
        sign = -1.0 if name == "valid_acc" else 1.0
        earlier = [sign * old[name] for old in history[:-1] if name in old]
        history.record(name, float(value))
        history.record(f"{name}_best", bool(sign * value < min(earlier, default=np.inf)))
    history.record("dur", float(row["seconds"]))

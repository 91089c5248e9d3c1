import pickle

import numpy as np
import pytest
import torch

from skkd._progress import Progress
from skkd._training.history import EpochRecord, as_columns, show_epoch
from skkd._training.step import Outcome
from skkd.balancers import FixedBalance
from skkd.exceptions import TrainingDivergedError


def outcome(losses, weight, gram=None, synthetic=None):
    return Outcome(losses, weight, gram, synthetic, logits=torch.zeros(1, 2))


def losses(task, distillation):
    return torch.tensor([task, distillation])


def row(epoch, **more):
    names = ("task_loss", "distillation_loss", "loss", "weight", "lr", "seconds")
    return {"epoch": epoch, **dict.fromkeys(names, 0.5), **more}


def tensor(value):
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("as_weight", [float, tensor])
@pytest.mark.parametrize("n_steps", [1, 256, 600])
def test_record_keeps_every_step_in_order(n_steps, as_weight):
    record = EpochRecord(0)
    for i in range(n_steps):
        gram = torch.tensor([i, i + 2, i + 2, i + 1], dtype=torch.float64)
        record.add(outcome(losses(i, 2 * i), as_weight(i / n_steps), gram))
    assert record.n_steps == n_steps
    steps = record.steps()
    i = np.arange(n_steps)
    expected = {"task_loss": i, "distillation_loss": 2 * i, "weight": i / n_steps}
    expected |= {"A": i, "B": i + 1, "C": i + 2}
    expected |= {"weight_min": i / n_steps, "weight_max": i / n_steps}
    expected["loss"] = (1 - i / n_steps) * i + i / n_steps * 2 * i
    assert steps.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(steps[name], values, err_msg=name)


def test_summary_is_made_of_means():
    record = EpochRecord(4)
    for task, distillation, weight in [(1.0, 3.0, 0.0), (2.0, 6.0, 0.5), (3.0, 0.0, 1.0)]:
        record.add(outcome(losses(task, distillation), weight))
    summary = record.summary(FixedBalance(), lr=0.1)
    assert summary.pop("seconds") > 0
    assert summary == {
        "epoch": 5,
        "task_loss": 2.0,
        "distillation_loss": 3.0,
        "loss": pytest.approx((1.0 + 4.0 + 0.0) / 3),
        "weight": 0.5,
        "weight_min": 0.0,
        "weight_max": 1.0,
        "distillation_share": pytest.approx((0.0 + 0.75) / 2),  # of the last step it is NaN
        "lr": 0.1,
    }


def test_rows_with_weights_of_their_own_are_summed_up():
    record = EpochRecord(0)
    record.add(outcome(losses(1.0, 3.0), torch.tensor([0.25, 0.1, 0.4, 1.5])))
    record.add(outcome(losses(1.0, 3.0), torch.tensor([0.75, 0.3, 0.9, 2.5])))
    summary = record.summary(FixedBalance())
    assert [round(summary[name], 6) for name in ("weight", "weight_min", "weight_max", "loss")] == [
        0.5,
        0.1,
        0.9,
        2.0,
    ]


def test_share_is_nan_where_there_is_no_loss_at_all():
    record = EpochRecord(0)
    record.add(outcome(losses(0.0, 0.0), 0.5))
    assert np.isnan(record.summary(FixedBalance(), lr=0.1)["distillation_share"])


def test_columns_have_equal_length():
    columns = as_columns([row(epoch, valid_score=-epoch / 2) for epoch in (1, 2, 3)])
    assert {name: len(column) for name, column in columns.items()} == dict.fromkeys(row(1), 3) | {
        "valid_score": 3
    }
    assert columns["epoch"].dtype == np.int64
    np.testing.assert_array_equal(columns["valid_score"], [-0.5, -1.0, -1.5])


def test_epoch_without_a_score_leaves_a_gap():
    columns = as_columns([row(1, valid_score=-0.5), row(2)])  # interrupted
    np.testing.assert_array_equal(columns["valid_score"], [-0.5, np.nan])


@pytest.mark.parametrize("verbose", [0, 1])
def test_verbose_prints_a_line_an_epoch(verbose, capsys):
    with Progress(verbose).phase("training", 10) as phase:
        show_epoch(phase, row(1))
        show_epoch(phase, row(2, valid_score=-0.25))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 * verbose
    if verbose:
        assert lines[1].startswith("epoch  1/10  loss 0.5000") and "valid" not in lines[1]
        assert "valid -0.2500" in lines[2]


@pytest.mark.parametrize("n_good", [0, 3, 255, 300])
@pytest.mark.parametrize(
    ("task", "distillation"), [(np.nan, 0.25), (0.25, np.inf), (-np.inf, 0.25)]
)
def test_diverged_record_names_batch_losses_and_weight(n_good, task, distillation):
    record = EpochRecord(2)
    with pytest.raises(TrainingDivergedError) as caught:
        for i in range(n_good + 5):
            of_step = losses(task, distillation) if i == n_good else losses(1.0, 1.0)
            record.add(outcome(of_step, 0.75))
        record.steps()
    error = caught.value
    assert (error.epoch, error.batch, error.weight) == (3, n_good + 1, 0.75)
    np.testing.assert_array_equal([error.task_loss, error.distillation_loss], [task, distillation])


def test_diverged_error_says_all_and_can_be_pickled():
    error = TrainingDivergedError(2, 7, float("inf"), 0.25, 0.125)
    expected = ["epoch 2", "batch 7", "task loss inf", "distillation loss 0.25", "parameter 0.125"]
    assert all(part in str(error) for part in expected)
    copy = pickle.loads(pickle.dumps(error))
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)

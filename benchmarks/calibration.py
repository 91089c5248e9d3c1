"""What calibrating the teacher does: its log-loss before and after, on the public sets.

The calibration is fitted on out-of-fold probabilities of the training rows and chosen by
cross-validation, as ``DistilledClassifier(calibrate="auto")`` does it, and then applied to what the
teacher, fitted on all training rows, says of the test rows. Run by
``python -m benchmarks.calibration``; ``--out`` keeps a line of JSON for each set and seed, and what
is there already is not computed again.
"""

import argparse
from pathlib import Path

import numpy as np

from skkd._classification.calibration import calibrate

from .datasets import SUITE
from .protocol import split
from .run import RESULTS, append, environment, read_lines
from .teachers import TEACHERS, ask_teacher


def row_losses(proba: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The log-loss of each row, with scikit-learn's floor."""
    own = proba[np.arange(len(columns)), columns]
    return -np.log(np.maximum(own, np.finfo(np.float64).eps))


def measure(name: str, seed: int, max_rows: int) -> dict:
    """Log-losses before and after for one set and seed."""
    answers, rows = ask_teacher(name, seed, max_rows), split(name, seed, max_rows)
    train = np.searchsorted(answers.classes, rows.y)
    test = np.searchsorted(answers.classes, rows.y_test)
    calibration = calibrate("auto", answers.oof, train, folds=answers.folds)
    before = row_losses(answers.test, test)
    after = row_losses(calibration.apply(answers.test), test)
    gain = before - after
    temperature = np.asarray(calibration.temperature)
    oof_before, oof_after = calibration.log_loss_before, calibration.log_loss_after
    return {
        "set": name,
        "seed": seed,
        "max_rows": max_rows,
        "teacher": TEACHERS[name],
        "method": calibration.method if calibration.kept else "none",
        "temperature": float(temperature.mean()),
        "oof_before": oof_before,
        "oof_after": oof_after if calibration.kept else oof_before,
        "test_before": float(before.mean()),
        "test_after": float(after.mean()),
        "test_gain": float(gain.mean()),
        "test_gain_error": float(gain.std() / np.sqrt(len(gain))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=list(SUITE))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--max-rows", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=RESULTS / "calibration.jsonl")
    options = parser.parse_args()
    keys = ("set", "seed", "max_rows")
    done = {tuple(line[key] for key in keys) for line in read_lines(options.out)}
    for seed in options.seeds:
        for name in options.sets:
            if (name, seed, options.max_rows) not in done:
                append(options.out, measure(name, seed, options.max_rows) | environment())
    header = ("set", "teacher", "calibration", "oof", "->", "test", "->", "gain", "+-")
    print(("{:15}{:15}{:13}" + "{:>9}" * 6).format(*header))
    for line in read_lines(options.out):
        numbers = [line[name] for name in line if name.startswith(("oof", "test"))]
        print(
            f"{line['set']:15}{line['teacher']:15}{line['method']:13}"
            + "".join(f"{number:9.4f}" for number in numbers)
        )


if __name__ == "__main__":
    main()

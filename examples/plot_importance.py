"""
The claims about the balancing parameter, measured
==================================================

skkd started from the abstract of arXiv 2505.06270. The abstract says that distillation should
outweigh the task, and that the balancing parameter λ should move while the loss falls. A Taylor
expansion should say how. Four questions follow, and each can be counted:

1. Does the distillation loss outweigh the task loss in every step?
2. Does λ rise while the loss falls?
3. Does the total loss of a batch fall in every step, including the move of λ?
4. What does each rule gain or cost in test accuracy?

The abstract gives no formula; the rules and these readings of its claims are ours. The example
takes about a minute on one core.
"""

# %%
# A rule that records
# -------------------
#
# A balancer can wrap another one. This one forwards everything, and keeps both losses before and
# after each step.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skkd import DistilledClassifier
from skkd.balancers import Balancer, DescentShare, FixedBalance, LossShare

N_TREES, N_EPOCHS, N_SEEDS = 300, 30, 3


class Recorder(Balancer):
    """Lets a rule decide, and keeps the losses of each step in ``steps_``."""

    def __init__(self, balancer):
        super().__init__()
        self.balancer = balancer

    def requirements(self):
        return self.balancer.requirements() | {"losses", "losses_after"}

    def reset(self):
        self.balancer_ = clone(self.balancer).reset()
        self.steps_ = []
        return super().reset()

    def weights(self, state):
        weights = self.balancer_.weights(state)
        self.weight_ = weights[1]
        return weights

    def update(self, state):
        self.balancer_.update(state)
        before = state.task_loss, state.distillation_loss
        after = state.task_loss_after, state.distillation_loss_after
        self.steps_.append([*before, *after, self.weight_])


# %%
# What is counted
# ---------------
#
# Dropout is off, because with it the loss after a step would be another function than before.
# "Total falls" counts steps. The total after a step is taken with the λ of the next step. If the
# step itself does not lower the loss, no λ could help, so the next column leaves such steps out.

RULES = {
    "FixedBalance(0.5)": FixedBalance(0.5),
    "LossShare": LossShare(),
    "LossShare, capped": LossShare(admissible_step=True),
    "DescentShare": DescentShare(fade=False),
    "DescentShare, unsmoothed": DescentShare(smoothing=0.0, fade=False),
    "DescentShare, unsmoothed, capped": DescentShare(
        smoothing=0.0, admissible_step=True, fade=False
    ),
    "DescentShare(ratio=1)": DescentShare(ratio=1.0, fade=False),
}


def counts(steps):
    """Answer the first three questions as shares."""
    task, distillation, task_after, distillation_after, weight = np.array(steps).T
    total = (1 - weight) * task + weight * distillation
    after_step = (1 - weight) * task_after + weight * distillation_after
    after_move = (1 - weight[1:]) * task_after[:-1] + weight[1:] * distillation_after[:-1]
    step_falls = (after_step < total)[:-1]
    per_epoch = np.array_split(np.arange(len(steps)), N_EPOCHS)
    loss, parameter = ([values[of].mean() for of in per_epoch] for values in (total, weight))
    loss_falls = np.diff(loss) < 0
    return {
        "distillation outweighs": np.mean(
            weight * distillation >= (1 - weight) * task * (1 - 1e-9)
        ),
        "rises while loss falls": np.mean(np.diff(parameter)[loss_falls] > 0),
        "total falls": np.mean(after_move < total[:-1]),
        "total falls if step does": np.mean((after_move < total[:-1])[step_falls]),
    }


def run(X, y, seed):
    """Make a row for each rule."""
    X_teacher, X, y_teacher, y = train_test_split(
        X, y, test_size=0.6, stratify=y, random_state=seed
    )
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
    forest = RandomForestClassifier(N_TREES, min_samples_leaf=3, random_state=0)
    teacher = FrozenEstimator(forest.fit(X_teacher, y_teacher))
    X, X_test = X.astype(np.float32), X_test.astype(np.float32)

    def fitted(balancer):
        clf = DistilledClassifier(teacher, balancer=balancer, augmenter=None, random_state=seed)
        return clf.set_params(student__max_epochs=N_EPOCHS, student__module__dropout=0.0).fit(X, y)

    labels_only = fitted(FixedBalance(0.0)).score(X_test, y_test)
    rows, weights = {}, {}
    for name, rule in RULES.items():
        clf = fitted(Recorder(rule))
        gain = {"accuracy": clf.score(X_test, y_test), "labels only": labels_only}
        rows[name] = counts(clf.balancer_.steps_) | gain
        weights[name] = clf.history_["weight"]
    return pd.DataFrame(rows).T, weights


# %%
# The answers
# -----------

DATA = {
    "digits": load_digits(return_X_y=True),
    "noisy labels": make_classification(
        2000, 20, n_informative=8, n_redundant=0, flip_y=0.3, random_state=0
    ),
}

fig, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
colors = ["black", "#D55E00", "#E69F00", "#0072B2", "#56B4E9", "#009E73", "#CC79A7"]
styles = ["-", "-", "--", "-", ":", "--", "-."]
for ax, (name, (X, y)) in zip(axes, DATA.items(), strict=True):
    tables, weights = zip(*(run(X, y, seed) for seed in range(N_SEEDS)), strict=True)
    print(f"\n{name}, shares of steps or epochs, mean of {N_SEEDS} seeds")
    print((sum(tables) / N_SEEDS).round(3).to_string())
    for rule, color, style in zip(RULES, colors, styles, strict=True):
        mean = np.mean([of_seed[rule] for of_seed in weights], axis=0)
        ax.plot(np.arange(1, len(mean) + 1), mean, color=color, linestyle=style, label=rule)
    ax.set(title=name, xlabel="epoch", ylim=(0, 1))
axes[0].set_ylabel("teacher's weight λ")
handles, labels = axes[0].get_legend_handles_labels()
fig.legend(handles, labels, loc="outside right upper", fontsize="small")
plt.show()

# %%
# What comes out
# --------------
#
# 1. Under ``LossShare`` the distillation loss outweighs the task loss in every step, by definition.
#    ``DescentShare`` weighs what each loss contributes to the descent. Under it, distillation
#    outweighs the task in most steps on digits, and in none on noisy labels.
# 2. λ rises in most epochs in which the loss falls, under every dynamic rule.
# 3. Without the cap, a move of λ undoes the descent of up to four steps in ten. With the cap, the
#    total falls in every step in which the student's own step lowers it.
# 4. None of this decides the accuracy. On digits the literal reading, ``LossShare``, is below
#    labels only; on noisy labels it is the best of these rules. The cap makes no clear difference.

"""
What the balancing rules do
===========================

A balancing rule sets the teacher's weight λ against the labels' weight while the student learns.
Two displays show the result:

- ``BalanceDisplay`` shows λ, both losses and their shares over the epochs;
- ``BalanceLandscapeDisplay`` shows the rules beside all fixed weights of a search.

The two data sets need opposite weights. On digits, the labels should have most of the weight. If 3
of 10 labels are random, the teacher should have it, because it averages out the noise. The example
takes about two minutes on one core.
"""

# %%
# Data and teachers
# -----------------
#
# A forest learns from half of the rows. The student learns from the other half, which the forest
# has not seen.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split

from skkd import BalanceDisplay, BalanceLandscapeDisplay, DistilledClassifier
from skkd.balancers import FixedBalance

N_TREES, N_EPOCHS, N_WEIGHTS, N_FOLDS = 300, 60, 6, 5
TEMPERATURES = [1.0, 2.0]

DATA = {
    "digits": load_digits(return_X_y=True),
    "noisy labels": make_classification(
        2000, 20, n_informative=8, n_redundant=0, flip_y=0.3, random_state=0
    ),
}


def halves_and_teacher(X, y):
    X_teacher, X, y_teacher, y = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
    forest = RandomForestClassifier(N_TREES, min_samples_leaf=3, random_state=0)
    return X.astype(np.float32), y, FrozenEstimator(forest.fit(X_teacher, y_teacher))


def student_of(teacher, **params):
    # Synthetic rows have no labels, so there is nothing to balance in them.
    clf = DistilledClassifier(teacher, augmenter=None, random_state=0, **params)
    return clf.set_params(student__max_epochs=N_EPOCHS)


# %%
# Over the training
# -----------------
#
# Each column is a data set. ``LossShare`` gives the teacher more weight the better the student
# imitates it. ``DescentShare`` keeps the teacher's share of the descent, the dashed line. It gives
# much weight only if the teacher's gradient is small. On digits, a pilot training on labels only
# beat this teacher, so the teacher's weight decays.

RULES = ["scheduled", "loss_share", "descent_share", "min_norm"]

fig, axes = plt.subplots(4, 2, figsize=(8, 7), sharex=True, sharey="row", layout="constrained")
for column, (name, (X, y)) in zip(axes.T, DATA.items(), strict=True):
    X, y, teacher = halves_and_teacher(X, y)
    fitted = [student_of(teacher, balancer=rule).fit(X, y) for rule in [*RULES, "fixed"]]
    runs = {type(clf.balancer_).__name__: clf for clf in fitted}
    BalanceDisplay.from_histories(runs, ax=column)
    column[0].set_title(name)
    column[0].get_legend().remove()
for ax in axes[:, 1]:
    ax.set_ylabel("")
handles, labels = axes[0, 0].get_legend_handles_labels()
fig.legend(handles, labels, loc="outside lower center", ncols=5)

# %%
# Beside all fixed weights
# ------------------------
#
# A search over the fixed weights shows what the best one reaches. The same grid includes the rules.
# Error bars are standard errors over the folds.

grid = [
    {
        "balancer": [FixedBalance()],
        "balancer__weight": np.linspace(0, 1, N_WEIGHTS),
        "temperature": TEMPERATURES,
    },
    {"balancer": RULES, "temperature": TEMPERATURES},
]

fig, axes = plt.subplots(1, 2, figsize=(8, 4.5), layout="constrained")
for ax, (name, (X, y)) in zip(axes, DATA.items(), strict=True):
    X, y, teacher = halves_and_teacher(X, y)
    search = GridSearchCV(student_of(teacher), grid, cv=N_FOLDS, refit=False).fit(X, y)
    display = BalanceLandscapeDisplay.from_search(search, ax=ax)
    ax.set_title(f"{name}, teacher {teacher.score(X, y):.3f}")
    legend = ax.get_legend()
    legend.set_loc("upper center")
    legend.set_bbox_to_anchor((0.5, -0.17), transform=ax.transAxes)
    best = max(curve["mean"].max() for curve in display.fixed.values())
    print(f"{name:<14}{'best fixed weight':<20}{best:.3f}")
    for rule, found in display.rules.items():
        print(f"{'':<14}{rule:<20}{found['mean']:.3f} ±{found['error']:.3f}")
plt.show()

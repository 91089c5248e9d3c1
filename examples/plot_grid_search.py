"""
Searching over balance and learning rate
========================================

Nothing has to be tuned, but everything can be. Parameters of balancer and student have the names
that they have in any nested estimator. The teacher is fitted once. ``FrozenEstimator`` keeps it
fitted in all clones that the search makes.
"""

# %%
# Three parts of the rows
# -----------------------
#
# One third trains the teacher. One third trains the student, so the teacher has not seen these
# rows. One third is for the test.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split

from skkd import DistilledClassifier

X, y = load_digits(return_X_y=True)
X = X.astype(np.float32)
X_teacher, X_rest, y_teacher, y_rest = train_test_split(X, y, train_size=1 / 3, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X_rest, y_rest, train_size=0.5, random_state=0)
forest = RandomForestClassifier(100, random_state=0).fit(X_teacher, y_teacher)

# %%
# The search
# ----------
#
# ``balancer__ratio`` belongs to the default balancer, and ``student__lr`` to the default student.
# ``augmenter=None`` turns synthetic rows off, which makes a search several times as fast.

N_EPOCHS = 100
clf = DistilledClassifier(FrozenEstimator(forest), augmenter=None, random_state=0)
clf.set_params(student__max_epochs=N_EPOCHS)
grid = {"balancer__ratio": [0.05, 0.5], "student__lr": [1e-3, 3e-3]}
search = GridSearchCV(clf, grid, cv=3, scoring="neg_log_loss", n_jobs=2).fit(X_train, y_train)

# %%
# The result
# ----------

for score, params in sorted(
    zip(search.cv_results_["mean_test_score"], search.cv_results_["params"], strict=True),
    key=lambda pair: -pair[0],
):
    print(f"{score:.3f}  {params}")
print(f"teacher {forest.score(X_test, y_test):.3f}")
print(f"student {search.best_estimator_.score(X_test, y_test):.3f}")

ratios, rates = grid["balancer__ratio"], grid["student__lr"]
losses = -search.cv_results_["mean_test_score"].reshape(len(ratios), len(rates))
fig, ax = plt.subplots(figsize=(4, 3), layout="constrained")
ax.imshow(losses, cmap="cividis_r", aspect="auto")
for row, of_ratio in enumerate(losses):
    for column, loss in enumerate(of_ratio):
        ax.text(column, row, f"{loss:.3f}", ha="center", bbox={"facecolor": "white"})
ax.set_xticks(range(len(rates)), rates)
ax.set_yticks(range(len(ratios)), ratios)
ax.set(xlabel="learning rate", ylabel="ratio of the balancer", title="Log-loss in three folds")
plt.show()

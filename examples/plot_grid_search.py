"""
Searching over balance, temperature and student
===============================================

Nothing has to be tuned, but everything can be: parameters of balancer and student are reached as in
any nested estimator, although neither was given as an object here. The teacher is fitted once and
wrapped in ``FrozenEstimator``, so that no clone forgets what it knows.
"""

# %%

import os

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split

from skkd import DistilledClassifier

SMALL = "SKKD_SMALL" in os.environ

X, y = load_digits(return_X_y=True)
X = X.astype(np.float32)
# A third for the teacher, a third to distill on rows which it has not seen, a third to judge.
X_teacher, X_rest, y_teacher, y_rest = train_test_split(X, y, train_size=1 / 3, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X_rest, y_rest, train_size=0.5, random_state=0)
forest = RandomForestClassifier(100, random_state=0).fit(X_teacher, y_teacher)

# %%
# ``balancer__ratio`` belongs to the default balancer, ``student__lr`` to the default student. New
# rows, which each fit would look for by itself, are left out: a search is several times as fast.

clf = DistilledClassifier(FrozenEstimator(forest), augmenter=None, random_state=0)
clf.set_params(student__max_epochs=20 if SMALL else 100)
grid = {
    "balancer__ratio": [0.5, 2.0],
    "temperature": [1.0] if SMALL else [1.0, 2.0],
    "student__lr": [3e-3] if SMALL else [1e-3, 3e-3],
}
search = GridSearchCV(clf, grid, cv=3, scoring="neg_log_loss", n_jobs=2).fit(X_train, y_train)

# %%

for score, params in sorted(
    zip(search.cv_results_["mean_test_score"], search.cv_results_["params"], strict=True),
    key=lambda pair: -pair[0],
):
    print(f"{score:.3f}  {params}")
print(f"teacher {forest.score(X_test, y_test):.3f}")
print(f"student {search.best_estimator_.score(X_test, y_test):.3f}")

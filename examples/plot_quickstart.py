"""
Quick start: two slow teachers made small
=========================================

A teacher is accurate and slow. A student is small and fast. Does the teacher help the student?
For two data sets this example compares three models on test rows:

* the *teacher*: a random forest or gradient boosting

* *labels only*: the default student, trained without the teacher

* *distilled*: the same student, trained by ``DistilledClassifier``

Nothing is tuned. The data sets come with scikit-learn, so nothing is downloaded.
"""

# %%
# Data and teachers
# -----------------

import pickle
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from skkd import BalanceDisplay, DistilledClassifier
from skkd.balancers import FixedBalance

N_TREES = 300
forest = RandomForestClassifier(N_TREES, random_state=0)
boosting = GradientBoostingClassifier(n_estimators=N_TREES, random_state=0)
experiments = {"digits": (load_digits, forest), "breast_cancer": (load_breast_cancer, boosting)}

# %%
# What is measured
# ----------------
#
# Accuracy and log-loss on test rows, the size as a pickle, and the time for one row.


def print_line(data, model, classifier, X, y):
    """Print the measures of one model."""
    proba = classifier.predict_proba(X)
    accuracy = accuracy_score(y, classifier.classes_[proba.argmax(axis=1)])
    seconds = []
    for _ in range(30):
        start = time.perf_counter()
        classifier.predict_proba(X[:1])
        seconds.append(time.perf_counter() - start)
    print(
        f"{data:<14}{model:<13}{accuracy:>9.3f}{log_loss(y, proba):>10.3f}"
        f"{len(pickle.dumps(classifier)) / 1e3:>8,.0f} kB{1e3 * np.median(seconds):>9.2f} ms",
        flush=True,
    )


# %%
# Distill
# -------
#
# ``DistilledClassifier`` takes the unfitted teacher and fits it in five folds. So every row gets
# probabilities from a model that did not see its label. ``teacher_`` is the teacher fitted on all
# training rows. A balance of 0 trains the same student on labels only.

print(f"{'data':<14}{'model':<13}{'accuracy':>9}{'log-loss':>10}{'size':>11}{'one row':>12}")
distilled = {}
for data, (load, teacher) in experiments.items():
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X.astype(np.float32), y, test_size=0.3, stratify=y, random_state=0
    )
    clf = DistilledClassifier(teacher, random_state=0).fit(X_train, y_train)
    print_line(data, "teacher", clf.teacher_, X_test, y_test)
    print_line(data, "distilled", clf.student_only(), X_test, y_test)
    labels_only = clone(clf).set_params(balancer=FixedBalance(0.0)).fit(X_train, y_train)
    print_line(data, "labels only", labels_only.student_only(), X_test, y_test)
    distilled[data] = clf

# %%
# Both data sets are small and clean, so the teacher adds little to the accuracy. Look at the
# log-loss as well: a distilled student knows better how sure it can be.
#
# How the teacher's weight moves
# ------------------------------
#
# The balancing rule keeps the share of distillation in each step constant. So the teacher's
# weight λ moves as the gradients of both losses do.

BalanceDisplay.from_estimator(distilled["digits"])
plt.show()

"""
A verdict on a student: what it gained, what it lost, what it costs
===================================================================

``distillation_report`` says whether a student is good enough to be deployed. It compares the
student with its teacher, and with the same student trained on labels only, on rows that no model
was trained on. Every difference has an interval, and the verdict has a line for each comparison.
"""

# %%
# A teacher and its student
# -------------------------

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

from skkd import DistilledClassifier, FidelityDisplay, LatencyDisplay
from skkd.report import distillation_report

N_TREES, N_ROWS, N_BOOTSTRAP, N_ITERATIONS = 300, 4000, 1000, 100

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
forest = ExtraTreesClassifier(N_TREES, random_state=0)
clf = DistilledClassifier(forest, cv=3, random_state=0).fit(X_train, y_train)

# %%
# The report
# ----------
#
# ``baseline="fit"``, the default, trains the student on labels only, and needs the training rows
# for it. The teacher is asked about the test rows once. A notebook shows the report as tables.

report = distillation_report(
    clf,
    X_test,
    y_test,
    X_train=X_train,
    y_train=y_train,
    n_bootstrap=N_BOOTSTRAP,
    random_state=0,
)
print(report)

# %%
# All numbers are available as attributes and as frames.

print(report.outcomes)
print(report.differences["baseline"]["log_loss"])
print(report.to_frame("costs").round(2))

# %%
# One HTML file includes all figures:

with TemporaryDirectory() as folder:
    path = Path(folder, "report.html")
    report.to_html(path, title="Digits, 300 trees distilled")
    print(f"{path.stat().st_size / 1e3:.0f} kB")

# %%
# The figures
# -----------

report.plot()

# %%
# Where student and teacher differ
# --------------------------------
#
# On the left are both models' probabilities of the teacher's class. On the right are the rows on
# which their labels differ, and which of them is right.

FidelityDisplay.from_estimator(clf, X_test, y_test)

# %%
# Accuracy against time
# ---------------------
#
# The second problem is a table in which one label in ten is wrong. Its teacher is boosted trees.

X, y = make_classification(
    N_ROWS, 20, n_informative=10, n_classes=4, flip_y=0.1, class_sep=1.5, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
boosting = HistGradientBoostingClassifier(max_iter=N_ITERATIONS, random_state=0)
boosting = DistilledClassifier(boosting, cv=3, random_state=0).fit(X_train, y_train)
noisy = distillation_report(
    boosting,
    X_test,
    y_test,
    X_train=X_train,
    y_train=y_train,
    n_bootstrap=N_BOOTSTRAP,
    random_state=0,
)
print(noisy.verdict)
LatencyDisplay.from_reports({"digits": report, "noisy table": noisy})

# %%
# A rare class
# ------------
#
# One row in a hundred is positive. A model that never predicts the class is right on 99 % of the
# rows, so the verdict is by average precision and balanced accuracy instead of accuracy. If the
# student never predicts the class, the verdict says so first. ``scoring`` takes any other scorer of
# scikit-learn.

X, y = make_classification(
    N_ROWS, 20, n_informative=8, weights=[0.99], flip_y=0.005, class_sep=0.7, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
forest = ExtraTreesClassifier(N_TREES, min_samples_leaf=3, random_state=0)
rare = DistilledClassifier(forest, cv=3, augmenter=None, random_state=0).fit(X_train, y_train)
for scoring in (None, ["roc_auc", "f1"]):
    verdict = distillation_report(
        rare,
        X_test,
        y_test,
        X_train=X_train,
        y_train=y_train,
        scoring=scoring,
        latency=False,
        n_bootstrap=N_BOOTSTRAP,
        random_state=0,
    ).verdict
    print(verdict, end="\n\n")
plt.show()

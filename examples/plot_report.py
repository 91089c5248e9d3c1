"""
A verdict on a student: what was lost, what was gained, what it costs
=====================================================================

A distilled model is worth nothing until somebody dares to deploy it. ``distillation_report``
compares it on held-out rows with its teacher and with the fair opponent: the same student with the
same budget, trained on labels alone. Every difference comes with an interval, and the whole with a
verdict in one sentence.
"""

# %%
# A teacher and its student
# -------------------------

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

from skkd import DistilledClassifier, FidelityDisplay, LatencyDisplay
from skkd.report import distillation_report

SMALL = "SKKD_SMALL" in os.environ  # set by the tests: few rows, small teachers
N_TREES, N_ROWS, N_BOOTSTRAP = (20, 600, 100) if SMALL else (300, 4000, 1000)
N_ITERATIONS = 10 if SMALL else 100

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
forest = ExtraTreesClassifier(N_TREES, random_state=0)
clf = DistilledClassifier(forest, cv=3, random_state=0).fit(X_train, y_train)

# %%
# The report
# ----------
#
# ``baseline="fit"``, the default, trains the opponent, and needs the training rows for that. The
# teacher is asked about the test rows once. In a notebook the report shows itself as tables.

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
# All numbers are there to be used: as attributes, and as frames.

print(report.outcome)
print(report.differences["baseline"]["log_loss"])
print(report.to_frame("costs").round(2))

# %%
# One file to send to whoever has to decide, with its figures inside:

with TemporaryDirectory() as folder:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else folder, "report.html")
    report.to_html(path, title="Digits, 300 trees distilled")
    print(f"{path.stat().st_size / 1e3:.0f} kB")

# %%
# The figures
# -----------

report.plot()

# %%
# Where student and teacher part
# ------------------------------
#
# On the left, how sure both are of the teacher's class; on the right, the rows for which they name
# another label, and who is right there.

FidelityDisplay.from_estimator(clf, X_test, y_test)

# %%
# Accuracy against time
# ---------------------
#
# A second problem beside the first: a table with labels that are wrong for one row in ten, and
# boosted trees that have learnt to doubt them.

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
plt.show()

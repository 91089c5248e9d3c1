"""
A student that knows when to ask
================================

A student is right in most rows where its teacher is right. The others are mostly rows that the
student is unsure of. ``DeferringClassifier`` sends these to the teacher, so most rows cost what the
student costs, and the labels are nearly the teacher's.
"""

# %%
# A teacher, a student, and rows that neither has seen
# ----------------------------------------------------

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import train_test_split

from skkd import DeferralDisplay, DeferringClassifier, DistilledClassifier

N_TREES, N_ROWS = 300, 6000

X, y = make_classification(
    N_ROWS, 20, n_informative=10, n_classes=4, class_sep=1.5, flip_y=0.05, random_state=0
)
X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, random_state=0)
X_train, X_valid, y_train, y_valid = train_test_split(X, y, test_size=1 / 2, random_state=0)
forest = ExtraTreesClassifier(N_TREES, random_state=0)
student = DistilledClassifier(forest, cv=3, augmenter=None, random_state=0).fit(X_train, y_train)
teacher = student.teacher_

# %%
# The threshold
# -------------
#
# ``fit`` chooses the threshold on the validation rows. It needs no labels for ``agreement``: at
# least 97 % of new rows shall get the teacher's label. This fails for at most one in twenty draws
# of the validation rows.

clf = DeferringClassifier(student, teacher, agreement=0.97).fit(X_valid)
print(f"threshold {clf.threshold_:.3f}")
print(f"deferred {clf.defers(X_test).mean():.1%}")
print(f"same label as the teacher {(clf.predict(X_test) == teacher.predict(X_test)).mean():.1%}")
print(clf.milliseconds(X_test))

# %%
# Other aims are the accuracy that may be lost, and the share of rows that may be deferred.

for aim in ({"accuracy_loss": 0.02}, {"defer": 0.1}):
    other = DeferringClassifier(student, teacher, **aim).fit(X_valid, y_valid)
    print(
        aim,
        f"deferred {other.defers(X_test).mean():.1%}, accuracy {other.score(X_test, y_test):.3f}",
    )

# %%
# What more questions would bring
# -------------------------------

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
DeferralDisplay.from_estimator(clf, X_test, y_test, ax=axes[0])
DeferralDisplay.from_estimator(clf, X_test, ax=axes[1])
plt.show()

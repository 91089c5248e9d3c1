"""
Images: from a forest to a small convolutional net
==================================================

A forest sees an image as a row of pixels that have nothing to do with each other. A convolutional
net sees neighbours, and as a student it is a fraction of the forest's size. ``student="convnet"``
takes images as they are, in an array of shape ``(n, height, width)`` or
``(n, channels, height, width)``; the forest gets its rows of pixels from a Pipeline.
"""

# %%
# Data
# ----
#
# Small pictures of digits: only 300 of them have a label, another thousand have none. The forest
# can say something about these as well.

import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skkd import DistilledClassifier
from skkd.balancers import FixedBalance

SMALL = "SKKD_SMALL" in os.environ

X, y = load_digits(return_X_y=True)
X = X.reshape(-1, 8, 8).astype(np.float32)
X_train, X_rest, y_train, y_rest = train_test_split(
    X, y, train_size=300, random_state=0, stratify=y
)
X_unlabeled, X_test, _, y_test = train_test_split(
    X_rest, y_rest, train_size=1000, random_state=0, stratify=y_rest
)

# %%
# Teacher and student
# -------------------


def as_rows(images):
    """Images as rows of pixels."""
    return images.reshape(len(images), -1)


forest = make_pipeline(
    FunctionTransformer(as_rows), RandomForestClassifier(30 if SMALL else 300, random_state=0)
)
clf = DistilledClassifier(forest, "convnet", cv=5, random_state=0)
clf.set_params(student__max_epochs=5 if SMALL else 60)
clf.fit(X_train, y_train, X_unlabeled=X_unlabeled)

# %%
# The same net on labels alone, which is a fixed weight of zero:

nothing = np.full((len(y_train), 10), 0.1)
alone = DistilledClassifier(None, "convnet", balancer=FixedBalance(0.0), random_state=0)
alone.set_params(student__max_epochs=5 if SMALL else 120)
alone.fit(X_train, y_train, teacher_proba=nothing)

for name, model in {"forest": clf.teacher_, "labels alone": alone, "distilled": clf}.items():
    loss = log_loss(y_test, model.predict_proba(X_test))
    print(f"{name:14} accuracy {model.score(X_test, y_test):.3f}   log-loss {loss:.3f}")

# %%
# What they see
# -------------
#
# The pictures of which the forest is least sure, with what each of the two thinks of the true
# digit:

teacher_proba, proba = clf.teacher_.predict_proba(X_test), clf.predict_proba(X_test)
rows = np.arange(len(y_test))
hardest = np.argsort(teacher_proba[rows, y_test])[:8]
fig, axes = plt.subplots(1, 8, figsize=(10, 2), layout="constrained")
for ax, row in zip(axes, hardest, strict=True):
    ax.imshow(X_test[row], cmap="gray_r")
    ax.set_xticks([])
    ax.set_yticks([])
    digit = y_test[row]
    ax.set_title(
        f"{digit}\nforest {teacher_proba[row, digit]:.2f}\nstudent {proba[row, digit]:.2f}",
        fontsize=9,
    )
plt.show()

# %%
# Each parameter of a student by name can be searched, such as the channels of its stages:
# ``GridSearchCV(clf, {"student__module__widths": [(8, 16), (16, 32, 64)]})``. To change more, take
# the net itself, and put it at the end of a Pipeline if its input must be prepared:

from skkd.students import make_student

make_student("convnet", "medium")

"""
Images: from a forest to a small convolutional net
==================================================

To a forest an image is a row of unrelated pixels. A convolutional net sees neighbors, and it is
much smaller. ``student="convnet"`` takes images in an array of shape ``(n, height, width)`` or
``(n, channels, height, width)``. A Pipeline turns the images into rows of pixels for the forest.
"""

# %%
# Images with and without labels
# ------------------------------
#
# Only 300 images have a label. The forest can label another thousand.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skkd import DistilledClassifier
from skkd.balancers import FixedBalance

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
    """Reshape images to rows of pixels."""
    return images.reshape(len(images), -1)


N_TREES, N_EPOCHS = 300, 60
forest = make_pipeline(
    FunctionTransformer(as_rows), RandomForestClassifier(N_TREES, random_state=0)
)
clf = DistilledClassifier(forest, "convnet", random_state=0)
clf.set_params(student__max_epochs=N_EPOCHS)
clf.fit(X_train, y_train, X_unlabeled=X_unlabeled)

# %%
# A balance of 0 trains the same net on labels only. The net gets twice the epochs, because each
# of them has half as many images.

labels_only = clone(clf).set_params(balancer=FixedBalance(0.0))
labels_only.set_params(student__max_epochs=2 * N_EPOCHS).fit(X_train, y_train)

models = {"forest": clf.teacher_, "labels only": labels_only, "distilled": clf}
for name, model in models.items():
    loss = log_loss(y_test, model.predict_proba(X_test))
    print(f"{name:14} accuracy {model.score(X_test, y_test):.3f}   log-loss {loss:.3f}")

# %%
# Where the forest is least sure
# ------------------------------
#
# Each title gives the true digit, and the probability that forest and student give it.

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
# Every parameter of a named student can be searched. This searches over the channels of the stages:
# ``GridSearchCV(clf, {"student__module__widths": [(8, 16), (16, 32, 64)]})``. To change more, take
# the net itself:

from skkd.students import make_student

make_student("convnet", "medium")

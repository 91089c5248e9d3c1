"""
One file to deploy
==================

A distilled student has to leave the notebook. There are three ways: an ONNX file from the raw row
to the label, a file that Python loads safely, and a student with a small pickle.
"""

# %%
# A slow teacher and its student
# ------------------------------
#
# The table has numbers, texts and missing values. The teacher is a Pipeline with 300 boosted trees.

import pickle
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from skkd import DistilledClassifier
from skkd.export import OnnxStudent, load, save, to_onnx

N_ROWS, N_CALLS, N_EPOCHS = 12_000, 200, 30


def make_people(n_rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Make a table of people, and who earns much."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(17, 90, n_rows),
            "hours": rng.normal(40, 10, n_rows).round(1),
            "work": rng.choice(["private", "state", "self"], n_rows, p=[0.7, 0.2, 0.1]),
            "school": rng.choice(["none", "school", "college", "doctor"], n_rows),
        }
    )
    years = frame["school"].map({"none": 0, "school": 1, "college": 2, "doctor": 3})
    chance = (
        years
        - ((frame["age"] - 50) / 20) ** 2
        + 0.05 * (frame["hours"] - 40)
        - 0.5 * (frame["work"] == "state") * years
    )
    frame.loc[rng.random(n_rows) < 0.1, "hours"] = np.nan
    frame.loc[rng.random(n_rows) < 0.05, "work"] = None
    return frame, np.where(chance + rng.logistic(0, 0.7, n_rows) > 0.5, ">50K", "<=50K")


X, y = make_people(N_ROWS)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
teacher = make_pipeline(
    make_column_transformer((encoder, ["work", "school"]), remainder="passthrough"),
    HistGradientBoostingClassifier(max_iter=300, early_stopping=False, random_state=0),
)
clf = DistilledClassifier(teacher, cv=3, random_state=0).set_params(student__max_epochs=N_EPOCHS)
clf.fit(X_train, y_train)
print(f"teacher {clf.teacher_.score(X_test, y_test):.3f}")
print(f"student {clf.score(X_test, y_test):.3f}")

# %%
# ONNX: from the raw row to the label, in one file
# ------------------------------------------------
#
# ``to_onnx`` writes the encoding, the imputation, the standardization, the net and the labels. It
# compares the file with ``predict_proba`` on the test rows, and writes nothing if they differ.
# ``dtype="float32"`` makes the net faster.

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
exported = to_onnx(clf, folder / "student.onnx", X_test, dtype="float32")
print(f"{exported.n_bytes / 1e3:.0f} kB, differs by at most {exported.max_difference:.1e}")
print(exported.columns)

# %%
# The service needs onnxruntime only. The file takes numbers and texts. ``OnnxStudent`` fills them
# from rows in any form, and a missing key is a missing value. It imports neither torch nor
# scikit-learn.

served = OnnxStudent(exported.path)
row = {"age": 46, "school": "doctor"}
print(served.predict(row), served.predict_proba(row).round(3))
print(served.card)

# %%
# How long one row takes
# ----------------------


def milliseconds(call) -> float:
    """Return the median time of some calls."""
    times = []
    for _ in range(N_CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


one = X_test.head(1)
latency = {
    "teacher": milliseconds(lambda: clf.teacher_.predict_proba(one)),
    "student": milliseconds(lambda: clf.predict_proba(one)),
    "student in ONNX": milliseconds(lambda: served.predict_proba(row)),
}
print({name: f"{value:.3f} ms" for name, value in latency.items()})

fig, ax = plt.subplots(figsize=(6, 2), layout="constrained")
bars = ax.barh(list(latency), list(latency.values()), color=["C7", "C0", "C0"])
ax.bar_label(bars, fmt="%.3g ms", padding=3)
ax.set(xscale="log", xlabel="Median time for one row (ms)", xlim=(None, 10 * max(latency.values())))
ax.invert_yaxis()

# %%
# In Python, the student spends most of its time on reading the frame. A numeric array is faster.
#
# A file for Python
# -----------------
#
# ``load`` returns the classifier, and runs no code from the file, unlike a pickle. The teacher is
# saved only with ``teacher=True``. Without it, calls that need the teacher raise an error.

save(clf, folder / "student.skkd")
again = load(folder / "student.skkd")
print((again.predict_proba(X_test) == clf.predict_proba(X_test)).all())
try:
    again.teacher_.predict_proba(X_test)
except RuntimeError as error:
    print(error)

# %%
# The student alone
# -----------------
#
# ``student_only`` returns a fitted classifier for scikit-learn's tools, without teacher, optimizer
# and history.

student = clf.student_only()
for name, model in {"classifier": clf, "student only": student}.items():
    print(f"{name}: {len(pickle.dumps(model)) / 1e3:.0f} kB as a pickle")

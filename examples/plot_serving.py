"""
A service that answers JSON
===========================

A web service reads rows as JSON, with missing fields and with numbers of any type. ``OnnxStudent``
takes such rows as they come. The service needs FastAPI, onnxruntime and numpy: no PyTorch, no
scikit-learn, no pandas.
"""

# %%
# A student in a file
# -------------------
#
# The table has numbers and texts, some of them missing. The teacher is a Pipeline of boosted trees.

import json
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI, HTTPException
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from skkd import DistilledClassifier
from skkd.export import OnnxStudent, to_onnx

N_ROWS, N_EPOCHS = 4000, 30

rng = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "amount": rng.lognormal(3, 1, N_ROWS).round(2),
        "hour": rng.integers(0, 24, N_ROWS),
        "country": rng.choice(["DE", "FR", "IT", "US"], N_ROWS),
        "card": rng.choice(["debit", "credit"], N_ROWS),
    }
)
risk = np.log(X["amount"]) + 2 * (X["hour"] < 6) + (X["country"] == "US") * (X["card"] == "credit")
y = np.where(risk + rng.logistic(0, 0.5, N_ROWS) > 4.5, "check", "pass")
X.loc[rng.random(N_ROWS) < 0.1, "country"] = None

encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
teacher = make_pipeline(
    make_column_transformer((encoder, ["country", "card"]), remainder="passthrough"),
    HistGradientBoostingClassifier(max_iter=200, random_state=0),
)
clf = DistilledClassifier(teacher, cv=3, random_state=0).set_params(student__max_epochs=N_EPOCHS)
clf.fit(X, y)

temporary = tempfile.TemporaryDirectory()
path = Path(temporary.name, "student.onnx")
exported = to_onnx(clf, path, X, dtype="float32")
print(f"{exported.n_bytes / 1e3:.0f} kB, differs by at most {exported.max_difference:.1e}")

# %%
# The service
# -----------
#
# A row with an unknown field, or with a text where a number belongs, gets status 422 and the
# message of ``OnnxStudent``.

student = OnnxStudent(path)
app = FastAPI(title="payments")


@app.post("/predict")
def predict(rows: list[dict]) -> list[dict]:
    """Return a label and its probability for each row."""
    try:
        proba = student.predict_proba(rows)
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    return [
        {"label": str(student.classes_[best]), "probability": float(row[best])}
        for row, best in zip(proba, proba.argmax(axis=1), strict=True)
    ]


@app.get("/card")
def card() -> str:
    """Return the model card: columns, categories, classes and versions."""
    return student.card


# %%
# Asked over the loopback
# -----------------------
#
# In production, ``uvicorn service:app`` runs the service. Here it runs in a thread.

listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
thread.start()
while not server.started:
    time.sleep(0.01)
address = f"http://127.0.0.1:{listener.getsockname()[1]}/predict"


def post(rows: list[dict]):
    """Send rows as JSON, and return what the service answers."""
    body = json.dumps(rows).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


print(post([{"amount": 250, "hour": 3, "country": "US", "card": "credit"}]))  # whole numbers
print(post([{"amount": 12.5, "card": "debit"}, {"hour": 23, "country": None}]))  # missing fields
print(post([{"amount": 12.5, "country": "Atlantis"}]))  # a category that fit has not seen
print(post([{"amount": "a lot"}]))
print(post([{"price": 3}]))

# %%
# The answers are those of the classifier.

row = {"amount": 250.0, "hour": 3, "country": "US", "card": "credit"}
print(clf.predict_proba(pd.DataFrame([row])).max(), post([row])[0]["probability"])

# %%
# What the service thinks of an amount, by day and by night:

amounts = np.geomspace(3, 300, 50).round(2).tolist()
fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for hour, when in ((14, "at 2 p.m."), (3, "at 3 a.m.")):
    answers = post([{"amount": amount, "hour": hour, "country": "DE"} for amount in amounts])
    risk = [
        one["probability"] if one["label"] == "check" else 1 - one["probability"] for one in answers
    ]
    ax.plot(amounts, risk, label=when)
ax.set(xscale="log", xlabel="amount", ylabel="probability of a check")
ax.legend()
plt.show()

server.should_exit = True
thread.join()

"""
Dates: hours, weekdays and seasons
==================================

Rides of a bicycle rental come with the moment of departure and the duration. Whether a ride is for
work depends on hour and weekday, which no single number says. The default student takes the frame
as it is.
"""

# %%
# Rides
# -----

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skkd import DistilledClassifier

N_ROWS = 2000


def make_rides(n_rows, seed=0):
    """Make rides of two years; most of those on weekday mornings and evenings are for work."""
    rng = np.random.default_rng(seed)
    hours = pd.to_timedelta(rng.integers(0, 2 * 365 * 24 * 60, n_rows), "min")
    departure = pd.Series(pd.Timestamp("2023-01-01", tz="UTC") + hours).dt.tz_convert(
        "Europe/Berlin"
    )
    minutes = rng.gamma(3.0, 6.0, n_rows)
    rush = departure.dt.hour.isin([7, 8, 16, 17, 18]) & (departure.dt.day_of_week < 5)
    holidays = departure.dt.month == 8
    score = 3.0 * rush - 1.5 * holidays - 0.03 * (minutes - 18) - 1.0
    y = np.where(score + rng.logistic(size=n_rows) > 0, "work", "leisure")
    frame = pd.DataFrame({"departure": departure, "took": pd.to_timedelta(minutes, "min")})
    return frame, y


X, y = make_rides(N_ROWS)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

# %%
# A teacher with columns made by hand
# -----------------------------------
#
# scikit-learn's trees need numbers. The teacher makes them, as it would without skkd.


def numbers_of(rides):
    """Make the numbers that the teacher looks at."""
    when = rides["departure"].dt
    return np.column_stack(
        [when.hour, when.day_of_week, when.month, rides["took"].dt.total_seconds()]
    )


teacher = make_pipeline(
    FunctionTransformer(numbers_of), HistGradientBoostingClassifier(max_iter=60, random_state=0)
)

# %%
# The student takes the frame
# ---------------------------

clf = DistilledClassifier(teacher, random_state=0).fit(X_train, y_train)
print(clf.describe_columns().to_string(index=False))
for name, model in (("teacher", clf.teacher_), ("student", clf)):
    loss = log_loss(y_test, model.predict_proba(X_test))
    print(f"{name}  accuracy {model.score(X_test, y_test):.3f}, log-loss {loss:.3f}")

# %%
# Other clocks
# ------------
#
# The student reads the clock of the column's time zone in ``fit``. The same moments in another zone
# give the same answers.

elsewhere = X_test.assign(departure=X_test["departure"].dt.tz_convert("America/New_York"))
print(np.abs(clf.predict_proba(elsewhere) - clf.predict_proba(X_test)).max())

# %%
# What the student has learned
# ----------------------------

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
work = list(clf.classes_).index("work")
for first, label in (("2024-05-07", "Tuesday in May"), ("2024-05-11", "Saturday in May")):
    day = pd.date_range(first, periods=24 * 4, freq="15min", tz="Europe/Berlin")
    rides = pd.DataFrame({"departure": day, "took": pd.Timedelta("18min")})
    ax.plot(day.hour + day.minute / 60, clf.predict_proba(rides)[:, work], label=label)
ax.set(
    xlabel="hour of departure", ylabel="probability of a ride to work", xlim=(0, 24), ylim=(0, 1)
)
ax.legend()
plt.show()

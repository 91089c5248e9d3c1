"""Dates and durations of the default student in what is shipped."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skkd.export import ExportError, OnnxStudent, load, save, to_onnx
from tests.export.frames import quick_student

ZONE = "Europe/Berlin"


def trips(n_rows=200):
    """Trips with dates of two kinds, and a duration; some values are missing."""
    rng = np.random.default_rng(0)
    when = pd.Series(
        pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 9999, n_rows), "h")
    )
    when[rng.random(n_rows) < 0.1] = pd.NaT
    X = pd.DataFrame(
        {
            "when": when,
            "local": when.dt.tz_localize("UTC").dt.tz_convert(ZONE),
            "took": pd.to_timedelta(rng.integers(60, 9999, n_rows), "s"),
        }
    )
    return X, (when.dt.hour.fillna(0) > 11).to_numpy()


@pytest.fixture(params=["pandas", "polars"])
def shipped(request, tmp_path):
    """A student of dates without a time zone, its rows, and the folder of its ONNX file."""
    X, y = trips()
    X = X.drop(columns="local") if request.param == "pandas" else pl.from_pandas(X).drop("local")
    clf = quick_student(X, y)
    to_onnx(clf, tmp_path / "student.onnx", X)
    return clf, X, tmp_path


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_saved_files_predict_the_same(library, tmp_path):
    X, y = trips()
    X = X if library == "pandas" else pl.from_pandas(X)
    clf, folder = quick_student(X, y), tmp_path
    save(clf, folder / "all.skkd")
    save(clf.student_only(), folder / "student.skkd")
    for name in ("all.skkd", "student.skkd"):
        again = load(folder / name)
        np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.describe_columns()["kind"].tolist() == ["date", "date", "number"]


def test_onnx_takes_frames_and_rows_of_any_form(shipped):
    clf, X, folder = shipped
    student = OnnxStudent(folder / "student.onnx")
    expected = clf.predict_proba(X)
    np.testing.assert_allclose(student.predict_proba(X), expected, atol=1e-6)
    rows = X.to_dict("records") if hasattr(X, "iloc") else X.to_dicts()
    np.testing.assert_allclose(student.predict_proba(rows), expected, atol=1e-6)
    known = [i for i, row in enumerate(rows) if isinstance(row["when"], dt.datetime)]
    known = [i for i in known if rows[i]["when"] == rows[i]["when"]]  # NaT differs from itself
    texts = [rows[i] | {"when": str(rows[i]["when"])} for i in known]
    np.testing.assert_allclose(student.predict_proba(texts), expected[known], atol=1e-6)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"when": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)}, "'when'.*without a time zone"),
        ({"when": 3.5}, "'when' takes dates.*got 3.5"),
    ],
)
def test_what_is_no_date_is_refused(shipped, row, message):
    student = OnnxStudent(shipped[2] / "student.onnx")
    with pytest.raises(ValueError, match=message):
        student.predict(row)


def test_a_time_zone_has_no_form_in_onnx(tmp_path):
    X, y = trips()
    with pytest.raises(ExportError, match="'local' has the time zone Europe/Berlin.*tz_localize"):
        to_onnx(quick_student(X, y), tmp_path / "student.onnx", X)


def test_rows_can_not_be_drawn(shipped):
    with pytest.raises(ExportError, match="dates.*X_sample"):
        to_onnx(shipped[0], shipped[2] / "again.onnx")

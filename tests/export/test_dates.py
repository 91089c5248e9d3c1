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
    """A student of dates with and without a time zone, its rows, and its ONNX file's folder."""
    X, y = trips()
    X = X if request.param == "pandas" else pl.from_pandas(X)
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
    texts = [rows[i] | {name: str(rows[i][name]) for name in ("when", "local")} for i in known]
    np.testing.assert_allclose(student.predict_proba(texts), expected[known], atol=1e-6)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"when": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)}, "'when'.*without a time zone"),
        ({"local": dt.datetime(2024, 1, 1)}, "'local'.*with a time zone, such as Europe/Berlin"),
        ({"when": 3.5}, "'when' takes dates.*got 3.5"),
    ],
)
def test_what_is_no_date_is_refused(shipped, row, message):
    student = OnnxStudent(shipped[2] / "student.onnx")
    with pytest.raises(ValueError, match=message):
        student.predict(row)


def test_the_clock_of_onnx_is_that_of_fit(shipped):
    """The same moment is the same row, in whatever zone it comes, in winter and in summer."""
    clf, X, folder = shipped
    student = OnnxStudent(folder / "student.onnx")
    for month in (1, 7):
        moment = dt.datetime(2024, month, 1, 23, 30, tzinfo=dt.UTC)
        rows = [{"local": moment}, {"local": moment.astimezone(dt.timezone(dt.timedelta(hours=9)))}]
        first, second = student.predict_proba(rows)
        assert np.array_equal(first, second)
    frame = (
        X.with_columns(pl.col("local").dt.convert_time_zone("Asia/Tokyo"))
        if isinstance(X, pl.DataFrame)
        else X.assign(local=X["local"].dt.tz_convert("Asia/Tokyo"))
    )
    np.testing.assert_allclose(student.predict_proba(frame), clf.predict_proba(X), atol=1e-6)


def test_a_time_zone_without_a_name_is_refused(tmp_path):
    X, y = trips()
    X["local"] = X["local"].dt.tz_convert(dt.timezone(dt.timedelta(hours=2)))
    with pytest.raises(ExportError, match=r"'local' has the time zone UTC\+02:00.*tz_convert"):
        to_onnx(quick_student(X, y), tmp_path / "student.onnx", X)


def test_rows_can_not_be_drawn(shipped):
    with pytest.raises(ExportError, match="dates.*X_sample"):
        to_onnx(shipped[0], shipped[2] / "again.onnx")

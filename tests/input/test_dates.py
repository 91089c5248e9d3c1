"""Parts of dates, against Python's own calendar and pandas."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skkd._input.dates import DateEncoder, date_parts
from skkd.students import TableEncoder

START = dt.datetime(1970, 1, 1)


@given(st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)))
def test_parts_are_those_of_the_calendar(date):
    seconds = np.array([(date - START).total_seconds()])
    year, month, day, weekday, hour, *circles = np.concatenate(
        date_parts(seconds, np.floor, np.sin)
    )
    assert (month, day, weekday) == (date.month, date.day, date.weekday())
    of_day = date.hour + date.minute / 60 + (date.second + date.microsecond / 1e6) / 3600
    assert hour == pytest.approx(of_day, abs=1e-7)
    assert year == pytest.approx(date.year + date.timetuple().tm_yday / 365.25, abs=0.02)
    sines, cosines = np.array(circles[::2]), np.array(circles[1::2])
    np.testing.assert_allclose(sines**2 + cosines**2, 1)
    assert circles[4:] == pytest.approx(
        [math.sin(math.tau * hour / 24), math.cos(math.tau * hour / 24)], abs=1e-9
    )


def test_ends_of_circles_meet():
    def circles(*dates):
        seconds = np.array([(date - START).total_seconds() for date in dates])
        return np.array(date_parts(seconds, np.floor, np.sin)[5:])

    first, second = circles(dt.datetime(2023, 12, 31, 23, 59), dt.datetime(2024, 1, 1, 0, 1)).T
    assert np.abs(first - second).max() < 0.03


DATES = [dt.datetime(2024, 2, 29, 6), None, dt.datetime(2025, 7, 1, 18, 30)]
AWARE = [None if date is None else date.replace(tzinfo=dt.UTC) for date in DATES]

CONTAINERS = {
    "pandas": pd.DataFrame({"when": pd.to_datetime(pd.Series(DATES))}),
    "nanoseconds": pd.DataFrame({"when": pd.Series(DATES, dtype="datetime64[ns]")}),
    "arrow": pd.DataFrame({"when": pd.Series(DATES, dtype="timestamp[ms][pyarrow]")}),
    "objects": pd.DataFrame({"when": pd.Series(DATES, dtype=object)}),
    "polars": pl.DataFrame({"when": DATES}),
}
ZONED = {
    "pandas": pd.DataFrame({"when": pd.to_datetime(pd.Series(AWARE))}),
    "arrow": pd.DataFrame({"when": pd.Series(AWARE, dtype="timestamp[us, tz=UTC][pyarrow]")}),
    "polars": pl.DataFrame({"when": AWARE}),
}


@pytest.mark.parametrize("X", [*CONTAINERS.values(), *ZONED.values()])
def test_every_container_gives_the_same(X):
    expected = DateEncoder().fit(CONTAINERS["pandas"]).transform(CONTAINERS["pandas"])
    encoder = DateEncoder().fit(X)
    np.testing.assert_allclose(encoder.transform(X), expected)
    assert encoder.get_feature_names_out()[-1] == "when_missing"


def test_days_have_no_hours():
    days = [dt.date(2024, 1, 31), dt.date(2024, 3, 1)] * 2
    for X in (pl.DataFrame({"d": days}), pd.DataFrame({"d": pd.Series(days, dtype=object)})):
        encoder = DateEncoder().fit(X)
        assert not [name for name in encoder.get_feature_names_out() if "hour" in name]
        assert encoder.transform(X)[:, 1].tolist() == [1, 3] * 2


def test_missing_dates_are_medians_and_marked():
    X = CONTAINERS["pandas"]
    encoded = DateEncoder().fit(X).transform(X)
    assert encoded[:, -1].tolist() == [0, 1, 0]
    np.testing.assert_allclose(encoded[1, :-1], np.median(encoded[[0, 2], :-1], axis=0))
    only_missing = pd.DataFrame({"when": pd.Series([pd.NaT] * 3, dtype="datetime64[us]")})
    assert DateEncoder().fit(only_missing).transform(only_missing).tolist() == [[1]] * 3


def test_the_clock_is_that_of_the_zone_in_fit():
    local = pd.Series(pd.date_range("2024-03-30", periods=96, freq="h", tz="Europe/Berlin"))
    encoder = DateEncoder().fit(pd.DataFrame({"when": local}))
    hour = encoder.get_feature_names_out().tolist().index("when_hour")
    for zone in ("Europe/Berlin", "UTC", "Asia/Tokyo"):
        X = pd.DataFrame({"when": local.dt.tz_convert(zone)})
        for given_ in (X, pl.from_pandas(X)):
            np.testing.assert_array_equal(encoder.transform(given_)[:, hour], local.dt.hour)


@pytest.mark.parametrize(("fit", "ask"), [(CONTAINERS, ZONED), (ZONED, CONTAINERS)])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_zone_on_one_side_only_is_an_error(fit, ask, library):
    with pytest.raises(ValueError, match="column 'when'.*UTC.*tz_localize"):
        DateEncoder().fit(fit[library]).transform(ask[library])


@pytest.mark.parametrize("library", [pd, pl])
def test_numbers_are_no_dates(library):
    X = library.DataFrame({"when": [1.0, 2.0]})
    with pytest.raises(ValueError, match="'when' of X must hold dates"):
        DateEncoder().fit(CONTAINERS["pandas"]).transform(X)


@pytest.mark.parametrize("library", [pd, pl])
def test_numbers_are_no_durations_and_durations_no_numbers(library):
    numbers = library.DataFrame({"took": [1.0, 2.0] * 9, "shop": ["a"] * 18})
    took = [dt.timedelta(hours=1), dt.timedelta(seconds=2)] * 9
    durations = library.DataFrame({"took": took, "shop": ["a"] * 18})
    for fit, ask in ((numbers, durations), (durations, numbers)):
        for rows in (ask, ask[:1]):
            with pytest.raises(ValueError, match="must hold"):
                TableEncoder().fit(fit).transform(rows)
    assert TableEncoder().fit(durations).transform(durations)[:2, 0].tolist() == [3600, 2]

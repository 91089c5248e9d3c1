import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.base import clone

from skkd.schedules import (
    SCHEDULES,
    TemperatureSchedule,
    cosine,
    exponential,
    linear,
    logistic,
    step,
)

all_schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
progress = st.floats(0, 1)


@all_schedules
def test_schedule_runs_from_exactly_zero_to_exactly_one(schedule):
    assert schedule(0.0) == 0.0
    assert schedule(1.0) == 1.0


@all_schedules
@given(one=progress, other=progress)
def test_schedule_never_falls(schedule, one, other):
    low, high = sorted([one, other])
    assert 0 <= schedule(low) <= schedule(high) <= 1


@pytest.mark.parametrize("t", [0.1, 0.25, 0.5, 0.9])
def test_schedule_equals_its_formula(t):
    assert linear(t) == t
    assert cosine(t) == pytest.approx(math.sin(math.pi * t / 2) ** 2, rel=1e-12)
    assert exponential(t) == pytest.approx((1 - math.exp(-5 * t)) / (1 - math.exp(-5)), rel=1e-12)
    end = expit(5.0)
    sigmoid = (expit(10 * (t - 0.5)) - (1 - end)) / (2 * end - 1)
    assert logistic(t) == pytest.approx(sigmoid, rel=1e-12)


@pytest.mark.parametrize("n_steps", [1, 3, 10])
def test_step_has_equal_plateaus_and_jumps(n_steps):
    plateaus = [step((i + 0.5) / (n_steps + 1), n_steps) for i in range(n_steps + 1)]
    assert plateaus == pytest.approx([i / n_steps for i in range(n_steps + 1)], rel=1e-12)


def test_step_jumps_three_times_by_default():
    assert {step(t / 100) for t in range(101)} == {0.0, 1 / 3, 2 / 3, 1.0}


def test_exponential_is_half_way_after_its_half_life():
    assert exponential(math.log(2) / 50, rate=50.0) == pytest.approx(0.5, rel=1e-12)


def test_negative_rate_mirrors_exponential():
    assert exponential(0.2, rate=-5.0) == pytest.approx(1 - exponential(0.8), rel=1e-12)


@given(progress)
def test_symmetric_schedules(t):
    for schedule in (linear, cosine, logistic):
        assert schedule(t) + schedule(1 - t) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("steepness", [100.0, 1e4])
def test_steep_logistic_is_a_jump_at_half_time(steepness):
    assert logistic(0.25, steepness) == pytest.approx(0.0, abs=1e-10)
    assert logistic(0.5, steepness) == pytest.approx(0.5, rel=1e-12)
    assert logistic(0.75, steepness) == pytest.approx(1.0, rel=1e-10)


# Temperature


@all_schedules
def test_temperature_is_stretched_between_start_and_end(schedule):
    falling, rising = TemperatureSchedule(4.0, 1.0, schedule), TemperatureSchedule(2, 5, schedule)
    for t in (0.0, 0.2, 0.5, 1.0):
        assert falling(t) == pytest.approx(4 - 3 * schedule(t), rel=1e-15)
        assert rising(t) == pytest.approx(2 + 3 * schedule(t), rel=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_temperature_schedule_by_name(name):
    by_name, by_function = (TemperatureSchedule(schedule=s) for s in (name, SCHEDULES[name]))
    assert [by_name(t / 10) for t in range(11)] == [by_function(t / 10) for t in range(11)]


def test_temperature_schedule_is_cloned_with_its_parameters():
    schedule = TemperatureSchedule(3.0, schedule="cosine").set_params(end=2.0)
    assert clone(schedule).get_params() == {"start": 3.0, "end": 2.0, "schedule": "cosine"}
    schedule.validate()


def test_the_default_temperature_falls_from_four_to_one():
    assert [TemperatureSchedule()(t) for t in (0.0, 0.5, 1.0)] == [4.0, 2.5, 1.0]


@pytest.mark.parametrize("name", ["start", "end"])
@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf, "4", None], ids=str)
def test_a_temperature_must_be_finite_and_above_zero(name, value):
    with pytest.raises(
        ValueError, match=f"^The '{name}' parameter of TemperatureSchedule.*0.0, inf.*Got"
    ):
        TemperatureSchedule(**{name: value}).validate()


@pytest.mark.parametrize("schedule", ["zigzag", None, ["linear"]], ids=str)
def test_unknown_schedule_of_the_temperature(schedule):
    with pytest.raises(
        ValueError, match="'schedule' parameter of TemperatureSchedule.*'cosine'.*callable"
    ):
        TemperatureSchedule(schedule=schedule).validate()

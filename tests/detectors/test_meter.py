"""Counters are told from gauges, and their resets are harmless."""

import pytest

from detectors.meter import Meter


def read(values: list[float], seconds: float = 1.0) -> list[float | None]:
    """What a new meter makes of values that come every `seconds`."""
    meter = Meter()
    return [meter.read(number * seconds, value) for number, value in enumerate(values)]


GAUGES = {
    "constant": [3.0] * 50,
    "noise": [1.0, 4.0, 2.0, 6.0, 3.0] * 10,
    "a ramp that falls a little": [*map(float, range(100, 120)), 118.0, 119.0, 120.0],
    "a share that grows now and then": [0.25 + step // 4 / 64 for step in range(100)],
}


@pytest.mark.parametrize("name", list(GAUGES))
def test_gauges_stay_as_they_are(name: str) -> None:
    """The last values of a gauge are told unchanged."""
    assert GAUGES[name][-3:] == read(GAUGES[name])[-3:]


def test_a_counter_is_read_as_growth_a_second() -> None:
    """However far apart the readings are."""
    assert [2.0, 2.0, 2.0] == read([2.0 * step for step in range(0, 200, 10)], seconds=10.0)[-3:]


def test_whole_numbers_that_seldom_grow_are_a_counter() -> None:
    """Errors are few, and counted."""
    assert [0.0, 0.1, 0.0] == read([float(step // 4) for step in range(50)], seconds=10.0)[-3:]


def test_a_reset_says_nothing() -> None:
    """The reading of the reset gives no value, the next one is growth again."""
    assert [5.0, None, 5.0] == read([*(5.0 * step for step in range(20)), 3.0, 8.0])[-3:]


def test_a_counter_twice_at_one_time_says_nothing_and_loses_nothing() -> None:
    """The growth of both readings is told by the next one."""
    meter = Meter()
    for step in range(12):
        meter.read(float(step), float(step))
    assert meter.read(11.0, 15.0) is None
    assert meter.read(12.0, 21.0) == 10.0


def test_a_saw_tooth_is_a_gauge() -> None:
    """What falls again and again is no counter, however deep it falls."""
    tooth = [1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]
    assert [70.0, 80.0, 90.0] == read(tooth * 6)[-3:]


def test_a_leak_during_an_incident_stays_a_gauge() -> None:
    """While nothing is learned a gauge that only rises is told unchanged."""
    meter = Meter()
    values = [meter.read(float(step), float(max(step, 20)), learn=step < 20) for step in range(60)]
    assert values[-1] == 59.0

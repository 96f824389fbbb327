"""When is a level told to have moved, and when not?"""

import math
from collections.abc import Callable
from typing import Literal

import msgspec
import pytest

from detectors.drift.settings import DriftSettings
from detectors.drift.stream import HOURS
from detectors.drift.watch import SCORE, DriftWatch, SavedWatch
from tests.detectors.streams import seeded

DAY = 1440
START = 1_700_000_000.0


def moves(level: Callable[[int], float], days: float, settings: DriftSettings | None = None) -> list[int]:
    """The minutes in which a move is told; `level` is the mean at a minute, with noise of 2 around it."""
    rng, watch, told = seeded(1), DriftWatch(settings or DriftSettings()), []
    for minute in range(int(days * DAY)):
        told += [minute for _ in watch.update(START + 60.0 * minute, 0.1, {"cpu": level(minute) + rng.gauss(0.0, 2.0)})]
    return told


def swing(minute: int) -> float:
    """Day and night."""
    return 40.0 + 20.0 * math.sin(2.0 * math.pi * minute / DAY)


#        ____________            one step after two days, told once, an hour after it was found
# ______|
def test_a_step_that_stays_is_told_once() -> None:
    """Once, within an hour and a half."""
    told = moves(lambda minute: 30.0 if minute < 2 * DAY else 60.0, 4.0)
    assert len(told) == 1
    assert 2 * DAY + 60 <= told[0] <= 2 * DAY + 90


QUIET: dict[str, Callable[[int], float]] = {
    "noise": lambda _: 30.0,
    "day and night": swing,
    "growth": lambda minute: 30.0 + 0.02 * minute,
    "shrinking": lambda minute: 500.0 - 0.02 * minute,
    "a spell of 20 minutes": lambda minute: 90.0 if 3000 <= minute < 3020 else 30.0,
    "a job every night": lambda minute: 80.0 if minute % DAY < 90 else 30.0,
    "a step on the first day": lambda minute: 30.0 if minute < 700 else 60.0,
}


@pytest.mark.parametrize("case", list(QUIET))
def test_what_is_as_usual_is_no_move(case: str) -> None:
    """Noise, what comes every day, steady growth and short spells are told by others, or by nobody."""
    assert moves(QUIET[case], 5.0) == []


def test_a_step_of_a_swing_is_told() -> None:
    """Twice the load each day is outside what any day was."""
    told = moves(lambda minute: swing(minute) * (1.0 if minute < 3 * DAY else 2.5), 5.0)
    assert len(told) == 1


def test_back_to_what_was_is_no_move() -> None:
    """After three days the old level comes again: it is remembered."""
    told = moves(lambda minute: 60.0 if 2 * DAY <= minute < 5 * DAY else 30.0, 7.0)
    assert len(told) == 1


def test_a_move_tells_from_where_to_where() -> None:
    """The level before, what would have been normal, the level after, and since when."""
    rng, watch, told = seeded(2), DriftWatch(DriftSettings(history_seconds=7200.0)), []
    for minute in range(400):
        load = rng.gauss(30.0 if minute < 300 else 60.0, 2.0)
        told += watch.update(START + 60.0 * minute, 0.1, {"cpu": load})
    (move,) = told
    assert ("cpu", 30, 60) == (move.name, round(move.before), round(move.after))
    assert move.low < 30.0 < move.high < 60.0
    assert 300 <= (move.since - START) / 60.0 <= 310


def test_the_host_score_moves_only_by_what_matters() -> None:
    """From 0.02 to 0.1 of an alarm is nothing to tell; from 0.1 to 0.6 is."""
    told = {}
    for after in (0.1, 0.6):
        rng, watch = seeded(3), DriftWatch(DriftSettings(history_seconds=7200.0))
        told[after] = [
            move.name
            for minute in range(400)
            for move in watch.update(60.0 * minute, max(rng.gauss(0.02 if minute < 300 else after, 0.01), 0.0), {})
        ]
    assert told == {0.1: [], 0.6: [SCORE]}


def test_the_cadence_does_not_matter() -> None:
    """Rows every five seconds or every five minutes: the same step is told."""
    for seconds in (5, 300):
        rng, watch = seeded(4), DriftWatch(DriftSettings(history_seconds=7200.0))
        told = 0
        for time in range(0, 86_400, seconds):
            load = rng.gauss(30.0 if time < 43_200 else 60.0, 2.0)
            told += len(watch.update(START + time, 0.1, {"cpu": load}))
        assert told == 1


def test_the_number_of_levels_is_bounded() -> None:
    """The score, and so many series; a new one takes the place of one that was quiet for a day; logs have none."""
    watch = DriftWatch(DriftSettings(series=("cpu.*",), series_maximum=2))
    watch.update(START, 0.1, {"log.error": 1.0, "disk": 1.0, "cpu.a": 1.0, "cpu.b": 1.0, "cpu.c": 1.0})
    assert [SCORE, "cpu.a", "cpu.b"] == list(watch.streams)
    for hour in range(1, 26):
        watch.update(START + 3600.0 * hour, 0.1, {"cpu.b": 1.0, "cpu.c": 1.0})
    assert [SCORE, "cpu.b", "cpu.c"] == list(watch.streams)


def test_without_a_detector_nothing_is_watched() -> None:
    """An empty name switches it off."""
    watch = DriftWatch(DriftSettings(detector=""))
    assert watch.update(START, 0.1, {"cpu": 1.0}) == []
    assert watch.state().streams == []


@pytest.mark.parametrize("detector", ["adwin", "page_hinkley", "kswin"])
def test_state_round_trip_is_exact(detector: Literal["adwin", "page_hinkley", "kswin"]) -> None:
    """Saved and restored at any row, a watch tells the same moves and saves the same bytes."""
    settings = DriftSettings(detector=detector, history_seconds=7200.0)
    rng = seeded(5)
    loads = [rng.gauss(30.0 if minute < 300 else 60.0, 2.0) for minute in range(390)]
    whole, pieces = DriftWatch(settings, seed=3), DriftWatch(settings, seed=3)
    told: tuple[list[object], list[object]] = ([], [])
    for minute, load in enumerate(loads):
        told[0].extend(whole.update(60.0 * minute, 0.1, {"cpu": load}))
        told[1].extend(pieces.update(60.0 * minute, 0.1, {"cpu": load}))
        if minute % 37 == 0:
            saved = msgspec.msgpack.encode(pieces.state())
            pieces = DriftWatch.restore(msgspec.msgpack.decode(saved, type=SavedWatch), settings, seed=3)
            assert saved == msgspec.msgpack.encode(pieces.state())
    assert told[0] == told[1]
    assert len(told[0]) == 1
    assert msgspec.msgpack.encode(whole.state()) == msgspec.msgpack.encode(pieces.state())


def test_another_detector_keeps_what_was_normal() -> None:
    """Who chooses another row of DRIFTS starts that test anew, and forgets no hour."""
    watch = DriftWatch(DriftSettings())
    for minute in range(600):
        watch.update(60.0 * minute, 0.1, {"cpu": 30.0})
    other = DriftWatch.restore(watch.state(), DriftSettings(detector="page_hinkley"))
    assert watch.streams["cpu"].hours == other.streams["cpu"].hours
    assert len(other.streams["cpu"].hours) == 8


def test_series_that_are_not_wanted_any_more_are_dropped() -> None:
    """Who narrows `series` frees the places of the others at once."""
    watch = DriftWatch(DriftSettings())
    watch.update(START, 0.1, {"cpu": 30.0, "disk": 5.0})
    narrow = DriftWatch.restore(watch.state(), DriftSettings(series=("cpu",)))
    narrow.update(START + 1.0, 0.1, {"cpu": 30.0, "disk": 5.0})
    assert [SCORE, "cpu"] == list(narrow.streams)


def test_a_state_that_contradicts_itself_is_refused() -> None:
    """Sums of a stream that is not there, or without their count."""
    watch = DriftWatch(DriftSettings())
    watch.update(START, 0.1, {"cpu": 30.0})
    saved = watch.state()
    damaged = [SavedWatch(START, {"cpu": 1.0}, {}, saved.streams), SavedWatch(START, {"x": 1.0}, {"x": 1}, [])]
    for state in damaged:
        with pytest.raises(ValueError, match="are of no watch"):
            DriftWatch.restore(state, watch.settings)


def test_memory_is_bounded() -> None:
    """Eight days of hours, whatever the age."""
    watch = DriftWatch(DriftSettings())
    for hour in range(60 * 24 * 12):
        watch.update(60.0 * hour, 0.1, {"cpu": 30.0})
    assert HOURS == len(watch.streams["cpu"].hours)
    assert len(msgspec.msgpack.encode(watch.state())) < 6000


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1e300, 1.7e308, 5e-324])
def test_any_number_is_survived(value: float) -> None:
    """A state that can be saved, restored and used again."""
    settings = DriftSettings(history_seconds=0.0)
    watch = DriftWatch(settings)
    for minute in range(400):
        watch.update(30.0 * minute, 0.1, {"cpu": value if minute % 3 else 1.0})
    again = DriftWatch.restore(watch.state(), settings)
    assert watch.state() == again.state()
    assert again.update(1e6, 0.1, {"cpu": 1.0}) == []

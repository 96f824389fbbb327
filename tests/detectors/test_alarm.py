"""Raise k of n, clear m of n."""

import pytest

from detectors.alarm import Alarm, Point, Turn
from detectors.settings import DetectorSettings

SETTINGS = DetectorSettings(warmup_rows=5)  # a row a second: five decide together, three raise, four clear

TIMELINES = {
    # each character is a row: . calm, ^ over the threshold, - between the two thresholds
    "calm": ("....................", ""),
    "one spike": (".....^..............", ""),
    "two spikes": (".....^.^............", ""),
    "three of five": (".....^.^.^..........", "9 raised, 14 cleared"),
    "too far apart": (".....^..^..^..^..^..", ""),
    "between the thresholds": (".....-----.....-----", ""),
    "not cleared between the thresholds": (".....^^^------------", "7 raised"),
    "cleared by four of five": (".....^^^-.-....^....", "7 raised, 13 cleared"),
    "one good row does not clear": (".....^^^.^^^.^^^.^^^", "7 raised"),
    "young": ("^^^.................", ""),
    "raised as soon as it is old enough": ("^^^^^^..............", "5 raised, 10 cleared"),
}


PACES = {
    # seconds between rows, a timeline
    "every ten seconds a single row is chance": (10.0, ".....^..^...........", ""),
    "every ten seconds two in a row are none": (10.0, ".....^^.............", "6 raised, 9 cleared"),
    "every minute one row is enough": (60.0, ".....^..............", "5 raised, 8 cleared"),
}


def turns_of(timeline: str, seconds: float) -> str:
    """The rows at which an alarm turned, and how."""
    alarm, turns = Alarm(), []
    for number, sign in enumerate(timeline):
        alarm.add(Point(seconds * number, {".": 0.0, "-": 0.9, "^": 2.0}[sign], number))
        turn = alarm.turn(SETTINGS)
        if turn is not Turn.NONE:
            alarm.turned("id" if turn is Turn.RAISED else "")
            turns.append(f"{number} {turn.value}")
    return ", ".join(turns)


@pytest.mark.parametrize("name", list(TIMELINES))
def test_turns(name: str) -> None:
    """The alarm turns at these rows and no other."""
    timeline, expected = TIMELINES[name]
    assert expected == turns_of(timeline, 1.0)


@pytest.mark.parametrize("name", list(PACES))
def test_who_looks_often_must_see_it_twice(name: str) -> None:
    """Chance has its day as often as one looks."""
    seconds, timeline, expected = PACES[name]
    assert expected == turns_of(timeline, seconds)


def test_state_round_trip_is_exact() -> None:
    """A restored alarm is equal."""
    alarm = Alarm()
    for number in range(100):
        alarm.add(Point(float(number), 0.1 * number, number))
    alarm.turned("abc")
    assert alarm.state() == Alarm.restore(alarm.state()).state()

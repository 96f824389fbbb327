"""When a host's alarm is raised and cleared, and what recurs."""

import pytest

from detectors.vitals.alarm import CALM_ROWS, DAY, FALL, RISE, THRESHOLD, YOUTH, Alarm, Turn

QUIET, LOUD = 0.3, 2.0
BEGIN = 1_700_000_000.0


@pytest.mark.parametrize(
    ("name", "scores", "turns"),
    [
        ("raised at the threshold", [0.99, THRESHOLD], [Turn.NONE, Turn.RAISED]),
        ("raised once", [LOUD, LOUD], [Turn.RAISED, Turn.NONE]),
        (
            "cleared by calm rows",
            [LOUD, *[QUIET] * CALM_ROWS],
            [Turn.RAISED, *[Turn.NONE] * (CALM_ROWS - 1), Turn.CLEARED],
        ),
        ("not calm in between", [LOUD, QUIET, QUIET, LOUD, QUIET, QUIET], [Turn.RAISED, *[Turn.NONE] * 5]),
    ],
)
def test_raises_and_clears(name: str, scores: list[float], turns: list[Turn]) -> None:
    """One loud row raises, only calm rows one after the other clear."""
    alarm = Alarm(began=BEGIN - 100.0 * DAY)
    assert turns == [alarm.turn(BEGIN + 60.0 * i, score) for i, score in enumerate(scores)], name


def test_busy_host_is_limited() -> None:
    """A host that is loud every hour raises at most about FALL / RISE alarms a day in the end, and more at first."""
    alarm, days = Alarm(began=BEGIN - 100.0 * DAY), [0] * 40
    for hour in range(24 * len(days)):
        for minute in range(10):
            time = BEGIN + 3600.0 * hour + 60.0 * minute
            days[hour // 24] += alarm.turn(time, 1.5 if minute == 0 else QUIET) is Turn.RAISED
    assert days[0] > FALL / RISE
    assert sum(days[-10:]) / 10.0 == pytest.approx(FALL / RISE, abs=0.5)


def test_quiet_days_lower_the_level_again() -> None:
    """After days without alarms the level is the shipped threshold."""
    alarm = Alarm(began=BEGIN - 100.0 * DAY)
    for i in range(30):
        alarm.turn(BEGIN + 600.0 * i, LOUD * (1.0 + i) if i % 5 == 0 else QUIET)
    assert alarm.level() > THRESHOLD
    alarm.turn(BEGIN + 5.0 * DAY, QUIET)
    assert alarm.level() == pytest.approx(THRESHOLD)


def test_young_host_needs_more() -> None:
    """The level of a new host begins higher and halves the way to the threshold every day, from its first score on."""
    alarm = Alarm()
    alarm.turn(BEGIN - 9.0 * DAY, 0.0)
    levels = []
    for day in range(3):
        alarm.turn(BEGIN + DAY * day, QUIET)
        levels.append(alarm.level())
    assert levels == pytest.approx([THRESHOLD * (1.0 + YOUTH * share) for share in (1.0, 0.5, 0.25)])


def test_time_that_runs_back_is_no_time() -> None:
    """A late row neither lowers the level nor breaks it."""
    alarm = Alarm()
    alarm.turn(BEGIN, LOUD)
    level = alarm.level()
    alarm.turn(BEGIN - 5.0 * DAY, QUIET)
    assert level == alarm.level()


def test_tells_what_recurs_daily() -> None:
    """An alarm at the same minute of each of the last four days recurred four times; at another hour, never."""
    alarm = Alarm()
    for day in range(4):
        alarm.turn(BEGIN + DAY * day + 300.0 * (day % 2), LOUD)
        for row in range(CALM_ROWS):
            alarm.turn(BEGIN + DAY * day + 600.0 + row, QUIET)
    assert alarm.recurred(BEGIN + 4 * DAY) == 4
    assert alarm.recurred(BEGIN + 4 * DAY + 3 * 3600.0) == 0
    assert alarm.recurred(BEGIN + 20 * DAY) == 0, "that was long ago"

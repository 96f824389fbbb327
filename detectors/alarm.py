"""When does a host's score become an alarm, and when does it end?"""

import enum
import itertools
import math
from collections import deque

import msgspec

from detectors.settings import DetectorSettings

WINDOW = 60  # rows that are remembered as evidence
INTERVAL_MEMORY, INTERVAL_CLIP = 32.0, 10.0


class Point(msgspec.Struct, frozen=True, array_like=True):
    """One row of the recent window: event time, host score, samples-topic offset of its first record."""

    time: float
    score: float
    offset: int


class Turn(enum.Enum):
    """What an alarm did at a row."""

    NONE = "none"
    RAISED = "raised"
    CLEARED = "cleared"


class AlarmState(msgspec.Struct, frozen=True, array_like=True):
    """A saved alarm. `raised_id` is empty unless the alarm is raised; `since` counts the rows after the raise."""

    window: list[Point]
    rows: int
    interval: float
    since: int
    raised_id: str


class Alarm:
    """Raises when k of the n latest rows are at or over the threshold, clears when m of n are under a lower one.

    n rows span about `vote_seconds`; where rows are further apart the latest two decide, from `confirm_seconds` on the
    latest one. Only rows newer than the raise can clear, and a single good row never does; a young host raises nothing.
    """

    __slots__ = ("interval", "raised_id", "rows", "since", "window")

    def __init__(self) -> None:
        self.window: deque[Point] = deque(maxlen=WINDOW)
        self.rows = 0
        self.interval = 0.0
        self.since = 0
        self.raised_id = ""

    def add(self, point: Point) -> None:
        """Take in a row."""
        if self.window:
            span = max(point.time - self.window[-1].time, 0.0)
            if self.rows > INTERVAL_MEMORY:
                span = min(span, INTERVAL_CLIP * self.interval)
            self.interval += (span - self.interval) / min(float(self.rows), INTERVAL_MEMORY)
        self.window.append(point)
        self.rows += 1
        self.since += 1

    def turned(self, raised_id: str) -> None:
        """The turn has been told: the alarm is raised under this id, or cleared if it is empty."""
        self.raised_id = raised_id
        self.since = 0

    def young(self, settings: DetectorSettings) -> bool:
        """Whether too few rows were seen to raise anything."""
        return self.rows <= settings.warmup_rows

    def turn(self, settings: DetectorSettings) -> Turn:
        """Whether the alarm must be raised or cleared now."""
        rows = vote_rows(settings, self.interval)
        if self.raised_id:
            rows = max(rows, settings.clear_rows_minimum)
            calm = sum(row.score < settings.clear_threshold for row in self._latest(rows))
            cleared = self.since >= rows and calm >= math.ceil(settings.clear_share * rows)
            return Turn.CLEARED if cleared else Turn.NONE
        if self.young(settings):
            return Turn.NONE
        votes = sum(row.score >= settings.threshold for row in self._latest(rows))
        return Turn.RAISED if votes >= math.ceil(settings.raise_share * rows) else Turn.NONE

    def _latest(self, rows: int) -> list[Point]:
        return list(itertools.islice(reversed(self.window), rows))

    def state(self) -> AlarmState:
        """Everything, as plain values."""
        return AlarmState(list(self.window), self.rows, self.interval, self.since, self.raised_id)

    @classmethod
    def restore(cls, state: AlarmState) -> "Alarm":
        """An alarm with this state."""
        alarm = cls()
        alarm.window.extend(state.window)
        alarm.rows, alarm.interval, alarm.since, alarm.raised_id = (
            state.rows,
            state.interval,
            state.since,
            state.raised_id,
        )
        return alarm


def vote_rows(settings: DetectorSettings, interval_seconds: float) -> int:
    """How many of the latest rows decide together.

    Example:
        >>> [vote_rows(DetectorSettings(), seconds) for seconds in (0.1, 0.5, 10.0, 60.0)]
        [30, 10, 2, 1]
    """
    wanted = min(settings.vote_seconds / max(interval_seconds, 1e-3), WINDOW / 2)
    return max(round(wanted), 2 if interval_seconds < settings.confirm_seconds else 1)

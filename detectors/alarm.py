"""When does a host's score become an alarm, and when does it end?"""

import enum
import itertools
import math
from collections import deque

import msgspec

from detectors.settings import DetectorSettings

WINDOW = 60  # rows that are remembered as evidence


class Row(msgspec.Struct, frozen=True, array_like=True):
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

    window: list[Row]
    rows: int
    since: int
    raised_id: str


class Alarm:
    """Raises when k of the n latest rows are at or over the threshold, clears when m of n are under a lower one.

    n rows span about `vote_seconds`. Only rows newer than the raise can clear. A single row never raises, a single good
    row never clears, and a young host raises nothing.
    """

    __slots__ = ("raised_id", "rows", "since", "window")

    def __init__(self) -> None:
        self.window: deque[Row] = deque(maxlen=WINDOW)
        self.rows = 0
        self.since = 0
        self.raised_id = ""

    def open(self, row: Row) -> None:
        """Begin a row."""
        self.window.append(row)
        self.rows += 1
        self.since += 1

    def update(self, time: float, score: float) -> None:
        """The row that is open has this score by now."""
        last = self.window[-1]
        self.window[-1] = Row(max(last.time, time), score, last.offset)

    def turned(self, raised_id: str) -> None:
        """The turn has been told: the alarm is raised under this id, or cleared if it is empty."""
        self.raised_id = raised_id
        self.since = 0

    def young(self, settings: DetectorSettings) -> bool:
        """Whether too few rows were seen to raise anything."""
        return self.rows <= settings.warmup_rows

    def turn(self, settings: DetectorSettings, interval_seconds: float) -> Turn:
        """Whether the alarm must be raised or cleared now; the rows are `interval_seconds` apart."""
        rows = vote_rows(settings, interval_seconds)
        latest = list(itertools.islice(reversed(self.window), rows))
        if self.raised_id:
            calm = sum(row.score < settings.clear_threshold for row in latest)
            cleared = self.since >= rows and calm >= math.ceil(settings.clear_share * rows)
            return Turn.CLEARED if cleared else Turn.NONE
        if self.young(settings):
            return Turn.NONE
        votes = sum(row.score >= settings.threshold for row in latest)
        return Turn.RAISED if votes >= math.ceil(settings.raise_share * rows) else Turn.NONE

    def state(self) -> AlarmState:
        """Everything, as plain values."""
        return AlarmState(list(self.window), self.rows, self.since, self.raised_id)

    @classmethod
    def restore(cls, state: AlarmState) -> "Alarm":
        """An alarm with this state."""
        alarm = cls()
        alarm.window.extend(state.window)
        alarm.rows, alarm.since, alarm.raised_id = state.rows, state.since, state.raised_id
        return alarm


def vote_rows(settings: DetectorSettings, interval_seconds: float) -> int:
    """How many of the latest rows decide together.

    Example:
        >>> [vote_rows(DetectorSettings(), seconds) for seconds in (0.1, 0.5, 10.0)]
        [30, 10, 3]
    """
    wanted = round(settings.vote_seconds / interval_seconds) if interval_seconds > 0.0 else 0
    return max(min(wanted, WINDOW // 2), settings.vote_rows_minimum)

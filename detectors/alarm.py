"""When does a host's score become an alarm, and when does it end?"""

import enum
import itertools
from collections import deque
from collections.abc import Iterable

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
    """Raises at k of n rows at or over the threshold, clears at m of n rows, all newer than the raise, under a lower one.

    A single row never raises, a single good row never clears, and a young host raises nothing.
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

    def turn(self, settings: DetectorSettings) -> Turn:
        """Whether the alarm must be raised or cleared now."""
        if self.raised_id:
            if self.since < settings.clear_votes:
                return Turn.NONE
            latest = self._latest(min(settings.clear_rows, self.since))
            calm = sum(row.score < settings.clear_threshold for row in latest)
            return Turn.CLEARED if calm >= settings.clear_votes else Turn.NONE
        if self.rows <= settings.warmup_rows:
            return Turn.NONE
        votes = sum(row.score >= settings.threshold for row in self._latest(settings.raise_rows))
        return Turn.RAISED if votes >= settings.raise_votes else Turn.NONE

    def _latest(self, rows: int) -> Iterable[Row]:
        return itertools.islice(reversed(self.window), rows)

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

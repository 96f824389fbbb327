"""Readings become rows: what a host sends of one moment is judged together, however many messages it came in."""

from collections.abc import Iterable
from typing import Final

import msgspec

from detectors.series import Series

INTERVAL_MEMORY, INTERVAL_CLIP = 32.0, 10.0
SLACK: Final = 0.25  # of the host's interval: a series that comes so much sooner or later is of the same moment
OVER: Final = 0.5  # of the host's interval: a reading so much later than the row's first is of another moment


class Row(msgspec.Struct, frozen=True):
    """Values of one moment: event time in epoch seconds, samples-topic offset of the first record, values by series.

    A series that came without a value that can be judged (a counter that was reset) is not a number. `interval` is the
    usual time between such rows in seconds; rows of log rates come by windows, apart from the rows of metrics.
    """

    time: float
    offset: int
    values: dict[str, float]
    interval: float = 0.0
    of_logs: bool = False


class GatheringState(msgspec.Struct, frozen=True, array_like=True):
    """A saved gathering: the open row, if any, and the pace of rows."""

    interval: float
    rows: int
    began: float
    time: float
    offset: int
    values: dict[str, float]
    awaited: list[str]


class Gathering:
    """Collects readings into the open row, and closes it when all that are due have come.

    A row also closes when one of its series comes again, and when time has moved on by half the interval of the host.
    Of the first round nobody knows who is due: it closes with the second.

    Example:
        >>> gathering, disk = Gathering(), Series("disk")
        >>> gathering.open(10.0, 1, disk, [disk])
        >>> gathering.take("disk", 10.0, 5.0)
        >>> gathering.is_over("disk", 10.1), gathering.is_over("cpu", 10.1), gathering.is_complete()
        (True, False, False)
    """

    __slots__ = ("awaited", "began", "interval", "offset", "rows", "time", "values")

    def __init__(self) -> None:
        self.interval = 0.0
        self.rows = 0
        self.began = 0.0
        self.time = 0.0
        self.offset = -1
        self.values: dict[str, float] = {}
        self.awaited: set[str] = set()

    def is_over(self, name: str, time: float) -> bool:
        """Whether a reading of this series at this time belongs to another row than the open one."""
        return name in self.values or self.is_past(time)

    def is_past(self, time: float) -> bool:
        """Whether the open row is of a moment that is over."""
        return bool(self.values) and 0.0 < self.interval * OVER <= time - self.began

    def open(self, time: float, offset: int, first: Series, series: Iterable[Series]) -> None:
        """Begin a row with a reading of `first` at this time, not yet taken in; `series` are all that the host has."""
        span = max(time - self.began, 0.0)
        if self.rows and (first.time >= self.began or span > OVER * self.interval):
            self._keep_pace(span)
        self.rows += 1
        self.began = self.time = time
        self.offset = offset
        slack = SLACK * self.interval
        self.awaited = {one.name for one in series if one.is_awaited(time, slack, self.interval)}

    def _keep_pace(self, span: float) -> None:
        if self.rows > INTERVAL_MEMORY:
            span = min(span, INTERVAL_CLIP * self.interval)
        self.interval += (span - self.interval) / min(float(self.rows), INTERVAL_MEMORY)

    def take(self, name: str, time: float, value: float) -> None:
        """Put a value into the open row."""
        self.values[name] = value
        self.time = max(self.time, time)
        self.awaited.discard(name)

    def is_complete(self) -> bool:
        """Whether nobody is waited for any more."""
        return self.rows > 1 and not self.awaited and bool(self.values)

    def close(self) -> Row:
        """The row, which is open no more."""
        row = Row(self.time, self.offset, self.values, self.interval)
        self.values, self.awaited = {}, set()
        return row

    def drop(self) -> None:
        """Leave out the open row."""
        self.values, self.awaited = {}, set()

    def state(self) -> GatheringState:
        """Everything, as plain values."""
        return GatheringState(
            self.interval, self.rows, self.began, self.time, self.offset, dict(self.values), sorted(self.awaited)
        )

    @classmethod
    def restore(cls, state: GatheringState) -> "Gathering":
        """A gathering with this state."""
        gathering = cls()
        gathering.interval, gathering.rows = state.interval, state.rows
        gathering.began, gathering.time, gathering.offset = state.began, state.time, state.offset
        gathering.values, gathering.awaited = dict(state.values), set(state.awaited)
        return gathering

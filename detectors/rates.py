"""Log lines become series: their rate by level over short windows of event time."""

import math
from typing import Final

import msgspec

LEVELS: Final = ("trace", "debug", "info", "warn", "error", "fatal")
SERIES: Final = tuple(f"log.rate{{level={level}}}" for level in LEVELS)
EMPTY_MAXIMUM = 12  # empty windows that are told one by one after a gap; a longer gap says no more
LATE_MAXIMUM = 1000  # records before the open window, in a row, until it is the clock that must have been set back


class RatesState(msgspec.Struct, frozen=True, array_like=True):
    """Saved counts, in the order of LEVELS; `start` (epoch seconds) is -1 before the first line."""

    start: float
    counts: list[int]
    late: int


class Window(msgspec.Struct, frozen=True):
    """A closed window: its end, and lines a second by series name."""

    end: float
    rates: dict[str, float]


class LogRates:
    """Counts the lines of one host by level: nothing before the first line, then every window, also an empty one.

    A window closes by the event time of any record of the host. A line that comes after its window counts in the open
    one.

    Parameters:
        seconds: Length of a window.

    Example:
        >>> rates = LogRates(5.0)
        >>> rates.count(12.0, "error")
        >>> [(w.end, w.rates["log.rate{level=error}"]) for w in rates.close(21.0)]
        [(15.0, 0.2), (20.0, 0.0)]
    """

    __slots__ = ("counts", "late", "seconds", "start")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.start = -1.0
        self.counts = [0] * len(LEVELS)
        self.late = 0

    def close(self, time: float) -> list[Window]:
        """The windows that end at or before `time`, oldest first."""
        if self.start < 0.0:
            return []
        if time < self.start:
            self._set_back(time)
            return []
        self.late = 0
        passed = int((time - self.start) // self.seconds)
        if passed < 1:
            return []
        told = [self._window(self.start + self.seconds, self.counts)]
        self.counts = [0] * len(LEVELS)
        latest = self._begin(time)
        empty = min(passed - 1, EMPTY_MAXIMUM)
        told += [self._window(latest - ago * self.seconds, self.counts) for ago in range(empty - 1, -1, -1)]
        self.start = latest
        return told

    def count(self, time: float, level: str) -> None:
        """Count one line; `close(time)` comes first."""
        if self.start < 0.0:
            self.start = self._begin(time)
        if level in LEVELS:
            self.counts[LEVELS.index(level)] += 1

    def _set_back(self, time: float) -> None:
        self.late += 1
        if self.late > LATE_MAXIMUM:
            self.late, self.start = 0, self._begin(time)

    def _begin(self, time: float) -> float:
        return max(math.floor(time / self.seconds) * self.seconds, 0.0)

    def _window(self, end: float, counts: list[int]) -> Window:
        return Window(end, {name: count / self.seconds for name, count in zip(SERIES, counts, strict=True)})

    def state(self) -> RatesState:
        """Everything, as plain numbers."""
        return RatesState(self.start, list(self.counts), self.late)

    @classmethod
    def restore(cls, state: RatesState, seconds: float) -> "LogRates":
        """Counts with this state. ValueError if they are not one a level."""
        if len(state.counts) != len(LEVELS):
            raise ValueError(f"saved log counts are {len(state.counts)}, wanted {len(LEVELS)}")
        rates = cls(seconds)
        rates.start, rates.counts, rates.late = state.start, list(state.counts), state.late
        return rates

"""Gauge or counter? Counters are read as their growth a second."""

from collections.abc import Sequence
from typing import Self

GROWTHS = 8.0  # so many rises without a fall make a counter; of a number that is not whole, so many more than rests
RESET = 0.5  # a counter that falls to less than this part of what it was has been reset; a smaller fall betrays a gauge
FORGET = 1.0 / 512.0  # how fast old falls are forgotten, a reading
FALLS = 3.0  # so many falls in recent memory betray a gauge, whatever their size


class Meter:
    """Turns the readings of one series into the values that are modelled.

    A series that has risen eight times and never fallen is a counter: its value is then its growth a second. A fall
    to less than half is a reset and gives no value; a smaller fall, or a third one within some hundred readings, makes
    the series a gauge until its falls are forgotten. Errors are counted in whole numbers, however seldom they come; a
    share of something that grows now and then is a gauge.

    Example:
        >>> meter = Meter()
        >>> [meter.read(float(t), t * 5.0) for t in range(9)][-2:]
        [35.0, 5.0]
        >>> meter.read(9.0, 1.0) is None, meter.read(10.0, 6.0)
        (True, 5.0)
    """

    __slots__ = ("counting", "falls", "last", "rises", "time")

    def __init__(self) -> None:
        self.time = 0.0
        self.last = 0.0
        self.rises = -1.0  # no reading yet
        self.falls = 0.0
        self.counting = 0.0

    def read(self, time: float, value: float, *, learn: bool = True) -> float | None:
        """The value to model, or None where a reading says nothing: a reset, or a counter twice at one time.

        A gauge becomes a counter only while `learn`: a leak during an incident must not change what is looked at.
        """
        if self.rises < 0.0:
            self.time, self.last, self.rises = time, value, 0.0
            return value
        if self.counting and value >= self.last and time <= self.time:
            return None
        before, span = self.last, time - self.time
        self.time, self.last = time, value
        self.falls -= FORGET * self.falls
        if value > before:
            self.rises += 1.0
        elif value < before:
            self._fall(before, value)
        elif value % 1.0:
            self.rises = max(self.rises - 1.0, 0.0)
        if learn and not self.counting and self.rises >= GROWTHS and self.falls < FORGET:
            self.counting = 1.0
        if not self.counting:
            return value
        return (value - before) / span if value >= before and span > 0.0 else None

    def _fall(self, before: float, value: float) -> None:
        self.falls += 1.0
        reset = 0.0 <= value < RESET * before and self.falls < FALLS
        if not (self.counting and reset):
            self.counting, self.rises = 0.0, 0.0

    def numbers(self) -> list[float]:
        """The state."""
        return [self.time, self.last, self.rises, self.falls, self.counting]

    @classmethod
    def restore(cls, numbers: Sequence[float]) -> Self:
        """A meter with this state."""
        meter = cls()
        meter.time, meter.last, meter.rises, meter.falls, meter.counting = numbers
        return meter

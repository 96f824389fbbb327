"""What is known of one series before anything is judged: its order, its pace, and whether it is a counter."""

import math

import msgspec

from detectors.magnitude import folded
from detectors.meter import Meter

LOG_PREFIX = "log."
LATE_MAXIMUM = 10  # so many late readings in a row are no longer late: the host's clock was set back
INTERVAL_MEMORY = 32.0  # readings
AWAITED_INTERVALS = 2.5  # so many usual intervals after its last reading a series is no longer waited for


class SeriesState(msgspec.Struct, frozen=True, array_like=True):
    """A saved series."""

    name: str
    time: float
    interval: float
    gaps: float
    late: int
    meter: list[float]


class Series:
    """One series of one host, from readings to the values that are judged."""

    __slots__ = ("gaps", "interval", "is_log", "late", "meter", "name", "time")

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_log = name.startswith(LOG_PREFIX)
        self.meter = Meter()
        self.time = -math.inf
        self.interval = 0.0
        self.gaps = 0.0
        self.late = 0

    @property
    def last_seen(self) -> float:
        """Event time of the last reading; infinite while the very first one is being taken in."""
        return self.time if self.time > -math.inf else math.inf

    def accepts(self, time: float) -> bool:
        """Whether a reading of this time is in order; late ones change nothing but their count."""
        if time < self.time and self.late < LATE_MAXIMUM:
            self.late += 1
            return False
        self.late = 0
        return True

    def is_awaited(self, time: float, slack: float, usual: float) -> bool:
        """Whether a reading is due by now, give or take `slack`; a series seen once comes at the `usual` interval."""
        interval = self.interval or usual
        age = time - self.time
        return interval - slack <= age <= AWAITED_INTERVALS * interval + slack

    def read(self, time: float, value: float, *, learn: bool) -> float:
        """The value to judge of an accepted reading; not a number where the reading says nothing."""
        if self.time > -math.inf:
            self.gaps = min(self.gaps + 1.0, INTERVAL_MEMORY)
            self.interval += (max(time - self.time, 0.0) - self.interval) / self.gaps
        self.time = time
        modelled = self.meter.read(time, value, learn=learn)
        return math.nan if modelled is None else folded(modelled)

    def state(self) -> SeriesState:
        """Everything, as plain numbers."""
        return SeriesState(self.name, self.time, self.interval, self.gaps, self.late, self.meter.numbers())

    @classmethod
    def restore(cls, state: SeriesState) -> "Series":
        """A series with this state. ValueError if it is none."""
        series = cls(state.name)
        series.time, series.interval, series.gaps, series.late = state.time, state.interval, state.gaps, state.late
        series.meter = Meter.restore(state.meter)
        return series

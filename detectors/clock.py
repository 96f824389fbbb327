"""Is the clock of a host off, or its time zone? What comes late by the same time again and again is no backlog."""

from typing import Final

import msgspec

WINDOW_SECONDS: Final = 15.0  # by our clock: of each such window the least lateness counts, as the way to us varies ...
WINDOW_READINGS: Final = 3  # ... of so many readings at least
WINDOWS: Final = 3  # so many windows in a row must agree ...
AGREE_SECONDS: Final = 5.0  # ... as well as this; a backlog that is read shrinks by more
LOST_SECONDS: Final = 15.0  # a window that is further away ends what was known
LEAST_SECONDS: Final = 60.0  # less is the way to us
QUARTER_SECONDS: Final = 900.0  # all time zones are whole quarters of an hour from UTC
NEAR_SECONDS: Final = 30.0  # the way to us, and what clocks are usually off by
UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class ClockState(msgspec.Struct, frozen=True, array_like=True):
    """A saved clock: what is known, the latest windows, and the open one."""

    behind: float = 0.0
    windows: tuple[float, ...] = ()
    began: float = 0.0
    readings: int = 0
    least: float = 0.0


class Clock:
    """Measures by how much the times of a host are behind ours, from one feed of it.

    `behind` is that in seconds, negative if they are ahead, and 0 while no constant offset is known. A backlog has
    none: while it is read its lateness shrinks.

    Example:
        >>> clock = Clock()
        >>> for second in range(60):
        ...     clock.see(time=1000.0 + second, arrived=4600.5 + second)
        >>> clock.behind, clock_words("web-1", clock.behind)
        (3600.5, 'clock or time zone of web-1 is 1 h behind')
    """

    __slots__ = ("began", "behind", "least", "readings", "windows")

    def __init__(self, state: ClockState | None = None) -> None:
        known = state or ClockState()
        self.behind = known.behind
        self.windows = known.windows
        self.began = known.began
        self.readings = known.readings
        self.least = known.least

    def see(self, time: float, arrived: float) -> None:
        """Take in a reading of this time that came then (epoch seconds of the two clocks)."""
        late = arrived - time
        is_set_right = self.behind != 0.0 and late < self.behind - LOST_SECONDS
        if arrived < self.began or is_set_right:  # our clock was set back, or the host's right
            self.behind, self.windows, self.readings = 0.0, (), 0
        if self.readings >= WINDOW_READINGS and arrived - self.began >= WINDOW_SECONDS:
            self._close()
        if not self.readings:
            self.began, self.least = arrived, late
        self.readings += 1
        self.least = min(self.least, late)

    def _close(self) -> None:
        self.windows = (*self.windows, self.least)[-WINDOWS:]
        self.readings = 0
        least, most = min(self.windows), max(self.windows)
        if len(self.windows) == WINDOWS and most - least <= AGREE_SECONDS:
            self.behind = least if abs(least) >= LEAST_SECONDS else 0.0
        elif abs(self.least - self.behind) > LOST_SECONDS:
            self.behind = 0.0

    def state(self) -> ClockState:
        """Everything, as plain values."""
        return ClockState(self.behind, self.windows, self.began, self.readings, self.least)


def clock_words(host: str, behind_seconds: float) -> str:
    """By how much the clock of a host is off.

    Example:
        >>> clock_words("web-1", -120.2)
        'clock of web-1 is 2 m ahead'
        >>> clock_words("web-1", 19_799.0)
        'clock or time zone of web-1 is 5 h 30 m behind'
        >>> clock_words("web-1", 200.0)
        'clock of web-1 is 3 m 20 s behind, or all that it sends comes so late'
    """
    zone = round(behind_seconds / QUARTER_SECONDS) * QUARTER_SECONDS
    is_zone = zone != 0.0 and abs(behind_seconds - zone) <= NEAR_SECONDS
    length = _length(abs(zone if is_zone else behind_seconds))
    if behind_seconds < 0.0:
        return f"clock{' or time zone' if is_zone else ''} of {host} is {length} ahead"
    way = "" if is_zone else ", or all that it sends comes so late"
    return f"clock{' or time zone' if is_zone else ''} of {host} is {length} behind{way}"


def _length(seconds: float) -> str:
    rest, parts = round(seconds), list[str]()
    for size, unit in UNITS:
        count, rest = divmod(rest, size)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts[:2]) or "0 s"

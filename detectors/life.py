"""Whether a host lives, and whether what it sends can be read.

Silence means that nothing came. A record that names a host is a sign of life, also one that gives no reading; a host of
which nothing else comes is unreadable, which is a state of its own and no signal: there is nothing to repair on it.
"""

from typing import Final

import msgspec

from detectors.clock import Clock, ClockState
from detectors.identity import signal_id
from detectors.samples import UnreadSample
from detectors.signals import Evidence, Signal, SignalKind, SignalState, Unread

CLOCKS_MAXIMUM: Final = 4  # feeds of a host, each of which may take its times from elsewhere
OFF_SECONDS_MAXIMUM: Final = 1e9  # a time that is further away is no time of a clock


class LifeState(msgspec.Struct, frozen=True, array_like=True):
    """What is saved of a host's life, besides its silence."""

    unread: Unread | None = None
    is_unreadable: bool = False
    clocks: dict[str, ClockState] = {}


class Life:
    """The signs of life of one host.

    Parameters:
        host: Its name.
        partition: Of the samples topic.
        threshold: That signals tell.

    Attributes:
        silence_id: Of the silence that is raised, empty if none is.
        unread: The latest record since the last reading that gave none, if one did.
        is_unreadable: Whether nothing but such records has come for long.
    """

    __slots__ = ("clocks", "host", "is_unreadable", "partition", "silence_id", "threshold", "unread")

    def __init__(self, host: str, partition: int, threshold: float) -> None:
        self.host = host
        self.partition = partition
        self.threshold = threshold
        self.silence_id = ""
        self.unread: Unread | None = None
        self.is_unreadable = False
        self.clocks: dict[str, Clock] = {}

    def read(self, feed: str, time: float, arrived: float) -> None:
        """A reading of this time came from a topic; `arrived` is 0 if nobody knows when."""
        self.unread, self.is_unreadable = None, False
        if arrived > 0.0:
            self._clock(feed).see(time, arrived)

    def hear(self, sample: UnreadSample) -> None:
        """A record came that gives no reading."""
        first = self.unread.first_time if self.unread is not None else sample.arrived
        self.unread = Unread(sample.reason, sample.detail, first, sample.arrived)
        if sample.time > 0.0 and abs(sample.arrived - sample.time) <= OFF_SECONDS_MAXIMUM:
            self._clock(sample.source.topic).see(sample.time, sample.arrived)

    def _clock(self, feed: str) -> Clock:
        clock = self.clocks.get(feed)
        if clock is None:
            if len(self.clocks) >= CLOCKS_MAXIMUM:
                del self.clocks[next(iter(self.clocks))]
            clock = self.clocks[feed] = Clock()
        return clock

    @property
    def behind_seconds(self) -> float:
        """By how much the clock of the host is behind, of its feeds the one that is furthest; 0 if none is known."""
        return max((clock.behind for clock in self.clocks.values()), key=abs, default=0.0)

    def gives_up(self, unread_seconds: float, limit_seconds: float) -> bool:
        """Whether the host becomes unreadable now: no reading for so long, but other records."""
        if self.is_unreadable or self.unread is None or unread_seconds < limit_seconds:
            return False
        self.is_unreadable = True
        return True

    def fall_silent(self, applied: int, time: float, score: float) -> Signal:
        """Raise silence after the record at this samples-topic offset; `time` is that of the last reading."""
        self.silence_id = signal_id(SignalKind.SILENCE, SignalState.RAISED, self.host, applied)
        return self._signal(self.silence_id, SignalState.RAISED, applied, time, score)

    def end_silence(self, offset: int, time: float) -> list[Signal]:
        """A record came at this offset and time: clear the silence, if one is raised."""
        if not self.silence_id:
            return []
        name = signal_id(SignalKind.SILENCE, SignalState.CLEARED, self.host, offset)
        signal = self._signal(name, SignalState.CLEARED, offset, time, 0.0)
        raised, self.silence_id = self.silence_id, ""
        return [msgspec.structs.replace(signal, raised_id=raised)]

    def _signal(self, name: str, state: SignalState, offset: int, time: float, score: float) -> Signal:
        return Signal(
            id=name,
            kind=SignalKind.SILENCE,
            state=state,
            host=self.host,
            time=time,
            score=score,
            threshold=self.threshold,
            evidence=Evidence(partition=self.partition, first_offset=offset, last_offset=offset),
        )

    def state(self) -> LifeState:
        """Everything but the silence, as plain values."""
        clocks = {feed: clock.state() for feed, clock in self.clocks.items()}
        return LifeState(self.unread, self.is_unreadable, clocks)

    def load(self, silence_id: str, state: LifeState) -> None:
        """Take over a state."""
        self.silence_id, self.unread, self.is_unreadable = silence_id, state.unread, state.is_unreadable
        self.clocks = {feed: Clock(saved) for feed, saved in state.clocks.items()}

"""The levels of one host that may move."""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import Final

import msgspec

from detectors.drift.settings import DriftSettings
from detectors.drift.stream import Move, SavedStream, Stream

SCORE: Final = "score"  # the host's own score: how strange it usually is
SCORE_LEAST: Final = 0.25  # of an alarm
LOGS: Final = "log."  # rates of log lines come and go: their signals are their own
LIFETIME_SECONDS: Final = 86_400.0


class SavedWatch(msgspec.Struct, frozen=True, array_like=True):
    """A saved watch: the open block (event time, sums and counts by stream), and the streams."""

    since: float
    totals: dict[str, float]
    counts: dict[str, int]
    streams: list[SavedStream]


class DriftWatch:
    """Watches the host's score and its main levels; tells which of them have moved for good.

    Feed it rows that the host learns from: while an alarm is raised, nothing is normal.

    Parameters:
        settings: See DriftSettings; without a detector nothing is watched.
        seed: For detectors that use randomness.

    Example:
        >>> import random
        >>> noise = random.Random(1)
        >>> watch = DriftWatch(DriftSettings(history_seconds=7200.0))
        >>> for minute in range(300):
        ...     load = noise.gauss(20.0 if minute < 200 else 60.0, 2.0)
        ...     for move in watch.update(60.0 * minute, 0.1, {"cpu": load}):
        ...         print(move.name, round(move.before), round(move.after), minute)
        cpu 20 61 268
    """

    def __init__(self, settings: DriftSettings, seed: int = 0) -> None:
        self.settings = settings
        self.seed = seed
        self.streams: dict[str, Stream] = {}
        self._since = -math.inf
        self._totals: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def update(self, time: float, score: float, values: Mapping[str, float]) -> list[Move]:
        """Take a row in (event time, host score, values by series); the moves that it completes."""
        if not self.settings.detector:
            return []
        moves = []
        if not 0.0 <= time - self._since < self.settings.block_seconds:
            moves = self._end_block()
            self._adopt(time, values)
        totals, counts = self._totals, self._counts
        for name in totals:
            value = score if name == SCORE else values.get(name, math.nan)
            if value - value == 0.0:  # finite: the cheapest test of a hot loop
                totals[name] += value
                counts[name] += 1
        return moves

    def _end_block(self) -> list[Move]:
        """Means go to the streams."""
        means = {name: self._totals[name] / count for name, count in self._counts.items() if count}
        found = [self.streams[name].update(self._since, mean) for name, mean in means.items() if math.isfinite(mean)]
        return [move for move in found if move is not None]

    def _adopt(self, time: float, values: Mapping[str, float]) -> None:
        """Begin a block; new series are watched from here on, as long as there is room."""
        for name in (SCORE, *values):
            if name in self.streams:
                continue
            if not self._has_room(time):
                break
            if self._wants(name):
                self._drop_surplus()
                self.streams[name] = Stream(name, self.settings, self.seed, _least(name))
                self.streams[name].last = time
        self._since = time
        self._totals = dict.fromkeys(self.streams, 0.0)
        self._counts = dict.fromkeys(self.streams, 0)

    def _wants(self, name: str) -> bool:
        if name == SCORE or name.startswith(LOGS):
            return name == SCORE
        return any(fnmatchcase(name, pattern) for pattern in self.settings.series)

    def _has_room(self, time: float) -> bool:
        is_full = len(self.streams) > self.settings.series_maximum
        return not is_full or time - self._oldest().last >= LIFETIME_SECONDS

    def _drop_surplus(self) -> None:
        if len(self.streams) > self.settings.series_maximum:
            del self.streams[self._oldest().name]

    def _oldest(self) -> Stream:
        return min(self.streams.values(), key=_last)

    def forget(self, name: str) -> None:
        """The series begins anew: it is gone, or what is read of it has changed."""
        for held in (self.streams, self._totals, self._counts):
            held.pop(name, None)

    def state(self) -> SavedWatch:
        """Everything, as plain values."""
        streams = [stream.state() for stream in self.streams.values()]
        return SavedWatch(self._since, self._totals.copy(), self._counts.copy(), streams)

    @classmethod
    def restore(cls, state: SavedWatch, settings: DriftSettings, seed: int = 0) -> "DriftWatch":
        """A watch with this state, less the series that the settings do not want any more. ValueError if it is none."""
        watch = cls(settings, seed)
        if not settings.detector:
            return watch
        saved = {one.name: one for one in state.streams if watch._wants(one.name)}
        if not state.totals.keys() == state.counts.keys() <= {one.name for one in state.streams}:
            raise ValueError(f"sums of {sorted(state.totals)} and counts of {sorted(state.counts)} are of no watch")
        watch.streams = {name: Stream.restore(one, settings, seed, _least(name)) for name, one in saved.items()}
        watch._since = state.since
        watch._totals = {name: total for name, total in state.totals.items() if name in saved}
        watch._counts = {name: count for name, count in state.counts.items() if name in saved}
        return watch


_last = attrgetter("last")


def _least(name: str) -> float:
    return SCORE_LEAST if name == SCORE else 0.0

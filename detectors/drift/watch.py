"""The levels of one host that may move."""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

from detectors.drift.settings import DriftSettings
from detectors.drift.stream import Move, SavedStream, Stream

SCORE: Final = "score"  # the host's own score: how strange it usually is
SCORE_LEAST: Final = 0.25  # of an alarm
LOGS: Final = "log."  # rates of log lines come and go: their signals are their own
LIFETIME_SECONDS: Final = 86_400.0


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
        cpu 21 61 268
    """

    def __init__(self, settings: DriftSettings, seed: int = 0) -> None:
        self.settings = settings
        self.seed = seed
        self.streams: dict[str, Stream] = {}

    def update(self, time: float, score: float, values: Mapping[str, float]) -> list[Move]:
        """Take a row in (event time, host score, values by series); the moves that it completes."""
        if not self.settings.detector:
            return []
        moves = []
        for name, value in ((SCORE, score), *values.items()):
            stream = self.streams.get(name) or self._new(name, time)
            move = stream.update(time, value) if stream is not None and math.isfinite(value) else None
            if move is not None:
                moves.append(move)
        return moves

    def _new(self, name: str, time: float) -> Stream | None:
        wanted = name == SCORE or any(fnmatchcase(name, pattern) for pattern in self.settings.series)
        if not wanted or name.startswith(LOGS):
            return None
        if len(self.streams) > self.settings.series_maximum:
            oldest = min(self.streams.values(), key=lambda stream: stream.last)
            if time - oldest.last < LIFETIME_SECONDS:
                return None
            del self.streams[oldest.name]
        stream = self.streams[name] = Stream(name, self.settings, self.seed, _least(name))
        return stream

    def state(self) -> list[SavedStream]:
        """Everything, as plain values."""
        return [stream.state() for stream in self.streams.values()]

    @classmethod
    def restore(cls, state: list[SavedStream], settings: DriftSettings, seed: int = 0) -> "DriftWatch":
        """A watch with this state. ValueError if it is none."""
        watch = cls(settings, seed)
        if settings.detector:
            watch.streams = {one.name: Stream.restore(one, settings, seed, _least(one.name)) for one in state}
        return watch


def _least(name: str) -> float:
    return SCORE_LEAST if name == SCORE else 0.0

"""Drift signals of one host: raised when a level has moved, cleared when its series is known again."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from detectors.drift.settings import DriftSettings
from detectors.drift.stream import Move
from detectors.drift.watch import LIFETIME_SECONDS, SCORE, DriftWatch, SavedWatch
from detectors.identity import signal_id
from detectors.magnitude import told
from detectors.signals import Evidence, SeriesEvidence, Signal, SignalKind, SignalState, WindowPoint

THRESHOLD: Final = 1.0  # half widths of what was normal
SCORE_MAXIMUM: Final = 100.0


class Moved(msgspec.Struct, frozen=True, array_like=True):
    """A series that has moved: its signal's id and event time, and how many of its rows are still to be learned."""

    signal_id: str
    time: float
    rows: int


class SavedDrift(msgspec.Struct, frozen=True, array_like=True):
    """Saved drift of a host: what is watched, and what has moved, by series."""

    watch: SavedWatch
    moved: dict[str, Moved]


class HostDrift:
    """Watches the levels of one host, and says so when one has moved.

    A drift is not an anomaly: it raises no alarm and makes nobody young but the series that has moved, whose models the
    host starts anew. Feed it rows that are learned: while an alarm is raised or an incident is open nothing is normal.

    Parameters:
        host: Its name.
        partition: Of the samples topic.
        settings: See DriftSettings.
        rows: A series is known again after so many of its rows; so a signal clears.
        grows: Whether a series is one that only grows, so that its growth a second is told.
        seed: For detectors that use randomness.
    """

    __slots__ = ("grows", "host", "moved", "partition", "rows", "watch")

    def __init__(
        self,
        host: str,
        partition: int,
        settings: DriftSettings,
        rows: int,
        grows: Callable[[str], bool],
        seed: int = 0,
    ) -> None:
        self.host = host
        self.partition = partition
        self.rows = rows
        self.grows = grows
        self.watch = DriftWatch(settings, seed)
        self.moved: dict[str, Moved] = {}

    def learn(self, time: float, offset: int, score: float, values: Mapping[str, float]) -> list[Signal]:
        """Take in a row (event time, samples-topic offset, host score, values by series); the signals it gives."""
        signals = [self._cleared(name, time, offset) for name in self._relearned(time, values)] if self.moved else []
        for move in self.watch.update(time, score, values):
            signals += [self._raised(move, time, offset)] if move.name not in self.moved else []
        return signals

    def forget(self, series: str) -> None:
        """The series begins anew; if it had moved, that is told to be over once it is known."""
        self.watch.forget(series)

    def _relearned(self, time: float, values: Mapping[str, float]) -> list[str]:
        """Count the row; the series that are known again, or have not come for a day."""
        for name, one in self.moved.items():
            if name == SCORE or name in values:
                self.moved[name] = Moved(one.signal_id, one.time, one.rows - 1)
        return [name for name, one in self.moved.items() if one.rows <= 0 or time - one.time > LIFETIME_SECONDS]

    def _raised(self, move: Move, time: float, offset: int) -> Signal:
        signal = self._signal(move, SignalState.RAISED, time, offset)
        self.moved[move.name] = Moved(signal.id, time, self.rows)
        return signal

    def _signal(self, move: Move, state: SignalState, time: float, offset: int) -> Signal:
        score = _distance(move, move.after)
        grows = self.grows(move.name)
        observed = SeriesEvidence(move.name, move.after, move.before, move.low, move.high, score, per_second=grows)
        return Signal(
            id=signal_id(SignalKind.DRIFT, state, f"{self.host} {move.name}", self.partition, offset),
            kind=SignalKind.DRIFT,
            state=state,
            host=self.host,
            time=time,
            score=score,
            threshold=THRESHOLD,
            evidence=Evidence(
                series=(told(observed),),
                window=(WindowPoint(move.since, _distance(move, move.before)), WindowPoint(time, score)),
                votes={self.watch.settings.detector: score},
                partition=self.partition,
                first_offset=offset,
                last_offset=offset,
            ),
        )

    def _cleared(self, name: str, time: float, offset: int) -> Signal:
        moved = self.moved.pop(name)
        return Signal(
            id=signal_id(SignalKind.DRIFT, SignalState.CLEARED, f"{self.host} {name}", self.partition, offset),
            kind=SignalKind.DRIFT,
            state=SignalState.CLEARED,
            host=self.host,
            time=time,
            score=0.0,
            threshold=THRESHOLD,
            evidence=Evidence(partition=self.partition, first_offset=offset, last_offset=offset),
            raised_id=moved.signal_id,
        )

    def state(self) -> SavedDrift:
        """Everything, as plain values."""
        return SavedDrift(self.watch.state(), self.moved.copy())

    def load(self, state: SavedDrift) -> None:
        """Take over a state. ValueError if it is none."""
        self.watch = DriftWatch.restore(state.watch, self.watch.settings, self.watch.seed)
        self.moved = state.moved.copy()


def _distance(move: Move, level: float) -> float:
    """How far a level is from the middle of what was normal, in half widths; 1 is the edge."""
    half = (move.high - move.low) / 2.0
    away = abs(level - (move.high + move.low) / 2.0)
    return min(away / half, SCORE_MAXIMUM) if half > 0.0 else SCORE_MAXIMUM

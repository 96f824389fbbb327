"""The detectors that the settings name, a series at a time: each with its guard and its calibration."""

import math
from collections.abc import Callable, Iterable

import msgspec

from detectors.calibration import TailCalibration
from detectors.combination import combine, per_minute
from detectors.errors import RowError
from detectors.gathering import Row
from detectors.guard import Guard
from detectors.judges.contract import BLAME_FROM, Opinion
from detectors.signals import SeriesEvidence
from detectors.table import DETECTORS

SETTLED = 10  # readings before a detector's raw scores say what is usual
WARM = 60  # values learned since a detector (re)started, before it counts
BLAMED = 8
ALARM = 3.0  # -log10 of a tail probability a minute: so rare a row is an alarm


def unit(scores: Iterable[float], interval_seconds: float) -> float:
    """The scores of some series as one, in units of an alarm.

    Example:
        >>> round(unit([3.0], 60.0), 1), round(unit([3.0], 0.6), 1)
        (1.0, 0.3)
    """
    return per_minute(combine(list(scores)), interval_seconds) / ALARM


class PartState(msgspec.Struct, frozen=True, array_like=True):
    """A saved detector of a series: its numbers, its calibration's, its guard's counts and its latest score."""

    name: str
    detector: list[float]
    tail: list[float]
    readings: int
    misfits: int
    outlier: float
    score: float


class Part:
    """One detector of one series, with its guard, its calibration and its latest calibrated score."""

    __slots__ = ("detector", "guard", "name", "raw", "score", "seed", "tail")

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.seed = seed
        self.detector = DETECTORS[name](seed=seed)
        self.guard = Guard()
        self.tail = TailCalibration()
        self.raw = 0.0
        self.score = 0.0

    def judge(self, value: float) -> float:
        """The score; 0 until enough values were learned since the detector (re)started."""
        self.raw = self.detector.score(value)
        self.score = self.tail.score(self.raw) if self.guard.readings >= WARM else 0.0
        return self.score

    def learn(self, value: float) -> None:
        """Take in the value that was judged last."""
        if self.guard.readings >= SETTLED:
            self.tail.learn(self.raw)
        admitted = self.guard.admit(value, self.detector.band())
        if admitted is None:
            self.detector = DETECTORS[self.name](seed=self.seed)
            admitted = value
        self.detector.learn(admitted)

    def explain(self, series: str, value: float) -> SeriesEvidence:
        """What was seen against what was expected."""
        band, width = self.detector.band(), self.tail.threshold()
        low, high = band.centre - width * band.scale, band.centre + width * band.scale
        return SeriesEvidence(series, value, band.centre, low, high, self.score)

    def state(self) -> PartState:
        """Everything, as plain numbers."""
        guard = self.guard
        return PartState(
            name=self.name,
            detector=self.detector.numbers(),
            tail=self.tail.numbers(),
            readings=guard.readings,
            misfits=guard.misfits,
            outlier=guard.outlier,
            score=self.score,
        )

    @classmethod
    def restore(cls, state: PartState, seed: int) -> "Part":
        """A part with this state."""
        part = cls(state.name, seed)
        part.detector = DETECTORS[state.name].restore(state.detector, seed=seed)
        part.tail = TailCalibration.restore(state.tail)
        part.guard = Guard(state.readings, state.misfits, state.outlier)
        part.score = state.score
        return part


class SavedNamed(msgspec.Struct, frozen=True, array_like=True):
    """A saved judge: the parts of each series."""

    series: dict[str, list[PartState]]
    blamed: list[SeriesEvidence]


class NamedJudge:
    """Judges each series by the detectors that the settings name for it; a host needs more than one strange series.

    Parameters:
        detectors_of: Names of detectors for a series, by its name.
        seed: For detectors that use randomness.
    """

    def __init__(self, detectors_of: Callable[[str], tuple[str, ...]], *, seed: int = 0) -> None:
        self._detectors_of = detectors_of
        self._seed = seed
        self._series: dict[str, list[Part]] = {}
        self._blamed: list[SeriesEvidence] = []
        self._plan: list[tuple[str, list[Part]]] = []
        self._plan_of: tuple[str, ...] = ()

    def score(self, row: Row) -> Opinion:
        """Score the series of this row that any detector is named for."""
        plan = self._planned(row)
        if not plan:
            self._blamed = []
            return Opinion()
        best: dict[str, float] = {}
        found: list[tuple[float, str, Part]] = []
        for name, parts in plan:
            value = row.values[name]
            for part in parts:
                score = part.judge(value) if math.isfinite(value) else 0.0
                best[name] = max(best.get(name, 0.0), score)
                found.append((-score, name, part))
        score = unit(best.values(), row.interval)
        votes = {}
        for name in dict.fromkeys(part.name for _, _, part in found):
            votes[name] = unit([-minus for minus, _, part in found if part.name == name], row.interval)
        self._blamed = self._blame(found, row) if score >= BLAME_FROM else []
        return Opinion(score, score, score, votes)

    def _planned(self, row: Row) -> list[tuple[str, list[Part]]]:
        """The series of this row that any detector is named for, with their parts."""
        names = tuple(row.values)
        if names != self._plan_of:
            self._plan, self._plan_of = [(name, parts) for name in names if (parts := self._parts(name))], names
        return self._plan

    def _parts(self, name: str) -> list[Part]:
        parts = self._series.get(name)
        if parts is None:
            parts = self._series[name] = [Part(one, self._seed) for one in self._detectors_of(name)]
        return parts

    def _blame(self, found: list[tuple[float, str, Part]], row: Row) -> list[SeriesEvidence]:
        order = sorted(found, key=lambda one: (one[0], one[1]))
        first = {name: part for minus, name, part in reversed(order) if minus < 0.0}
        return [first[name].explain(name, row.values[name]) for name in reversed(first)][:BLAMED]

    def learn(self, row: Row) -> None:
        """Take in the row that was scored last."""
        for name, parts in self._planned(row):
            value = row.values[name]
            if math.isfinite(value):
                for part in parts:
                    part.learn(value)

    def skip(self, row: Row, *, keep: bool) -> None:
        """The row that was scored last is not learned."""

    def recall(self) -> None:
        """Nothing is kept: the guard of each detector sees to it that a new normal is found soon."""

    def blame(self) -> list[SeriesEvidence]:
        """The series to blame, most first."""
        return list(self._blamed)

    def forget(self, series: str) -> None:
        """The series is young again."""
        self._series.pop(series, None)
        self._plan_of = ()

    def to_bytes(self) -> bytes:
        """The whole state, exactly."""
        parts = {name: [part.state() for part in parts] for name, parts in self._series.items() if parts}
        return msgspec.msgpack.encode(SavedNamed(parts, self._blamed))

    def load(self, state: bytes) -> None:
        """Take over a state: a wanted detector that was not saved starts empty, others are dropped. RowError if the
        bytes are damaged or of another version.
        """
        try:
            saved = msgspec.msgpack.decode(state, type=SavedNamed)
            for name, states in saved.series.items():
                known = {one.name: one for one in states}
                wanted = self._detectors_of(name)
                parts = [
                    Part.restore(known[one], self._seed) if one in known else Part(one, self._seed) for one in wanted
                ]
                if parts:
                    self._series[name] = parts
        except (msgspec.DecodeError, ValueError) as error:
            raise RowError(f"saved detectors of {len(state)} bytes can not be read: {error}") from error
        self._blamed, self._plan_of = saved.blamed, ()

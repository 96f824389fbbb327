"""The model of one series: meter, then detectors, each with its calibration, then one score."""

import math
from collections.abc import Sequence

import msgspec

from detectors.calibration import SCORE_MAXIMUM, TailCalibration
from detectors.guard import Guard
from detectors.meter import Meter
from detectors.signals import SeriesEvidence
from detectors.table import DETECTORS

SETTLED = 10  # readings before a detector's raw scores say what is usual
VALUE_MAXIMUM = 1e100  # its square is still finite
LATE_MAXIMUM = 10  # so many late readings in a row are no longer late: the host's clock was set back
INTERVAL_MEMORY = 32.0  # readings
FRESH_INTERVALS = 2.5  # a score counts in full for so many of the series' usual intervals, then halves every interval


class PartState(msgspec.Struct, frozen=True, array_like=True):
    """A saved detector of a series: its numbers, its calibration's, its guard's counts and its latest score."""

    name: str
    detector: list[float]
    tail: list[float]
    readings: int
    misfits: int
    outlier: float
    score: float


class SeriesState(msgspec.Struct, frozen=True, array_like=True):
    """A saved series."""

    name: str
    row: int
    time: float
    interval: float
    gaps: float
    late: int
    observed: float
    score: float
    previous: float
    meter: list[float]
    parts: list[PartState]


class Part:
    """One detector of a series, with its guard, its calibration and its latest calibrated score."""

    __slots__ = ("detector", "guard", "name", "score", "seed", "tail")

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.seed = seed
        self.detector = DETECTORS[name](seed=seed)
        self.guard = Guard()
        self.tail = TailCalibration()
        self.score = 0.0

    def step(self, value: float, warmup: int, *, learn: bool) -> float:
        """Score, then learn; the score is 0 until `warmup` values were learned since the detector (re)started."""
        raw = self.detector.score(value)
        self.score = self.tail.score(raw) if self.guard.readings >= warmup else 0.0
        if learn:
            if self.guard.readings >= SETTLED:
                self.tail.learn(raw)
            admitted = self.guard.admit(value, self.detector.band())
            if admitted is None:
                self.detector = DETECTORS[self.name](seed=self.seed)
                admitted = value
            self.detector.learn(admitted)
        return self.score

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


class SeriesModel:
    """Everything that is known of one series of one host. Its score is that of its most surprised detector."""

    __slots__ = (
        "gaps",
        "interval",
        "late",
        "meter",
        "name",
        "observed",
        "parts",
        "previous",
        "row",
        "score",
        "seed",
        "time",
    )

    def __init__(self, name: str, detectors: Sequence[str], seed: int = 0) -> None:
        self.name = name
        self.seed = seed
        self.meter = Meter()
        self.row = -1
        self.time = -math.inf
        self.interval = 0.0
        self.gaps = 0.0
        self.late = 0
        self.observed = 0.0
        self._start(detectors)

    def _start(self, detectors: Sequence[str]) -> None:
        self.parts = [Part(name, self.seed) for name in detectors]
        self.score = self.previous = 0.0

    @property
    def last_seen(self) -> float:
        """Event time of the last reading; infinite while the very first one is being taken in."""
        return self.time if self.row >= 0 else math.inf

    def accepts(self, time: float) -> bool:
        """Whether a reading of this time is in order; late ones change nothing but their count."""
        if time < self.time and self.late < LATE_MAXIMUM:
            self.late += 1
            return False
        self.late = 0
        return True

    def step(self, time: float, value: float, *, warmup: int, learn: bool) -> None:
        """Score, then learn, one accepted reading."""
        if self.time > -math.inf:
            self.gaps = min(self.gaps + 1.0, INTERVAL_MEMORY)
            self.interval += (max(time - self.time, 0.0) - self.interval) / self.gaps
        self.time = time
        self.observed = value
        counting = self.meter.counting
        modelled = self.meter.read(time, value, learn=learn)
        if counting != self.meter.counting:
            self._start([part.name for part in self.parts])
        if modelled is None:
            return
        self.observed = modelled = min(max(modelled, -VALUE_MAXIMUM), VALUE_MAXIMUM)
        best = 0.0
        for part in self.parts:
            best = max(best, part.step(modelled, warmup, learn=learn))
        self.previous = self.score
        self.score = best

    def effective(self, time: float, row: int) -> float:
        """The score as it counts at `time`: if not of this row, it must be confirmed by the one before, and fades."""
        if self.row == row:
            return self.score
        score = min(self.score, self.previous)
        intervals = (time - self.time) / self.interval if self.interval > 0.0 else 0.0
        return score if intervals <= FRESH_INTERVALS else score * 0.5 ** min(intervals - FRESH_INTERVALS, 64.0)

    def part_score(self, detector: str) -> float:
        """The latest calibrated score of one detector; 0 if it does not watch this series."""
        return next((part.score for part in self.parts if part.name == detector), 0.0)

    def evidence(self) -> SeriesEvidence:
        """What was seen against what was expected, by the most surprised detector."""
        part = max(self.parts, key=lambda part: part.score)
        band, width = part.detector.band(), part.tail.threshold()
        return SeriesEvidence(
            series=self.name,
            observed=self.observed,
            expected=band.centre,
            low=band.centre - width * band.scale,
            high=band.centre + width * band.scale,
            score=min(self.score, SCORE_MAXIMUM),
            per_second=bool(self.meter.counting),
        )

    def state(self) -> SeriesState:
        """Everything, as plain numbers."""
        return SeriesState(
            name=self.name,
            row=self.row,
            time=self.time,
            interval=self.interval,
            gaps=self.gaps,
            late=self.late,
            observed=self.observed,
            score=self.score,
            previous=self.previous,
            meter=self.meter.numbers(),
            parts=[part.state() for part in self.parts],
        )

    @classmethod
    def restore(cls, state: SeriesState, detectors: Sequence[str], seed: int = 0) -> "SeriesModel":
        """A series with this state; a wanted detector that was not saved starts empty, others are dropped."""
        series = cls(state.name, detectors, seed)
        series.row, series.time, series.gaps = state.row, state.time, state.gaps
        series.interval, series.late, series.observed = state.interval, state.late, state.observed
        series.score, series.previous = state.score, state.previous
        series.meter = Meter.restore(state.meter)
        saved = {part.name: part for part in state.parts}
        series.parts = [Part.restore(saved[name], seed) if name in saved else Part(name, seed) for name in detectors]
        return series

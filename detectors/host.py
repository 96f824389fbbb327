"""The model of one host: its series, its log rates, its alarm and its silence, fed sample by sample."""

import math

import msgspec

from detectors.alarm import Alarm, AlarmState, Row, Turn
from detectors.calibration import DECADE, SCORE_MAXIMUM
from detectors.combination import combine, one_of, per_minute
from detectors.errors import RowError
from detectors.identity import signal_id
from detectors.rates import LogRates, RatesState
from detectors.samples import LogSample, MetricSample, Sample, Source
from detectors.series import SeriesModel, SeriesState
from detectors.settings import DetectorSettings
from detectors.signals import Evidence, HostState, HostStatus, Signal, SignalKind, SignalState, WindowPoint
from detectors.templates.watch import LogTemplates, SavedWatch, is_of_templates

VERSION = 2
SOURCES_MAXIMUM = 1024  # topic partitions whose last place is remembered, a host
EVIDENCE_SERIES = 8
INTERVAL_MEMORY, INTERVAL_CLIP = 32.0, 10.0


class HostRow(msgspec.Struct, frozen=True, array_like=True):
    """A saved host. `sources` maps (topic, partition) to the last (offset, index), oldest use first."""

    version: int
    host: str
    applied: int
    samples: int
    sources: list[tuple[str, int, int, int]]
    time: float
    interval: float
    score: float
    frozen_since: float | None
    silence_id: str
    alarm: AlarmState
    rates: RatesState
    templates: SavedWatch
    series: list[SeriesState]


class Refusals(msgspec.Struct):
    """What was left out, in counts since the start of this process."""

    hosts: int = 0
    series: int = 0
    values: int = 0
    late: int = 0
    duplicates: int = 0


class HostModel:
    """One host. `apply` scores a sample against what was learned before it, learns it, and tells what changed."""

    def __init__(self, host: str, partition: int, settings: DetectorSettings, seed: int = 0) -> None:
        self.host = host
        self.partition = partition
        self.settings = settings
        self.seed = seed
        self.applied = -1
        self.samples = 0
        self.sources: dict[tuple[str, int], tuple[int, int]] = {}
        self.time = -math.inf
        self.interval = 0.0
        self.score = 0.0
        self.frozen_since: float | None = None
        self.silence_id = ""
        self.alarm = Alarm()
        self.rates = LogRates(settings.log_window_seconds)
        self.templates = LogTemplates(settings.log_window_seconds, settings.series_lifetime_seconds)
        self.series: dict[str, SeriesModel] = {}

    def knows(self, offset: int, source: Source) -> bool:
        """Whether this record, or the producer's record it came from, has been applied already."""
        if offset <= self.applied:
            return True
        last = self.sources.get((source.topic, source.partition))
        return last is not None and (source.offset, source.index) <= last

    def apply(self, offset: int, sample: Sample, refusals: Refusals, *, paused: bool) -> list[Signal]:
        """Take in one sample that is not known yet; at most one signal of each kind."""
        self._remember(offset, sample.source)
        signals = [self._end_silence(offset, sample.time)] if self.silence_id else []
        learn = self._learns(sample.time, paused=paused)
        for window in self.templates.close(self.rates.close(sample.time)):
            self._measure(offset, window.end, window.rates, refusals, learn=learn)
        if isinstance(sample, LogSample):
            self.rates.count(sample.time, sample.level)
            self.templates.count(sample.time, sample.level, sample.message)
        elif isinstance(sample, MetricSample):
            self._measure(offset, sample.time, sample.values, refusals, learn=learn)
        self.time = sample.time
        turn = self.alarm.turn(self.settings, self.interval)
        if turn is not Turn.NONE:
            signals.append(self._turned(turn, offset, sample.time))
        return signals

    def silence(self, quiet_seconds: float) -> Signal | None:
        """Raise silence if the host has been quiet for too long; `quiet_seconds` is by the worker's clock."""
        limit = max(self.settings.silence_seconds, self.settings.silence_intervals * self.interval)
        if self.silence_id or quiet_seconds < limit:
            return None
        self.silence_id = signal_id(SignalKind.SILENCE, SignalState.RAISED, self.host, self.applied)
        score = min(DECADE * quiet_seconds / max(self.interval, limit / self.settings.silence_intervals), SCORE_MAXIMUM)
        return self._silence_signal(self.silence_id, SignalState.RAISED, self.time, score, "")

    def status(self, now: float) -> HostStatus:
        """The host's entry in the roster."""
        return HostStatus(
            host=self.host,
            state=self._state(),
            time=now,
            last_sample_time=self.time,
            score=self.score,
            samples=self.samples,
            series=len(self.series),
            partition=self.partition,
        )

    def _state(self) -> HostState:
        if self.silence_id:
            return HostState.SILENT
        if self.alarm.raised_id:
            return HostState.ANOMALOUS
        return HostState.YOUNG if self.alarm.young(self.settings) else HostState.NORMAL

    def _remember(self, offset: int, source: Source) -> None:
        self.applied = offset
        self.samples += 1
        place = (source.topic, source.partition)
        self.sources.pop(place, None)
        self.sources[place] = (source.offset, source.index)
        if len(self.sources) > SOURCES_MAXIMUM:
            del self.sources[next(iter(self.sources))]

    def _learns(self, time: float, *, paused: bool) -> bool:
        if not paused and not self.alarm.raised_id:
            self.frozen_since = None
            # A row that votes for an alarm is not learned; at most `raise_share` of the rows can do so unraised.
            return self.score < self.settings.threshold or self.alarm.young(self.settings)
        if self.frozen_since is None:
            self.frozen_since = time
        return time - self.frozen_since > self.settings.pause_maximum_seconds

    def _measure(self, offset: int, time: float, values: dict[str, float], refusals: Refusals, *, learn: bool) -> None:
        readings = self._admit(time, values, refusals)
        if not readings:
            return
        rows = self.alarm.rows
        if not rows or any(series.row == rows for series, _ in readings):
            self._open_row(time, offset)
            rows = self.alarm.rows
        for series, value in readings:
            series.row = rows
            series.step(time, value, warmup=self.settings.warmup_rows, learn=learn)
        self.score = per_minute(combine(self._scores(time, rows)), self.interval)
        self.alarm.update(time, self.score)

    def _scores(self, time: float, row: int) -> list[float]:
        """One score a series, and one for all log templates together: their rates are parts of the rates by level."""
        scores = [one.effective(time, row) for name, one in self.series.items() if not is_of_templates(name)]
        parts = [
            min(one.effective(time, row), one.previous) for name, one in self.series.items() if is_of_templates(name)
        ]
        return [*scores, one_of(parts)] if parts else scores

    def _open_row(self, time: float, offset: int) -> None:
        if self.alarm.window:
            span = max(time - self.alarm.window[-1].time, 0.0)
            if self.alarm.rows > INTERVAL_MEMORY:
                span = min(span, INTERVAL_CLIP * self.interval)
            self.interval += (span - self.interval) / min(float(self.alarm.rows), INTERVAL_MEMORY)
        self.alarm.open(Row(time, 0.0, offset))

    def _admit(self, time: float, values: dict[str, float], refusals: Refusals) -> list[tuple[SeriesModel, float]]:
        readings = []
        for name, value in values.items():
            if not math.isfinite(value):
                refusals.values += 1
                continue
            series = self.series.get(name) or self._new_series(name, time)
            if series is None:
                refusals.series += 1
            elif not series.accepts(time):
                refusals.late += 1
            else:
                readings.append((series, float(value)))
        return readings

    def _new_series(self, name: str, time: float) -> SeriesModel | None:
        if len(name) > self.settings.name_length_maximum:
            return None
        if len(self.series) >= self.settings.series_maximum:
            oldest = min(self.series.values(), key=lambda series: series.last_seen)
            if time - oldest.last_seen < self.settings.series_lifetime_seconds:
                return None
            del self.series[oldest.name]
        series = self.series[name] = SeriesModel(name, self.settings.detectors, self.seed)
        return series

    def _turned(self, turn: Turn, offset: int, time: float) -> Signal:
        raised = turn is Turn.RAISED
        state = SignalState.RAISED if raised else SignalState.CLEARED
        name = signal_id(SignalKind.ANOMALY, state, self.host, self.partition, offset)
        signal = Signal(
            id=name,
            kind=SignalKind.ANOMALY,
            state=state,
            host=self.host,
            time=time,
            score=self.score,
            threshold=self.settings.threshold if raised else self.settings.clear_threshold,
            evidence=self.evidence(),
            raised_id=self.alarm.raised_id,
        )
        self.alarm.turned(name if raised else "")
        return signal

    def evidence(self) -> Evidence:
        """What the latest row rests on."""
        if not self.alarm.window:
            return Evidence()
        window, row, time = self.alarm.window, self.alarm.rows, self.alarm.window[-1].time
        ranked = sorted(self.series.values(), key=lambda series: (-series.effective(time, row), series.name))
        votes = {
            detector: per_minute(combine([s.part_score(detector) for s in self.series.values()]), self.interval)
            for detector in self.settings.detectors
        }
        blamed = tuple(one.evidence() for one in ranked[:EVIDENCE_SERIES] if one.effective(time, row) > 0.0)
        return Evidence(
            series=blamed,
            window=tuple(WindowPoint(point.time, point.score) for point in window),
            votes=votes,
            partition=self.partition,
            first_offset=window[0].offset,
            last_offset=self.applied,
            lines=self.templates.evidence([one.series for one in blamed]),
        )

    def _end_silence(self, offset: int, time: float) -> Signal:
        name = signal_id(SignalKind.SILENCE, SignalState.CLEARED, self.host, offset)
        raised, self.silence_id = self.silence_id, ""
        return self._silence_signal(name, SignalState.CLEARED, time, 0.0, raised)

    def _silence_signal(self, name: str, state: SignalState, time: float, score: float, raised_id: str) -> Signal:
        evidence = Evidence(partition=self.partition, first_offset=self.applied, last_offset=self.applied)
        return Signal(
            id=name,
            kind=SignalKind.SILENCE,
            state=state,
            host=self.host,
            time=time,
            score=score,
            threshold=self.settings.threshold,
            evidence=evidence,
            raised_id=raised_id,
        )

    def encode(self) -> bytes:
        """The whole row."""
        row = HostRow(
            VERSION,
            self.host,
            self.applied,
            self.samples,
            [(*place, *last) for place, last in self.sources.items()],
            self.time,
            self.interval,
            self.score,
            self.frozen_since,
            self.silence_id,
            self.alarm.state(),
            self.rates.state(),
            self.templates.state(),
            [series.state() for series in self.series.values()],
        )
        return msgspec.msgpack.encode(row)

    @classmethod
    def decode(cls, data: bytes, partition: int, settings: DetectorSettings, seed: int = 0) -> "HostModel":
        """A host with this state. RowError if the bytes are damaged or of another version."""
        try:
            row = msgspec.msgpack.decode(data, type=HostRow)
        except msgspec.DecodeError as error:
            raise RowError(f"saved row of {len(data)} bytes can not be read: {error}") from error
        if row.version != VERSION:
            raise RowError(f"saved row of host {row.host!r} has version {row.version}, wanted {VERSION}")
        host = cls(row.host, partition, settings, seed)
        host.applied, host.samples, host.time, host.interval = row.applied, row.samples, row.time, row.interval
        host.score, host.frozen_since, host.silence_id = row.score, row.frozen_since, row.silence_id
        host.sources = {(topic, source): (offset, index) for topic, source, offset, index in row.sources}
        host.alarm = Alarm.restore(row.alarm)
        try:
            host.rates = LogRates.restore(row.rates, settings.log_window_seconds)
            host.templates = LogTemplates.restore(
                row.templates, settings.log_window_seconds, settings.series_lifetime_seconds
            )
            host.series = {one.name: SeriesModel.restore(one, settings.detectors, seed) for one in row.series}
        except ValueError as error:
            raise RowError(f"saved row of host {row.host!r} can not be restored: {error}") from error
        return host

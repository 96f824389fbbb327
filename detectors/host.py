"""The model of one host: rows of its readings, what its judges say of them, its alarm and its silence."""

import math

import msgspec

from detectors.alarm import Alarm, AlarmState, Point, Turn
from detectors.drift.host import HostDrift, SavedDrift
from detectors.errors import RowError
from detectors.gathering import Gathering, GatheringState, Row
from detectors.identity import signal_id
from detectors.judges.contract import Opinion
from detectors.judges.panel import Bench, Panel, SavedPanel
from detectors.life import Life, LifeState
from detectors.magnitude import told
from detectors.rates import LogRates, RatesState
from detectors.samples import LogSample, MetricSample, Sample, Source, UnreadSample
from detectors.saves import TakenState, Upkeep
from detectors.series import Series, SeriesState
from detectors.settings import DetectorSettings
from detectors.signals import (
    Evidence,
    HostState,
    HostStatus,
    SeriesEvidence,
    Signal,
    SignalKind,
    SignalState,
    WindowPoint,
)
from detectors.templates.watch import LogTemplates, SavedWatch

VERSION = 6
SOURCES_MAXIMUM = 1024  # topic partitions whose last place is remembered, a host
SILENCE_SCORE_MAXIMUM = 10.0


class RowHeading(msgspec.Struct, frozen=True, array_like=True):
    """How a saved row of any version begins."""

    version: int
    host: str


class HostRow(msgspec.Struct, frozen=True, array_like=True):
    """A saved host. `sources` maps (topic, partition) to the last (offset, index), oldest use first."""

    version: int
    host: str
    applied: int
    samples: int
    sources: list[tuple[str, int, int, int]]
    time: float
    opinion: Opinion
    frozen_since: float | None
    silence_id: str
    alarm: AlarmState
    gathering: GatheringState
    rates: RatesState
    templates: SavedWatch
    series: list[SeriesState]
    panel: SavedPanel
    drift: SavedDrift
    upkeep: Upkeep
    life: LifeState = LifeState()


class Refusals(msgspec.Struct):
    """What was left out, in counts since the start of this process."""

    hosts: int = 0
    series: int = 0
    values: int = 0
    late: int = 0
    duplicates: int = 0


class HostModel:
    """One host. `apply` takes in a sample and tells what changed; rows are scored before they are learned."""

    def __init__(self, host: str, partition: int, settings: DetectorSettings, seed: int = 0) -> None:
        self.host = host
        self.partition = partition
        self.settings = settings
        self.seed = seed
        self.applied = -1
        self.samples = 0
        self.sources: dict[tuple[str, int], tuple[int, int]] = {}
        self.time = -math.inf
        self.opinion = Opinion()
        self.frozen_since: float | None = None
        self.life = Life(host, partition, settings.threshold)
        self.alarm = Alarm()
        self.gathering = Gathering()
        self.rates = LogRates(settings.log_window_seconds)
        self.templates = LogTemplates(settings.log_window_seconds, settings.series_lifetime_seconds)
        self.series: dict[str, Series] = {}
        self.panel = Panel(Bench(host, settings, self._interval_of, seed))
        self.drift = HostDrift(host, partition, settings.drift, settings.warmup_rows, self._grows, seed)
        self.upkeep = Upkeep()

    def knows(self, offset: int, source: Source) -> bool:
        """Whether this record, or the producer's record it came from, has been applied already."""
        if offset <= self.applied:
            return True
        last = self.sources.get(source.place)
        return last is not None and (source.offset, source.index) <= last

    def apply(self, offset: int, sample: Sample, refusals: Refusals, *, paused: bool) -> list[Signal]:
        """Take in one sample that is not known yet; the signals of the rows that it completes."""
        self.remember(offset, sample.source)
        if isinstance(sample, UnreadSample):
            self.life.hear(sample)
            return self.life.end_silence(offset, sample.arrived)
        self.samples += 1
        self.life.read(sample.source.topic, sample.time, sample.arrived)
        signals = self.life.end_silence(offset, sample.time)
        rows = self._log_rows(offset, sample.time, refusals)
        if isinstance(sample, LogSample):
            self.rates.count(sample.time, sample.level)
            self.templates.count(sample.time, sample.level, sample.message)
            if self.gathering.is_past(sample.time):
                rows.append(self.gathering.close())
        else:
            rows += self._gather(offset, sample, refusals)
        self.time = sample.time
        for row in rows:
            signals += self._judge(row, offset, paused=paused)
        return signals

    def _log_rows(self, offset: int, time: float, refusals: Refusals) -> list[Row]:
        """The windows of log rates that are over."""
        rows = []
        for window in self.templates.close(self.rates.close(time)):
            readings = self._admit(window.end, window.rates, refusals)
            values = {one.name: one.read(window.end, value, learn=True) for one, value in readings}
            if values:
                rows.append(Row(window.end, offset, values, self.settings.log_window_seconds, of_logs=True))
        return rows

    def _gather(self, offset: int, sample: MetricSample, refusals: Refusals) -> list[Row]:
        """Put the readings into the open row; the rows that are complete or over."""
        rows, gathering = [], self.gathering
        for series, value in self._admit(sample.time, sample.values, refusals):
            if gathering.is_over(series.name, sample.time):
                rows.append(gathering.close())
            if not gathering.values:
                gathering.open(sample.time, offset, series, self._metrics())
            counting = series.meter.counting
            judged = series.read(sample.time, value, learn=self.frozen_since is None)
            if counting != series.meter.counting:
                self._forget(series.name)
            gathering.take(series.name, sample.time, judged)
        if gathering.is_complete():
            rows.append(gathering.close())
        return rows

    def _judge(self, row: Row, offset: int, *, paused: bool) -> list[Signal]:
        """Score a row, learn it if it may be learned, and tell if the alarm turns."""
        self.opinion = self.panel.score(row)
        maintained = row.time < self.upkeep.maintenance_until
        if not (maintained and self.alarm.young(self.settings)):  # nobody grows up by rows that are not learned
            self.alarm.add(Point(row.time, self.opinion.score, row.offset))
        turn = self.alarm.turn(self.settings)
        signals = [] if turn is Turn.NONE else [self.turned(turn, offset, row.time)]
        frozen = self.frozen_since is not None
        if maintained:  # however long it takes
            self.frozen_since = row.time
        if maintained or not self._learns(row.time, paused=paused):
            # What raised an alarm may be learned when that is over; an incident, maintenance, or a spike, never.
            self.panel.skip(row, keep=bool(self.alarm.raised_id) and not paused and not maintained)
        else:
            self.panel.learn(row)
            if frozen:
                self.panel.recall()
            signals += self._watch_levels(row, offset)
        return signals

    def _watch_levels(self, row: Row, offset: int) -> list[Signal]:
        """What drift says of a row that was learned; the models of a series that has moved start anew."""
        if row.of_logs:
            return []
        signals = self.drift.learn(row.time, offset, self.opinion.score, row.values)
        for signal in signals:
            for moved in signal.evidence.series:
                self.panel.forget(moved.series)
        return signals

    def _forget(self, name: str) -> None:
        self.panel.forget(name)
        self.drift.forget(name)

    def silence(self, quiet_seconds: float) -> Signal | None:
        """Raise silence if the host has been quiet for too long; `quiet_seconds` is by the worker's clock."""
        limit = self._quiet_maximum_seconds()
        if self.life.silence_id or self.time == -math.inf or quiet_seconds < limit:
            return None
        return self.life.fall_silent(self.applied, self.time, min(quiet_seconds / limit, SILENCE_SCORE_MAXIMUM))

    def gives_up(self, unread_seconds: float) -> bool:
        """Whether the host becomes unreadable now: records, but no reading for too long, by the worker's clock."""
        return self.life.gives_up(unread_seconds, self._quiet_maximum_seconds())

    def _quiet_maximum_seconds(self) -> float:
        interval = max(self.alarm.interval, self.gathering.interval)
        return max(self.settings.silence_seconds, self.settings.silence_intervals * interval)

    def status(self, now: float) -> HostStatus:
        """The host's entry in the roster."""
        return HostStatus(
            host=self.host,
            state=self._state(),
            time=now,
            last_sample_time=max(self.time, 0.0),
            score=self.opinion.score,
            samples=self.samples,
            series=len(self.series),
            partition=self.partition,
            moved=tuple(self.drift.moved),
            maintenance_until=self.upkeep.maintenance_until,
            saves=tuple(self.upkeep.saves),
            unread=self.life.unread,
            behind_seconds=self.life.behind_seconds,
        )

    def take_state(self) -> TakenState | None:
        """The whole row, to be saved: one a day at most, and only while the host is normal and learns."""
        if not self.upkeep.is_due(self.host, self.time):
            return None
        if self._state() is not HostState.NORMAL or self.frozen_since is not None:
            return None
        slot = self.upkeep.take(self.host, self.time)
        return TakenState(self.host, self.time, slot, self.encode())

    def _state(self) -> HostState:
        if self.life.silence_id:
            return HostState.SILENT
        if self.life.is_unreadable or self.time == -math.inf:
            return HostState.UNREADABLE
        if self.alarm.raised_id:
            return HostState.ANOMALOUS
        return HostState.YOUNG if self.alarm.young(self.settings) else HostState.NORMAL

    def remember(self, offset: int, source: Source) -> None:
        """Note a record that is taken in: it is known from now on."""
        self.applied = offset
        self.sources.pop(source.place, None)
        self.sources[source.place] = (source.offset, source.index)
        if len(self.sources) > SOURCES_MAXIMUM:
            del self.sources[next(iter(self.sources))]

    def forget_offset(self) -> None:
        """The samples topic counts from 0 again."""
        self.applied = -1

    def _learns(self, time: float, *, paused: bool) -> bool:
        """A row that votes for an alarm is not learned, nor any while one is raised or an incident is open ..."""
        votes = self.opinion.score >= self.settings.threshold and not self.alarm.young(self.settings)
        if not paused and not self.alarm.raised_id and not votes:
            self.frozen_since = None
            return True
        if self.frozen_since is None:
            self.frozen_since = time
        # ... for so long: then it is the new normal.
        return time - self.frozen_since > self.settings.pause_maximum_seconds

    def _metrics(self) -> list[Series]:
        return [one for one in self.series.values() if not one.is_log]

    def _interval_of(self, name: str) -> float:
        series = self.series.get(name)
        return series.interval if series is not None else 0.0

    def _admit(self, time: float, values: dict[str, float], refusals: Refusals) -> list[tuple[Series, float]]:
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

    def _new_series(self, name: str, time: float) -> Series | None:
        if len(name) > self.settings.name_length_maximum:
            return None
        if len(self.series) >= self.settings.series_maximum:
            oldest = min(self.series.values(), key=lambda series: series.last_seen)
            if time - oldest.last_seen < self.settings.series_lifetime_seconds:
                return None
            del self.series[oldest.name]
            self._forget(oldest.name)
        series = self.series[name] = Series(name)
        return series

    def turned(self, turn: Turn, offset: int, time: float) -> Signal:
        """Turn the alarm, and the signal that tells it."""
        raised = turn is Turn.RAISED
        state = SignalState.RAISED if raised else SignalState.CLEARED
        name = signal_id(SignalKind.ANOMALY, state, self.host, self.partition, offset, self.alarm.rows)
        signal = Signal(
            id=name,
            kind=SignalKind.ANOMALY,
            state=state,
            host=self.host,
            time=time,
            score=self.opinion.score,
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
        window = self.alarm.window
        blamed = [self._read_right(one) for one in self.panel.blame(window[-1].time)]
        return Evidence(
            series=tuple(blamed),
            window=tuple(WindowPoint(point.time, point.score) for point in window),
            votes=self.opinion.votes,
            partition=self.partition,
            first_offset=window[0].offset,
            last_offset=self.applied,
            lines=self.templates.evidence([one.series for one in blamed]),
        )

    def _read_right(self, evidence: SeriesEvidence) -> SeriesEvidence:
        return msgspec.structs.replace(told(evidence), per_second=self._grows(evidence.series))

    def _grows(self, name: str) -> bool:
        series = self.series.get(name)
        return series is not None and bool(series.meter.counting)

    def encode(self) -> bytes:
        """The whole row."""
        row = HostRow(
            VERSION,
            self.host,
            self.applied,
            self.samples,
            [(*place, *last) for place, last in self.sources.items()],
            self.time,
            self.opinion,
            self.frozen_since,
            self.life.silence_id,
            self.alarm.state(),
            self.gathering.state(),
            self.rates.state(),
            self.templates.state(),
            [series.state() for series in self.series.values()],
            self.panel.state(),
            self.drift.state(),
            self.upkeep,
            self.life.state(),
        )
        return msgspec.msgpack.encode(row)

    @classmethod
    def decode(cls, data: bytes, partition: int, settings: DetectorSettings, seed: int = 0) -> "HostModel":
        """A host with this state. RowError if the bytes are damaged or of another version."""
        try:
            heading = msgspec.msgpack.decode(data, type=RowHeading)
            if heading.version != VERSION:
                raise RowError(f"saved row of host {heading.host!r} has version {heading.version}, wanted {VERSION}")
            row = msgspec.msgpack.decode(data, type=HostRow)
        except msgspec.DecodeError as error:
            raise RowError(f"saved row of {len(data)} bytes can not be read: {error}") from error
        host = cls(row.host, partition, settings, seed)
        host.applied, host.samples, host.time = row.applied, row.samples, row.time
        host.opinion, host.frozen_since = row.opinion, row.frozen_since
        host.life.load(row.silence_id, row.life)
        host.sources = {(topic, source): (offset, index) for topic, source, offset, index in row.sources}
        host.upkeep = row.upkeep
        host.alarm, host.gathering = Alarm.restore(row.alarm), Gathering.restore(row.gathering)
        try:
            host.rates = LogRates.restore(row.rates, settings.log_window_seconds)
            host.templates = LogTemplates.restore(
                row.templates, settings.log_window_seconds, settings.series_lifetime_seconds
            )
            host.series = {one.name: Series.restore(one) for one in row.series}
            host.panel.load(row.panel)
            host.drift.load(row.drift)
        except (ValueError, RowError) as error:
            raise RowError(f"saved row of host {row.host!r} can not be restored: {error}") from error
        return host

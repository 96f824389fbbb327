"""A host of any number of named metrics: blocks of 64, one alarm, evidence by name."""

import math
from collections.abc import Iterable, Mapping
from typing import Final, Self

import msgspec
import numpy as np

from detectors.errors import RowError
from detectors.signals import SeriesEvidence
from detectors.vitals.alarm import Alarm, Turn
from detectors.vitals.block import CAPACITY_MAXIMUM, Block
from detectors.vitals.layout import ANOMALY, MOVEMENT, NEW_JUMPS, RELATIONS, SCORE, Words

VERSION: Final = 1
BLOCKS_MAXIMUM: Final = 8
LIFETIME_SECONDS: Final = 86_400.0  # a metric unseen for so long gives its place to a new one when the host is full
VARYING_LEAST: Final = 6  # with fewer metrics that vary there are no relations to judge: watch each series alone
FULL_SCALE_SHARE: Final = 0.01  # of a declared full scale: smaller deviations do not matter
BLAMED: Final = 8


class Reading(msgspec.Struct, frozen=True):
    """What the host's row says: `anomaly` decides alarms (1 is one), `score` ranks rows, `votes` says who voted how.

    The votes are in units of an alarm: `relations` (metrics no longer belong together as usual), `movement` (much of
    the host moved), `new jumps` (a factor on relations: above 1 where changes are new). While an alarm is raised,
    `recurred` is on how many of the last seven days one was raised at this time of day.
    """

    score: float
    anomaly: float
    turn: Turn
    votes: dict[str, float]
    recurred: int = 0


class SavedAlarm(msgspec.Struct, frozen=True, array_like=True):
    """A saved alarm, see `Alarm`."""

    raised: bool
    calm: int
    rise: float
    time: float
    began: float
    raises: list[float]


class SavedHost(msgspec.Struct, frozen=True, array_like=True):
    """A saved host."""

    version: int
    names: list[str]
    alarm: SavedAlarm
    blocks: list[bytes]


SILENT: Final = Reading(0.0, 0.0, Turn.NONE, {"relations": 0.0, "movement": 0.0, "new jumps": 0.0})


class HostVitals:
    """Online anomaly score of one host with many metrics, and which metrics are to blame.

    Every metric is looked at in three views: against its slow mean (a week), its fast mean (some rows) and its previous
    value. An online tail turns each deviation into a normal score. The host's score is the larger of the Mahalanobis
    length of these scores under a slow shrunk covariance (raised by jumps of a size not seen lately) and their root
    mean square, in units of what is an alarm at this pace of rows. A metric's blame is its normal scores, and how far
    its level is from what all other metrics let expect. Changing the scale, offset or sign of a metric changes nothing,
    but that whole numbers are taken for counts, which vary by their root.

    It fails with fewer than some six varying metrics (`varying`; watch each series alone), where one metric of many
    drifts within its usual range, and on what is normal but rare, such as a weekly job. A metric counts from its
    300th row on.

    Parameters:
        metrics: Names to begin with; `step` adds names as they come.

    Example:
        >>> import random
        >>> rng, host = random.Random(1), HostVitals()
        >>> for minute in range(600):
        ...     load = rng.gauss(0.0, 1.0)
        ...     row = {f"m{i}": 50.0 + 0.5 * load + rng.gauss(0.0, 0.5) for i in range(8)}
        ...     if minute == 599:
        ...         row["m3"], row["m5"], row["m7"] = 90.0, 20.0, 80.0
        ...     reading = host.step(60.0 * minute, row)
        >>> reading.turn.name, sorted(metric.series for metric in host.evidence(3))
        ('RAISED', ['m3', 'm5', 'm7'])

    References:
        Mahalanobis, P. C., 1936. On the generalised distance in statistics.
        Ledoit, O. and Wolf, M., 2004. A well-conditioned estimator for large-dimensional covariance matrices.
    """

    __slots__ = ("_values", "alarm", "blocks", "names")

    def __init__(self, metrics: Iterable[str] = ()) -> None:
        self.names: dict[str, int] = {}
        self.blocks: list[Block] = []
        self.alarm = Alarm()
        self._values: list[Words] = []
        for name in metrics:
            self._place(name)

    def _place(self, name: str) -> int | None:
        place = len(self.names)
        if place == BLOCKS_MAXIMUM * CAPACITY_MAXIMUM:
            vacated = self._vacated()
            if vacated is None:
                return None
            place = vacated
        elif len(self.names) % CAPACITY_MAXIMUM == 0:
            self.blocks.append(Block(1))
            self._values.append(np.full(CAPACITY_MAXIMUM, np.nan))
        else:
            self.blocks[-1].grow(len(self.names) % CAPACITY_MAXIMUM + 1)
        self.names[name] = place
        return place

    def _vacated(self) -> int | None:
        """The place of the metric that was not seen for longest, if that is long enough."""
        ages = {name: self._block(place).unseen_seconds(place % CAPACITY_MAXIMUM) for name, place in self.names.items()}
        oldest = max(ages, key=lambda name: ages[name])
        if ages[oldest] < LIFETIME_SECONDS:
            return None
        place = self.names.pop(oldest)
        self._block(place).vacate(place % CAPACITY_MAXIMUM)
        return place

    def _block(self, place: int) -> Block:
        return self.blocks[place // CAPACITY_MAXIMUM]

    def declare(self, name: str, full_scale: float) -> None:
        """Metric `name` has a full scale (100 for percent, 1 for a ratio): deviations far below it do not matter."""
        place = self.names.get(name)
        if place is None:
            place = self._place(name)
        if place is not None:
            self._block(place).floor(place % CAPACITY_MAXIMUM, FULL_SCALE_SHARE * full_scale)

    def step(self, time: float, values: Mapping[str, float], *, learn: bool = True) -> Reading:
        """Score, then learn, one row: epoch seconds, values by name; absent or not finite is missing.

        New names beyond what a host may have are left out. Time that runs back counts as no time; a row whose time is
        not finite changes nothing.
        """
        if not math.isfinite(time):
            return SILENT
        for row in self._values:
            row.fill(np.nan)
        for name, value in values.items():
            place = self.names.get(name)
            if place is None:
                place = self._place(name)
            if place is not None:
                self._values[place // CAPACITY_MAXIMUM][place % CAPACITY_MAXIMUM] = value
        return self._judge(time, learn=learn)

    def _judge(self, time: float, *, learn: bool) -> Reading:
        score, anomaly, best = 0.0, 0.0, None
        for block, values in zip(self.blocks, self._values, strict=True):
            here = values[: block.metrics]
            if not np.isfinite(here).any():
                continue
            told = block.step(time, here, learn=learn)
            share = block.share_of(len(self.blocks))
            score = max(score, told[SCORE] * share)
            if best is None or told[ANOMALY] * share > anomaly:
                anomaly, best = told[ANOMALY] * share, told
        if best is None:
            return SILENT
        votes = {"relations": best[RELATIONS], "movement": best[MOVEMENT], "new jumps": best[NEW_JUMPS]}
        turn = self.alarm.turn(time, anomaly)
        recurred = self.alarm.recurred(time) if self.alarm.raised else 0
        return Reading(score, anomaly, turn, votes, recurred)

    def evidence(self, most: int = BLAMED) -> tuple[SeriesEvidence, ...]:
        """The metrics of the last row, most to blame first, each in its own unit against what was expected of it."""
        blames = [block.blames() for block in self.blocks]
        rows: list[list[float]] = [values.tolist() for values in self._values]
        ranked = []
        for name, place in self.names.items():
            block, slot = divmod(place, CAPACITY_MAXIMUM)
            blame, value = blames[block][slot], rows[block][slot]
            if blame > 0.0 and math.isfinite(value):
                ranked.append((-blame, name, value, place))
        ranked.sort()
        return tuple(self._explain(name, value, place) for _, name, value, place in ranked[:most])

    def _explain(self, name: str, value: float, place: int) -> SeriesEvidence:
        band = self._block(place).band(place % CAPACITY_MAXIMUM)
        return SeriesEvidence(name, value, band.centre, band.low, band.high, band.score)

    def varying(self) -> int:
        """How many metrics have changed since they were first seen; under `VARYING_LEAST` watch each series alone."""
        return sum(block.counts()[0] for block in self.blocks)

    def mature(self) -> bool:
        """Whether enough metrics were seen often enough to score."""
        return any(block.counts()[1] > 0 for block in self.blocks)

    def reset(self) -> None:
        """Forget everything but the names and full scales: the host is young again."""
        for block in self.blocks:
            block.reset()
        self.alarm = Alarm()

    def to_bytes(self) -> bytes:
        """The whole state, exactly."""
        names = sorted(self.names, key=lambda name: self.names[name])
        blocks = [block.to_bytes() for block in self.blocks]
        one = self.alarm
        alarm = SavedAlarm(one.raised, one.calm, one.rise, one.time, one.began, one.raises)
        return msgspec.msgpack.encode(SavedHost(VERSION, names, alarm, blocks))

    @classmethod
    def from_bytes(cls, state: bytes) -> Self:
        """A host with this state. RowError if the bytes are damaged or of another version."""
        try:
            saved = msgspec.msgpack.decode(state, type=SavedHost)
        except msgspec.DecodeError as error:
            raise RowError(f"saved vitals of {len(state)} bytes can not be read: {error}") from error
        blocks = [Block.from_bytes(block) for block in saved.blocks]
        if saved.version != VERSION or sum(block.metrics for block in blocks) != len(saved.names):
            raise RowError(f"saved vitals of version {saved.version} with {len(saved.names)} names, wanted {VERSION}")
        host = cls()
        host.names = {name: place for place, name in enumerate(saved.names)}
        host.blocks = blocks
        one = saved.alarm
        host.alarm = Alarm(
            raised=one.raised, calm=one.calm, rise=one.rise, time=one.time, began=one.began, raises=one.raises
        )
        host._values = [np.full(CAPACITY_MAXIMUM, np.nan) for _ in blocks]
        return host

"""The memory detector with its state: of one series, or of many as rows of one array."""

import enum
import struct
from typing import Final, Self

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.errors import RowError
from detectors.memory import alarm, kernel, tail
from detectors.memory.evidence import SampleEvidence, ViewEvidence
from detectors.memory.layout import (
    ALARM_SIZE,
    BLOCK,
    EMPTY,
    FIRST,
    RANKING,
    REMEMBERED,
    RESULT_SIZE,
    ROWS,
    SCORE,
    TAIL_SIZE,
    TOLD_SIZE,
    Flags,
    Floats,
    Rows,
    Words,
    plan_of,
)
from detectors.memory.profiles import FULL, LEAN, Profile
from detectors.memory.views import TERMS

HEADER: Final = struct.Struct("<4sI")
MAGIC: Final = b"tgm2"
MATURE_ROWS: Final = int(kernel.SETTLE + kernel.WARM) + tail.QUIET
BAND: Final = (0.05, 0.95)  # quantiles of what is remembered


class Turn(enum.IntEnum):
    """What a series' alarm did at a sample; RENEWED is a higher peak while it is raised."""

    NONE = int(alarm.NONE)
    RAISED = int(alarm.RAISED)
    RENEWED = int(alarm.RENEWED)
    CLEARED = int(alarm.CLEARED)


class Reading(msgspec.Struct, frozen=True):
    """What the detector says of one sample: `score` (0 to 10) decides alarms, `ranking` (0 to 10) orders samples."""

    score: float
    ranking: float
    turn: Turn


class Readings(msgspec.Struct, frozen=True):
    """What the detector says of samples in order, as arrays.

    `turns` holds values of `Turn`; `told` is samples by views by (p, seen, nearest), see `ViewEvidence`.
    """

    scores: Words
    rankings: Words
    turns: npt.NDArray[np.int8]
    told: Floats


class SeriesTable:
    """Memory detectors of many series, one contiguous row of one array each, so that rows can be paged and restored.

    Parameters:
        profile: Views and size of memory: `FULL` (15.1 KiB a row) or `LEAN` (0.5 KiB).
        rows: Rows to begin with; `grow` adds more.
        seed: Of the random choice of what is remembered; rows with equal samples are equal.

    Example:
        >>> import numpy as np
        >>> table = SeriesTable(rows=2)
        >>> rows, times = np.tile([0, 1], 200), np.repeat(np.arange(200) * 60.0, 2)
        >>> values = np.sin(np.arange(400) * 0.7)
        >>> values[399] = 9.0
        >>> readings = table.apply(rows, times, values)
        >>> float(readings.scores[398]), float(readings.scores[399]) > 2.0
        (0.0, True)
    """

    __slots__ = ("_always", "_plan", "_room", "_shape", "_work", "profile", "seed", "words")

    def __init__(self, profile: Profile = FULL, rows: int = 0, *, seed: int = 0) -> None:
        self.profile = profile
        self.seed = seed
        self._shape = profile.shape(seed)
        self._plan = plan_of(self._shape)
        self._always: Flags = np.ones(0, np.bool_)
        self._work = np.empty(len(TERMS) + len(profile.views))
        self._room = self.words = np.zeros((0, profile.words()))
        self.grow(rows)

    def grow(self, rows: int) -> None:
        """Add empty rows until there are so many; room is doubled, so that growing one by one costs no more."""
        have = len(self.words)
        if rows > len(self._room):
            room = np.zeros((max(rows, 2 * len(self._room)), self.profile.words()))
            room[:have] = self.words
            self._room = room
        if rows > have:
            self.words = self._room[:rows]
            self._empty(slice(have, rows))

    def reset(self, row: int) -> None:
        """Make a row young again: as if it had never seen a sample."""
        self._empty(slice(row, row + 1))

    def _empty(self, rows: slice) -> None:
        self.words[rows] = 0.0
        floats, shape = self.words[rows].view(np.float32), self._shape
        floats[:, shape.skip + shape.firsts : shape.skip + shape.week] = EMPTY
        floats[:, shape.skip + shape.week : shape.skip + shape.week + shape.slots] = np.nan

    def apply(self, rows: Rows, times: Words, values: Words, learns: Flags | None = None) -> Readings:
        """Score, then learn, samples in order: for each its row, its time in epoch seconds and its value.

        Samples that are not to be learned (`learns` false) are scored and turn alarms, and leave all that was learned
        as it is. Values and times that are not finite change nothing. IndexError if a row is none of the table's; the
        samples before it are learned. ValueError if the arrays are not equally long.
        """
        count = len(rows)
        results, turns = np.empty((RESULT_SIZE, count)), np.empty(count, np.int8)
        told = np.empty((count, len(self.profile.views), TOLD_SIZE), np.float32)
        if learns is None:
            if count > len(self._always):
                self._always = np.ones(2 * count, np.bool_)
            learns = self._always[:count]
        if not count == len(times) == len(values) == len(learns):  # the kernel reads them unchecked
            lengths = f"{count} rows, {len(times)} times, {len(values)} values, {len(learns)} learns"
            raise ValueError(f"{lengths}, wanted as many of each")
        kernel.apply(self.words, self._plan, rows, times, values, learns, results, turns, told, self._work)
        return Readings(results[SCORE], results[RANKING], turns, told)

    def mature(self, row: int) -> bool:
        """Whether the row has learned enough to score."""
        return bool(self.words[row, ROWS] >= MATURE_ROWS)

    def row_state(self, row: int) -> bytes:
        """The row, exactly."""
        return HEADER.pack(MAGIC, self.profile.stamp()) + bytes(self.words[row].data)

    def load_row(self, row: int, state: bytes) -> None:
        """Replace a row. RowError if the bytes are none of this profile's rows."""
        size = HEADER.size + 8 * self.profile.words()
        if len(state) != size:
            raise RowError(f"a row of profile {self.profile.name!r} has {size} bytes, these are {len(state)}")
        magic, stamp = HEADER.unpack_from(state)
        if (magic, stamp) != (MAGIC, self.profile.stamp()):
            raise RowError(f"these bytes are no row of profile {self.profile.name!r}, or of another version of it")
        words = np.frombuffer(state, np.float64, offset=HEADER.size)
        if not self._is_sound(words):
            raise RowError(f"a row of profile {self.profile.name!r} is damaged: numbers that no series leaves behind")
        self.words[row] = words

    def _is_sound(self, words: Words) -> bool:
        """Whether the kernel can work on a row: it reads and searches memories as the row says they are, unchecked."""
        shape, views = self._shape, len(self.profile.views)
        floats: Floats = words.view(np.float32)[shape.skip :][: shape.week]
        counts = floats[ALARM_SIZE + REMEMBERED : ALARM_SIZE + views * TAIL_SIZE : TAIL_SIZE]
        memories = floats[shape.memories :].reshape(views, shape.values)
        firsts = floats[shape.firsts : shape.memories].reshape(views, shape.blocks)
        begins = memories[:, ::BLOCK][:, : shape.blocks]
        finite = np.isfinite(words[: shape.skip // 2]).all() and np.isfinite(floats).all()
        searchable = (memories[:, 1:] >= memories[:, :-1]).all() and (firsts == begins).all()
        return bool(finite and searchable and words[ROWS] >= 0.0 and (counts == (memories < EMPTY).sum(axis=1)).all())

    def band(self, row: int) -> tuple[float, float]:
        """The middle nine tenths of the values that the row remembers; (nan, nan) before the first."""
        shape, view = self._shape, self.profile.views.index("value")
        floats: Floats = self.words[row].view(np.float32)[shape.skip :]
        count = int(floats[ALARM_SIZE + view * TAIL_SIZE + REMEMBERED])
        if count == 0:
            return float("nan"), float("nan")
        memory = floats[shape.memories + view * shape.values :][:count]
        low, high = (memory[round(share * (count - 1))] for share in BAND)
        return float(self.words[row, FIRST] + low), float(self.words[row, FIRST] + high)

    def evidence(self, row: int, value: float, told: Floats) -> SampleEvidence:
        """Why the sample with this value scored what it did; `told` is its part of `Readings.told`."""
        views = [
            ViewEvidence(name, float(seen), float(nearest), float(p))
            for name, (p, seen, nearest) in zip(self.profile.views, told, strict=True)
        ]
        expected = next(view.nearest for view in views if view.view == "value")
        low, high = self.band(row)
        views.sort(key=lambda view: -view.p)
        return SampleEvidence(value, float(self.words[row, FIRST]) + expected, low, high, tuple(views))


class SeriesDetector:
    """Online novelty of one series: "how far is this number from the nearest one I remember?", asked in several views.

    Each view (value, change, smoothed, against slow means, against its week …) remembers some hundred numbers: a
    thinned sample of the past, and every number that surprised it, so that what happens twice surprises once. An
    exponential tail turns the distance to the nearest into a probability; their root mean square is the score; a
    score above the threshold, the recent peak and the series' own history raises an alarm.

    It fails where the strange thing is made of familiar numbers in a familiar pace (a wrong shape within the usual
    range), on the first occurrence of what is normal but rare, and on incidents that come as often as a few a day:
    they are remembered. It needs some 80 samples before the first score.

    Parameters:
        profile: Views and size of memory, `FULL` or `LEAN`.
        seed: Of the random choice of what is remembered.

    Example:
        >>> import math
        >>> detector = SeriesDetector()
        >>> for minute in range(500):
        ...     reading = detector.step(60.0 * minute, math.sin(minute / 10.0))
        >>> reading.turn.name, detector.step(30000.0, 5.0).turn.name
        ('NONE', 'RAISED')

    References:
        Breunig, M. et al., 2000. LOF: identifying density-based local outliers. SIGMOD (distance to what is near).
        Siffer, A. et al., 2017. Anomaly detection in streams with extreme value theory. KDD (the tail).
    """

    __slots__ = ("_told", "_value", "table")

    def __init__(self, profile: Profile = FULL, *, seed: int = 0) -> None:
        self.table = SeriesTable(profile, 1, seed=seed)
        self._value = float("nan")
        self._told = np.zeros((len(profile.views), TOLD_SIZE), np.float32)

    def step(self, time: float, value: float, *, learn: bool = True) -> Reading:
        """Score, then learn, one sample: epoch seconds, value."""
        readings = self.run(np.array([time]), np.array([value]), np.array([learn]))
        return Reading(float(readings.scores[0]), float(readings.rankings[0]), Turn(int(readings.turns[0])))

    def run(self, times: Words, values: Words, learns: Flags | None = None) -> Readings:
        """Score, then learn, samples in order."""
        readings = self.table.apply(np.zeros(len(times), np.int64), times, values, learns)
        if len(values):
            self._value, self._told = float(values[-1]), readings.told[-1]
        return readings

    def evidence(self) -> SampleEvidence:
        """Why the last sample scored what it did."""
        return self.table.evidence(0, self._value, self._told)

    def mature(self) -> bool:
        """Whether enough was learned to score."""
        return self.table.mature(0)

    def reset(self) -> None:
        """Forget everything."""
        self.table.reset(0)

    def to_bytes(self) -> bytes:
        """The whole state, exactly."""
        return self.table.row_state(0)

    @classmethod
    def from_bytes(cls, state: bytes, profile: Profile = FULL, *, seed: int = 0) -> Self:
        """A detector with this state. RowError if it is none of this profile's."""
        detector = cls(profile, seed=seed)
        detector.table.load_row(0, state)
        return detector


def warm() -> None:
    """Compile the kernel of series, or load it."""
    SeriesDetector(LEAN).step(0.0, 0.0)

"""The memory detectors of one host's series that share a profile: rows of one table, by name."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.errors import RowError
from detectors.gathering import Row
from detectors.memory.kernel import SETTLE, WARM
from detectors.memory.layout import (
    ALARM_SIZE,
    FIRST,
    IS_RAISED,
    LAST,
    REMEMBERED,
    ROWS,
    SEEN,
    TAIL_SIZE,
    TIME,
    Floats,
    Rows,
    Words,
)
from detectors.memory.profiles import Profile
from detectors.memory.series import Readings, SeriesTable
from detectors.memory.tail import P_MAXIMUM, SHARE
from detectors.memory.views import MINUTE, WEIGHT_LEAST
from detectors.signals import SeriesEvidence

KNOWN_ROWS, KNOWN_SECONDS = 1000.0, 3600.0  # learned, before a series is known to have shown all it ever is
CALIBRATED_FROM: Final = SETTLE + WARM
SKIPPED_ROWS, SKIPPED_VALUES, VALUE_BYTES = 64, 4096, 8  # that are kept, to be learned later
# The means of 12 and of 48 rows are equal on a young series, longest on a fast one; when they part, their difference is
# something never seen before. For so many rows it is learned, not believed.
PARTING, PARTING_ROWS = 6.5, 60.0
REACH, REACH_FROM = 10.0, 20  # widths of what is remembered, once so many are
FREE: Final = ""  # name of a row that nobody has


class Scored(msgspec.Struct, frozen=True):
    """Series of one row of a host, as they were scored and learned: their rows of the table, and how these were.

    `seen` are the values as they came, `values` as they were judged.
    """

    names: Sequence[str]
    rows: Rows
    times: Words
    seen: Words
    values: Words
    was: Words
    readings: Readings


class Skipped(msgspec.Struct, frozen=True, array_like=True):
    """Values that were not learned: one time, and for each value its row of the table, and latest time and value there
    before it.
    """

    time: float
    rows: bytes
    values: bytes
    before: bytes


class SavedMemories(msgspec.Struct, frozen=True, array_like=True):
    """A saved table: a name a row, and the rows as bytes."""

    stamp: int
    names: list[str]
    rows: bytes
    skipped: list[Skipped]


class Memories:
    """Named rows of a table of memory detectors, scored first and learned only if wanted."""

    __slots__ = ("_count", "_floats", "_memory", "_transient", "_view", "names", "places", "skipped", "table")

    def __init__(self, profile: Profile, *, seed: int = 0) -> None:
        self.table = SeriesTable(profile, 0, seed=seed)
        self.names: list[str] = []
        self.places: dict[str, int] = {}
        shape = profile.shape()
        self._floats = shape.skip
        self._view = profile.views.index("value")
        self._memory = shape.skip + shape.memories + self._view * shape.values
        self._count = shape.skip + ALARM_SIZE + self._view * TAIL_SIZE + REMEMBERED
        first = shape.skip // 2
        # What belongs to the latest sample, and to the alarm: not to what was learned.
        self._transient = np.array([TIME, LAST, *range(first, first + ALARM_SIZE // 2)])
        self.skipped: list[Skipped] = []

    def place(self, names: Sequence[str]) -> Rows:
        """The rows of these series; those not known yet get free or new ones."""
        fresh = [name for name in names if name not in self.places]
        free = [row for row, name in enumerate(self.names) if name == FREE] if fresh else []
        for name in fresh:
            row = free.pop(0) if free else len(self.names)
            self.names[row : row + 1] = [name]
            self.places[name] = row
        self.table.grow(len(self.names))
        return np.array([self.places[name] for name in names], np.int64)

    def forget(self, name: str) -> None:
        """The series is gone, its row is free."""
        row = self.places.pop(name, None)
        if row is not None:
            self.table.reset(row)
            self.names[row] = FREE
            self.skipped.clear()  # it names rows

    def score(self, names: Sequence[str], rows: Rows, row: Row) -> Scored:
        """Score the values of these series, then learn them; `skip` takes that back."""
        seen = np.array([row.values[name] for name in names])
        values = self._within(rows, seen)
        times = np.full(len(names), row.time)
        was = self.table.words[rows]
        readings = self.table.apply(rows, times, values)
        return Scored(names, rows, times, seen, values, was, readings)

    def _within(self, rows: Rows, values: Words) -> Words:
        """The values, drawn in to some widths of what is remembered: a wild one is as strange there and spoils less."""
        floats: Floats = self.table.words.view(np.float32)
        counts = floats[rows, self._count].astype(np.int64)
        low, high = floats[rows, self._memory], floats[rows, self._memory + np.maximum(counts - 1, 0)]
        reach = np.where(counts >= REACH_FROM, REACH * (high.astype(np.float64) - low), 0.0)
        first = self.table.words[rows, FIRST]
        drawn = np.clip(values, first + low - reach, first + high + reach)
        return np.where(reach > 0.0, drawn, values)

    def skip(self, scored: Scored, *, keep: bool) -> None:
        """Take the learning of the latest row back; `keep` what can be learned later, else drop all that was kept."""
        words, alarm = self.table.words, self._transient[2:]
        words[scored.rows] = scored.was
        self.table.apply(scored.rows, scored.times, scored.values, np.zeros(len(scored.rows), np.bool_))
        if not keep:  # nor does its peak count, or one spike would mute the next hour
            words[np.ix_(scored.rows, alarm)] = scored.was[:, alarm]
            self.skipped.clear()
            return
        kept = sum(len(one.values) for one in self.skipped) // VALUE_BYTES
        if len(self.skipped) < SKIPPED_ROWS and kept + len(scored.rows) <= SKIPPED_VALUES:
            before = scored.was[:, [TIME, LAST]].tobytes()
            self.skipped.append(Skipped(float(scored.times[0]), scored.rows.tobytes(), scored.values.tobytes(), before))

    def recall(self) -> None:
        """Learn what was skipped and kept, each as if it came when it did; alarms are not asked again."""
        for one in self.skipped:
            rows, values = np.frombuffer(one.rows, np.int64), np.frombuffer(one.values)
            words = self.table.words
            now = words[np.ix_(rows, self._transient)]
            words[np.ix_(rows, self._transient[:2])] = np.frombuffer(one.before).reshape(-1, 2)
            self.table.apply(rows, np.full(len(rows), one.time), values)
            words[np.ix_(rows, self._transient)] = now
        self.skipped.clear()

    def raised(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of these rows have their own alarm raised."""
        floats: Floats = self.table.words.view(np.float32)
        return np.asarray(floats[rows, self._floats + IS_RAISED] > 0.0)

    def youth(self, scored: Scored, interval_of: Callable[[str], float]) -> Words:
        """By how much scores are too high because so few rows were learned: the tail of a fast series is rarer than any
        of the rows it has seen.
        """
        intervals = np.array([interval_of(name) for name in scored.names])
        learned = self.table.words[scored.rows, ROWS] - CALIBRATED_FROM
        weights = np.clip(intervals / MINUTE, WEIGHT_LEAST, 1.0)
        known: Words = np.minimum(np.maximum(learned, 1.0) * SHARE * weights, 1.0)
        parting = learned + CALIBRATED_FROM - PARTING / weights
        return np.where((parting >= 0.0) & (parting < PARTING_ROWS), P_MAXIMUM, np.negative(np.log10(known)))

    def is_known(self, scored: Scored, place: int, interval_seconds: float) -> bool:
        """Whether the series has been watched for so long that it has shown all it ever is, ordinarily."""
        learned = float(scored.was[place, ROWS])
        return learned >= KNOWN_ROWS and learned * interval_seconds >= KNOWN_SECONDS

    def breakout(self, scored: Scored, place: int) -> float:
        """How far the series is beyond all it remembers, in widths of that; 0 within."""
        floats: Floats = scored.was[place].view(np.float32)
        memory = floats[self._memory :][: int(floats[self._count])]
        seen, low, high = float(scored.readings.told[place, self._view, SEEN]), float(memory[0]), float(memory[-1])
        return max(seen - high, low - seen, 0.0) / (high - low) if high > low else 0.0

    def explain(self, scored: Scored, place: int) -> SeriesEvidence:
        """What was expected of one of the series; its score is -log10 p of the view that is most surprised."""
        row, value = int(scored.rows[place]), float(scored.seen[place])
        told = self.table.evidence(row, value, scored.readings.told[place])
        score = told.views[0].p
        return SeriesEvidence(scored.names[place], value, told.expected, told.low, told.high, score)

    def state(self) -> SavedMemories:
        """Everything."""
        return SavedMemories(
            self.table.profile.stamp(), list(self.names), self.table.words.tobytes(), list(self.skipped)
        )

    def load(self, state: SavedMemories) -> None:
        """Take over a state. RowError if it is none of this profile's."""
        profile = self.table.profile
        if state.stamp != profile.stamp() or len(state.rows) != 8 * profile.words() * len(state.names):
            raise RowError(f"saved series of profile {profile.name!r} are of another version, or damaged")
        self.names, self.skipped = list(state.names), list(state.skipped)
        self.places = {name: row for row, name in enumerate(self.names) if name != FREE}
        self.table.grow(len(self.names))
        self.table.words[:] = np.frombuffer(state.rows, np.float64).reshape(self.table.words.shape)

"""The memory detectors of one host's series that share a profile: rows of one table, by name."""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

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
from detectors.memory.tail import P_MAXIMUM, QUIET, SHARE
from detectors.memory.views import MINUTE, WEIGHT_LEAST, X_MAXIMUM
from detectors.signals import SeriesEvidence

# Records of a series become rarer with its rows. Among the first rows only one counts that is so far beyond all it ever
# was, in widths of that; then a score loses so much for each tenfold that the rows are short of this number.
YOUNG_ROWS, YOUNG_BREAKOUT = 300.0, 0.25
SETTLED_ROWS, RECORDS = 2000.0, 0.5
KNOWN_ROWS, KNOWN_SECONDS = 1000.0, 3600.0  # learned, before a series is known to have shown all it ever is
CALIBRATED_FROM: Final = SETTLE + WARM
SCORED_FROM: Final = CALIBRATED_FROM + QUIET
SKIPPED_ROWS, SKIPPED_VALUES, VALUE_BYTES = 64, 4096, 8  # that are kept, to be learned later
# The means of 12 and of 48 rows are equal on a young series, longest on a fast one; when they part, their difference is
# something never seen before. For so many rows it is learned, not believed.
PARTING, PARTING_ROWS = 6.5, 60.0
REACH, REACH_FROM = 10.0, 20  # widths of what is remembered, once so many are
FREE: Final = ""  # name of a row that nobody has


class Scored(msgspec.Struct, frozen=True):
    """Series of one row of a host, as they were scored: their rows of the table, and what belonged there to the sample
    before. `strange` are the places of those whose score is not 0.
    """

    names: Sequence[str]
    rows: Rows
    times: Words
    values: Words
    before: Words
    readings: Readings
    strange: Sequence[int]


class Skipped(msgspec.Struct, frozen=True, array_like=True):
    """Values that were not learned: one time, and for each value its row of the table, and what was there before it of
    the latest sample and of the alarm.
    """

    time: float
    rows: bytes
    values: bytes
    before: bytes


class SavedMemories(msgspec.Struct, frozen=True, array_like=True):
    """A saved table: a name for each row."""

    names: list[str]
    rows: list[bytes]
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
        """Score the values of these series; `learn` or `skip` comes next."""
        values, times = np.array([row.values[name] for name in names]), np.full(len(names), row.time)
        before = self.table.words[rows[:, np.newaxis], self._transient]
        readings = self.table.apply(rows, times, values, np.zeros(len(rows), np.bool_))
        return Scored(names, rows, times, values, before, readings, readings.scores.nonzero()[0].tolist())

    def learn(self, scored: Scored) -> None:
        """Take in the values that were scored last."""
        words, transient = self.table.words, self._transient
        after = words[scored.rows[:, np.newaxis], transient]
        words[scored.rows[:, np.newaxis], transient] = scored.before
        self.table.apply(scored.rows, scored.times, self._drawn(scored))
        words[scored.rows[:, np.newaxis], transient[2:]] = after[:, 2:]  # the alarm is asked once, of what was seen

    def _drawn(self, scored: Scored) -> Words:
        """The values, drawn in to some widths of what is remembered: a wild one is no stranger there and spoils less.

        None that is within its memory's reach changes; and none further out scores 0, but on a young series.
        """
        words, rows = self.table.words, scored.rows
        if not scored.strange and float(words[rows, ROWS].min()) >= SCORED_FROM:
            return scored.values
        floats: Floats = words.view(np.float32)
        counts = floats[rows, self._count].astype(np.int64)
        low, high = floats[rows, self._memory], floats[rows, self._memory + np.maximum(counts - 1, 0)]
        reach = np.where(counts >= REACH_FROM, REACH * (high.astype(np.float64) - low), 0.0)
        first = words[rows, FIRST]
        drawn = np.clip(scored.values, first + low - reach, first + high + reach)
        return np.where(reach > 0.0, drawn, scored.values)

    def skip(self, scored: Scored, *, keep: bool) -> None:
        """Leave the latest row out; `keep` what can be learned later, else drop all that was kept."""
        words, values = self.table.words, self._drawn(scored)
        seen = np.isfinite(values)
        relative = values[seen] - words[scored.rows[seen], FIRST]
        words[scored.rows[seen], LAST] = np.clip(relative, -X_MAXIMUM, X_MAXIMUM)
        if not keep:
            words[scored.rows[:, np.newaxis], self._transient[2:]] = scored.before[:, 2:]
            self._drop()
            return
        kept = sum(len(one.values) for one in self.skipped) // VALUE_BYTES
        if len(self.skipped) < SKIPPED_ROWS and kept + len(scored.rows) <= SKIPPED_VALUES:
            before = scored.before.tobytes()
            self.skipped.append(Skipped(float(scored.times[0]), scored.rows.tobytes(), values.tobytes(), before))

    def _drop(self) -> None:
        """What was kept is never learned; nor do its peaks count, or a fault that was repaired would mute the next."""
        for one in reversed(self.skipped):
            rows = np.frombuffer(one.rows, np.int64)
            self.table.words[rows[:, np.newaxis], self._transient[2:]] = self._before(one)[:, 2:]
        self.skipped.clear()

    def _before(self, skipped: Skipped) -> Words:
        return np.frombuffer(skipped.before).reshape(-1, len(self._transient))

    def recall(self) -> None:
        """Learn what was skipped and kept, each as if it came when it did; alarms are not asked again.

        All of them end: what was told must be outdone before it is told anew, though it still shows in means.
        """
        for one in self.skipped:
            rows, values = np.frombuffer(one.rows, np.int64), np.frombuffer(one.values)
            words = self.table.words
            now = words[np.ix_(rows, self._transient)]
            words[np.ix_(rows, self._transient[:2])] = self._before(one)[:, :2]
            self.table.apply(rows, np.full(len(rows), one.time), values)
            words[np.ix_(rows, self._transient)] = now
        self.skipped.clear()
        self.table.words.view(np.float32)[:, self._floats + IS_RAISED] = 0.0

    def is_raised(self, scored: Scored, place: int) -> bool:
        """Whether the series has its own alarm raised."""
        floats: Floats = self.table.words[scored.rows[place]].view(np.float32)
        return bool(floats[self._floats + IS_RAISED] > 0.0)

    def youth(self, scored: Scored, place: int, interval_seconds: float) -> float:
        """By how much the score is too high because so few rows were learned: the tail of a fast series is rarer than
        any of the rows it has seen.
        """
        learned = float(self.table.words[scored.rows[place], ROWS])
        weight = min(max(interval_seconds / MINUTE, WEIGHT_LEAST), 1.0)
        if 0.0 <= learned - PARTING / weight < PARTING_ROWS:
            return P_MAXIMUM
        return -math.log10(min(max(learned - CALIBRATED_FROM, 1.0) * SHARE * weight, 1.0))

    def records(self, scored: Scored, place: int) -> float:
        """By how much the score is too high for a series that speaks alone: a young one still sets records."""
        learned = float(self.table.words[scored.rows[place], ROWS])
        if learned < YOUNG_ROWS and self.breakout(scored, place) < YOUNG_BREAKOUT:
            return P_MAXIMUM
        return RECORDS * max(math.log10(SETTLED_ROWS / max(learned, 1.0)), 0.0)

    def is_known(self, scored: Scored, place: int, interval_seconds: float) -> bool:
        """Whether the series has been watched for so long that it has shown all it ever is, ordinarily."""
        learned = float(self.table.words[scored.rows[place], ROWS])
        return learned >= KNOWN_ROWS and learned * interval_seconds >= KNOWN_SECONDS

    def breakout(self, scored: Scored, place: int) -> float:
        """How far the series is beyond all it remembers, in widths of that; 0 within."""
        floats: Floats = self.table.words[scored.rows[place]].view(np.float32)
        memory = floats[self._memory :][: int(floats[self._count])]
        seen, low, high = float(scored.readings.told[place, self._view, SEEN]), float(memory[0]), float(memory[-1])
        return max(seen - high, low - seen, 0.0) / (high - low) if high > low else 0.0

    def explain(self, scored: Scored, place: int) -> SeriesEvidence:
        """What was expected of one of the series; its score is -log10 p of the view that is most surprised."""
        row, value = int(scored.rows[place]), float(scored.values[place])
        told = self.table.evidence(row, value, scored.readings.told[place])
        score = told.views[0].p
        return SeriesEvidence(scored.names[place], value, told.expected, told.low, told.high, score)

    def state(self) -> SavedMemories:
        """Everything."""
        rows = [self.table.row_state(row) for row in range(len(self.names))]
        return SavedMemories(list(self.names), rows, list(self.skipped))

    def load(self, state: SavedMemories) -> None:
        """Take over a state. RowError if it is damaged, or none of this profile's."""
        if len(state.names) != len(state.rows):
            raise RowError(f"saved series are {len(state.rows)}, wanted one for each of {len(state.names)} names")
        for one in state.skipped:
            _check(one, len(state.names), len(self._transient))
        self.names, self.skipped = list(state.names), list(state.skipped)
        self.places = {name: row for row, name in enumerate(self.names) if name != FREE}
        self.table.grow(len(self.names))
        for row, saved in enumerate(state.rows):
            self.table.load_row(row, saved)


def _check(skipped: Skipped, rows: int, width: int) -> None:
    """RowError unless values kept to be learned belong to rows that are there, `width` before each."""
    sizes = len(skipped.rows), len(skipped.values), len(skipped.before) // width
    if len(set(sizes)) != 1 or sizes[0] % VALUE_BYTES or len(skipped.before) % width:
        raise RowError(f"saved values to be learned later have {sizes} bytes, wanted as many of each")
    places = np.frombuffer(skipped.rows, np.int64)
    if len(places) and not 0 <= places.min() <= places.max() < rows:
        raise RowError(f"saved values to be learned later name rows {places.min()} to {places.max()} of {rows}")

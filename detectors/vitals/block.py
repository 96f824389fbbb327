"""The state of up to 64 metrics of one host, in one piece of memory."""

import math
import struct
from typing import Final, Self

import msgspec
import numpy as np

from detectors.errors import RowError
from detectors.vitals import kernel
from detectors.vitals.combination import PACE_ROWS_LEAST
from detectors.vitals.layout import (
    ABSENT,
    ANOMALY,
    BLAME,
    COUNTS,
    DEVIATION,
    DIAGONALS,
    EVERY,
    FIRST,
    HIGH,
    INTERVAL,
    LARGE,
    LEAST,
    LEVEL,
    LOW,
    MATURE,
    MOVEMENT,
    NEW_JUMPS,
    NOVEL,
    QUANTILE,
    QUICK,
    RELATED,
    RELATIONS,
    RESOLVES,
    RESULT_SIZE,
    RING,
    RING_START,
    SCORE,
    SEEN,
    SQUARES,
    TAIL_SIZE,
    TAILS_START,
    TOLD_SIZE,
    VALUE,
    VARYING,
    Flags,
    Floats,
    Parts,
    Words,
    parts_of,
    words_of,
)
from detectors.vitals.views import DAY, INTERVAL_LEAST

CAPACITY_MAXIMUM: Final = 64
GROWTH: Final = 1.25
HEADER: Final = struct.Struct("<4sHH")
MAGIC: Final = b"tgv2"
AXES: Final = 2  # rows by metrics
NO_BLAMES: Final[Floats] = np.zeros((0, 0), np.float32)


class Rows(msgspec.Struct, frozen=True):
    """What a block says of rows in order, as arrays.

    `scores` ranks rows, `anomalies` decides alarms (1 is one); `votes` is rows by (relations, movement, new jumps);
    `blames` is rows by metrics.
    """

    scores: Words
    anomalies: Words
    votes: Words
    blames: Floats


class Band(msgspec.Struct, frozen=True):
    """What was expected of a metric, in its own unit; `score` is -log10 of the tail probability of what was seen."""

    centre: float
    low: float
    high: float
    score: float


class Block:
    """Up to 64 metrics that are judged together, each a column of one contiguous array.

    Parameters:
        metrics: Metrics to begin with; `grow` adds more.

    Example:
        >>> import numpy as np
        >>> block = Block(8)
        >>> noise = np.random.default_rng(0).normal(size=(500, 8))
        >>> noise[499] += 30.0
        >>> rows = block.apply(np.arange(500) * 60.0, noise)
        >>> bool(rows.anomalies[498] < 1.0), bool(rows.anomalies[499] > 1.0)
        (True, True)
    """

    __slots__ = ("_counts", "_learns", "_result", "_time", "_told", "capacity", "metrics", "parts", "words")

    def __init__(self, metrics: int = 0) -> None:
        self.metrics = 0
        self._counts: tuple[float, float] | None = None  # of metrics that vary, and are mature; None: to be counted
        self._time, self._learns, self._result = np.zeros(1), np.ones(1, np.bool_), np.zeros((1, RESULT_SIZE))
        self._bind(np.zeros(words_of(0)), 0)
        self.grow(metrics)

    def _bind(self, words: Words, capacity: int) -> None:
        self.words = words
        self.capacity = capacity
        self.parts: Parts = parts_of(words, capacity)
        self._told: Floats = np.zeros((TOLD_SIZE, capacity), np.float32)

    def grow(self, metrics: int) -> None:
        """Add empty metrics until there are so many, at most 64."""
        if metrics > CAPACITY_MAXIMUM:
            raise ValueError(f"a block of {metrics} metrics, wanted at most {CAPACITY_MAXIMUM}")
        if metrics > self.capacity:
            wanted = max(metrics, int(self.capacity * GROWTH) if self.capacity else 0)
            self._widen(min(wanted + wanted % 2, CAPACITY_MAXIMUM))
        for slot in range(self.metrics, metrics):
            self.vacate(slot)
        self.metrics = max(metrics, self.metrics)

    def _widen(self, capacity: int) -> None:
        old, was = self.parts, self.capacity
        self._bind(np.zeros(words_of(capacity)), capacity)
        head, origin, grid = self.parts
        head[:] = old.head
        origin[:, :was] = old.origin
        grid[:SQUARES, :was] = old.grid[:SQUARES]
        for view in range(RELATED):
            to, source = SQUARES + view * capacity, SQUARES + view * was
            grid[to : to + was, :was] = old.grid[source : source + was]

    def vacate(self, slot: int) -> None:
        """Forget one metric; its place is that of a metric never seen."""
        _, origin, grid = self.parts
        self._counts = None
        origin[:, slot] = 0.0
        origin[FIRST, slot] = np.nan
        grid[:, slot] = 0.0
        grid[RING_START : RING_START + RING, slot] = np.nan
        grid[DIAGONALS : DIAGONALS + RELATED, slot] = 1.0
        for view in range(RELATED):
            row = SQUARES + view * self.capacity + slot
            grid[row] = 0.0
            grid[row, slot] = 1.0

    def floor(self, slot: int, least: float) -> None:
        """Smaller deviations of a metric than `least`, in its own unit, do not matter."""
        self.parts.origin[LEAST, slot] = least

    def apply(self, times: Words, values: Words, learns: Flags | None = None) -> Rows:
        """Score, then learn, rows in order: epoch seconds, rows by metrics; NaN is missing.

        ValueError if there are more metrics than the block has, or not as many rows as times.
        """
        values = np.ascontiguousarray(values, np.float64)
        if values.ndim != AXES or values.shape[1] > self.metrics or len(values) != len(times):
            wanted = f"{len(times)} rows of at most {self.metrics} metrics"
            raise ValueError(f"values of shape {values.shape}, wanted {wanted}")
        results = np.empty((len(times), RESULT_SIZE))
        blames = np.zeros(values.shape, np.float32)
        self._counts = None
        flags = np.ones(len(times), np.bool_) if learns is None else learns
        kernel.apply(*self.parts, np.asarray(times, np.float64), values, flags, self._told, results, blames)
        votes = results[:, [RELATIONS, MOVEMENT, NEW_JUMPS]]
        return Rows(results[:, SCORE], results[:, ANOMALY], votes, blames)

    def step(self, time: float, values: Words, *, learn: bool) -> list[float]:
        """Score, then learn, one row: epoch seconds, one value a metric of the block; returns what `layout` says is
        told of it.
        """
        self._time[0], self._learns[0] = time, learn
        kernel.apply(*self.parts, self._time, values[np.newaxis], self._learns, self._told, self._result, NO_BLAMES)
        told: list[float] = self._result[0].tolist()
        self._counts = (told[VARYING], told[MATURE]) if math.isfinite(time) else None
        return told

    def counts(self) -> tuple[int, int]:
        """How many metrics have ever changed, and how many of these were seen often enough to count."""
        if self._counts is None:
            grid = self.parts.grid[:, : self.metrics]
            varying = grid[HIGH] > grid[LOW]
            self._counts = float(varying.sum()), float((varying & (grid[SEEN] >= kernel.WARM)).sum())
        varies, mature = self._counts
        return int(varies), int(mature)

    def blames(self) -> list[float]:
        """How much each metric is to blame for the scores of the last rows; 0 if it was missing or is too young."""
        blames: list[float] = (self.parts.grid[BLAME] * self._told[COUNTS])[: self.metrics].tolist()
        return blames

    def band(self, slot: int) -> Band:
        """What was expected of a metric at the last row, in its own unit, in the view that is more surprised."""
        grid: list[float] = self.parts.grid[:NOVEL, slot].tolist()  # Python's numbers are read faster one by one
        told: list[float] = self._told[:, slot].tolist()
        first, unit, _ = self.parts.origin[:, slot].tolist()
        view = max((LEVEL, QUICK), key=lambda view: told[LARGE + view])
        width = unit * max(grid[TAILS_START + view * TAIL_SIZE + QUANTILE], told[RESOLVES])
        score = -math.log10(math.erfc(told[LARGE + view] / math.sqrt(2.0)))
        centre = first + unit * (told[VALUE] - told[DEVIATION + view])
        return Band(centre, centre - width, centre + width, score)

    def interval_seconds(self) -> float:
        """The usual time between rows, 0 before the second."""
        return float(self.parts.head[INTERVAL])

    def share_of(self, blocks: int) -> float:
        """By how much scores are lowered if this is one of so many blocks of a host: the largest of more numbers."""
        if blocks == 1:
            return 1.0
        a_day = max(DAY / max(self.interval_seconds(), INTERVAL_LEAST), PACE_ROWS_LEAST)
        return math.sqrt(math.log(a_day) / math.log(a_day * blocks))

    def unseen_seconds(self, slot: int) -> float:
        """For how long a metric has been missing."""
        return float(self.parts.grid[ABSENT, slot]) * self.interval_seconds()

    def reset(self) -> None:
        """Forget all that was learned; what was declared stays."""
        head, origin, _ = self.parts
        floors = origin[LEAST].copy()
        head[:] = 0.0
        for slot in range(self.capacity):
            self.vacate(slot)
        origin[LEAST] = floors
        self._told[:] = 0.0

    def to_bytes(self) -> bytes:
        """The whole state, exactly."""
        return HEADER.pack(MAGIC, self.metrics, self.capacity) + self.words.tobytes()

    @classmethod
    def from_bytes(cls, state: bytes) -> Self:
        """A block with this state. RowError if it is none of this version."""
        if len(state) < HEADER.size:
            raise RowError(f"saved block of {len(state)} bytes is cut off")
        magic, metrics, capacity = HEADER.unpack_from(state)
        if magic != MAGIC or metrics > capacity or len(state) != HEADER.size + 8 * words_of(capacity):
            raise RowError(f"these {len(state)} bytes are no block of metrics, or of another version of it")
        block = cls()
        block._bind(np.frombuffer(state, np.float64, offset=HEADER.size).copy(), capacity)
        block.metrics = metrics
        if not block._is_sound():
            raise RowError("a saved block of metrics is damaged: numbers that no host leaves behind")
        return block

    def _is_sound(self) -> bool:
        """Whether all numbers are finite but those of metrics not seen, and none is negative that counts something."""
        head, origin, grid = self.parts
        finite = head, origin[FIRST + 1 :], grid[:RING_START], grid[SQUARES:]
        positive = head[INTERVAL:], origin[FIRST + 1 :], grid[[SEEN, ABSENT, EVERY]], grid[HIGH] - grid[LOW]
        return all(bool(np.isfinite(part).all()) for part in finite) and all(
            bool((part >= 0).all()) for part in positive
        )


def warm() -> None:
    """Compile the kernel of blocks, or load it."""
    Block(2).apply(np.zeros(1), np.zeros((1, 2)))

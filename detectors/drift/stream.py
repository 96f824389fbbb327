"""One level that may move: its blocks, what was normal in the past eight days, and River's opinion of it."""

import math
from array import array
from typing import Final

import msgspec

from detectors.drift.detectors import DRIFTS
from detectors.drift.normal import bounds
from detectors.drift.settings import DriftSettings
from detectors.estimators.units import Units
from detectors.level import Level

BLOCKS_AN_HOUR: Final = 60
LAG_BLOCKS: Final = 20.0  # a detector needs at most about so many to find a change that matters
NO_HOUR: Final = (0.0, 0.0, 0.0, 0.0)  # blocks and mean of the open one, whether one is complete, its mean
NOT_FIRED: Final = (0.0, 0.0, 0.0, 0.0)  # since, level before, blocks, their mean
HOURS: Final = 192  # eight days: a week, and the day on which it is told apart


class Move(msgspec.Struct, frozen=True):
    """A level that has moved: from where, the range that would have been normal, and to where.

    `since` is the event time of the first block that a detector found changed.
    """

    name: str
    since: float
    before: float
    low: float
    high: float
    after: float


class SavedStream(msgspec.Struct, frozen=True, array_like=True):
    """A saved stream; `hours` are float32 in this machine's byte order, oldest first."""

    name: str
    began: float
    last: float
    block: tuple[float, float, float]
    hour: tuple[float, float, float, float]
    fired: tuple[float, float, float, float]
    hours: bytes
    level: list[float]
    detector: str
    numbers: list[float]


class Stream:
    """One level of one host.

    Readings become means of blocks, those go to a detector of River in standard deviations. Once it speaks, the mean of
    what follows is compared with every hour that is remembered: what was there before, be it each night, is no move.
    Nor is growth as usual: the mean must be outside by more than the hours differ from each other.

    Parameters:
        name: Of the series, or of what else is watched.
        settings: See DriftSettings.
        seed: For detectors that use randomness.
        least: No smaller change matters.
    """

    __slots__ = (
        "began",
        "block",
        "detector",
        "fired",
        "hour",
        "hours",
        "last",
        "least",
        "name",
        "seed",
        "settings",
        "units",
    )

    def __init__(self, name: str, settings: DriftSettings, seed: int = 0, least: float = 0.0) -> None:
        self.name = name
        self.settings = settings
        self.seed = seed
        self.least = least
        self.began = self.last = -math.inf
        self.block = (0.0, 0.0, 0.0)  # since, readings, mean
        self.hour = NO_HOUR
        self.fired = NOT_FIRED
        self.hours = array("f")
        self.units = Units()
        self.detector = DRIFTS[settings.detector](seed=seed)

    def update(self, time: float, value: float) -> Move | None:
        """Take a reading in; the move that it completes, if any."""
        if math.isinf(self.began):
            self.began = time
            self.block = (time, 0.0, 0.0)
        since, readings, mean = self.block
        move = None
        if readings and not 0.0 <= time - since < self.settings.block_seconds:
            move = self._end_block(since, mean)
            since, readings, mean = time, 0.0, 0.0
        self.block = (since, readings + 1.0, mean + (value - mean) / (readings + 1.0))
        self.last = time
        return move

    def _end_block(self, since: float, mean: float) -> Move | None:
        began, before, blocks, after = self.fired
        if began:
            # A spell is no move: only the second half of the blocks counts.
            late = max(blocks + 1.0 - self.settings.confirm_blocks // 2, 1.0)
            self.fired = (began, before, blocks + 1.0, after + (mean - after) / late)
            return self._judge() if blocks + 1.0 >= self.settings.confirm_blocks else None
        if self.detector.update(self.units.of(mean)):
            self.fired = (since, self.units.level.mean, 0.0, 0.0)
            self._drop_hours()
            return None
        self.units.learn(mean)
        self._remember(mean)
        return None

    def _judge(self) -> Move | None:
        """What the detector said, against all that was normal; either way it is over then."""
        since, before, _, after = self.fired
        low, high = bounds(self.hours or [before], self.units.band(), self.settings.steps, self.least)
        self.fired = NOT_FIRED
        self._keep(after)
        if low <= after <= high or since - self.began < self.settings.history_seconds:
            return None
        self.units.level = Level()
        return Move(self.name, since, before, low, high, after)

    def _remember(self, mean: float) -> None:
        blocks, so_far, held, latest = self.hour
        so_far += (mean - so_far) / (blocks + 1.0)
        self.hour = (blocks + 1.0, so_far, held, latest)
        if blocks + 1.0 >= BLOCKS_AN_HOUR:
            if held:
                self._keep(latest)
            self.hour = (0.0, 0.0, 1.0, so_far)

    def _drop_hours(self) -> None:
        """Forget the open hour, and the one just before it: they may be of the new level in part."""
        blocks, _, held, latest = self.hour
        if held and blocks >= LAG_BLOCKS:
            self._keep(latest)
        self.hour = NO_HOUR

    def _keep(self, hour: float) -> None:
        self.hours.append(min(max(hour, -3e38), 3e38))
        del self.hours[:-HOURS]

    def state(self) -> SavedStream:
        """Everything, as plain values."""
        return SavedStream(
            name=self.name,
            began=self.began,
            last=self.last,
            block=self.block,
            hour=self.hour,
            fired=self.fired,
            hours=self.hours.tobytes(),
            level=self.units.level.numbers(),
            detector=self.settings.detector,
            numbers=self.detector.numbers(),
        )

    @classmethod
    def restore(cls, state: SavedStream, settings: DriftSettings, seed: int = 0, least: float = 0.0) -> "Stream":
        """A stream with this state; another detector than the saved one starts empty. ValueError if it is none."""
        stream = cls(state.name, settings, seed, least)
        stream.began, stream.last, stream.block, stream.hour = state.began, state.last, state.block, state.hour
        stream.fired = state.fired
        stream.hours.frombytes(state.hours[-4 * HOURS :])
        stream.units.level = Level.restore(state.level)
        if state.detector == settings.detector:
            stream.detector = DRIFTS[state.detector].restore(state.numbers, seed=seed)
        return stream

"""One level that may move: what was normal on it in the past eight days, and River's opinion of it."""

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
LARGEST: Final = 1e30  # in size; no model is given more, and the square of what is far larger is no number
HOURS: Final = 192  # eight days: a week, and the day on which it is told apart


class Move(msgspec.Struct, frozen=True):
    """A level that has moved: from where (the mean of what is remembered), the range of what is normal, and to where.

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
    hour: tuple[float, float, float, float]
    fired: tuple[float, float, float, float]
    hours: bytes
    level: list[float]
    detector: str
    numbers: list[float]


class Stream:
    """One level of one host.

    Means of blocks go to a detector of River in standard deviations. Once it speaks, the mean of what follows is
    compared with every hour that is remembered: what was there before, be it each night, is no move. Nor is growth as
    usual: the mean must be outside by more than the hours differ from each other.

    Parameters:
        name: Of the series, or of what else is watched.
        settings: See DriftSettings.
        seed: For detectors that use randomness.
        least: No smaller change matters.
    """

    __slots__ = (
        "began",
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
        self.hour = NO_HOUR
        self.fired = NOT_FIRED
        self.hours = array("f")
        self.units = Units()
        self.detector = DRIFTS[settings.detector](seed=seed)

    def update(self, since: float, mean: float) -> Move | None:
        """Take in a block: its event time and the mean of its readings; the move that it completes, if any."""
        mean = min(max(mean, -LARGEST), LARGEST)
        if math.isinf(self.began):
            self.began = since
        self.last = since
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
        hours = self.hours or [before]
        low, high = bounds(hours, self.units.band(), self.settings.steps, self.least)
        before = sum(hours) / len(hours)  # of the level itself some blocks are of the new one
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
        self.hours.append(hour)
        del self.hours[:-HOURS]

    def state(self) -> SavedStream:
        """Everything, as plain values."""
        return SavedStream(
            name=self.name,
            began=self.began,
            last=self.last,
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
        stream.began, stream.last, stream.hour = state.began, state.last, state.hour
        stream.fired = state.fired
        stream.hours.frombytes(state.hours[-4 * HOURS :])
        stream.units.level = Level.restore(state.level)
        if state.detector == settings.detector:
            stream.detector = DRIFTS[state.detector].restore(state.numbers, seed=seed)
        return stream

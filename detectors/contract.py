"""What a detector of one series must offer."""

from collections.abc import Sequence
from typing import Final, Protocol, Self

import msgspec

RAW_MAXIMUM: Final = 100.0  # every raw score is bounded: no reading can dominate a calibration
LEVEL_FLOOR: Final = 0.05  # of the level: a scale is never less, a change far below it matters to nobody


class Band(msgspec.Struct, frozen=True):
    """What a detector expects of the next value, in the series' unit: a centre, and the half width of one scale."""

    centre: float
    scale: float


class Detector(Protocol):
    """One online detector of one series: score a value, then learn it.

    `score` changes nothing and is within [0, RAW_MAXIMUM], higher is stranger, 0 while too little was learned.
    `numbers` is the whole state, of bounded size; `restore(detector.numbers())` gives an equal detector, to the last
    bit. Values are finite and at most 1e100 in size; far outliers come to `learn` drawn in to `guard.REACH` scales.
    """

    def __init__(self, *, seed: int = 0) -> None:
        """Start empty. Detectors that use no randomness ignore the seed."""

    def score(self, value: float) -> float:
        """How strange is this value, given only what was learned before it?"""

    def learn(self, value: float) -> None:
        """Take the value in."""

    def band(self) -> Band:
        """What the next value is expected to be."""

    def numbers(self) -> list[float]:
        """The state."""

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state. ValueError if it is none of this detector's."""


def distance(value: float, band: Band) -> float:
    """How many scales the value is from the centre, at most RAW_MAXIMUM; a band without width knows only equal and not.

    Example:
        >>> distance(7.0, Band(5.0, 0.5)), distance(0.0, Band(0.0, 0.0)), distance(1.0, Band(0.0, 0.0))
        (4.0, 0.0, 100.0)
    """
    away = abs(value - band.centre)
    if away < RAW_MAXIMUM * band.scale:
        return away / band.scale
    return RAW_MAXIMUM if away > 0.0 else 0.0

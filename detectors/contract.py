"""What a detector of one series must offer."""

from collections.abc import Sequence
from typing import Protocol, Self

import msgspec

RAW_MAXIMUM = 100.0  # every raw score is bounded: one reading can never dominate a calibration


class Band(msgspec.Struct, frozen=True):
    """What a detector expects of the next value, in the series' unit: a centre, and the half width of one scale."""

    centre: float
    scale: float


class Detector(Protocol):
    """One online detector of one series: score a value, then learn it.

    `score` is pure and within [0, RAW_MAXIMUM], higher is stranger, 0 while too little was learned; both take any finite number.
    `numbers` is the whole state and `restore(detector.numbers())` gives an equal detector, to the last bit. Its size is bounded.
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
        """A detector with this state."""

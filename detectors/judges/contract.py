"""What a judge of a host's rows must offer."""

import math
from typing import Final, Protocol

import msgspec

from detectors.gathering import Row
from detectors.signals import SeriesEvidence

BLAME_FROM: Final = 0.2  # lower scores blame nobody
FRESH_INTERVALS: Final = 2.5  # a score counts in full for so many usual intervals, then halves every interval


class Opinion(msgspec.Struct, frozen=True):
    """What a judge says of a row: `score` is in units of an alarm, `ranking` and `level` order rows.

    `ranking` is the better order where a budget of false alarms is given, `level` is the continuous score that a chart
    would show. `votes` says which part of the judge said how much.
    """

    score: float = 0.0
    ranking: float = 0.0
    level: float = 0.0
    votes: dict[str, float] = {}


class Judge(Protocol):
    """Scores a row, then learns it if it is told to; bounded, deterministic, with an exact state."""

    def score(self, row: Row) -> Opinion:
        """How near is this row to an alarm, given only what was learned before?"""

    def learn(self, row: Row) -> None:
        """Take in the row that was scored last."""

    def skip(self, row: Row, *, keep: bool) -> None:
        """Do not take in the row that was scored last; `keep` it for later, or drop all that was kept."""

    def recall(self) -> None:
        """Take in the rows that were kept."""

    def blame(self) -> list[SeriesEvidence]:
        """The series to blame for the latest opinion, most to blame first."""

    def forget(self, series: str) -> None:
        """The series begins anew: it is gone, or what is read of it has changed."""

    def to_bytes(self) -> bytes:
        """The whole state, exactly."""

    def load(self, state: bytes) -> None:
        """Take over a state. RowError if the bytes are damaged or of another version."""


def faded(score: float, age_seconds: float, interval_seconds: float) -> float:
    """A score as it counts some time after the reading it rests on.

    Example:
        >>> [faded(2.0, age, 10.0) for age in (0.0, 25.0, 35.0)]
        [2.0, 2.0, 1.0]
    """
    if interval_seconds <= 0.0 or age_seconds <= FRESH_INTERVALS * interval_seconds:
        return score
    return score * math.exp2(-min(age_seconds / interval_seconds - FRESH_INTERVALS, 64.0))

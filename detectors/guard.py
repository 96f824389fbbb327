"""What a detector may learn: outliers are drawn in, and many in a row are a new normal."""

import math
from typing import Final

from detectors.contract import Band

REACH: Final = 4.0  # scales; a value further out is learned as if it were here, so that a spike moves little
EARLY: Final = 4  # readings; the first ones are taken as they are
MISFITS_MAXIMUM: Final = 60  # so many values in a row out of reach, or half of all: the detector starts again


class Guard:
    """Stands before `learn` of one detector.

    Example:
        >>> guard = Guard(readings=100)
        >>> guard.admit(30.0, Band(10.0, 2.0)), guard.admit(11.0, Band(10.0, 2.0))
        (18.0, 11.0)
    """

    __slots__ = ("misfits", "outlier", "readings")

    def __init__(self, readings: int = 0, misfits: int = 0, outlier: float = 0.0) -> None:
        self.readings = readings
        self.misfits = misfits
        self.outlier = outlier

    def admit(self, value: float, band: Band) -> float | None:
        """The value to learn, or None where the detector must start again with the value as its first."""
        self.readings += 1
        away = value - band.centre
        reach = REACH * band.scale
        if self.readings <= EARLY or abs(away) <= reach:
            self.misfits = 0
            return value
        self.misfits += 1
        if self.misfits >= min(MISFITS_MAXIMUM, max(EARLY, self.readings // 2)):
            self.readings, self.misfits, self.outlier = 1, 0, 0.0
            return None
        if reach <= 0.0:
            # A series that was always zero has no scale: the size of its last outlier stands in for one.
            reach, self.outlier = min(abs(away), self.outlier), abs(away)
        return band.centre + math.copysign(reach, away)

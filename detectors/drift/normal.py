"""What was normal so far, hour by hour, and how far outside something must be to be new."""

import itertools
from collections.abc import Sequence
from typing import Final

from detectors.contract import LEVEL_FLOOR, Band

SCALES: Final = 2.0  # the least that a move must be, in standard deviations of blocks
GROWING_SHARE: Final = 0.9  # so many of the steps lead the same way: it grows, or shrinks, all the time
GROWING_LEAST: Final = 6  # steps that tell it
GROWING_STEPS: Final = 4.0  # what goes on growing while one looks is out by some hours' growth


def bounds(hours: Sequence[float], band: Band, steps: float, least: float = 0.0) -> tuple[float, float]:
    """The least and the most that is no move: the range of the hours, widened by what is usual between two.

    Never by less than `least`, two scales of the band, or 5 % of its centre.

    Example:
        >>> bounds([10.0, 14.0, 12.0, 10.0, 13.0, 12.0, 11.0, 12.0], Band(12.0, 0.5), steps=1.5)
        (4.0, 20.0)
        >>> bounds([10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0], Band(13.0, 0.5), steps=1.5)
        (8.5, 21.0)
    """
    changes = [after - before for before, after in itertools.pairwise(hours)]
    largest = max(map(abs, changes), default=0.0)
    least = max(least, SCALES * band.scale, LEVEL_FLOOR * abs(band.centre))
    down, up = (GROWING_STEPS if _grows(changes, way) else steps for way in (-1.0, 1.0))
    return min(hours) - max(down * largest, least), max(hours) + max(up * largest, least)


def _grows(changes: Sequence[float], way: float) -> bool:
    leading = sum(change * way > 0.0 for change in changes)
    return len(changes) >= GROWING_LEAST and leading >= GROWING_SHARE * len(changes)

"""Where a block of metrics keeps what: one array of 64-bit words, the greater part of it read as a grid of floats.

words    the head (`TIME` …), then a row each for `FIRST`, `UNIT` and `LEAST` of every metric
grid     32-bit floats, a column a metric: the rows named here, then the ring of jumps, then a square for each view that
         has a covariance: the covariance on and below the diagonal, above it what is above the diagonal of its inverse
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

type Words = npt.NDArray[np.float64]
type Floats = npt.NDArray[np.float32]
type Flags = npt.NDArray[np.bool_]

# Head: latest time, usual seconds between rows, rows learned, smoothed novelty of the jumps, and the powers of the row
# statistic under a short and a longer mean.
TIME, INTERVAL, ROWS, NOVELTY, SHORT, LONG, HEAD_SIZE = range(7)

# Origins, in the metric's own unit: first value, size of the first change, least deviation that matters.
FIRST, UNIT, LEAST, ORIGIN_SIZE = range(4)

# Grid rows: rows in which the metric was seen, rows since then, rows from one to the next; its values, relative to
# FIRST in UNITs; its blame for the last rows; 1 once a value was no whole number.
SEEN, ABSENT, EVERY, LOW, HIGH, MEAN, FAST, PREVIOUS, BLAME, FRACTIONAL, TAILS_START = range(11)

# Views, and the four grid rows of each view's tail, then those of the novelty of the jumps.
LEVEL, QUICK, JUMP, VIEWS = range(4)
QUANTILE, SPREAD, EXCESS, EXCEEDANCES, TAIL_SIZE = range(5)
NOVEL: Final = TAILS_START + VIEWS * TAIL_SIZE

RELATED: Final = 2  # the views with a covariance: level and quick
DIAGONALS: Final = NOVEL + TAIL_SIZE  # of the inverses
RING_START: Final = DIAGONALS + RELATED
RING: Final = 52  # jumps remembered
SQUARES: Final = RING_START + RING

# What is told of each metric of a row: whether it is here and counts, its weight in learning, its value, how long it
# was not seen and what it resolves, per view its deviation and normal score, per related view the score with gaps
# filled in, the distance and the surprise of its jump, and its blame.
HERE, COUNTS, WEIGHT, VALUE, PAUSE, RESOLVES, DEVIATION = range(7)
NORMAL: Final = DEVIATION + VIEWS
LARGE: Final = NORMAL + VIEWS
FILLED: Final = LARGE + RELATED
NEAREST: Final = FILLED + RELATED
SURPRISE, WORK, TOLD_SIZE = NEAREST + 1, NEAREST + 2, NEAREST + 3

# What is told of a row; the last two count the metrics that have ever changed, and those of them that are mature.
SCORE, ANOMALY, RELATIONS, MOVEMENT, NEW_JUMPS, VARYING, MATURE, RESULT_SIZE = range(8)


class Parts(NamedTuple):
    """One block's state as the kernels want it: three windows on the same memory."""

    head: Words
    origin: Words
    grid: Floats


def words_of(capacity: int) -> int:
    """The 64-bit words of a block for so many metrics; capacity is even."""
    return HEAD_SIZE + ORIGIN_SIZE * capacity + (SQUARES + RELATED * capacity) * capacity // 2


def parts_of(words: Words, capacity: int) -> Parts:
    """The windows on a block's words."""
    end = HEAD_SIZE + ORIGIN_SIZE * capacity
    grid = words[end:].view(np.float32).reshape(SQUARES + RELATED * capacity, capacity)
    return Parts(words[:HEAD_SIZE], words[HEAD_SIZE:end].reshape(ORIGIN_SIZE, capacity), grid)

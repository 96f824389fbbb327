"""Where a row of state keeps what: 64-bit words, which from `Shape.skip` on are read as pairs of 32-bit numbers.

words    TIME FIRST LAST ROWS SWING, then the exponential means
floats   the alarm, then per view its calibration and count, then per view its memory, then the week
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

type Words = npt.NDArray[np.float64]
type Floats = npt.NDArray[np.float32]
type Rows = npt.NDArray[np.int64]
type Flags = npt.NDArray[np.bool_]

# Words: latest time, first value, latest value, rows learned, mean size of changes, then the means.
TIME, FIRST, LAST, ROWS, SWING, MEANS_START = range(6)

# Floats, from 0: whether the alarm is raised, calm rows, the recent peak, then the highest peaks.
IS_RAISED, CALM, RECENT, PEAKS = range(4)
RANK: Final = 4
ALARM_SIZE: Final = PEAKS + RANK

# Floats, from `ALARM_SIZE + v * TAIL_SIZE`: the calibration of view v, and how many numbers it remembers.
QUANTILE, SPREAD, EXCESS, EXCEEDANCES, REMEMBERED, TAIL_SIZE = range(6)

# What is told of each view of a sample: -log10 p, the view's number, the nearest remembered one.
VOTE, SEEN, NEAREST, TOLD_SIZE = range(4)

# What is told of a sample.
SCORE, RANKING, TURN, RESULT_SIZE = range(4)


class Shape(NamedTuple):
    """A profile as the kernels want it.

    `seed` is that of the random choices, `plus` and `minus` are the terms of each view, `windows` the rows of each
    mean, `skip` the floats that the words take, `memories` and `week` where those begin after it.
    """

    seed: int
    plus: Rows
    minus: Rows
    windows: Words
    values: int
    candidates: int
    thin: float
    slots: int
    skip: int
    memories: int
    week: int

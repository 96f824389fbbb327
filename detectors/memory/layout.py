"""Where a row of state keeps what: 64-bit words, which from `Shape.skip` on are read as pairs of 32-bit numbers.

words    TIME FIRST LAST ROWS SWING, then the exponential means
floats   the alarm, then per view its calibration and count, then per view the first number of each block of its memory,
         then per view its memory, then the week
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.compiled import part

type Words = npt.NDArray[np.float64]
type Floats = npt.NDArray[np.float32]
type Rows = npt.NDArray[np.int64]
type Flags = npt.NDArray[np.bool_]
type Turns = npt.NDArray[np.int8]

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

# What is told of a sample; its turn is told apart.
SCORE, RANKING, RESULT_SIZE = range(3)

SINGLE: Final = 10  # numbers of a shape that are no arrays
EMPTY: Final = float(np.finfo(np.float32).max)  # in places of a memory that remember nothing yet: above any number
BLOCK: Final = 16  # remembered numbers in a block: a cache line


class Shape(NamedTuple):
    """A profile as the kernels want it.

    `seed` is that of the random choices, `plus` and `minus` are the terms of each view, `windows` the rows of each
    mean, `blocks` those of a memory (0 if two cover it), `skip` the floats that the words take, `firsts`,
    `memories` and `week` where those begin after it.
    """

    seed: int
    plus: Rows
    minus: Rows
    windows: Rows
    values: int
    candidates: int
    thin: int
    slots: int
    blocks: int
    skip: int
    firsts: int
    memories: int
    week: int


def plan_of(shape: Shape) -> Rows:
    """The shape as one array, which is handed to a kernel at a fraction of the cost of a tuple."""
    views, means = len(shape.plus), len(shape.windows)
    single = [int(value) for value in shape if not isinstance(value, np.ndarray)]
    return np.array([views, means, *single, *shape.plus, *shape.minus, *shape.windows], np.int64)


@part
def shape_of(plan: Rows) -> Shape:
    """The shape of a plan."""
    plus = 2 + SINGLE
    minus = plus + plan[0]
    windows = minus + plan[0]
    return Shape(
        plan[2],
        plan[plus:minus],
        plan[minus:windows],
        plan[windows : windows + plan[1]],
        plan[3],
        plan[4],
        plan[5],
        plan[6],
        plan[7],
        plan[8],
        plan[9],
        plan[10],
        plan[11],
    )

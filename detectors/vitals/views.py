"""Three views of each metric, relative to its own past: level, quick, jump; and the pace of the rows."""

import math
from typing import Final

import numpy as np

from detectors.compiled import part
from detectors.vitals.layout import (
    ABSENT,
    DEVIATION,
    DIAGONALS,
    EVERY,
    FAST,
    FIRST,
    FRACTIONAL,
    HIGH,
    INTERVAL,
    JUMP,
    LEAST,
    LEVEL,
    LOW,
    MEAN,
    PAUSE,
    PREVIOUS,
    QUICK,
    RELATED,
    RING,
    RING_START,
    ROWS,
    SEEN,
    SQUARES,
    TIME,
    UNIT,
    VALUE,
    VIEWS,
    Floats,
    Words,
)

DAY: Final = 86_400.0
FAST_RATE: Final = 0.3  # weight of the newest row in the fast mean
GAP: Final = 10.0  # times the usual pause: nothing is compared with what was before it
EVERY_RATE: Final = 0.05
PACE_RATE: Final = 0.01
INTERVAL_LEAST: Final = 0.1  # seconds
SIZE_MAXIMUM: Final = 1e30  # of a relative value, so that 32-bit sums of it stay finite
DIFFERENCE_MAXIMUM: Final = 1.7e308
SEEN_MAXIMUM: Final = 1e7  # 32-bit floats count so far
RANGE_REACH: Final = 3.0
RANGE_FROM: Final = 20.0  # rows; before it a range means nothing
BESIDE: Final = 1e-7  # of a size: 32 bits tell nothing smaller apart beside it
LEFT: Final = 1e-6  # of a size: a fast mean that is no further away has left that size behind
FEW_SHARE: Final = 0.5  # of a count of less than four
ZERO, ONE, NAN = np.float32(0.0), np.float32(1.0), np.float32(np.nan)


@part
def elapsed(head: Words, time: float) -> float:
    """How many usual intervals ago the last row was."""
    if head[ROWS] == 0.0:
        return 1.0
    gap = max(time - head[TIME], 0.0)
    return gap / head[INTERVAL] if head[INTERVAL] > 0.0 else 1.0


@part
def keep_pace(head: Words, time: float) -> None:
    """Move the usual interval, a running median of the gaps, and the time."""
    gap, usual = time - head[TIME], head[INTERVAL]
    if head[ROWS] > 0.0 and gap > 0.0:
        step = 1.0 + max(PACE_RATE, 0.5 / head[ROWS])
        head[INTERVAL] = gap if usual == 0.0 else min(max(gap, usual / step), usual * step)
    head[TIME] = time if head[ROWS] == 0.0 else max(time, head[TIME])


@part
def rows_a_day(head: Words) -> float:
    """The usual number of rows in a day."""
    return DAY / max(head[INTERVAL], INTERVAL_LEAST) if head[INTERVAL] > 0.0 else DAY


@part
def difference(value: float, first: float) -> float:
    """Value minus first, finite."""
    return min(max(value - first, -DIFFERENCE_MAXIMUM), DIFFERENCE_MAXIMUM)


@part
def relative(origin: Words, i: int, value: float) -> float:
    """The value from its first one, in units of its first change: any scale and any unit look the same."""
    if math.isnan(origin[FIRST, i]):
        origin[FIRST, i] = value
    away = difference(value, origin[FIRST, i])
    if origin[UNIT, i] == 0.0:
        origin[UNIT, i] = abs(away)
    return min(max(away / origin[UNIT, i], -SIZE_MAXIMUM), SIZE_MAXIMUM) if away != 0.0 else 0.0


@part
def is_outgrown(origin: Words, grid: Floats, i: int, value: float) -> bool:
    """Whether a metric lives beside its origin as if that were infinite: it would look constant for ever.

    So it is with a counter that begins at the largest number of its type, a limit that was unlimited once, a glitch in
    the second row. It takes a value that is nothing beside the first one, or from it beside the first change, and
    a fast mean that has come there.
    """
    first, unit, fast = float(origin[FIRST, i]), float(origin[UNIT, i]), float(grid[FAST, i])
    if math.isnan(first) or unit == 0.0:
        return False
    start = first / unit
    is_at_zero = 0.0 < abs(value) < BESIDE * abs(first) and abs(start + fast) < LEFT * abs(start)
    is_at_first = 0.0 < abs(value - first) < BESIDE * unit and abs(fast) < LEFT
    return is_at_zero or is_at_first


@part
def start_anew(origin: Words, grid: Floats, i: int) -> None:
    """Forget a metric, but not which of its deviations matter."""
    capacity = grid.shape[1]
    origin[FIRST, i], origin[UNIT, i] = math.nan, 0.0
    for row in range(grid.shape[0]):
        grid[row, i] = ZERO
    for jump in range(RING):
        grid[RING_START + jump, i] = NAN
    for view in range(RELATED):
        square = SQUARES + view * capacity + i
        for other in range(capacity):
            grid[square, other] = ZERO
        grid[square, i] = grid[DIAGONALS + view, i] = ONE


@part
def within(grid: Floats, i: int, x: float) -> float:
    """The value drawn in to a few ranges beyond the range so far: a glitch does not blind a metric for ever, and a
    metric that has really moved is followed within some rows, however far it went.
    """
    low, high = float(grid[LOW, i]), float(grid[HIGH, i])
    if grid[SEEN, i] < RANGE_FROM or high <= low:
        return x
    return min(max(x, low - RANGE_REACH * (high - low)), high + RANGE_REACH * (high - low))


@part
def least(origin: Words, grid: Floats, i: int) -> float:
    """The least deviation that matters, in the same units: what was declared, and what chance does to a count.

    Seven threads instead of six are no trouble, however long it were six: things that come and go each on their own
    vary in number by the root of it (Poisson). Of few things each one matters: none instead of one does.
    """
    if origin[UNIT, i] == 0.0:
        return 0.0
    own: float = origin[LEAST, i] / origin[UNIT, i]
    if grid[FRACTIONAL, i] == ZERO:
        usual = abs(origin[FIRST, i] / origin[UNIT, i] + float(grid[MEAN, i]))
        own = max(own, min(math.sqrt(usual / origin[UNIT, i]), FEW_SHARE * usual))
    return min(own, SIZE_MAXIMUM)


@part
def look(grid: Floats, told: Floats, i: int) -> None:
    """Fill in the deviations of one metric that is here."""
    for v in range(VIEWS):
        told[DEVIATION + v, i] = ZERO
    if grid[SEEN, i] > ZERO:
        x = float(told[VALUE, i])
        told[DEVIATION + LEVEL, i] = x - float(grid[MEAN, i])
        if not after_gap(grid, told, i):
            told[DEVIATION + QUICK, i] = x - float(grid[FAST, i])
            told[DEVIATION + JUMP, i] = x - float(grid[PREVIOUS, i])


@part
def after_gap(grid: Floats, told: Floats, i: int) -> bool:
    """Whether the metric was not seen for so long that its next value is no change but a new start."""
    return float(told[PAUSE, i]) > GAP * max(float(grid[EVERY, i]), 1.0)


@part
def follow(grid: Floats, told: Floats, i: int) -> None:
    """Let the fast mean and the previous value follow; they do so while learning is paused, too."""
    x = float(told[VALUE, i])
    if grid[SEEN, i] == ZERO or after_gap(grid, told, i):
        grid[FAST, i] = x
    else:
        grid[FAST, i] += FAST_RATE * float(told[DEVIATION + QUICK, i])
    grid[PREVIOUS, i] = x
    grid[ABSENT, i] = ZERO


@part
def learn_level(grid: Floats, told: Floats, i: int, step: float) -> None:
    """Move the mean by a step, the range, and how often the metric is seen."""
    x = float(told[VALUE, i])
    if grid[SEEN, i] == ZERO:
        grid[MEAN, i] = grid[LOW, i] = grid[HIGH, i] = x
        grid[EVERY, i] = 1.0
    grid[MEAN, i] += step
    grid[LOW, i], grid[HIGH, i] = min(float(grid[LOW, i]), x), max(float(grid[HIGH, i]), x)
    usual = max(float(grid[EVERY, i]), 1.0)
    grid[EVERY, i] = usual + EVERY_RATE * (min(float(told[PAUSE, i]), GAP * usual) - usual)
    grid[SEEN, i] = min(float(grid[SEEN, i]) + 1.0, SEEN_MAXIMUM)

"""From a deviation to a normal score: an online exponential tail above a high quantile, a metric and a view."""

import math
from typing import Final

from detectors.compiled import part
from detectors.vitals.layout import EXCEEDANCES, EXCESS, QUANTILE, SPREAD, Floats

Z_QUANTILE: Final = 2.8  # normal score of a deviation that is as large as its quantile
Z_CAP: Final = 6.0  # one metric counts for no more: a tail of 1e-9
Z_MAXIMUM: Final = 20.0  # ... and is blamed for no more
CLIP: Final = 5.0  # an excess is learned as at most so many mean excesses
CLIP_FROM: Final = 20.0  # exceedances, after which there is a mean to clip by
EXCEEDANCES_MAXIMUM: Final = 250.0
EXCESS_RATE: Final = 0.02


@part
def normal_score(grid: Floats, tail: int, i: int, size: float, floor: float) -> float:
    """The normal score of a deviation of this size: linear up to the quantile, an exponential tail above it."""
    quantile = max(float(grid[tail + QUANTILE, i]), floor)
    if quantile <= 0.0:
        return 0.0 if size == 0.0 else Z_MAXIMUM
    if size <= quantile:
        return Z_QUANTILE * size / quantile
    excess = (size - quantile) / max(float(grid[tail + EXCESS, i]), floor)
    return min(math.sqrt(Z_QUANTILE * Z_QUANTILE + 2.0 * excess), Z_MAXIMUM)


@part
def reach(grid: Floats, tail: int, i: int, floor: float) -> float:
    """How large a deviation is learned at most."""
    if grid[tail + EXCEEDANCES, i] <= CLIP_FROM:
        return math.inf
    return max(float(grid[tail + QUANTILE, i]), floor) + CLIP * max(float(grid[tail + EXCESS, i]), floor)


@part
def learn_tail(
    grid: Floats, tail: int, i: int, size: float, limit: float, quantile: float, rate: float, quick: float
) -> None:
    """Move quantile (stochastic steps of the size of its usual distance, times `quick`) and mean excess."""
    above = size - float(grid[tail + QUANTILE, i])
    spread = float(grid[tail + SPREAD, i])
    spread += rate * (min(abs(above), limit) - spread)
    grid[tail + SPREAD, i] = spread
    if above > 0.0:
        count = min(float(grid[tail + EXCEEDANCES, i]) + 1.0, EXCEEDANCES_MAXIMUM)
        excess = float(grid[tail + EXCESS, i])
        if count > CLIP_FROM + 1.0 and excess > 0.0:
            above = min(above, CLIP * excess)
        grid[tail + EXCEEDANCES, i] = count
        grid[tail + EXCESS, i] = excess + max(EXCESS_RATE, 1.0 / count) * (above - excess)
        grid[tail + QUANTILE, i] += quick * spread * quantile
    else:
        grid[tail + QUANTILE, i] = max(0.0, float(grid[tail + QUANTILE, i]) - quick * spread * (1.0 - quantile))

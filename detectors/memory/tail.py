"""An online exponential tail: from a distance to -log10 of its probability."""

import math
from typing import Final

from detectors.compiled import part
from detectors.memory.layout import EXCEEDANCES, EXCESS, QUANTILE, SPREAD, Floats

SHARE: Final = 0.02  # of the distances, in rows of a minute or more, are surprises; .015 is as good
AT_SHARE: Final = -math.log10(SHARE)
DECADE: Final = 1.0 / math.log(10.0)
P_MAXIMUM: Final = 10.0  # a single view says at most 1e-10
QUIET: Final = 50  # distances before the first is judged
SPREAD_RATE, STEP_RATE, EXCESS_RATE = 0.001, 0.01, 0.01
CLIP: Final = 5.0  # mean excesses; a further one is learned as if it were here ...
CLIP_AFTER: Final = 20.0  # ... once so many were seen
EXCEEDANCES_MAXIMUM: Final = 1000.0  # counted no further: the rate has its floor long before
MATERIAL: Final = 0.01  # of the remembered range: distances far below it count little


@part
def share(weight: float, age: float) -> float:
    """The share of distances that are surprises: as many a minute however fast the rows come, but no fewer than one
    among those seen so far, or the quantile could not be known.
    """
    return min(max(SHARE * weight, 1.0 / (age + 1.0)), SHARE)


@part
def probability(floats: Floats, tail: int, distance: float, reach: float) -> float:
    """-log10 of the tail probability of a distance, within [0, 10]; `reach` is the range of what is remembered."""
    quantile, excess = float(floats[tail + QUANTILE]), float(floats[tail + EXCESS])
    if distance <= quantile:
        return 0.0
    p = P_MAXIMUM  # never surprised before
    if excess > 0.0:
        p = min(AT_SHARE + DECADE * (distance - quantile) / excess, P_MAXIMUM)
    return p * (distance / (distance + MATERIAL * reach))


@part
def calibrate(floats: Floats, tail: int, distance: float, weight: float, age: float) -> bool:
    """Learn a distance, `age` having been learned before. Returns whether it was a surprise."""
    quantile = distance if age == 0.0 else float(floats[tail + QUANTILE])
    rate, part_above = 1.0 / (age + 1.0), share(weight, age)
    floats[tail + SPREAD] += max(SPREAD_RATE, rate) * (abs(distance - quantile) - floats[tail + SPREAD])
    step = max(STEP_RATE, rate) * float(floats[tail + SPREAD])
    if distance <= quantile:
        floats[tail + QUANTILE] = max(quantile - step * part_above, 0.0)  # a distance of 0 is no surprise
        return False
    floats[tail + QUANTILE] = quantile + step * (1.0 - part_above)
    learn_excess(floats, tail, distance - quantile)
    return True


@part
def learn_excess(floats: Floats, tail: int, excess: float) -> None:
    """Follow the mean of what distances exceed the quantile by."""
    mean = float(floats[tail + EXCESS])
    count = min(float(floats[tail + EXCEEDANCES]) + 1.0, EXCEEDANCES_MAXIMUM)
    if count > CLIP_AFTER and mean > 0.0:
        excess = min(excess, CLIP * mean)
    floats[tail + EXCEEDANCES] = count
    floats[tail + EXCESS] = mean + max(EXCESS_RATE, 1.0 / count) * (excess - mean)

"""Has this metric jumped like this lately? Distance of a jump to the nearest of the last ones."""

import math
from typing import Final

import numpy as np

from detectors.compiled import call, part
from detectors.vitals.layout import (
    COUNTS,
    DEVIATION,
    EXCESS,
    HIGH,
    JUMP,
    LOW,
    NEAREST,
    NOVEL,
    QUANTILE,
    RING,
    RING_START,
    SEEN,
    SURPRISE,
    Floats,
)
from detectors.vitals.tails import learn_tail

NOVEL_QUANTILE: Final = 0.99
NOVEL_RATE: Final = 0.001
NOVEL_STEP: Final = 10.0
SURPRISE_CAP: Final = 10.0
RESOLUTION: Final = 1e-3  # of the range: closer jumps are the same
SETTLE: Final = 12.0  # rows
CALIBRATED: Final = 200.0  # rows
DECADE: Final = 0.4343
FAR = np.float32(3e38)
ZERO = np.float32(0.0)


@call
def nearest(grid: Floats, told: Floats, count: int) -> None:
    """Fill in each metric's distance to the nearest remembered jump; 0 where it is none worth naming."""
    jump, near = told[DEVIATION + JUMP], told[NEAREST]
    for i in range(count):
        near[i] = FAR
    for slot in range(RING):
        ring = grid[RING_START + slot]
        for i in range(count):
            distance = abs(ring[i] - jump[i])
            near[i] = distance if distance < near[i] else near[i]  # noqa: FURB136 False for NaN
    for i in range(count):
        span = float(grid[HIGH, i]) - float(grid[LOW, i])
        if not grid[SEEN, i] > SETTLE or not near[i] > RESOLUTION * span or near[i] >= FAR:
            near[i] = ZERO


@part
def surprise(grid: Floats, told: Floats, i: int) -> float:
    """-log10 of the tail probability of the distance; 0 for common ones."""
    above = float(told[NEAREST, i]) - float(grid[NOVEL + QUANTILE, i])
    if told[COUNTS, i] == ZERO or grid[SEEN, i] <= CALIBRATED or above <= 0.0:
        return 0.0
    excess = float(grid[NOVEL + EXCESS, i])
    return (
        min(-math.log10(1.0 - NOVEL_QUANTILE) + DECADE * above / excess, SURPRISE_CAP) if excess > 0.0 else SURPRISE_CAP
    )


@call
def mean_of_three(grid: Floats, told: Floats, count: int) -> float:
    """Fill in the surprise of each jump; the mean of the three largest."""
    first = second = third = 0.0
    for i in range(count):
        z = surprise(grid, told, i)
        told[SURPRISE, i] = z
        if z > first:
            first, second, third = z, first, second
        elif z > second:
            second, third = z, second
        elif z > third:
            third = z
    return (first + second + third) / 3.0


@part
def learn_novelty(grid: Floats, told: Floats, i: int, slot: int) -> None:
    """Move the calibration of the distances of one metric that is here, and remember its jump."""
    age = 1.0 / (float(grid[SEEN, i]) + 1.0)
    rate, quick = max(NOVEL_RATE, age), max(NOVEL_STEP * NOVEL_RATE, age)
    learn_tail(grid, NOVEL, i, float(told[NEAREST, i]), math.inf, NOVEL_QUANTILE, rate, quick)
    grid[RING_START + slot, i] = told[DEVIATION + JUMP, i]

"""One score of a host from its metrics: broken relations, whole-host movement, new jumps."""

import math
from typing import Final

from detectors.compiled import stage
from detectors.vitals.layout import (
    ANOMALY,
    COUNTS,
    JUMP,
    LONG,
    MOVEMENT,
    NEW_JUMPS,
    NORMAL,
    NOVELTY,
    QUICK,
    RELATED,
    RELATIONS,
    SCORE,
    SHORT,
    Floats,
    Words,
)
from detectors.vitals.novelty import mean_of_three, nearest
from detectors.vitals.relations import fill, squared_length

RELATIONS_UNIT: Final = 1.6  # M that is an alarm, at the pace of PACE
MOVEMENT_UNIT: Final = 2.6  # Q that is one
PACE: Final = 3.6  # the largest of so many normal scores a day as there are minutes, about
PACE_ROWS_LEAST: Final = 10.0
NOVELTY_WEIGHT: Final = 0.2
NOVELTY_ZERO: Final = 3.5
NOVELTY_RATE: Final = 0.33
OFFSET: Final = 0.05  # keeps the geometric means above zero
POWER: Final = 3.0
SHORT_RATE: Final = 0.6
LONG_RATE: Final = 0.15
SCORE_MAXIMUM: Final = 20.0
ZERO: Final = 0.0


@stage
def relations(grid: Floats, told: Floats, count: int, active: float) -> float:
    """M: the geometric mean over level and quick of the Mahalanobis length of the normal scores, per active metric."""
    total = 0.0
    for view in range(RELATED):
        fill(grid, told, view, count)
        total += math.log(math.sqrt(squared_length(grid, told, view, count) / active) + OFFSET)
    return math.exp(total / RELATED)


@stage
def movement(told: Floats, count: int, active: float) -> float:
    """Q: the geometric mean over quick and jump of the root mean square of the normal scores."""
    total = 0.0
    for view in (QUICK, JUMP):
        squares = 0.0
        for i in range(count):
            if told[COUNTS, i] > ZERO:
                z = float(told[NORMAL + view, i])
                squares += z * z
        total += 0.5 * math.log(math.sqrt(squares / active) + OFFSET)
    return math.exp(total)


@stage
def new_jumps(head: Words, grid: Floats, told: Floats, count: int, values_a_day: float) -> float:
    """J: how new the jumps of the last few rows are, 0 where so new ones come about daily, NOVELTY_ZERO lower."""
    nearest(grid, told, count)
    head[NOVELTY] += NOVELTY_RATE * (mean_of_three(grid, told, count) - head[NOVELTY])
    return float(head[NOVELTY]) - math.log10(values_a_day) + NOVELTY_ZERO


@stage
def combine(
    head: Words, grid: Floats, told: Floats, count: int, active: float, rows_a_day: float, result: Words
) -> None:
    """Fill in the row's result: the votes, in units of an alarm, and the two scores."""
    novelty = new_jumps(head, grid, told, count, rows_a_day * max(active, 1.0))
    strength = 0.0
    if active > ZERO:
        pace = math.sqrt(2.0 * math.log(max(rows_a_day, PACE_ROWS_LEAST))) / PACE
        result[RELATIONS] = relations(grid, told, count, active) / RELATIONS_UNIT / pace
        result[MOVEMENT] = movement(told, count, active) / MOVEMENT_UNIT / pace
        result[NEW_JUMPS] = math.exp(NOVELTY_WEIGHT * novelty)
        strength = min(max(result[RELATIONS] * result[NEW_JUMPS], result[MOVEMENT]), SCORE_MAXIMUM) ** POWER
    head[SHORT] += SHORT_RATE * (strength - head[SHORT])
    head[LONG] += LONG_RATE * (strength - head[LONG])
    result[ANOMALY], result[SCORE] = head[SHORT] ** (1.0 / POWER), head[LONG] ** (1.0 / POWER)

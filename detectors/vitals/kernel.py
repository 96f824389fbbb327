"""The compiled sequence: look at each metric, judge it, combine, learn."""

import math
from typing import Final

import numpy as np

from detectors.compiled import borrowed, entry, part, stage
from detectors.vitals.combination import combine
from detectors.vitals.layout import (
    ABSENT,
    BLAME,
    COUNTS,
    DEVIATION,
    EVERY,
    FRACTIONAL,
    HERE,
    HIGH,
    JUMP,
    LARGE,
    LEVEL,
    LOW,
    MATURE,
    NORMAL,
    PAUSE,
    RELATED,
    RESOLVES,
    RING,
    RING_START,
    ROWS,
    SEEN,
    TAIL_SIZE,
    TAILS_START,
    VALUE,
    VARYING,
    VIEWS,
    WEIGHT,
    Flags,
    Floats,
    Words,
)
from detectors.vitals.novelty import learn_novelty
from detectors.vitals.relations import blame, learn_relations, refresh
from detectors.vitals.tails import Z_CAP, learn_tail, normal_score, reach
from detectors.vitals.views import (
    elapsed,
    follow,
    is_outgrown,
    keep_pace,
    learn_level,
    least,
    look,
    relative,
    rows_a_day,
    start_anew,
    within,
)

WARM: Final = 300.0  # rows a metric is seen before it counts
REFRESH: Final = 60.0  # rows between inversions of the covariances
SLOW_DAYS: Final = 7.0  # memory of means and covariances
TAIL_DAYS: Final = 2.0  # memory of tails
PASSES: Final = 5.0  # times a day that a metric passes its quantile, in each view
PASSES_SHARE: Final = 0.2  # ... but no larger share of the rows
FLOOR: Final = 0.03  # of the range: no deviation is resolved below it
TAIL_STEP: Final = 10.0
NAN = np.float32(np.nan)


@part
def resolution(origin: Words, grid: Floats, i: int) -> float:
    """The least quantile and mean excess of metric i, in every view."""
    return max(FLOOR * (float(grid[HIGH, i]) - float(grid[LOW, i])), least(origin, grid, i))


@stage
def observe(origin: Words, grid: Floats, told: Floats, i: int, value: float, rows: float) -> None:
    """Whether the metric is here and counts, its relative value, and how long it was not seen."""
    told[HERE, i] = told[COUNTS, i] = told[WEIGHT, i] = 0.0
    if math.isfinite(value):
        if is_outgrown(origin, grid, i, value):
            start_anew(origin, grid, i)
        told[VALUE, i], told[PAUSE, i] = within(grid, i, relative(origin, i, value)), float(grid[ABSENT, i]) + rows
        told[HERE, i] = 1.0
        if value % 1.0 != 0.0:
            grid[FRACTIONAL, i] = 1.0
        told[COUNTS, i] = 1.0 if grid[SEEN, i] >= WARM else 0.0
    else:
        grid[ABSENT, i] += rows


@stage
def judge(origin: Words, grid: Floats, told: Floats, i: int) -> None:
    """Fill in the normal scores of one metric, capped and uncapped."""
    for v in range(VIEWS):
        told[NORMAL + v, i] = 0.0
    if told[HERE, i] == 0.0:
        told[DEVIATION + JUMP, i] = NAN
        return
    look(grid, told, i)
    told[RESOLVES, i] = floor = resolution(origin, grid, i)
    for v in range(VIEWS):
        deviation = float(told[DEVIATION + v, i])
        z = normal_score(grid, TAILS_START + v * TAIL_SIZE, i, abs(deviation), floor)
        if v < RELATED:
            told[LARGE + v, i] = z
        told[NORMAL + v, i] = math.copysign(min(z, Z_CAP), deviation)


@stage
def learn_metric(origin: Words, grid: Floats, told: Floats, i: int, a_day: float) -> None:
    """Learn level, range and tails of one metric that is here; a rarer metric learns more at a time."""
    seen, own_a_day = float(grid[SEEN, i]), a_day / max(float(grid[EVERY, i]), 1.0)
    floor, step = resolution(origin, grid, i), max(1.0 / (SLOW_DAYS * own_a_day), 1.0 / (seen + 2.0))
    rate, quick = 1.0 / (TAIL_DAYS * own_a_day), TAIL_STEP / (TAIL_DAYS * own_a_day)
    quantile, move = 1.0 - min(PASSES / own_a_day, PASSES_SHARE), 0.0
    told[WEIGHT, i] = step
    for v in range(VIEWS):
        tail, deviation = TAILS_START + v * TAIL_SIZE, float(told[DEVIATION + v, i])
        limit = reach(grid, tail, i, floor)
        if v == LEVEL:
            move = step * math.copysign(min(abs(deviation), limit), deviation)
        age = 1.0 / (seen + 1.0)
        learn_tail(grid, tail, i, abs(deviation), limit, quantile, max(rate, age), max(quick, age))
    learn_level(grid, told, i, move)


@stage
def learn(head: Words, origin: Words, grid: Floats, told: Floats, count: int, a_day: float) -> None:
    """Learn a row."""
    slot = int(head[ROWS]) % RING
    for i in range(count):
        if told[HERE, i] > 0.0:
            learn_novelty(grid, told, i, slot)
            learn_metric(origin, grid, told, i, a_day)
        else:
            grid[RING_START + slot, i] = NAN
    for view in range(RELATED):
        learn_relations(grid, told, view, count)
        if head[ROWS] % REFRESH == 0.0:
            refresh(grid, view, count)


@part
def count_metrics(grid: Floats, count: int, result: Words) -> None:
    """Fill in how many metrics vary, and how many of these are mature."""
    for i in range(count):
        if grid[HIGH, i] > grid[LOW, i]:
            result[VARYING] += 1.0
            result[MATURE] += 1.0 if grid[SEEN, i] >= WARM else 0.0


@stage
def step(
    head: Words,
    origin: Words,
    grid: Floats,
    time: float,
    values: Words,
    learns: bool,  # noqa: FBT001
    told: Floats,
    result: Words,
) -> None:
    """One row: score, then learn."""
    count, rows, a_day, active = len(values), elapsed(head, time), rows_a_day(head), 0.0
    for i in range(count):
        observe(origin, grid, told, i, values[i], rows)
        judge(origin, grid, told, i)
        if told[COUNTS, i] > 0.0 and grid[HIGH, i] > grid[LOW, i]:
            active += 1.0
    combine(head, grid, told, count, active, a_day, result)
    blame(grid, told, count)
    for i in range(count):
        if told[HERE, i] > 0.0:
            follow(grid, told, i)
    if learns:
        learn(head, origin, grid, told, count, a_day)
    keep_pace(head, time)
    if learns:
        head[ROWS] += 1.0
    count_metrics(grid, count, result)


@entry
def apply(  # noqa: PLR0913, PLR0917 arrays in and arrays out
    head: Words,
    origin: Words,
    grid: Floats,
    times: Words,
    values: Words,
    learns: Flags,
    told: Floats,
    results: Words,
    blames: Floats,
) -> None:
    """Rows in order, of one block; fills in `results` (rows by RESULT_SIZE) and `blames` (as many rows as it has).

    `told` (TOLD_SIZE by capacity) holds what is told of the last row. A missing value is NaN; a row whose time is not
    finite changes nothing and scores 0.
    """
    head, origin, grid, told = borrowed(head), borrowed(origin), borrowed(grid), borrowed(told)
    values, results = borrowed(values), borrowed(results)
    for row in range(len(times)):
        for place in range(results.shape[1]):
            results[row, place] = 0.0
        if math.isfinite(times[row]):
            step(head, origin, grid, times[row], values[row], learns[row], told, results[row])
            if row < len(blames):
                for metric in range(values.shape[1]):
                    blames[row, metric] = grid[BLAME, metric]

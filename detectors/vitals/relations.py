"""How the metrics of a host belong together: a slow, shrunk covariance of their normal scores and its inverse."""

import math
from typing import Final

import numpy as np

from detectors.compiled import call, part
from detectors.vitals.layout import (
    BLAME,
    COUNTS,
    DIAGONALS,
    FILLED,
    HERE,
    LARGE,
    LEVEL,
    NORMAL,
    QUICK,
    SQUARES,
    WEIGHT,
    WORK,
    Floats,
    Words,
)

SHRINK_SHARE: Final = 0.3  # of each variance is added to it: correlations shrink towards none ...
SHRINK: Final = 0.15  # ... and this much, so that what hardly moves does not divide by zero; variances are about 1
SHRINK_MORE: Final = 4.0  # times as much, if the covariance still has no inverse ...
SHRINK_MAXIMUM: Final = 1e6  # ... up to this: no host leaves such a covariance behind, only damage does
BLAME_RATE: Final = 0.6  # of the newest row, as in the score that decides alarms
QUICK_TWICE: Final = 2.0
PIVOT_LEAST: Final = 1e-3
ALONE_MAXIMUM: Final = 1e6  # standard deviations; more says that the covariance is damaged
SWEEPS: Final = 3  # over the absent metrics
ZERO = np.float32(0.0)


@part
def dot(row: Floats, scores: Floats, start: int, count: int) -> float:
    """Sum of products from `start` on, in four lanes of a fixed order, so that every machine rounds alike."""
    a = b = c = d = ZERO
    j = start
    while j + 3 < count:
        a += row[j] * scores[j]
        b += row[j + 1] * scores[j + 1]
        c += row[j + 2] * scores[j + 2]
        d += row[j + 3] * scores[j + 3]
        j += 4
    while j < count:
        a += row[j] * scores[j]
        j += 1
    return float((a + b) + (c + d))


@part
def others_say(grid: Floats, square: int, scores: Floats, i: int, count: int) -> float:
    """Row i of the inverse times the scores, without the diagonal."""
    total = dot(grid[square + i], scores, i + 1, count)
    for j in range(i):
        total += float(grid[square + j, i]) * float(scores[j])
    return total


@call
def fill(grid: Floats, told: Floats, view: int, count: int) -> None:
    """Copy a view's scores; in place of what is absent put what the others let expect, so that it says nothing."""
    square, diagonal = SQUARES + view * grid.shape[1], DIAGONALS + view
    scores, absent = told[FILLED + view], 0
    for i in range(count):
        scores[i] = told[NORMAL + view, i] if told[COUNTS, i] > ZERO else ZERO
        absent += 1 if told[HERE, i] == ZERO else 0
    if absent == 0:
        return
    for _ in range(SWEEPS):
        for i in range(count):
            if told[HERE, i] == ZERO:
                scores[i] = -others_say(grid, square, scores, i, count) / float(grid[diagonal, i])


@call
def squared_length(grid: Floats, told: Floats, view: int, count: int) -> float:
    """The Mahalanobis length of the filled scores, squared."""
    square, diagonal, scores, total = SQUARES + view * grid.shape[1], DIAGONALS + view, told[FILLED + view], 0.0
    for i in range(count):
        score = float(scores[i])
        if score != 0.0:
            above = dot(grid[square + i], scores, i + 1, count)
            total += score * (float(grid[diagonal, i]) * score + 2.0 * above)
    return total if total > 0.0 else 0.0  # noqa: FURB136 what is no number, of a damaged covariance, is 0


@call
def blame(grid: Floats, told: Floats, count: int) -> None:
    """Move each metric's blame towards this row's: its normal scores, and how far its level is from what all the others
    let expect, in standard deviations. The quick view says best where it began, and counts twice.
    """
    square, scores, work = SQUARES + LEVEL * grid.shape[1], told[FILLED + LEVEL], told[WORK]
    for i in range(count):
        work[i] = grid[DIAGONALS + LEVEL, i] * scores[i]
    for i in range(count):
        row, score = grid[square + i], scores[i]
        work[i] += np.float32(dot(row, scores, i + 1, count))
        for j in range(i + 1, count):
            work[j] += score * row[j]
    for i in range(count):
        now = 0.0
        if told[COUNTS, i] > ZERO:
            alone = float(abs(work[i])) / math.sqrt(grid[DIAGONALS + LEVEL, i])
            now = float(told[LARGE, i]) + QUICK_TWICE * float(told[LARGE + QUICK, i])
            now += alone if alone < ALONE_MAXIMUM else 0.0
        grid[BLAME, i] += BLAME_RATE * (now - float(grid[BLAME, i]))


@call
def learn_relations(grid: Floats, told: Floats, view: int, count: int) -> None:
    """Move the covariances of all pairs that are here; a pair learns as fast as the younger of the two."""
    square, scores, weight, here = SQUARES + view * grid.shape[1], told[NORMAL + view], told[WEIGHT], told[HERE]
    for i in range(count):
        if here[i] > ZERO:
            score, own, row = scores[i], weight[i], grid[square + i]
            for j in range(i + 1):
                pair = (own if own > weight[j] else weight[j]) * here[j]  # noqa: FURB136 max() is not vectorised
                row[j] += pair * (score * scores[j] - row[j])


@part
def invert(matrix: Words) -> bool:
    """Put the inverse of a positive definite matrix in its place (Gauss and Jordan); False if it has none."""
    size = len(matrix)
    for k in range(size):
        pivot = matrix[k, k]
        if not pivot > PIVOT_LEAST:
            return False
        matrix[k, k] = 1.0
        for j in range(size):
            matrix[k, j] /= pivot
        for i in range(size):
            if i != k:
                factor = matrix[i, k]
                matrix[i, k] = 0.0
                for j in range(size):
                    matrix[i, j] -= factor * matrix[k, j]
    return True


@part
def forget(grid: Floats, square: int, matrix: Words) -> None:
    """All metrics are independent, as far as anybody knows."""
    for i in range(len(matrix)):
        for j in range(len(matrix)):
            matrix[i, j] = 1.0 if i == j else 0.0
            grid[square + i, j] = np.float32(matrix[i, j])


@call
def refresh(grid: Floats, view: int, count: int) -> None:
    """Invert a view's covariance, shrunk towards independent metrics as much as it takes; beyond help, forget it."""
    square, shrink = SQUARES + view * grid.shape[1], SHRINK
    matrix = np.empty((count, count))
    done = False
    while not done:
        for i in range(count):
            for j in range(i + 1):
                matrix[i, j] = matrix[j, i] = float(grid[square + i, j])
            matrix[i, i] += SHRINK_SHARE * matrix[i, i] + shrink
        done = invert(matrix)
        shrink *= SHRINK_MORE
        if not done and shrink > SHRINK_MAXIMUM:
            forget(grid, square, matrix)
            done = True
    for i in range(count):
        grid[DIAGONALS + view, i] = matrix[i, i]
        for j in range(i + 1, count):
            grid[square + i, j] = matrix[i, j]

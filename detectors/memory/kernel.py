"""The compiled sequence: look, judge each view and learn it, combine, turn the alarm."""

import math
from typing import Final

import numpy as np

from detectors.compiled import borrowed, entry, fetched, part, stage
from detectors.memory.alarm import NONE, turn
from detectors.memory.combination import mean, power_mean
from detectors.memory.layout import (
    ALARM_SIZE,
    LAST,
    NEAREST,
    RANKING,
    REMEMBERED,
    ROWS,
    SCORE,
    SEEN,
    TAIL_SIZE,
    TIME,
    VOTE,
    Flags,
    Floats,
    Rows,
    Shape,
    Turns,
    Words,
    shape_of,
)
from detectors.memory.remembered import block_of, nearest, place, remember, sampled, shuffled, thinned
from detectors.memory.tail import QUIET, calibrate, probability
from detectors.memory.views import TERMS, VALUE_TERM, WEEK_TERM, follow, look, relative, row_weight

SETTLE: Final = 12.0  # rows before the first is remembered: the means settle
LINE: Final = 8  # words in a cache line
WARM: Final = 20.0  # rows before distances are calibrated: the memories fill


@stage
def judge(floats: Floats, shape: Shape, told: Floats, v: int, block: int, cal: float) -> int:
    """Score view v, changing no state: fills in its vote and what is nearest, and returns where its number belongs."""
    tail, memory = ALARM_SIZE + v * TAIL_SIZE, shape.memories + v * shape.values
    y, count = told[v, SEEN], int(floats[tail + REMEMBERED])
    at = place(floats, block, y)
    told[v, VOTE], told[v, NEAREST] = 0.0, y
    if cal >= 0.0:
        told[v, NEAREST] = nearest(floats, memory, count, y, at)
        if cal >= QUIET:
            reach = float(floats[memory + count - 1]) - float(floats[memory])
            told[v, VOTE] = probability(floats, tail, abs(float(y) - float(told[v, NEAREST])), reach)
    return at


@stage
def learn(floats: Floats, shape: Shape, told: Floats, v: int, at: int, rows: float, weight: float, past: float) -> None:
    """Learn view v: its calibration, and its number if that surprised or is one of the share `past` of all."""
    tail, cal = ALARM_SIZE + v * TAIL_SIZE, rows - SETTLE - WARM
    bits = shuffled(shape.seed, int(rows) * len(shape.plus) + v)
    y, keep = told[v, SEEN], True
    if cal >= 0.0:
        keep = calibrate(floats, tail, abs(float(y) - float(told[v, NEAREST])), weight, cal)
    if keep or thinned(bits, past, rows - SETTLE + 1.0):
        count = int(floats[tail + REMEMBERED])
        floats[tail + REMEMBERED] = remember(floats, shape, v, count, y, at, bits)


@part
def silence(told: Floats) -> None:
    """Nothing is told of the views."""
    for v in range(len(told)):
        told[v, VOTE] = told[v, SEEN] = told[v, NEAREST] = 0.0


@stage
def step(
    words: Words,
    floats: Floats,
    shape: Shape,
    time: float,
    value: float,
    learns: bool,  # noqa: FBT001 compiled functions know no keyword-only arguments
    room: Words,
    told: Floats,
) -> tuple[float, float, float]:
    """One finite sample of one row: score, then learn. Returns score, ranking and turn, and fills in `told`."""
    weight, gap, rows = row_weight(words, time), max(time - words[TIME], 0.0), words[ROWS]
    score, ranking, past = 0.0, 0.0, sampled(shape, weight, gap)
    terms, blocks = room[: len(TERMS)], room[len(TERMS) :]
    look(words, floats, shape, time, relative(words, value), weight, terms)
    if rows >= SETTLE:
        for v in range(len(shape.plus)):
            told[v, SEEN] = terms[shape.plus[v]] - terms[shape.minus[v]]
            blocks[v] = block_of(floats, shape, v, told[v, SEEN])
            if shape.blocks > 0:
                fetched(floats, int(blocks[v]))
        for v in range(len(shape.plus)):
            at = judge(floats, shape, told, v, int(blocks[v]), rows - SETTLE - WARM)
            if shape.minus[v] == WEEK_TERM and told[v, SEEN] == 0.0:
                told[v, VOTE] = 0.0  # as usual at this time of the week, or nobody knows what that is
            if learns:
                learn(floats, shape, told, v, at, rows, weight, past)
        score, ranking = power_mean(told), mean(told)
    else:
        silence(told)
    if learns:
        follow(words, floats, shape, time, value, terms)
    words[TIME], words[LAST] = max(time, words[TIME]) if rows > 0.0 else time, terms[VALUE_TERM]
    return score, ranking, turn(floats, score, weight, gap)


@part
def fetch(words: Words, shape: Shape, row: int) -> None:
    """Ask for what the row's next sample reads for certain, while another row's is judged: no cache holds all of many
    series, and to wait for memory would take most of the time.
    """
    next_row, memories = words[row], (shape.skip + shape.memories) // 2
    for word in range(0, memories, LINE):
        fetched(next_row, word)
    for v in range(1, len(shape.plus) + 1):
        fetched(next_row, memories + v * shape.values // 2 - 1)  # the highest number


@entry
def apply(  # noqa: PLR0913, PLR0917 arrays in and arrays out
    words: Words,
    plan: Rows,
    rows: Rows,
    times: Words,
    values: Words,
    learns: Flags,
    results: Words,
    turns: Turns,
    told: Floats,
    room: Words,
) -> None:
    """Samples in order, each of a row of state; `room` is for the terms of a sample, then a block of each view.

    Fills in `results` (RESULT_SIZE by samples), `turns` and `told` (samples by views by TOLD_SIZE). A value or time
    that is not finite changes nothing and scores 0.
    """
    shape, words, told = shape_of(borrowed(plan)), borrowed(words), borrowed(told)
    room, floats = borrowed(room), words.view(np.float32)
    for i in range(len(rows)):
        score, ranking, turned, row = 0.0, 0.0, NONE, rows[i]
        if shape.blocks > 0 and i + 1 < len(rows) and 0 <= rows[i + 1] < len(words):
            fetch(words, shape, rows[i + 1])
        if math.isfinite(values[i]) and math.isfinite(times[i]):
            if not 0 <= row < len(words):
                raise IndexError("a row that the table does not have")
            score, ranking, turned = step(
                words[row], floats[row, shape.skip :], shape, times[i], values[i], learns[i], room, told[i]
            )
        else:
            silence(told[i])
        results[SCORE, i], results[RANKING, i], turns[i] = score, ranking, np.int8(turned)

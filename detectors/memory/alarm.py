"""When does a score raise an alarm, and when does the alarm clear?"""

import math
from typing import Final

from detectors.compiled import part
from detectors.memory.layout import ALARM_SIZE, CALM, IS_RAISED, PEAKS, RECENT, Floats

THRESHOLD: Final = 1.25  # shipped; 1.05 to 1.4 is flat on the development series
CLEAR: Final = 0.7  # a score below it is calm
CALM_ROWS: Final = 5.0  # so many calm rows in a row clear
GAIN: Final = 1.2  # a new peak must be so much higher than the recent one, which halves in ...
HALF_ROWS: Final = 30.0
HALF_SECONDS: Final = 28_800.0  # ... so many rows or seconds, the sooner
# A score must be above the RANK-th highest peak of the series' own history; peaks halve in ...
LONG_ROWS: Final = 2000.0
LONG_SECONDS: Final = 604_800.0
PEAK_LEAST: Final = 0.7  # lower scores are no peaks

RECENT_ROW: Final = math.exp2(-1.0 / HALF_ROWS)  # what one row leaves of a peak
LONG_ROW: Final = math.exp2(-1.0 / LONG_ROWS)

NONE, RAISED, RENEWED, CLEARED = 0.0, 1.0, 2.0, 3.0


@part
def halved(halves: float, usual: float, known: float) -> float:
    """What is left after so many half lives; `known` is what is left after the usual number."""
    return known if halves == usual else math.exp2(-halves)


@part
def fade(floats: Floats, weight: float, gap: float) -> None:
    """Let the peaks fade by one row that came `gap` seconds after the last."""
    floats[RECENT] *= halved(max(weight / HALF_ROWS, gap / HALF_SECONDS), 1.0 / HALF_ROWS, RECENT_ROW)
    slow = halved(max(weight / LONG_ROWS, gap / LONG_SECONDS), 1.0 / LONG_ROWS, LONG_ROW)
    for i in range(PEAKS, ALARM_SIZE):
        floats[i] *= slow


@part
def record_peak(floats: Floats, score: float) -> None:
    """Keep the highest peaks, highest first."""
    for i in range(PEAKS, ALARM_SIZE):
        if floats[i] < score:
            for j in range(ALARM_SIZE - 1, i, -1):
                floats[j] = floats[j - 1]
            floats[i] = score
            return


@part
def is_new(floats: Floats, score: float) -> bool:
    """Whether this score says more than the series has said before, recently and in its own history; learns it."""
    new = score > GAIN * float(floats[RECENT])
    if new:
        new = score > floats[ALARM_SIZE - 1]
        if score > PEAK_LEAST:
            record_peak(floats, score)
    floats[RECENT] = max(float(floats[RECENT]), score)
    return new


@part
def turn(floats: Floats, score: float, weight: float, gap: float) -> float:
    """What happens at a row with this score: one of NONE, RAISED, RENEWED (higher, while raised) and CLEARED."""
    fade(floats, weight, gap)
    new = is_new(floats, score)
    floats[CALM] = min(floats[CALM] + 1.0, CALM_ROWS) if score < CLEAR else 0.0
    if new and score >= THRESHOLD:
        was_raised = floats[IS_RAISED] > 0.0
        floats[IS_RAISED] = 1.0
        return RENEWED if was_raised else RAISED
    if floats[IS_RAISED] > 0.0 and floats[CALM] >= CALM_ROWS:
        floats[IS_RAISED] = 0.0
        return CLEARED
    return NONE

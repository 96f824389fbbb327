"""The ways in which a series is looked at."""

import math
from typing import Final, NamedTuple

from detectors.compiled import part
from detectors.memory.layout import FIRST, LAST, MEANS_START, ROWS, SWING, TIME, Floats, Shape, Words

MINUTE: Final = 60.0  # seconds; a row that comes sooner counts as this part of a row
WEIGHT_LEAST: Final = 1.0 / 600.0  # rows that come at once, or with times that stand still, still count a little
X_MAXIMUM: Final = 1e30  # its differences are finite as 32-bit numbers
WEEK: Final = 604_800.0  # seconds
WEEK_RATE: Final = 0.2  # a half hour of the week follows the last few weeks
SWING_ROWS: Final = 4.0


class View(NamedTuple):
    """A view is the difference of two terms, both names of `TERMS`."""

    plus: str
    minus: str


MEANS: Final[dict[str, int]] = {  # exponential means, by the rows they span
    "mean 12": 12,
    "mean 48": 48,
    "mean 144": 144,
    "mean 288": 288,
}
ZERO_TERM, VALUE_TERM, PREVIOUS_TERM, SWING_TERM, WEEK_TERM, MEAN_TERMS = range(6)
TERMS: Final = ("zero", "value", "previous", "swing", "week", *MEANS)

VIEWS: Final[dict[str, View]] = {
    "value": View("value", "zero"),
    "change": View("value", "previous"),
    "smooth": View("mean 12", "zero"),
    "off 48": View("value", "mean 48"),
    "off 288": View("value", "mean 288"),
    "12 off 48": View("mean 12", "mean 48"),
    "12 off 144": View("mean 12", "mean 144"),
    "swing": View("swing", "zero"),
    "off week": View("value", "week"),
}


@part
def row_weight(words: Words, time: float) -> float:
    """The part of a row that a sample counts as: 1 from one a minute, less if they come faster, so that how fast things
    are forgotten, and what is called rare, does not depend on how often one looks.
    """
    if words[ROWS] == 0.0:
        return 1.0
    return float(min(max((time - words[TIME]) / MINUTE, WEIGHT_LEAST), 1.0))


@part
def relative(words: Words, value: float) -> float:
    """The value relative to the series' first one, so that 32-bit memories stay exact far from zero."""
    first = value if words[ROWS] == 0.0 else words[FIRST]
    return min(max(value - first, -X_MAXIMUM), X_MAXIMUM)


@part
def ew_rate(rows: float, weight: float, age: float) -> float:
    """The rate of an exponential mean over `rows` rows; the first rows weigh equally."""
    return max(2.0 * weight / (rows + 1.0), 1.0 / (age + 1.0))


@part
def half_hour(shape: Shape, time: float) -> int:
    """Where the part of the week is kept that a time in epoch seconds is in."""
    return shape.week + min(int((time % WEEK) / WEEK * shape.slots), shape.slots - 1)


@part
def look(words: Words, floats: Floats, shape: Shape, time: float, x: float, weight: float, terms: Words) -> None:
    """Fill in `terms`, one number for each of `TERMS`, as they are with this sample; changes no state."""
    age = words[ROWS]
    previous = words[LAST] if age > 0.0 else x
    terms[ZERO_TERM] = 0.0
    terms[VALUE_TERM] = x
    terms[PREVIOUS_TERM] = previous
    terms[SWING_TERM] = words[SWING] + ew_rate(SWING_ROWS, weight, age) * (abs(x - previous) - words[SWING])
    terms[WEEK_TERM] = x
    if shape.slots > 0:
        usual = float(floats[half_hour(shape, time)])
        terms[WEEK_TERM] = x if math.isnan(usual) else usual
    for i in range(len(shape.windows)):
        mean = words[MEANS_START + i]
        terms[MEAN_TERMS + i] = mean + ew_rate(float(shape.windows[i]), weight, age) * (x - mean)


@part
def follow(words: Words, floats: Floats, shape: Shape, time: float, value: float, terms: Words) -> None:
    """Learn what `look` saw."""
    if words[ROWS] == 0.0:
        words[FIRST] = value
    words[ROWS] += 1.0
    words[SWING] = terms[SWING_TERM]
    for i in range(len(shape.windows)):
        words[MEANS_START + i] = terms[MEAN_TERMS + i]
    if shape.slots > 0:
        x, usual = terms[VALUE_TERM], terms[WEEK_TERM]  # an unknown half hour is taken as usual: it becomes the value
        floats[half_hour(shape, time)] = usual + WEEK_RATE * (x - usual)

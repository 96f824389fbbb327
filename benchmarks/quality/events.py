"""The operator's view: incidents caught, how late, and false alarms, if rows at or above a threshold raise alarms.

An alarm pages; for an hour after a page there is none. A page outside incidents is a false alarm.
"""

from bisect import bisect_left
from typing import Final

import msgspec
import numpy as np

from benchmarks.quality.episodes import Episodes
from benchmarks.quality.folders import Floats

COOLDOWN_SECONDS: Final = 3600.0
ALARM_SHARES: Final = np.logspace(-6, -1, 100)


class Tally(msgspec.Struct, frozen=True):
    """Of one file at each of some thresholds: incidents caught and false alarms; `days` are those without incidents."""

    incidents: int
    caught: Floats
    false_alarms: Floats
    days: float


def pages(times: list[float], cooldown: float) -> list[int]:
    """Which of these alarm times, in order, page."""
    found, place = [], 0
    while place < len(times):
        found.append(place)
        place = bisect_left(times, times[place] + cooldown, lo=place + 1)
    return found


def false_alarms(episodes: Episodes, scores: Floats, threshold: float, grace_seconds: float) -> int:
    """Pages outside incidents."""
    rows = np.flatnonzero((scores >= threshold) & episodes.counted())
    paged = rows[pages(episodes.seconds[rows].tolist(), COOLDOWN_SECONDS)]
    return int((~episodes.inside(grace_seconds)[paged]).sum())


def reachable(episodes: Episodes) -> list[tuple[int, int, float]]:
    """Incidents that end after the warm-up: first row, last row, onset in seconds."""
    incidents = zip(episodes.windows, episodes.onsets, strict=True)
    return [(start, end, onset) for (start, end), onset in incidents if end >= episodes.warm_up]


def tally(episodes: Episodes, scores: Floats, thresholds: Floats, grace_seconds: float = 0.0) -> Tally:
    """The file's counts at each threshold."""
    caught = np.zeros(len(thresholds))
    incidents = reachable(episodes)
    for start, end, _ in incidents:
        credited = scores[max(start, episodes.warm_up) : episodes.last(end, grace_seconds) + 1]
        caught += credited.max(initial=-np.inf) >= thresholds
    alarms = [false_alarms(episodes, scores, float(threshold), grace_seconds) for threshold in thresholds]
    quiet = episodes.counted() & ~episodes.inside(grace_seconds)
    return Tally(len(incidents), caught, np.array(alarms, np.float64), float(quiet.sum()) * episodes.step / 86_400.0)


def delays(episodes: Episodes, scores: Floats, threshold: float, grace_seconds: float = 0.0) -> list[float]:
    """Seconds from the onset of each caught incident to its first alarm row; negative if the window began before it."""
    found = []
    for start, end, onset in reachable(episodes):
        first = max(start, episodes.warm_up)
        rows = np.flatnonzero(scores[first : episodes.last(end, grace_seconds) + 1] >= threshold)
        if len(rows):
            found.append(float(episodes.seconds[first + rows[0]]) - onset)
    return found


def candidates(pairs: list[tuple[Episodes, Floats]], alarms: Floats = ALARM_SHARES) -> Floats:
    """Thresholds worth trying, lowest first: those that such shares of the rows without incidents reach."""
    quiet = np.concatenate([scores[episodes.counted() & ~episodes.inside()] for episodes, scores in pairs])
    return np.unique(np.quantile(quiet, 1.0 - alarms)) if len(quiet) else np.array([np.inf])

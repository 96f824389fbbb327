"""Numenta's score of a detector on windows of incidents.

An incident is worth 1 if its window's first row raises the alarm, less the later, by a scaled sigmoid; a missed one
costs the profile's weight, and so does every row outside windows that raises an alarm, a little less just after one.
0 is a detector that never alarms, 100 one that alarms at the first row of every window and nowhere else.

References:
    Lavin, A., Ahmad, S., 2015. Evaluating real-time anomaly detection algorithms: the Numenta Anomaly Benchmark. ICMLA.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from benchmarks.quality.episodes import Episodes
from benchmarks.quality.folders import Floats

FAR: Final = 3.0  # window widths after a window from which a false alarm costs its full weight


class Profile(msgspec.Struct, frozen=True):
    """What a false alarm and a missed incident cost, where a caught one is worth 1."""

    false_alarm: float
    miss: float


STANDARD: Final = Profile(0.11, 1.0)
LOW_FP: Final = Profile(0.22, 1.0)


class Curve(msgspec.Struct, frozen=True):
    """Of one file at each of some thresholds: worth of the caught, how many, and the sum of false alarms (negative)."""

    caught: Floats
    hits: Floats
    false_alarms: Floats
    windows: int
    reachable: int


def sigmoid(place: Floats) -> Floats:
    """1 far before the end of a window, 0 at it, -1 far behind."""
    steep: Floats = 2.0 / (1.0 + np.exp(5.0 * np.minimum(place, 50.0))) - 1.0
    return np.where(place > FAR, -1.0, steep)


def weights(episodes: Episodes) -> Floats:
    """What an alarm at each row is worth: above 0 and at most 1 in windows, from -1 to 0 outside."""
    worth = np.full(episodes.rows, -1.0)
    starts = [start for start, _ in episodes.windows[1:]] + [episodes.rows]
    for (start, end), following in zip(episodes.windows, starts, strict=False):
        width = end - start + 1
        after = np.arange(end + 1, following)
        worth[after] = sigmoid((after - end) / max(width - 1.0, 1e-9))
        inside = np.arange(start, end + 1)
        worth[inside] = sigmoid(-(end - inside + 1) / width) / sigmoid(np.array([-1.0]))[0]
    return worth


def curve(episodes: Episodes, scores: Floats, thresholds: Floats) -> Curve:
    """The file's part of the score if rows at or above each threshold raise alarms; rows of the warm-up do not."""
    worth, counted = weights(episodes), np.arange(episodes.rows) >= episodes.warm_up
    caught, hits, reachable = np.zeros(len(thresholds)), np.zeros(len(thresholds)), 0
    for start, end in episodes.windows:
        first = max(start, episodes.warm_up)
        if end < first:
            continue
        reachable += 1
        # The best row at or above a threshold: in order of score, the best so far.
        order = np.argsort(-scores[first : end + 1], kind="stable")
        best = np.r_[0.0, np.maximum.accumulate(worth[first : end + 1][order])]
        above = np.searchsorted(-scores[first : end + 1][order], -thresholds, "right")
        caught += best[above]
        hits += above > 0
    outside = counted & ~episodes.inside()
    order = np.argsort(-scores[outside], kind="stable")
    cost = np.r_[0.0, np.cumsum(worth[outside][order])]
    false_alarms = cost[np.searchsorted(-scores[outside][order], -thresholds, "right")]
    return Curve(caught, hits, false_alarms, len(episodes.windows), reachable)


def score(curves: Iterable[Curve], profile: Profile) -> Floats:
    """The score of all files together, at each threshold."""
    curves = list(curves)
    windows, reachable = sum(one.windows for one in curves), sum(one.reachable for one in curves)
    raw = sum(
        (
            one.caught + profile.false_alarm * one.false_alarms - profile.miss * (one.reachable - one.hits)
            for one in curves
        ),
        start=np.zeros(1),
    )
    span = windows + profile.miss * reachable
    return 100.0 * (raw + profile.miss * reachable) / span if span else np.full_like(raw, np.nan)

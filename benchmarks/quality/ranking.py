"""How well a continuous score ranks rows of incidents above others, without any threshold."""

import numpy as np
import numpy.typing as npt

from benchmarks.quality.episodes import Episodes
from benchmarks.quality.folders import Floats

BUFFER_ROWS = 100
THRESHOLDS = 250


def vus_pr(episodes: Episodes, scores: Floats, buffer_rows: int = BUFFER_ROWS) -> float:
    """Volume under the precision-recall surface; NaN if no row that counts is labelled, or all are.

    Precision and recall are averaged over buffers of 0 to `buffer_rows` around incidents in which alarms are worth
    something, and recall is multiplied by the share of incidents that are found at all.

    References:
        Paparrizos, J. et al., 2022. Volume under the surface: a new accuracy evaluation measure for time-series
        anomaly detection. PVLDB 15(11).
    """
    counted = episodes.counted()
    label, scores = episodes.inside()[counted], scores[counted]
    if not label.any() or label.all():
        return float("nan")
    edges = np.flatnonzero(np.diff(np.r_[0, label.astype(np.int8), 0]))
    incidents = [(int(start), int(end) - 1) for start, end in edges.reshape(-1, 2)]
    falling = -np.sort(-scores)
    thresholds = falling[np.linspace(0, len(scores) - 1, THRESHOLDS).astype(int)]
    areas = [_area(label, incidents, scores, thresholds, rows) for rows in range(buffer_rows + 1)]
    return float(np.mean(areas))


def _area(
    label: npt.NDArray[np.bool_],
    incidents: list[tuple[int, int]],
    scores: Floats,
    thresholds: Floats,
    buffer: int,
) -> float:
    worth = np.where(label, 0.0, _buffers(len(label), incidents, buffer))
    near = worth > 0.0
    inside = _above(scores[label], np.ones(int(label.sum())), thresholds)
    outside = _above(scores[near], worth[near], thresholds)
    predicted = _above(scores, np.ones(len(scores)), thresholds)
    peaks = np.array([scores[start : end + 1].max() for start, end in _merged(incidents, buffer // 2, len(label))])
    found = (peaks[:, None] >= thresholds).mean(axis=0)
    recall = np.minimum((inside + outside) / (label.sum() + outside / 2.0), 1.0) * found
    return float(np.sum(np.diff(np.r_[0.0, recall]) * (inside + outside) / predicted))


def _buffers(rows: int, incidents: list[tuple[int, int]], buffer: int) -> Floats:
    """What an alarm at each row beside an incident is worth: less, the farther away."""
    worth, half = np.zeros(rows), buffer // 2
    for start, end in incidents:
        after = np.arange(end + 1, min(end + half + 1, rows))
        worth[after] += np.sqrt(1.0 - (after - end) / max(buffer, 1))
        before = np.arange(max(start - half, 0), start)
        worth[before] += np.sqrt(1.0 - (start - before) / max(buffer, 1))
    return np.minimum(worth, 1.0)


def _merged(incidents: list[tuple[int, int]], half: int, rows: int) -> list[tuple[int, int]]:
    """The incidents with their buffers; those that touch are one."""
    found = [(max(incidents[0][0] - half, 0), min(incidents[0][1] + half, rows - 1))]
    for start, end in incidents[1:]:
        last = min(end + half, rows - 1)
        if found[-1][1] < start - half:
            found.append((start - half, last))
        else:
            found[-1] = (found[-1][0], last)
    return found


def _above(scores: Floats, worth: Floats, thresholds: Floats) -> Floats:
    """The worth of all rows at or above each threshold."""
    order = np.argsort(-scores, kind="stable")
    total: Floats = np.r_[0.0, np.cumsum(worth[order])]
    return total[np.searchsorted(-scores[order], -thresholds, "right")]

"""River is the reference where it has the algorithm."""

import numpy as np
import pytest
from river import stats

from detectors.memory import views
from detectors.memory.layout import ALARM_SIZE, MEANS_START, QUANTILE, REMEMBERED, SWING
from detectors.memory.profiles import FULL
from detectors.memory.series import SeriesDetector
from tests.detectors.memory.series import noise, times


@pytest.mark.parametrize("position", range(len(views.MEANS)), ids=list(views.MEANS))
def test_means_equal_river(position: int) -> None:
    """At first River's Mean, then, from a steady past, its EWMean with fading factor 2 / (rows + 1)."""
    rows = list(views.MEANS.values())[position]
    detector, mean = SeriesDetector(), stats.Mean()
    early = noise(int(rows / 2), 1)
    for value in early:
        mean.update(value)
    detector.run(times(len(early)), early)
    assert mean.get() == pytest.approx(early[0] + detector.table.words[0, MEANS_START + position], rel=1e-12)
    detector, fading = SeriesDetector(), stats.EWMean(2.0 / (rows + 1.0))
    values = np.r_[np.full(2000, 50.0), noise(3000, 2)]
    for value in values:
        fading.update(value)
    detector.run(times(len(values)), values)
    assert fading.get() == pytest.approx(50.0 + detector.table.words[0, MEANS_START + position], rel=1e-12)


def test_swing_equals_river() -> None:
    """The mean size of changes is River's EWMean of them."""
    values = np.r_[np.zeros(50), noise(2000, 3)]
    fading = stats.EWMean(2.0 / (views.SWING_ROWS + 1.0))
    for change in np.abs(np.diff(values, prepend=0.0)):
        fading.update(change)
    detector = SeriesDetector()
    detector.run(times(len(values)), values)
    assert fading.get() == pytest.approx(detector.table.words[0, SWING], rel=1e-12)


def test_the_tail_begins_near_rivers_quantile() -> None:
    """The tracked quantile of the distances is River's P² estimate of it, within a third."""
    detector, quantile = SeriesDetector(), stats.Quantile(0.985)
    readings = detector.run(times(30_000), noise(30_000, 4))
    for _, seen, nearest in readings.told[10_000:, 0]:
        quantile.update(abs(float(seen) - float(nearest)))
    floats = detector.table.words.view(np.float32)[0, FULL.shape().skip :]
    assert quantile.get() == pytest.approx(floats[ALARM_SIZE + QUANTILE], rel=0.33)
    assert FULL.values == floats[ALARM_SIZE + REMEMBERED]

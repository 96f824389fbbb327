"""The compiled host detector is the plain one."""

import numpy as np
import pytest

from detectors.vitals.block import Block
from tests.detectors.vitals.hosts import clock, healthy
from tests.detectors.vitals.plain import PlainHost


def troubled(metrics: int) -> np.ndarray:
    """Spikes, a shift, a count and a constant that move, one that comes late, one that pauses, one that is rare."""
    values = healthy(1600, metrics, seed=3)
    values[900, 0] += 20.0
    values[950, 0] += 2e4
    values[1200:, 1] += 4.0
    values[:, 2] = np.where(np.arange(1600) < 1300, 7.0, 12.0)
    values[:, 4] = np.where(np.arange(1600) < 1280, 7.5, 8.5)
    values[:400, 3] = np.nan
    values[700:760, 4] = np.nan
    values[np.arange(1600) % 5 != 0, 5] = np.nan
    values[1500] = np.nan
    return values


@pytest.mark.parametrize("interval", [1.0, 60.0, 600.0])
@pytest.mark.parametrize("metrics", [6, 13])
def test_kernel_equals_plain_python(metrics: int, interval: float) -> None:
    """Scores and blames agree to rounding of 32-bit state, with gaps in time, missing values and paused learning."""
    values, times = troubled(metrics), clock(1600, interval)
    times[1000:] += 40.0 * interval
    learns = np.ones(1600, np.bool_)
    learns[1100:1150] = False
    rows = Block(metrics).apply(times, values, learns)
    plain = PlainHost(metrics)
    told = [
        plain.step(float(time), list(row), learns=bool(on)) for time, row, on in zip(times, values, learns, strict=True)
    ]
    np.testing.assert_allclose(rows.scores, [score for score, _, _ in told], rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(rows.anomalies, [anomaly for _, anomaly, _ in told], rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(rows.blames, [blames for _, _, blames in told], rtol=5e-3, atol=5e-3)
    assert rows.anomalies.max() > 1.0, "a comparison of quiet rows would show little"

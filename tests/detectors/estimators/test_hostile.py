"""Whatever values the contract lets in: bounded scores, finite state, in any order."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.contract import RAW_MAXIMUM, Detector
from detectors.table import DETECTORS
from tests.detectors.streams import seeded

EDGES = [0.0, -0.0, 1.0, 5e-324, 1e-300, -1e100, 1e100, 2.0**53, 2.0**53 + 2.0, -(2.0**63)]
numbers = st.sampled_from(EDGES) | st.floats(-1e100, 1e100)


def check(detector: Detector, value: float) -> None:
    """Score, then learn; what it says is bounded, what it keeps and expects is finite."""
    assert 0.0 <= detector.score(value) <= RAW_MAXIMUM
    detector.learn(value)
    band = detector.band()
    assert math.isfinite(band.centre)
    assert math.isfinite(band.scale)
    assert band.scale >= 0.0


@pytest.mark.parametrize("name", list(DETECTORS))
@settings(max_examples=40, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=30), st.sampled_from([0.0, 1.0, 1e-300, 1e99]), st.integers(1, 4))
def test_no_order_of_values_breaks_it(name: str, values: list[float], scale: float, repeats: int) -> None:
    """After an ordinary past on any scale, any values, some of them again and again, then ordinary ones."""
    detector, rng = DETECTORS[name](seed=3), seeded(4)
    for _ in range(60):
        detector.learn(scale * rng.gauss(0.0, 1.0))
    for value in [value for value in values for _ in range(repeats)]:
        check(detector, value)
    for _ in range(20):
        check(detector, scale * rng.gauss(0.0, 1.0))
    assert all(math.isfinite(number) for number in detector.numbers())

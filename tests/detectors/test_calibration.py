"""Calibrated scores mean the same on every series."""

import random
from collections.abc import Callable

import pytest

from detectors.calibration import SCORE_MAXIMUM, TailCalibration
from tests.detectors.streams import seeded

DISTRIBUTIONS: dict[str, Callable[[random.Random], float]] = {
    "normal": lambda rng: abs(rng.gauss(0.0, 1.0)),
    "exponential": lambda rng: rng.expovariate(1.0),
    "heavy-tailed": lambda rng: min(rng.paretovariate(3.0), 100.0),
    "mostly zero": lambda rng: 10.0 if rng.random() < 0.03 else 0.0,
    "wide": lambda rng: abs(rng.gauss(0.0, 8.0)),
}


@pytest.mark.parametrize("name", list(DISTRIBUTIONS))
def test_a_score_of_three_is_about_one_in_a_thousand(name: str) -> None:
    """Scores at or over 3 come at most once in 250 readings, at or over 5 at most once in 1,500, score before learn."""
    rng, tail = seeded(11), TailCalibration()
    scores = []
    for _ in range(30_000):
        raw = DISTRIBUTIONS[name](rng)
        scores.append(tail.score(raw))
        tail.learn(raw)
    late = scores[1000:]
    assert sum(score >= 3.0 for score in late) / len(late) <= 1 / 250
    assert sum(score >= 5.0 for score in late) / len(late) <= 1 / 1500


def test_scores_are_bounded_and_grow_with_the_raw_score() -> None:
    """From 0 at 0 to the maximum, never falling."""
    tail = TailCalibration()
    for step in range(200):
        tail.learn(step % 7 / 3.0)
    scores = [tail.score(raw / 10.0) for raw in range(1001)]
    assert scores == sorted(scores)
    assert (scores[0], scores[-1]) == (0.0, SCORE_MAXIMUM)


def test_a_constant_series_has_a_floor() -> None:
    """A thousand zeros do not make a ripple of one scale a surprise."""
    tail = TailCalibration()
    for _ in range(1000):
        tail.learn(0.0)
    assert tail.score(1.0) < 1.0


def test_state_round_trip_is_exact() -> None:
    """A restored calibration is equal."""
    rng, tail = seeded(12), TailCalibration()
    for _ in range(500):
        tail.learn(rng.expovariate(0.5))
    assert tail.numbers() == TailCalibration.restore(tail.numbers()).numbers()

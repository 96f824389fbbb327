"""River is the reference: where our numbers stand for an algorithm of River, they are equal to it."""

import pytest
from river import stats

from detectors import level, recent
from tests.detectors.streams import seeded


def noise(seed: int, length: int) -> list[float]:
    """Values with a level and a spread."""
    rng = seeded(seed)
    return [rng.gauss(30.0, 4.0) for _ in range(length)]


def test_level_starts_as_mean_and_variance() -> None:
    """Within its memory Level is River's Mean and Var."""
    ours, mean, variance = level.Level(), stats.Mean(), stats.Var(ddof=0)
    for value in noise(1, int(level.MEMORY)):
        ours.learn(value)
        mean.update(value)
        variance.update(value)
        assert mean.get() == pytest.approx(ours.mean, rel=1e-12)
        assert variance.get() == pytest.approx(ours.variance, rel=1e-9, abs=1e-12)


def test_level_goes_on_as_exponentially_weighted() -> None:
    """From the same constant past, past its memory, Level is River's EWMean and EWVar."""
    ours, mean, variance = level.Level(), stats.EWMean(1.0 / level.MEMORY), stats.EWVar(1.0 / level.MEMORY)
    for value in [30.0] * int(level.MEMORY) + noise(2, 3000):
        ours.learn(value)
        mean.update(value)
        variance.update(value)
    assert mean.get() == pytest.approx(ours.mean, rel=1e-12)
    assert variance.get() == pytest.approx(ours.variance, rel=1e-9)


def test_an_ew_mean_is_restored_by_one_value() -> None:
    """What Recent's round trip rests on: an EWMean fed its own value goes on like the one it stands for."""
    old, new = stats.EWMean(1.0 / recent.MEMORY), stats.EWMean(1.0 / recent.MEMORY)
    for value in noise(3, 50):
        old.update(value)
    new.update(old.get())
    for value in noise(4, 50):
        old.update(value)
        new.update(value)
        assert old.get() == new.get()

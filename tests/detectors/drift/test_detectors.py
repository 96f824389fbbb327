"""Every row of DRIFTS keeps the contract, and is River's test to the last decision."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from river import drift

from detectors.drift.detectors import DRIFTS, Adwin, DriftDetector, Kswin, PageHinkley
from tests.detectors.streams import seeded

each_detector = pytest.mark.parametrize("name", list(DRIFTS))


def steps(seed: int, length: int = 900) -> list[float]:
    """Noise whose mean moves by three deviations every 300 values."""
    rng = seeded(seed)
    return [rng.gauss(3.0 * (place // 300 % 2), 1.0) for place in range(length)]


def found(detector: DriftDetector, values: list[float]) -> list[int]:
    """Where the detector speaks."""
    return [place for place, value in enumerate(values) if detector.update(value)]


@each_detector
def test_finds_steps_and_nothing_else(name: str) -> None:
    """It speaks at least once in the hundred values after each step, and seldom elsewhere."""
    places = found(DRIFTS[name](seed=7), steps(1))
    assert [any(step <= place < step + 100 for place in places) for step in (300, 600)] == [True, True]
    assert len([place for place in places if place < 300]) == 0


@each_detector
def test_is_deterministic(name: str) -> None:
    """The same seed and the same values give the same answers."""
    values = steps(2)
    assert found(DRIFTS[name](seed=7), values) == found(DRIFTS[name](seed=7), values)


EXTREMES = {
    "constant": [0.0] * 400,
    "cut off": [10.0, -10.0] * 200,
    "tiny": [1e-300 * step for step in range(400)],
    "steps": steps(3, 400),
}


@each_detector
@pytest.mark.parametrize("case", list(EXTREMES))
def test_state_round_trip_is_exact(name: str, case: str) -> None:
    """A restored detector has equal numbers and goes on equally, to the last bit, from any point."""
    values = EXTREMES[case][:150] + steps(4, 350)
    for cut in (0, 1, 7, 99, 310):
        detector = DRIFTS[name](seed=7)
        found(detector, values[:cut])
        restored = DRIFTS[name].restore(detector.numbers(), seed=7)
        assert detector.numbers() == restored.numbers()
        assert found(detector, values[cut:]) == found(restored, values[cut:])
        assert detector.numbers() == restored.numbers()


@each_detector
def test_state_is_bounded(name: str) -> None:
    """After 20,000 values without a change the state still fits a few kilobytes."""
    detector = DRIFTS[name](seed=7)
    rng = seeded(5)
    for _ in range(500 if name == "kswin" else 20_000):
        detector.update(rng.gauss(0.0, 1.0))
    assert len(detector.numbers()) < 800


DAMAGED: dict[str, Callable[[list[float]], list[float]]] = {
    "one number too few": lambda numbers: numbers[:-1],
    "nothing": lambda _: [],
    "not a number": lambda numbers: [math.nan] * len(numbers),
    "huge": lambda numbers: [1e300] * len(numbers),
}


@pytest.mark.parametrize("case", list(DAMAGED))
def test_a_damaged_window_is_refused(case: str) -> None:
    """Nothing but a state that ADWIN could have is handed to River's compiled part."""
    detector = Adwin()
    found(detector, steps(6, 50))
    with pytest.raises(ValueError, match="unpack"):
        Adwin.restore(DAMAGED[case](detector.numbers()))


@each_detector
def test_foreign_numbers_are_refused(name: str) -> None:
    """A state of another length is a ValueError, not a broken detector."""
    with pytest.raises(ValueError, match="unpack"):
        DRIFTS[name].restore([0.5] * 9)


def as_any(thing: Any) -> Any:  # noqa: ANN401 River types in part
    """River's classes as they are used, whatever they declare."""
    return thing


RIVERS: dict[str, Callable[[], Any]] = {
    "adwin": lambda: as_any(drift.ADWIN)(delta=Adwin.DELTA, clock=Adwin.CLOCK),
    "page_hinkley": lambda: drift.PageHinkley(delta=PageHinkley.ALLOWED, threshold=PageHinkley.THRESHOLD),
    "kswin": lambda: drift.KSWIN(Kswin.PROBABILITY, seed=7),
}


@each_detector
def test_decides_as_river_does(name: str) -> None:
    """River's own object, used as River says, speaks at the same places; ours was saved and restored on the way."""
    values, river, expected = steps(8, 700), RIVERS[name](), []
    for place, value in enumerate(values):
        river.update(value)
        if river.drift_detected:
            expected.append(place)
    ours, places = DRIFTS[name](seed=7), []
    for place, value in enumerate(values):
        if ours.update(value):
            places.append(place)
        if place % 50 == 0:
            ours = DRIFTS[name].restore(ours.numbers(), seed=7)
    assert expected == places


def test_adwin_saves_all_that_river_does() -> None:
    """Rebuilt from numbers, River's own saved form is the same bytes: the layout is known wholly."""
    detector = Adwin()
    for block in itertools.batched(steps(9, 2000), 97):
        found(detector, list(block))
        restored = Adwin.restore(detector.numbers())
        assert detector.adwin._helper.__getstate__() == restored.adwin._helper.__getstate__()  # noqa: SLF001 the promise

"""Every row of DETECTORS keeps the contract: one function a promise, each run on each detector."""

import sys
from collections.abc import Iterator

import pytest

from detectors import table
from detectors.contract import RAW_MAXIMUM, Detector
from detectors.errors import SettingsError
from detectors.table import DETECTORS
from tests.detectors.streams import seeded

each_detector = pytest.mark.parametrize("name", list(DETECTORS))


def toy(seed: int, length: int = 2000) -> Iterator[tuple[float, bool]]:
    """An autocorrelated noisy series with one reading in fifty far off."""
    rng = seeded(seed)
    level = 0.0
    for _ in range(length):
        level = 0.9 * level + rng.gauss(0.0, 1.0)
        odd = rng.random() < 0.02
        yield 100.0 + level + (rng.choice((-1.0, 1.0)) * rng.uniform(8.0, 20.0) if odd else 0.0), odd


def run(detector: Detector, values: list[float]) -> list[float]:
    """Score then learn; the scores."""
    scores = []
    for value in values:
        scores.append(detector.score(value))
        detector.learn(value)
    return scores


def area_under_curve(scores: list[float], labels: list[bool]) -> float:
    """Probability that an odd reading scores higher than an ordinary one; ties count half."""
    odd = [score for score, label in zip(scores, labels, strict=True) if label]
    ordinary = [score for score, label in zip(scores, labels, strict=True) if not label]
    wins = sum((a > b) + 0.5 * (a == b) for a in odd for b in ordinary)
    return wins / (len(odd) * len(ordinary))


@each_detector
def test_is_deterministic(name: str) -> None:
    """The same seed and the same values give the same scores."""
    values = [value for value, _ in toy(1)]
    assert run(DETECTORS[name](seed=7), values) == run(DETECTORS[name](seed=7), values)


@each_detector
def test_scores_before_it_learns(name: str) -> None:
    """Scoring changes nothing: asked twice it says the same, and the state is what it was."""
    detector = DETECTORS[name](seed=7)
    run(detector, [value for value, _ in toy(2, 200)])
    before = detector.numbers()
    assert detector.score(150.0) == detector.score(150.0)
    assert before == detector.numbers()


@each_detector
def test_a_new_one_has_forgotten(name: str) -> None:
    """An empty detector knows nothing and says 0."""
    assert DETECTORS[name](seed=7).score(5.0) == 0.0


EXTREMES = {
    "constant": [5.0] * 300,
    "zero": [0.0] * 300,
    "alternating": [0.0, 1.0] * 150,
    "beyond 2^53": [2.0**53 + step for step in range(300)],
    "huge": [1e100, -1e100, 1e100] * 50 + [1.0] * 50,
    "tiny": [1e-300 * step for step in range(300)],
    "a spike in zeros": [0.0] * 100 + [1e100] + [0.0] * 100,
}


@each_detector
@pytest.mark.parametrize("case", list(EXTREMES))
def test_scores_are_bounded_numbers(name: str, case: str) -> None:
    """Whatever the values, each score is a number within [0, RAW_MAXIMUM]."""
    assert all(0.0 <= score <= RAW_MAXIMUM for score in run(DETECTORS[name](seed=7), EXTREMES[case]))


@each_detector
def test_a_constant_series_is_no_surprise(name: str) -> None:
    """A value that was always the same scores 0 when it comes again."""
    assert [0.0] * 300 == run(DETECTORS[name](seed=7), EXTREMES["constant"])


@each_detector
@pytest.mark.parametrize("case", list(EXTREMES))
def test_state_round_trip_is_exact(name: str, case: str) -> None:
    """A restored detector has equal numbers and goes on equally, to the last bit, from any point."""
    values = EXTREMES[case] + [value for value, _ in toy(3, 200)]
    for cut in (0, 1, 2, 3, 150, len(values)):
        detector = DETECTORS[name](seed=7)
        run(detector, values[:cut])
        restored = DETECTORS[name].restore(detector.numbers(), seed=7)
        assert detector.numbers() == restored.numbers()
        assert run(detector, values[cut:]) == run(restored, values[cut:])


@each_detector
def test_foreign_numbers_are_refused(name: str) -> None:
    """A state of another length is a ValueError, not a broken detector."""
    with pytest.raises(ValueError, match="unpack"):
        DETECTORS[name].restore([1.0] * 99)


@each_detector
def test_memory_is_bounded(name: str) -> None:
    """The state is as large after 5,000 values as after 1,000."""
    detector = DETECTORS[name](seed=7)
    values = [value for value, _ in toy(4, 5000)]
    run(detector, values[:1000])
    before = (len(detector.numbers()), sys.getsizeof(detector))
    run(detector, values[1000:])
    assert before == (len(detector.numbers()), sys.getsizeof(detector))


@each_detector
@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e9])
def test_the_unit_does_not_matter(name: str, factor: float) -> None:
    """Bytes or gigabytes: the scores are equal."""
    values = [value for value, _ in toy(5)]
    scaled = run(DETECTORS[name](seed=7), [value * factor for value in values])
    assert run(DETECTORS[name](seed=7), values) == pytest.approx(scaled, rel=1e-6, abs=1e-6)


@each_detector
def test_odd_readings_score_higher(name: str) -> None:
    """On a toy stream with injected oddities the area under the curve is far better than chance."""
    pairs = list(toy(6))
    scores = run(DETECTORS[name](seed=7), [value for value, _ in pairs])
    assert area_under_curve(scores, [label for _, label in pairs]) > 0.9


@each_detector
def test_the_band_is_where_values_fall(name: str) -> None:
    """Most values of a steady series lie within three scales of the centre."""
    rng = seeded(7)
    detector = DETECTORS[name](seed=7)
    run(detector, [rng.gauss(50.0, 10.0) for _ in range(1000)])
    band = detector.band()
    inside = sum(abs(rng.gauss(50.0, 10.0) - band.centre) <= 3.0 * band.scale for _ in range(1000))
    assert inside > 950


def test_unknown_detectors_are_refused() -> None:
    """The error names the wrong name and the ones that exist."""
    with pytest.raises(SettingsError, match=r"detector 'leval' does not exist, wanted one or more of: level, recent"):
        table.check(("level", "leval"))

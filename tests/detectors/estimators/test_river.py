"""What stands around River's detectors changes their units and nothing else."""

import math
from statistics import NormalDist
from typing import Any

import pytest
from river import anomaly, linear_model, optim, preprocessing, time_series

from detectors.contract import Detector
from detectors.estimators import forecast, gaussian
from detectors.estimators.deviation import StandardAbsoluteDeviation
from detectors.estimators.forecast import HoltWinters, Predictive, Snarimax
from detectors.estimators.gaussian import GaussianScorer
from detectors.estimators.half_space_trees import HEIGHT, TREES, WINDOW, HalfSpaceTrees
from detectors.estimators.units import EARLY, LIMIT, Surprise, Units
from tests.detectors.streams import seeded


def as_any(thing: Any) -> Any:  # noqa: ANN401 River types in part
    """River's classes as they are used, whatever they declare."""
    return thing


def noise(seed: int, length: int = 600) -> list[float]:
    """Values with a level and a spread."""
    rng = seeded(seed)
    return [rng.gauss(30.0, 4.0) for _ in range(length)]


def test_gaussian_scorer_equals_river() -> None:
    """Standard deviations turned back into a probability are River's score."""
    ours = GaussianScorer()
    river = as_any(anomaly.GaussianScorer)(grace_period=gaussian.GRACE)
    for value in noise(1):
        probability = 2.0 * NormalDist().cdf(ours.score(value)) - 1.0
        assert river.score_one(None, value) == pytest.approx(probability, abs=1e-9)
        ours.learn(value)
        river.learn_one(None, value)


def test_standard_absolute_deviation_equals_river() -> None:
    """The score is River's, to its fixed small number."""
    ours, river = StandardAbsoluteDeviation(), as_any(anomaly.StandardAbsoluteDeviation)()
    for value in noise(2):
        if river.variance.n > 1:
            assert river.score_one({}, value) == pytest.approx(ours.score(value), rel=1e-6)
        ours.learn(value)
        river.learn_one({}, value)


def river_snarimax() -> time_series.base.Forecaster:
    """The forecaster of Snarimax."""
    regression = linear_model.LinearRegression(optim.SGD(forecast.RATE), clip_gradient=forecast.GRADIENT_MAXIMUM)
    scaled: Any = preprocessing.StandardScaler() | regression
    return time_series.SNARIMAX(p=8, d=0, q=2, regressor=scaled)


def river_holt() -> time_series.base.Forecaster:
    """The forecaster of HoltWinters."""
    return time_series.HoltWinters(0.3, 0.1)  # type: ignore[no-untyped-call] # River types in part


@pytest.mark.parametrize(("ours", "forecaster"), [(Snarimax(), river_snarimax()), (HoltWinters(), river_holt())])
def test_forecasts_are_judged_as_river_does(ours: Predictive, forecaster: time_series.base.Forecaster) -> None:
    """A ninth of the squared score is River's, up to the 1 at which River stops."""
    river = anomaly.PredictiveAnomalyDetection(forecaster, n_std=forecast.DEVIATIONS, warmup_period=forecast.EARLY)
    units, told = Units(), 0
    for value in noise(3):
        standard = units.of(value)
        score = min((ours.score(value) / forecast.DEVIATIONS) ** 2, 1.0)
        floored = ours.band().scale <= 0.05 * abs(ours.band().centre)
        ours.learn(value)
        if river.iter >= forecast.EARLY:
            expected = river.score_one({}, standard)
            if river.iter > 20 and not floored:
                assert expected == pytest.approx(score, rel=1e-6)
                told += 1
        river.learn_one({}, standard)
        units.learn(value)
    assert told > 500


def test_trees_are_rivers() -> None:
    """The trees answer as River's own do when fed the same shares of the cut-up width."""
    ours, river = HalfSpaceTrees(seed=5), as_any(anomaly.HalfSpaceTrees)(TREES, HEIGHT, WINDOW, seed=5)
    units, surprise, previous = Units(), Surprise(), 0.0
    for value in noise(4):
        now, before = units.of(value), units.of(previous)
        shares = {0: 0.5 + now / (2.0 * LIMIT), 1: min(max(0.5 + (now - before) / (2.0 * LIMIT), 0.0), 1.0)}
        answer = river.score_one(shares)
        if river.counter and answer:
            assert surprise.of(answer) == ours.score(value)
            surprise.learn(answer)
        elif answer:
            surprise.learn(answer)
        river.learn_one(shares)
        ours.learn(value)
        units.learn(value)
        previous = value
    assert surprise.level.count > EARLY


def test_units_go_there_and_back() -> None:
    """Within the limit a value survives; beyond it is cut; a flat series has no units."""
    units = Units()
    assert [units.of(5.0), units.value(3.0)] == [0.0, 0.0]
    for value in noise(5, 50):
        units.learn(value)
    assert units.value(units.of(33.0)) == pytest.approx(33.0, rel=1e-12)
    assert [units.of(1e100), units.of(-1e100)] == [LIMIT, -LIMIT]


def test_a_far_score_does_not_become_the_scale() -> None:
    """Surprise learns an outlier drawn in to four scales."""
    surprise = Surprise()
    for number in range(100):
        surprise.learn(float(number % 5))
    before = surprise.of(50.0)
    surprise.learn(50.0)
    assert surprise.of(50.0) > 0.8 * before > 0.8 * 30.0


DAMAGED: dict[str, tuple[type[Detector], int]] = {
    "trees with a node too few": (HalfSpaceTrees, -2),
    "a lag with a number too few": (Snarimax, -1),
    "a level too few": (HoltWinters, -1),
}


@pytest.mark.parametrize("case", list(DAMAGED))
def test_a_state_that_is_cut_off_is_refused(case: str) -> None:
    """ValueError names what does not fit, and nothing half restored is left."""
    kind, end = DAMAGED[case]
    detector = kind(seed=1)
    for value in noise(6, 50):
        detector.learn(value)
    with pytest.raises(ValueError, match="unpack"):
        kind.restore(detector.numbers()[:end], seed=1)


def test_forecasts_stay_within_bounds() -> None:
    """Readings that would drive a regression apart give finite forecasts."""
    rng = seeded(7)
    for kind in (Snarimax, HoltWinters):
        detector = kind()
        for _ in range(3000):
            detector.learn(rng.choice((-1e100, 1e100, 0.0, 1e-300)))
            assert math.isfinite(detector.band().centre)

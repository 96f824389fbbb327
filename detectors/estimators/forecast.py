"""How far is a value from what River's forecasters expected?"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final, Self

from river import anomaly, linear_model, optim, preprocessing, time_series
from river.utils import VectorDict

from detectors.contract import LEVEL_FLOOR, Band, distance
from detectors.estimators.units import LIMIT, Units

EARLY: Final = 2  # readings; River's HoltWinters can not forecast before
DEVIATIONS: Final = 3.0  # River's threshold: mean squared error and three of its standard deviations
HEAD: Final = 8
AUTOREGRESSION, MOVING_AVERAGE = 8, 2  # lags
RATE: Final = 0.01
GRADIENT_MAXIMUM: Final = 1.0  # standard units; a wild reading must not drive the weights apart
LAGS: Final = tuple(
    f"{kind}-{lag}"
    for lag in range(1, AUTOREGRESSION + 1)
    for kind, order in (("y", AUTOREGRESSION), ("e", MOVING_AVERAGE))
    if lag <= order
)
LEVEL_RATE, TREND_RATE = 0.3, 0.1


class Predictive(ABC):
    """River's `anomaly.PredictiveAnomalyDetection` around a forecaster, on values in standard deviations.

    River says the squared error as a share of a threshold and 1 beyond it. Here a third of that threshold's root is the
    scale, so scores go on: 3.0 is where River says 1. The scale has a floor of 5 % of the forecast.
    """

    __slots__ = ("model", "units")

    def __init__(self, *, seed: int = 0) -> None:
        del seed
        self.units = Units()
        self.model: Any = anomaly.PredictiveAnomalyDetection(
            self._forecaster(), horizon=1, n_std=DEVIATIONS, warmup_period=EARLY
        )

    @staticmethod
    @abstractmethod
    def _forecaster() -> time_series.base.Forecaster:
        """An empty forecaster of River's."""

    def score(self, value: float) -> float:
        """Distance from the forecast in scales; 0 for the first values."""
        return distance(value, self.band()) if self.model.dynamic_mae.n else 0.0

    def learn(self, value: float) -> None:
        """Take in the error of the forecast, then the value."""
        standard = self.units.of(value)
        if self.model.iter >= EARLY:
            self.model.score_one(None, standard)  # River learns its threshold while it scores
        self.model.learn_one(None, standard)
        self.units.learn(value)

    def band(self) -> Band:
        """The forecast, and a third of the error at which River is certain."""
        level = self.units.band()
        if self.model.iter < EARLY:
            return level
        centre = self.units.value(self._forecast())
        squares = self.model.dynamic_mae.get() + DEVIATIONS * math.sqrt(self.model.dynamic_se_variance.get())
        return Band(centre, max(math.sqrt(squares) / DEVIATIONS * level.scale, LEVEL_FLOOR * abs(centre)))

    def _forecast(self) -> float:
        return min(max(float(self.model.predictive_model.forecast(1)[0]), -LIMIT), LIMIT)

    def numbers(self) -> list[float]:
        """Level, learned values, errors' count, mean, variance's mean and squares, then the forecaster's."""
        errors, variance = self.model.dynamic_mae, self.model.dynamic_se_variance
        squares = [float(variance.mean.get()), float(variance._S)]  # noqa: SLF001 the only way to an exact state
        head = [*self.units.level.numbers(), float(self.model.iter), float(errors.n), float(errors.get()), *squares]
        return [*head, *self._state()]

    @abstractmethod
    def _state(self) -> list[float]:
        """The forecaster's state."""

    @abstractmethod
    def _load(self, state: Sequence[float]) -> None:
        """Give an empty forecaster this state. ValueError if it is none."""

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state. ValueError if it is none of this detector's."""
        detector = cls(seed=seed)
        *level, learned, count, mean, variance_mean, squares = numbers[:HEAD]
        detector.units.level = detector.units.level.restore(level)
        model = detector.model
        model.iter = int(learned)
        for one, value in ((model.dynamic_mae, mean), (model.dynamic_se_variance.mean, variance_mean)):
            one.n, one._mean = count, value  # noqa: SLF001 the only way to an exact state
        model.dynamic_se_variance._S = squares  # noqa: SLF001 likewise
        detector._load(numbers[HEAD:])
        return detector


class Snarimax(Predictive):
    """Error of River's `time_series.SNARIMAX`, here an online ARMA(8, 2), in the scheme of `Predictive`.

    It sees what does not follow from the last eight values, also where their level is ordinary. 35 µs a sample (score
    and learn, one core of the build machine): for single series that matter, not for a fleet of them.

    It fails on steps that stay: they are forecast after one sample.

    Parameters:
        seed: Not used; part of the contract.

    Example:
        >>> arma = Snarimax()
        >>> for value in (10.0, 20.0, 15.0, 5.0) * 200:
        ...     arma.learn(value)
        >>> arma.score(20.0) > 5.0 > 1.0 > arma.score(10.0)
        True

    References:
        Anava, O., Hazan, E., Mannor, S., Shamir, O., 2013. Online Learning for Time Series Prediction. COLT.
        Laptev, N., Amizadeh, S., Flint, I., 2015. Generic and Scalable Framework for Automated Time-series Anomaly
        Detection. KDD.
    """

    __slots__ = ()

    @staticmethod
    def _forecaster() -> time_series.base.Forecaster:
        regression: Any = linear_model.LinearRegression(optimizer=optim.SGD(RATE), clip_gradient=GRADIENT_MAXIMUM)
        return time_series.SNARIMAX(
            p=AUTOREGRESSION, d=0, q=MOVING_AVERAGE, regressor=preprocessing.StandardScaler() | regression
        )

    def _state(self) -> list[float]:
        forecaster = self.model.predictive_model
        scaler, regression = forecaster.regressor.steps.values()
        weights = regression.weights
        lags = [name for name in LAGS if name in weights]
        past = [float(len(forecaster.y_diff)), float(len(forecaster.errors)), *forecaster.y_diff, *forecaster.errors]
        learned = [
            number
            for name in lags
            for number in (float(scaler.counts[name]), scaler.means[name], scaler.vars[name], weights[name])
        ]
        return [*past, float(regression.optimizer.n_iterations), float(regression.intercept), *learned]

    def _load(self, state: Sequence[float]) -> None:
        forecaster = self.model.predictive_model
        scaler, regression = forecaster.regressor.steps.values()
        values, errors, *rest = state
        parts = int(values), int(values) + int(errors)
        if not 0 <= parts[0] <= parts[1] or len(rest) < parts[1] + 2:
            raise ValueError(f"{len(rest)} numbers for {values:g} values and {errors:g} errors, can not unpack them")
        forecaster.y_diff.extend(rest[: parts[0]])
        forecaster.errors.extend(rest[parts[0] : parts[1]])
        steps, regression.intercept, *learned = rest[parts[1] :]
        regression.optimizer.n_iterations = int(steps)
        lags = LAGS[: len(learned) // 4]
        if 4 * len(lags) != len(learned):
            raise ValueError(f"{len(learned)} numbers of lags, wanted 4 for each of {len(LAGS)}, can not unpack them")
        for place, name in enumerate(lags):
            count, scaler.means[name], scaler.vars[name], _ = learned[4 * place : 4 * place + 4]
            scaler.counts[name] = int(count)
        regression._weights = VectorDict(dict(zip(lags, learned[3::4], strict=True)))  # noqa: SLF001 exact state


class HoltWinters(Predictive):
    """Error of River's `time_series.HoltWinters`, level and trend without a season, in the scheme of `Predictive`.

    It follows slow growth and sees the break in it. It has no season because a detector of one series knows no clock.
    5 µs a sample (score and learn, one core of the build machine).

    It fails on steps that stay: they are forecast after a few samples.

    Parameters:
        seed: Not used; part of the contract.

    Example:
        >>> holt = HoltWinters()
        >>> for step in range(300):
        ...     holt.learn(100.0 + step + (step % 3))
        >>> holt.score(300.0) > 3.0 > 1.0 > holt.score(400.0)
        True

    References:
        Holt, C. E., 1957. Forecasting seasonals and trends by exponentially weighted averages. ONR Memorandum 52.
    """

    __slots__ = ()

    @staticmethod
    def _forecaster() -> time_series.base.Forecaster:
        return time_series.HoltWinters(LEVEL_RATE, TREND_RATE)  # type: ignore[no-untyped-call] # River types in part

    def _state(self) -> list[float]:
        forecaster = self.model.predictive_model
        parts = (forecaster._first_values, forecaster.level, forecaster.trend)  # noqa: SLF001 the only way to exact state
        return [*(float(len(part)) for part in parts), *(number for part in parts for number in part)]

    def _load(self, state: Sequence[float]) -> None:
        forecaster = self.model.predictive_model
        firsts, levels, trends, *rest = state
        if len(rest) != firsts + levels + trends or not max(firsts, levels, trends) <= EARLY:
            raise ValueError(f"{len(rest)} numbers for {firsts:g}, {levels:g}, {trends:g} parts, can not unpack them")
        forecaster._first_values.extend(rest[: int(firsts)])  # noqa: SLF001 the only way to an exact state
        forecaster.level.extend(rest[int(firsts) : int(firsts + levels)])
        forecaster.trend.extend(rest[int(firsts + levels) :])
        forecaster._initialized = levels > 0  # noqa: SLF001 likewise

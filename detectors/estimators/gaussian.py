"""How improbable is a value under a normal distribution of all values so far?"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Final, Self

from river import anomaly, proba

from detectors.contract import LEVEL_FLOOR, Band, distance

GRACE: Final = 20  # readings before it says anything
CERTAIN: Final = 1.0 - 1e-9  # from here on (6 standard deviations) a probability can not be told from 1 well
NORMAL: Final = NormalDist()


class GaussianScorer:
    """River's `anomaly.GaussianScorer`: the probability of a value less extreme, as standard deviations.

    River says 2 |CDF - 1/2|; here it is the number of standard deviations with that probability, so that scores beyond
    all doubt still differ. It forgets nothing. The scale has a floor of 5 % of the level. 2 µs a sample (score and
    learn, one core of the build machine).

    It fails on series with several levels or a swing, which become its width, and on heavy tails.

    Parameters:
        seed: Not used; part of the contract.

    Example:
        >>> scorer = GaussianScorer()
        >>> for value in (10.0, 12.0, 11.0, 9.0, 10.0) * 5:
        ...     scorer.learn(value)
        >>> round(scorer.score(11.0), 2), round(scorer.score(20.0), 2)
        (0.58, 9.22)

    References:
        River, `anomaly.GaussianScorer`.
    """

    __slots__ = ("scorer",)

    def __init__(self, *, seed: int = 0) -> None:
        del seed
        self.scorer: Any = anomaly.GaussianScorer(grace_period=GRACE)  # type: ignore[no-untyped-call] # River types in part

    def score(self, value: float) -> float:
        """Standard deviations; 0 for the first 20 values."""
        gaussian = self.scorer.gaussian
        if gaussian.n_samples < GRACE:
            return 0.0
        floored = distance(value, self.band())
        if gaussian.sigma <= 0.0:
            return floored
        probability = self.scorer.score_one(None, value)
        return floored if probability > CERTAIN else min(-NORMAL.inv_cdf(0.5 - 0.5 * probability), floored)

    def learn(self, value: float) -> None:
        """Take the value in."""
        self.scorer.learn_one(None, value)

    def band(self) -> Band:
        """Mean and standard deviation."""
        gaussian = self.scorer.gaussian
        return Band(gaussian.mu, max(gaussian.sigma, LEVEL_FLOOR * abs(gaussian.mu)))

    def numbers(self) -> list[float]:
        """Count, mean, sum of squares."""
        variance = self.scorer.gaussian._var  # noqa: SLF001 the only way to an exact state
        return [float(variance.mean.n), float(variance.mean.get()), float(variance._S)]  # noqa: SLF001 likewise

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state. ValueError if it is none of this detector's."""
        detector = cls(seed=seed)
        count, mean, squares = numbers
        gaussian: Any = proba.Gaussian()  # type: ignore[no-untyped-call] # River types in part
        gaussian._var.mean.n, gaussian._var.mean._mean = count, mean  # noqa: SLF001 the only way to an exact state
        gaussian._var._S = squares  # noqa: SLF001 likewise
        detector.scorer.gaussian = gaussian
        return detector

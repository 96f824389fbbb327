"""One calibration for every raw score: how rare is so high a score on this very series?"""

import math
from collections.abc import Sequence
from typing import Self

QUANTILE = 0.985  # scores above it are the tail
AT_QUANTILE = -math.log10(1.0 - QUANTILE)
DECADE = 1.0 / math.log(10.0)
SCORE_MAXIMUM = 10.0  # one series says at most 1e-10
START, STEP = 2.5, 1.0  # where the quantile of a distance in standard deviations usually is, and its first step scale
FLOOR = 2.0  # the tail begins at least two scales out
EXCESS, EXCESS_FLOOR = 0.7, 0.5  # mean excess before any was seen, and the least that is believed
EXCESS_WEIGHT = 5.0  # exceedances that the first guess of the mean excess is worth
RATE_LEAST, STEP_LEAST = 0.001, 0.01
CLIP = 5.0  # mean excesses; a further one is learned as if it were here


class TailCalibration:
    """Online exponential tail above a high quantile: raw score → -log10 of its tail probability, within [0, 10].

    The quantile follows the scores by steps, the mean excess above it is an exponentially weighted mean. Both have
    floors, so that a constant series does not turn a ripple into a sensation. It fails where scores are not
    stationary: after a change of regime it needs some hundred scores to mean what it says.

    Example:
        >>> import random
        >>> rng, tail = random.Random(1), TailCalibration()
        >>> for _ in range(5000):
        ...     tail.learn(abs(rng.gauss(0.0, 1.0)))
        >>> round(tail.score(1.0), 1), round(tail.score(3.3), 1), tail.score(99.0)
        (0.3, 2.6, 10.0)

    References:
        Siffer, A. et al., 2017. Anomaly detection in streams with extreme value theory. KDD.
    """

    __slots__ = ("count", "exceedances", "excess", "quantile", "spread")

    def __init__(self) -> None:
        self.count = 0.0
        self.quantile = START
        self.spread = STEP
        self.excess = EXCESS
        self.exceedances = EXCESS_WEIGHT

    def threshold(self) -> float:
        """The raw score where the tail begins."""
        return max(self.quantile, FLOOR)

    def score(self, raw: float) -> float:
        """-log10 of the probability of a raw score at least so high."""
        threshold = self.threshold()
        if raw <= threshold:
            part = raw / threshold
            return AT_QUANTILE * part * part
        return min(AT_QUANTILE + DECADE * (raw - threshold) / max(self.excess, EXCESS_FLOOR), SCORE_MAXIMUM)

    def learn(self, raw: float) -> None:
        """Take the raw score in."""
        self.count += 1.0
        distance = raw - self.quantile
        rate = 1.0 / self.count
        self.spread += max(RATE_LEAST, rate) * (min(abs(distance), CLIP * self.spread + STEP) - self.spread)
        step = max(STEP_LEAST, rate) * self.spread
        if distance <= 0.0:
            self.quantile -= step * (1.0 - QUANTILE)
            return
        self.quantile += step * QUANTILE
        self.exceedances += 1.0
        excess = min(distance, CLIP * max(self.excess, EXCESS_FLOOR))
        self.excess += max(STEP_LEAST, 1.0 / self.exceedances) * (excess - self.excess)

    def numbers(self) -> list[float]:
        """The state."""
        return [self.count, self.quantile, self.spread, self.excess, self.exceedances]

    @classmethod
    def restore(cls, numbers: Sequence[float]) -> Self:
        """A calibration with this state."""
        tail = cls()
        tail.count, tail.quantile, tail.spread, tail.excess, tail.exceedances = numbers
        return tail

"""On which side of what was seen does a value with its change lie?"""

from collections.abc import Sequence
from typing import Any, Final, Self

from river import anomaly, feature_extraction
from river.utils import VectorDict

from detectors.contract import Band
from detectors.estimators.units import Surprise, Units

NU: Final = 0.005  # expected share of anomalies
GAMMA: Final = 0.03  # of the kernel: things some six standard deviations apart are different
WAVES: Final = 32  # random features of each of value and change
HEAD: Final = 9


class OneClassSvm:
    """River's `anomaly.OneClassSVM` on random features of a value and its change; how unusual its answer is.

    Both are in standard deviations, cut at ±10, then sent through `feature_extraction.RBFSampler`: a plane through the
    bare numbers could only tell high from low. 49 µs a sample (score and learn, one core of the build machine).

    It fails where much of what is learned is anomalous, and on slow changes, which the plane follows.

    Parameters:
        seed: Of the random features.

    Example:
        >>> svm = OneClassSvm(seed=1)
        >>> for value in (10.0, 12.0, 11.0, 9.0, 10.0) * 60:
        ...     svm.learn(value)
        >>> svm.score(20.0) > 5.0 > svm.score(11.0)
        True

    References:
        Schölkopf, B. et al., 2001. Estimating the Support of a High-Dimensional Distribution. Neural Computation 13.
        Rahimi, A., Recht, B., 2007. Random Features for Large-Scale Kernel Machines. NIPS.
    """

    __slots__ = ("previous", "surprise", "svm", "units", "waves")

    def __init__(self, *, seed: int = 0) -> None:
        self.units = Units()
        self.surprise = Surprise()
        self.previous = 0.0
        self.waves: Any = feature_extraction.RBFSampler(gamma=GAMMA, n_components=WAVES, seed=seed)
        # It draws its weights when it first sees a feature: now, so that scoring draws none.
        self.waves.transform_one({0: 0.0, 1: 0.0})  # type: ignore[no-untyped-call] # River types in part
        self.svm: Any = anomaly.OneClassSVM(nu=NU)

    def score(self, value: float) -> float:
        """How unusual the distance from the plane is, in standard deviations of these distances."""
        if self.units.is_flat():
            return self.units.level.score(value)
        return self.surprise.of(float(self.svm.score_one(self._features(value))))

    def learn(self, value: float) -> None:
        """Take in the distance, then the value."""
        features = self._features(value)
        if not self.units.is_flat():
            self.surprise.learn(float(self.svm.score_one(features)))
        self.svm.learn_one(features)
        self.units.learn(value)
        self.previous = value

    def _features(self, value: float) -> dict[tuple[int, int], float]:
        now, before = self.units.of(value), self.units.of(self.previous)
        features: dict[tuple[int, int], float] = self.waves.transform_one({0: now, 1: now - before})
        return features

    def band(self) -> Band:
        """The level of the values and its scale: a plane expects no value."""
        return self.units.band()

    def numbers(self) -> list[float]:
        """Level, usual answers, previous value, learned values, intercept, weights."""
        head = [*self.units.level.numbers(), *self.surprise.numbers(), self.previous]
        steps = float(self.svm.optimizer.n_iterations)
        return [*head, steps, float(self.svm.intercept), *map(float, self.svm.weights.values())]

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state; the random features follow from the seed. ValueError if it is none."""
        detector = cls(seed=seed)
        *level, count, mean, variance, detector.previous, steps, intercept = numbers[:HEAD]
        detector.units.level = detector.units.level.restore(level)
        detector.surprise = Surprise.restore([count, mean, variance])
        svm, weights, names = detector.svm, numbers[HEAD:], list(detector._features(0.0))
        if len(weights) not in {0, len(names)}:
            raise ValueError(f"{len(weights)} weights for {len(names)} features, can not unpack them")
        svm.optimizer.n_iterations, svm.intercept = int(steps), intercept
        svm._weights = VectorDict(dict(zip(names, weights, strict=False)))  # noqa: SLF001 the only way to an exact state
        return detector

"""How empty is the place where a value and its change fall?"""

from collections.abc import Sequence
from typing import Any, Final, Self

from river import anomaly

from detectors.contract import Band
from detectors.estimators.units import LIMIT, Surprise, Units

TREES: Final = 10
HEIGHT: Final = 6
WINDOW: Final = 100  # readings that are compared with the ones before them


class HalfSpaceTrees:
    """River's `anomaly.HalfSpaceTrees` over a value and its change, and how unusual the trees' answer is.

    Both are in standard deviations, cut at ±10. Ten trees of height 6 count the last 100 readings and answer for the
    next 100. 33 µs a sample (score and learn, one core of the build machine), 230 KiB a series in memory, 23 KB saved:
    for single series that matter, not for a fleet of them.

    It fails on slow changes, which the window follows, and says nothing for its first 120 readings.

    Parameters:
        seed: Of the trees' random cuts.

    Example:
        >>> trees = HalfSpaceTrees(seed=1)
        >>> for value in (10.0, 12.0, 11.0, 9.0, 10.0) * 60:
        ...     trees.learn(value)
        >>> trees.score(20.0) > 5.0 > trees.score(11.0)
        True

    References:
        Tan, S. C., Ting, K. M., Liu, T. F., 2011. Fast Anomaly Detection for Streaming Data. IJCAI.
    """

    __slots__ = ("previous", "surprise", "trees", "units")

    def __init__(self, *, seed: int = 0) -> None:
        self.units = Units()
        self.surprise = Surprise()
        self.previous = 0.0
        self.trees: Any = anomaly.HalfSpaceTrees(n_trees=TREES, height=HEIGHT, window_size=WINDOW, seed=seed)

    def score(self, value: float) -> float:
        """How unusual the trees' score is, in standard deviations of their scores."""
        if self.units.is_flat():
            return self.units.level.score(value)
        return 0.0 if self.trees._first_window else self.surprise.of(self._answer(value))  # noqa: SLF001 no public name

    def learn(self, value: float) -> None:
        """Take in the trees' score, then the value."""
        if not self.trees._first_window and not self.units.is_flat():  # noqa: SLF001 as above
            self.surprise.learn(self._answer(value))
        self.trees.learn_one(self._features(value))
        self.units.learn(value)
        self.previous = value

    def _answer(self, value: float) -> float:
        return float(self.trees.score_one(self._features(value)))

    def _features(self, value: float) -> dict[int, float]:
        now, before = self.units.of(value), self.units.of(self.previous)
        return {0: _share(now), 1: _share(now - before)}

    def band(self) -> Band:
        """The level of the values and its scale: trees expect no value."""
        return self.units.band()

    def numbers(self) -> list[float]:
        """Level, usual answers, previous value, place in the window, whether it is the first, masses of all nodes."""
        head = [*self.units.level.numbers(), *self.surprise.numbers(), self.previous, float(self.trees.counter)]
        nodes = [node for nodes in self.trees._tree_nodes for node in nodes]  # noqa: SLF001 the only way to exact state
        masses = [float(mass) for node in nodes for mass in (node.l_mass, node.r_mass)]
        return [*head, float(self.trees._first_window), *masses]  # noqa: SLF001 likewise

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state; the trees' cuts follow from the seed. ValueError if it is none."""
        detector = cls(seed=seed)
        *level, count, mean, variance, detector.previous, counter, first = numbers[:9]
        detector.units.level = detector.units.level.restore(level)
        detector.surprise = Surprise.restore([count, mean, variance])
        trees, masses = detector.trees, numbers[9:]
        if masses:
            _grow(trees)
        nodes = [node for nodes in trees._tree_nodes for node in nodes]  # noqa: SLF001 the only way to an exact state
        if len(masses) != 2 * len(nodes):
            raise ValueError(f"{len(masses)} masses for {len(nodes)} nodes, can not unpack them")
        for place, node in enumerate(nodes):
            node.l_mass, node.r_mass = int(masses[2 * place]), int(masses[2 * place + 1])
        trees.counter, trees._first_window = int(counter), bool(first)  # noqa: SLF001 likewise
        return detector


def _share(standard: float) -> float:
    """Standard units within ±10 as a share of that width, which is what the trees cut up."""
    return min(max(0.5 + standard / (2.0 * LIMIT), 0.0), 1.0)


def _grow(trees: Any) -> None:  # noqa: ANN401 River types in part
    """Let River build its trees, which it does at the first value; what that leaves behind is overwritten."""
    trees.learn_one({0: 0.5, 1: 0.5})

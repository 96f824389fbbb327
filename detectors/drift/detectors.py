"""River's drift detectors behind one contract. A new one is one class that keeps it, and one row of `DRIFTS`."""

import math
import random
import struct
from collections.abc import Sequence
from typing import Any, Final, Protocol, Self

from river import drift, stats
from river._river_rust.drift import AdaptiveWindowing


class DriftDetector(Protocol):
    """One online drift test of one stream of numbers around zero, of size ten at most.

    `numbers` is the whole state, of bounded size; `restore(detector.numbers())` goes on equally, to the last bit.
    """

    def __init__(self, *, seed: int = 0) -> None:
        """Start empty. Detectors that use no randomness ignore the seed."""

    def update(self, value: float) -> bool:
        """Take a value in; whether the stream has changed. Then it starts again."""

    def numbers(self) -> list[float]:
        """The state."""

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state. ValueError if it is none of this detector's."""


class Adwin:
    """River's `drift.ADWIN`: two parts of a window that grows have means that differ beyond chance.

    0.5 µs a value, up to 1 KB of state for each thousandfold of values. It fails on values that depend on each other:
    their means differ more often than it believes.

    Parameters:
        seed: Not used; part of the contract.

    Example:
        >>> adwin = Adwin()
        >>> [step for step in range(400) if adwin.update((step % 3) + 5.0 * (step >= 200))]
        [207]

    References:
        Bifet, A., Gavaldà, R., 2007. Learning from Time-Changing Data with Adaptive Windowing. SDM.
    """

    __slots__ = ("adwin",)

    DELTA: Final = 0.002
    CLOCK, BUCKETS, LEAST, GRACE = 8, 5, 5, 10
    # How River writes its state, little-endian: settings, window, buckets of doubling size, settings again.
    BEFORE, AFTER = 36, 28
    WINDOW = struct.Struct("<4d4IQ")
    BUCKET = struct.Struct("<3Q6dQ6d")
    ROWS_MAXIMUM = 60

    def __init__(self, *, seed: int = 0) -> None:
        del seed
        self.adwin: Any = self._empty()

    def _empty(self) -> drift.ADWIN:
        return drift.ADWIN(self.DELTA, self.CLOCK, self.BUCKETS, self.LEAST, self.GRACE)  # type: ignore[no-untyped-call] # River types in part

    def update(self, value: float) -> bool:
        """Take a value in."""
        self.adwin.update(value)
        if not self.adwin.drift_detected:
            return False
        self.adwin = self._empty()
        return True

    def numbers(self) -> list[float]:
        """The window's sums and counts, then of each bucket size how many there are, their sums and variances."""
        state = self.adwin._helper.__getstate__()  # noqa: SLF001 the only way to an exact state
        *window, rows = self.WINDOW.unpack_from(state, self.BEFORE)
        numbers = [float(number) for number in window]
        for row in range(rows):
            place = self.BEFORE + self.WINDOW.size + row * self.BUCKET.size
            _, used, _, *parts = self.BUCKET.unpack_from(state, place)
            numbers += [float(used), *parts[:6], *parts[7:]]
        return numbers

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state. ValueError if it is none of this detector's."""
        detector = cls(seed=seed)
        window, buckets = numbers[:8], numbers[8:]
        rows, rest = divmod(len(buckets), 13)
        if rest or not 1 <= rows <= cls.ROWS_MAXIMUM or not all(map(math.isfinite, numbers)):
            raise ValueError(f"{len(numbers)} numbers are no window of ADWIN, can not unpack them")
        empty = detector.adwin._helper.__getstate__()  # noqa: SLF001 as above
        parts = [empty[: cls.BEFORE], cls.WINDOW.pack(*window[:4], *map(_count, window[4:]), rows)]
        for used, *values in (buckets[13 * row : 13 * row + 13] for row in range(rows)):
            if not 0 <= used <= cls.BUCKETS + 1:
                raise ValueError(f"{used:g} buckets of one size, wanted at most {cls.BUCKETS + 1}, can not unpack them")
            parts.append(cls.BUCKET.pack(cls.BUCKETS, int(used), 6, *values[:6], 6, *values[6:]))
        helper = AdaptiveWindowing(cls.DELTA, cls.CLOCK, cls.BUCKETS, cls.LEAST, cls.GRACE)
        helper.__setstate__(b"".join([*parts, empty[-cls.AFTER :]]))
        detector.adwin._helper = helper  # noqa: SLF001 as above
        return detector


class PageHinkley:
    """River's `drift.PageHinkley`: the summed distance from the mean, less half a unit each time, has run away.

    0.6 µs a value, six numbers of state. It fails on moves of less than half a unit, which it is told to overlook.

    Parameters:
        seed: Not used; part of the contract.

    Example:
        >>> test = PageHinkley()
        >>> [step for step in range(400) if test.update((step % 3) + 5.0 * (step >= 200))]
        [211]

    References:
        Page, E. S., 1954. Continuous Inspection Schemes. Biometrika 41.
    """

    __slots__ = ("test",)

    ALLOWED: Final = 0.5
    THRESHOLD: Final = 50.0

    def __init__(self, *, seed: int = 0) -> None:
        del seed
        self.test: Any = self._empty()

    def _empty(self) -> drift.PageHinkley:
        return drift.PageHinkley(delta=self.ALLOWED, threshold=self.THRESHOLD)

    def update(self, value: float) -> bool:
        """Take a value in."""
        self.test.update(value)
        if not self.test.drift_detected:
            return False
        self.test = self._empty()
        return True

    def numbers(self) -> list[float]:
        """Count, mean, both sums, the least and the highest they were."""
        test = self.test
        sums = [test._sum_increase, test._sum_decrease, test._min_increase, test._max_decrease]  # noqa: SLF001 exact state
        return [float(test._x_mean.n), float(test._x_mean.get()), *map(float, sums)]  # noqa: SLF001 likewise

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state. ValueError if it is none of this detector's."""
        detector = cls(seed=seed)
        test = detector.test
        count, mean, test._sum_increase, test._sum_decrease, test._min_increase, test._max_decrease = numbers  # noqa: SLF001 exact state
        test._x_mean = stats.Mean._from_state(count, mean)  # noqa: SLF001 likewise
        return detector


class Kswin:
    """River's `drift.KSWIN`: the latest values are distributed otherwise than a sample of those before them.

    It sees changes of the form and the width as well as of the mean. 280 µs a value, 730 numbers of state: for blocks
    of a minute, not for every reading.

    Parameters:
        seed: Of the choice of values it compares with.

    Example:
        >>> test = Kswin(seed=1)
        >>> [step for step in range(400) if test.update((step % 3) + 5.0 * (step >= 200))]
        [216]

    References:
        Raab, C., Heusinger, M., Schleif, F.-M., 2020. Reactive Soft Prototype Computing for Concept Drift Streams.
        Neurocomputing 416.
    """

    __slots__ = ("seed", "test")

    PROBABILITY: Final = 1e-4
    VALUES, LATEST = 100, 30
    CHOICE = 626  # numbers of the random generator: version, 624 words, place

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed
        self.test: Any = self._empty()

    def _empty(self) -> drift.KSWIN:
        return drift.KSWIN(self.PROBABILITY, self.VALUES, self.LATEST, seed=self.seed)

    def update(self, value: float) -> bool:
        """Take a value in."""
        self.test.update(value)
        if not self.test.drift_detected:
            return False
        self.test = self._empty()
        return True

    def numbers(self) -> list[float]:
        """The random generator's state, then the window."""
        version, words, _ = self.test._rng.getstate()  # noqa: SLF001 the only way to an exact state
        return [float(version), *map(float, words), *self.test.window]

    @classmethod
    def restore(cls, numbers: Sequence[float], *, seed: int = 0) -> Self:
        """A detector with this state. ValueError if it is none of this detector's."""
        detector = cls(seed=seed)
        choice, window = numbers[: cls.CHOICE], numbers[cls.CHOICE :]
        if len(choice) != cls.CHOICE or len(window) > cls.VALUES:
            raise ValueError(f"{len(numbers)} numbers are no window of KSWIN, can not unpack them")
        version, *words = map(_count, choice)
        generator = random.Random()  # noqa: S311 - a statistical test, not a secret
        generator.setstate((version, tuple(words), None))
        detector.test._rng = generator  # noqa: SLF001 the only way to an exact state
        detector.test.window.extend(window)
        return detector


def _count(number: float) -> int:
    """A saved whole number. ValueError if it is none that fits."""
    if not 0.0 <= number < 2.0**32 or number != int(number):
        raise ValueError(f"{number:g} is no count, can not unpack it")
    return int(number)


DRIFTS: Final[dict[str, type[DriftDetector]]] = {
    "adwin": Adwin,
    "page_hinkley": PageHinkley,
    "kswin": Kswin,
}

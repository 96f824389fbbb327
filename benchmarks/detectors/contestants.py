"""Everything that is measured: so many series, fed one sample of each in turn."""

import bisect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import numpy as np
from river import anomaly, drift, preprocessing, stats, utils

from benchmarks.quality.folders import Floats
from detectors.memory import kernel, tail
from detectors.memory.profiles import FULL, LEAN, Profile
from detectors.memory.remembered import SLOW
from detectors.memory.series import SeriesTable
from detectors.memory.views import MEANS
from detectors.table import DETECTORS
from detectors.vitals.host import HostVitals
from tests.detectors.memory.plain import PlainDetector, PlainView, mixed, single

HOST_METRICS: Final = 20
ROW_SECONDS: Final = 60.0
LOG_LEAST: Final = 1e-12


class Contestant(Protocol):
    """A fleet of series under one detector."""

    def feed(self, rows: Floats) -> None:
        """Score, then learn, rows of one value a series."""

    def bytes_per_series(self) -> int | None:
        """What one series' state takes where that is known exactly; None where it must be measured."""


class Compiled:
    """The memory detector."""

    def __init__(self, series: int, profile: Profile) -> None:
        self._table, self._row = SeriesTable(profile, series), 0

    def feed(self, rows: Floats) -> None:
        """All rows in one call, as a batch of records comes."""
        count, series = rows.shape
        times = np.repeat(np.arange(self._row, self._row + count) * ROW_SECONDS, series)
        self._table.apply(np.tile(np.arange(series), count), times, rows.ravel())
        self._row += count

    def bytes_per_series(self) -> int:
        """A row."""
        return int(self._table.words[0].nbytes)


class Vitals:
    """Hosts of twenty metrics each."""

    def __init__(self, series: int) -> None:
        self._names = [f"m{place}" for place in range(min(HOST_METRICS, series))]
        self._hosts = [HostVitals(self._names) for _ in range(max(series // HOST_METRICS, 1))]
        self._row = 0

    def feed(self, rows: Floats) -> None:
        """Host by host."""
        for row in rows.reshape(len(rows), len(self._hosts), -1).tolist():
            for host, values in zip(self._hosts, row, strict=True):
                host.step(self._row * ROW_SECONDS, dict(zip(self._names, values, strict=True)))
            self._row += 1

    def bytes_per_series(self) -> int:
        """The share of a whole host: one of fewer metrics is lighter."""
        return len(HostVitals(f"m{place}" for place in range(HOST_METRICS)).to_bytes()) // HOST_METRICS


class Loop:
    """One Python object a series."""

    def __init__(self, series: int, make: Callable[[], Callable[[float], object]]) -> None:
        self._steps = [make() for _ in range(series)]

    def feed(self, rows: Floats) -> None:
        """Sample by sample."""
        for row in rows.tolist():
            for step, value in zip(self._steps, row, strict=True):
                step(value)

    def bytes_per_series(self) -> None:
        """To be measured."""
        return


class SearchedView(PlainView):
    """A view that finds the nearest number by bisection, as anyone would who wanted speed."""

    def step(self, y: float, rows: float, weight: float, gap: float, bits: int, *, learns: bool) -> float:
        """Score, then learn."""
        age, known = rows - kernel.SETTLE - kernel.WARM, self.memory
        place = bisect.bisect_left(known, y)
        distance = min((abs(y - near) for near in known[max(place - 1, 0) : place + 1]), default=0.0)
        vote = single(self.tail.probability(distance, known[-1] - known[0])) if age >= tail.QUIET else 0.0
        surprise = self.tail.calibrate(distance, weight, age) if learns and age >= 0.0 else learns
        if surprise or (learns and (bits >> 40) / 2**24 < weight * max(gap / SLOW, 1.0) / self.profile.thin):
            if len(known) == self.profile.values:
                del known[self.spared(bits)]
            bisect.insort(known, y)
        return vote

    def spared(self, bits: int) -> int:
        """Looks only at the places drawn."""
        best, room = 0, math.inf
        for _ in range(self.profile.candidates):
            place = (bits & 0xFFFFFF) * self.profile.values >> 24
            inner = 0 < place < len(self.memory) - 1
            here = self.memory[place + 1] - self.memory[place - 1] if inner else math.inf
            best, room = (place, here) if here <= room else (best, room)
            bits = mixed(bits)
        return best


def plain(profile: Profile) -> Callable[[float], object]:
    """The memory detector in plain Python."""
    detector = PlainDetector(profile)
    detector.views = {name: SearchedView(profile) for name in profile.views}
    rows = iter(range(1 << 60))
    return lambda value: detector.step(next(rows) * ROW_SECONDS, value)


class RiverParts:
    """The parts of a memory profile as River has them: means, sorted memories, tail quantiles, mean excesses."""

    def __init__(self, profile: Profile) -> None:
        self._means = [stats.EWMean(2.0 / (MEANS[name] + 1.0)) for name in profile.means()]
        self._views: list[tuple[utils.SortedWindow[float], stats.Quantile, stats.EWMean]] = [
            (utils.SortedWindow(profile.values), stats.Quantile(1.0 - tail.SHARE), stats.EWMean(tail.EXCESS_RATE))
            for _ in profile.views
        ]

    def step(self, value: float) -> float:
        """Score, then learn."""
        for mean in self._means:
            mean.update(value)
        total, references = 0.0, [value, *(value - mean.get() for mean in self._means)]
        for place, (memory, quantile, excess) in enumerate(self._views):
            seen = references[place % len(references)]
            at = bisect.bisect_left(memory.data, seen)
            distance = min((abs(seen - near) for near in memory.data[max(at - 1, 0) : at + 1]), default=0.0)
            limit = quantile.get() or 0.0
            if distance > limit:
                total += (distance - limit) / max(excess.get(), LOG_LEAST)
                excess.update(distance - limit)
            quantile.update(distance)
            memory.append(seen)
        return total


def river_scorer_and_drift() -> Callable[[float], object]:
    """River's GaussianScorer and ADWIN."""
    scorer: Any = anomaly.GaussianScorer()  # type: ignore[no-untyped-call] # River types in part
    adwin: Any = drift.ADWIN()  # type: ignore[no-untyped-call] # as above

    def step(value: float) -> float:
        score = float(scorer.score_one(None, value))
        scorer.learn_one(None, value)
        adwin.update(value)
        return score

    return step


def river_vector(make: Callable[[], Any], scaler: Callable[[], Any]) -> Callable[[float], object]:
    """A River detector of vectors on the last four values."""
    model: Any = scaler() | make()
    lags = [0.0] * 4

    def step(value: float) -> float:
        lags[:] = [value, *lags[:3]]
        row = dict(enumerate(lags))
        score = float(model.score_one(row))
        model.learn_one(row)
        return score

    return step


def by_name(name: str) -> Callable[[float], object]:
    """A detector of the table that settings name."""
    detector = DETECTORS[name](seed=1)

    def step(value: float) -> float:
        score = detector.score(value)
        detector.learn(value)
        return score

    return step


def trees() -> Any:  # noqa: ANN401 River's detectors share no typed base
    """River's HalfSpaceTrees as most take it."""
    return anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=1)


def looped(make: Callable[[], Callable[[float], object]]) -> Callable[[int], Contestant]:
    """One object a series."""
    return lambda series: Loop(series, make)


CONTESTANTS: Final[dict[str, Callable[[int], Contestant]]] = {
    "memory, full": lambda series: Compiled(series, FULL),
    "memory, lean": lambda series: Compiled(series, LEAN),
    f"vitals, hosts of {HOST_METRICS} metrics": Vitals,
    **{name: looped(partial(by_name, name)) for name in DETECTORS},
    "full in plain Python": looped(lambda: plain(FULL)),
    "River, parts of full": looped(lambda: RiverParts(FULL).step),
    "River, parts of lean": looped(lambda: RiverParts(LEAN).step),
    "River GaussianScorer + ADWIN": looped(river_scorer_and_drift),
    "River OneClassSVM, 4 lags": looped(
        lambda: river_vector(lambda: anomaly.OneClassSVM(nu=0.005), preprocessing.StandardScaler)
    ),
    "River HalfSpaceTrees, 4 lags": looped(lambda: river_vector(trees, preprocessing.MinMaxScaler)),
}
# At 10 000 series these take gigabytes, or minutes until they are warm.
HEAVY: Final[Sequence[str]] = (
    "full in plain Python",
    "River, parts of full",
    "River HalfSpaceTrees, 4 lags",
    "half_space_trees",
)

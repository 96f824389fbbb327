"""What a user would otherwise pick, one fixed configuration each, over one file: row by row, score, then learn.

Detectors of vectors see a series as its last four values, and all metrics of a host, scaled online; detectors of one
value watch each metric of a host alone, and their scores are averaged.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
from drain3.drain import Drain
from river import anomaly, preprocessing

from benchmarks.quality.folders import Table
from benchmarks.quality.shipped import Verdicts

LAGS: Final = 4
EWMA_RATE: Final = 0.02
SEED: Final = 1


class Baseline(Protocol):
    """A detector of one series."""

    def step(self, value: float) -> float:
        """Score, then learn."""


class RangeRecord:
    """How far outside everything seen so far, in widths of that."""

    def __init__(self) -> None:
        self._low, self._high = math.inf, -math.inf

    def step(self, value: float) -> float:
        """Score, then learn."""
        away, width = max(value - self._high, self._low - value), self._high - self._low
        self._low, self._high = min(self._low, value), max(self._high, value)
        return away / width if away > 0.0 and 0.0 < width < math.inf else 0.0


class EwmaZ:
    """Distance from the exponential mean in exponential standard deviations."""

    def __init__(self) -> None:
        self._mean, self._variance, self._rows = 0.0, 0.0, 0

    def step(self, value: float) -> float:
        """Score, then learn."""
        away = value - self._mean
        score = abs(away) / math.sqrt(self._variance) if self._variance > 0.0 else 0.0
        rate = max(EWMA_RATE, 1.0 / (self._rows + 1))
        self._rows += 1
        self._mean += rate * away
        self._variance = (1.0 - rate) * (self._variance + rate * away * away)
        return score


class RiverGaussian:
    """River's GaussianScorer."""

    def __init__(self) -> None:
        self._model: Any = anomaly.GaussianScorer()  # type: ignore[no-untyped-call] # River types in part

    def step(self, value: float) -> float:
        """Score, then learn."""
        score = float(self._model.score_one(None, value))
        self._model.learn_one(None, value)
        return score


class RiverVector:
    """A River detector of vectors, behind a River scaler."""

    def __init__(self, scaler: Any, model: Any) -> None:  # noqa: ANN401 River types its pipelines in part
        self._model = scaler | model

    def step(self, values: Sequence[float]) -> float:
        """Score, then learn."""
        row = {place: value for place, value in enumerate(values) if math.isfinite(value)}
        score = float(self._model.score_one(row))
        self._model.learn_one(row)
        return score


def half_space_trees() -> RiverVector:
    """25 trees of height 8, window 250."""
    model = anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=SEED)
    return RiverVector(preprocessing.MinMaxScaler(), model)


def one_class_svm() -> RiverVector:
    """Linear one-class SVM, nu .005."""
    return RiverVector(preprocessing.StandardScaler(), anomaly.OneClassSVM(nu=0.005))


ALONE: Final[dict[str, Callable[[], Baseline]]] = {
    "range record": RangeRecord,
    "EWMA z": EwmaZ,
    "GaussianScorer": RiverGaussian,
}
TOGETHER: Final[dict[str, Callable[[], RiverVector]]] = {
    "HalfSpaceTrees": half_space_trees,
    "OneClassSVM": one_class_svm,
}
BASELINES: Final = (*ALONE, *TOGETHER)
DRAIN: Final = "Drain3"


def watch(name: str, table: Table) -> Verdicts:
    """One baseline over one file; it raises no alarms by itself."""
    rows = table.values.tolist()
    if name in TOGETHER:
        together = TOGETHER[name]()
        scores = [together.step(row) for row in (lagged(rows) if len(table.metrics) == 1 else rows)]
    else:
        alone = [ALONE[name]() for _ in table.metrics]
        scores = [sum(map(_step, alone, row)) / len(row) for row in rows]
    found = np.nan_to_num(np.array(scores, np.float64), posinf=1e300)
    return Verdicts(found, found, np.zeros(len(found)))


def _step(baseline: Baseline, value: float) -> float:
    return baseline.step(value) if math.isfinite(value) else 0.0


def lagged(rows: list[list[float]]) -> list[list[float]]:
    """The latest four values at each row, newest first; before the fourth, the first fills up."""
    flat = [row[0] for row in rows]
    return [[flat[max(place - lag, 0)] for lag in range(LAGS)] for place in range(len(flat))]


def drain(messages: Sequence[str]) -> list[str]:
    """Template ids of Drain3 with its default settings."""
    engine = Drain()
    return [str(engine.add_log_message(message)[0].cluster_id) for message in messages]

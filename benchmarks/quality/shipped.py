"""The shipped detection over one file, in order, as `tidegate detect` runs it."""

import time
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from benchmarks.quality.folders import Floats, Table
from detectors.compiled import warm
from detectors.host import HostModel, Refusals
from detectors.samples import MetricSample, Source
from detectors.settings import DetectorSettings, ProfileName, Watch
from detectors.signals import SignalKind, SignalState
from detectors.templates.miner import TemplateMiner

HOST: Final = "host"
BLAMED_FROM: Final = 0.2  # well below the clear threshold: a quiet incident can be asked about too
THRESHOLD: Final = DetectorSettings().threshold


class Verdicts(msgspec.Struct, frozen=True):
    """What a detector said of each row of a file; `blamed` names metrics of each row, or is empty if it blames none.

    `scores` is the continuous score, `rankings` orders rows where a budget of false alarms is given, `alarms` is 1
    where a signal is raised. `cpu_seconds` and `wall_seconds` are what scoring and learning took.
    """

    scores: Floats
    rankings: Floats
    alarms: Floats
    blamed: list[str] = []
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    state_bytes: int = 0


class Clock:
    """CPU and wall seconds of this process since it was made."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def read(self) -> tuple[float, float]:
        """CPU seconds, wall seconds."""
        return time.process_time() - self._cpu, time.perf_counter() - self._wall


def settings_of(profile: ProfileName) -> DetectorSettings:
    """The shipped settings, all series with this profile."""
    return DetectorSettings(watch=(Watch(profile=profile),))


def watch(table: Table, settings: DetectorSettings) -> Verdicts:
    """A host with these metrics, each row a sample."""
    warm()
    host, refusals, count = HostModel(HOST, 0, settings), Refusals(), len(table.seconds)
    scores, rankings, alarms, blamed = np.zeros(count), np.zeros(count), np.zeros(count), [""] * count
    clock = Clock()
    for row, (seconds, values) in enumerate(zip(table.seconds.tolist(), table.values.tolist(), strict=True)):
        sample = MetricSample(HOST, seconds, dict(zip(table.metrics, values, strict=True)), Source("data", 0, row))
        for signal in host.apply(row, sample, refusals, paused=False):
            alarms[row] = max(alarms[row], signal.kind is SignalKind.ANOMALY and signal.state is SignalState.RAISED)
        scores[row], rankings[row] = host.opinion.level, host.opinion.ranking
        if max(host.opinion.level, host.opinion.score) >= BLAMED_FROM:
            blamed[row] = " ".join(one.series for one in host.evidence().series)
    cpu, wall = clock.read()
    if len(table.metrics) == 1:
        blamed = []  # there is nothing to choose from
    return Verdicts(scores, rankings, alarms, blamed, cpu, wall, len(host.encode()) // max(len(table.metrics), 1))


def name_templates(messages: Sequence[str]) -> tuple[list[str], float]:
    """The template of each line at its arrival, and the CPU seconds this took."""
    miner, clock = TemplateMiner(), Clock()
    names = [miner.add(message).template_id for message in messages]
    return names, clock.read()[0]

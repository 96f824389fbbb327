"""The shipped detection over one file, in order, as `tidegate detect` runs it."""

import time
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from benchmarks.quality.folders import Floats, Table
from detectors.memory import alarm as series_alarm
from detectors.memory.profiles import PROFILES
from detectors.memory.series import SeriesTable, Turn
from detectors.templates.miner import TemplateMiner
from detectors.vitals import alarm as host_alarm
from detectors.vitals.host import HostVitals

BLAMED_MAXIMUM: Final = 10
BLAMED_FROM: Final = 0.2  # well below the clear threshold: a quiet incident can be asked about too
THRESHOLDS: Final = {"series": float(series_alarm.THRESHOLD), "hosts": host_alarm.THRESHOLD}


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


def watch_series(table: Table, profile: str) -> Verdicts:
    """The detector of single series. A raised alarm that finds a higher peak tells again, and counts again."""
    detector = SeriesTable(PROFILES[profile], 1)
    rows, values = np.zeros(len(table.seconds), np.int64), np.ascontiguousarray(table.values[:, 0])
    detector.apply(rows[:0], table.seconds[:0], values[:0])  # compiles, or loads what was compiled
    clock = Clock()
    readings = detector.apply(rows, table.seconds, values)
    cpu, wall = clock.read()
    alarms = np.isin(readings.turns, [Turn.RAISED, Turn.RENEWED]).astype(np.float64)
    return Verdicts(
        readings.scores,
        readings.rankings,
        alarms,
        cpu_seconds=cpu,
        wall_seconds=wall,
        state_bytes=int(detector.words[0].nbytes),
    )


def watch_host(table: Table, profile: str) -> Verdicts:
    """The detector of hosts with many metrics; it is the same in every profile."""
    del profile
    host, count = HostVitals(table.metrics), len(table.seconds)
    scores, rankings, alarms, blamed = np.zeros(count), np.zeros(count), np.zeros(count), [""] * count
    HostVitals(["any"]).step(0.0, {"any": 0.0})  # compiles, or loads what was compiled
    clock = Clock()
    for row, (seconds, values) in enumerate(zip(table.seconds.tolist(), table.values.tolist(), strict=True)):
        reading = host.step(seconds, dict(zip(table.metrics, values, strict=True)))
        scores[row], rankings[row], alarms[row] = reading.score, reading.anomaly, reading.turn is host_alarm.Turn.RAISED
        if max(reading.score, reading.anomaly) >= BLAMED_FROM:
            blamed[row] = " ".join(one.series for one in host.evidence(BLAMED_MAXIMUM))
    cpu, wall = clock.read()
    return Verdicts(scores, rankings, alarms, blamed, cpu, wall, len(host.to_bytes()) // max(len(table.metrics), 1))


def name_templates(messages: Sequence[str]) -> tuple[list[str], float]:
    """The template of each line at its arrival, and the CPU seconds this took."""
    miner, clock = TemplateMiner(), Clock()
    names = [miner.add(message).template_id for message in messages]
    return names, clock.read()[0]

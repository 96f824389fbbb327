"""The work, one detector over one file at a time, two at once, with its progress shown."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from rich.progress import Progress

from benchmarks.quality import baselines, shipped
from benchmarks.quality.folders import HOSTS, Floats, LogFile, Part, Table, files, read_log, read_table, systems
from benchmarks.quality.naming import grouping_accuracy
from benchmarks.quality.results import write_templates, write_verdicts
from benchmarks.quality.shipped import Verdicts
from detectors.settings import ProfileName

PROCESSES: Final = 2
SHIPPED: Final = "tidegate"
DISGUISED: Final = "tidegate, disguised"
DISGUISE_ROWS: Final = 3


class Job(msgspec.Struct, frozen=True):
    """One detector over one file of one part; results of the shipped one are written to `out`."""

    detector: str
    part: Part
    key: str
    path: Path
    out: Path
    profile: ProfileName


class Outcome(msgspec.Struct, frozen=True):
    """What came of a job: times of the rows, and what was said of them."""

    detector: str
    part: Part
    key: str
    seconds: Floats
    samples: int
    verdicts: Verdicts

    @property
    def merged(self) -> int:
        """How many rows of the labelled file a row is made of."""
        return DISGUISE_ROWS if self.detector == DISGUISED and self.part not in HOSTS else 1


class Grouping(msgspec.Struct, frozen=True):
    """Grouping accuracy on one system, of the shipped miner and of Drain3; NaN without labels."""

    system: str
    shipped: float
    drain: float
    lines: int
    cpu_seconds: float


def jobs(data: Path, out: Path, profile: ProfileName, others: Iterable[str]) -> list[Job]:
    """All jobs on tables: the longest kinds first, so that both processes end together."""
    names = [*others, DISGUISED, SHIPPED]
    return [
        Job(name, part, key, path, out, profile)
        for part in (Part.SMD, Part.KPI, Part.ASD, Part.NAB)
        for name in names
        for key, path in files(data, part)
        if name != DISGUISED or part is not Part.KPI
    ]


def disguised(table: Table, part: Part) -> Table:
    """The same incidents in other clothes: series flipped, scaled, three rows averaged; metrics scaled and shifted."""
    generator = np.random.default_rng(len(table.seconds))
    count = len(table.metrics)
    scales = 10.0 ** generator.uniform(-3.0, 3.0, count) * generator.choice([-1.0, 1.0], count)
    values = table.values * scales + generator.normal(0.0, 100.0, count) * np.abs(scales)
    if part in HOSTS:
        return Table(table.stamps, table.seconds, table.metrics, values)
    whole = len(values) // DISGUISE_ROWS * DISGUISE_ROWS
    means = -values[:whole].reshape(-1, DISGUISE_ROWS, count).mean(axis=1)
    last = slice(DISGUISE_ROWS - 1, whole, DISGUISE_ROWS)  # a mean is known when its last row has come
    return Table(table.stamps[last], table.seconds[last], table.metrics, means)


def run(job: Job) -> Outcome:
    """One detector over one file."""
    table = read_table(job.path)
    if job.detector == DISGUISED:
        table = disguised(table, job.part)
    if job.detector in {SHIPPED, DISGUISED}:
        verdicts = shipped.watch(table, shipped.settings_of(job.profile))
    else:
        verdicts = baselines.watch(job.detector, table)
    if job.detector == SHIPPED:
        write_verdicts(job.out, job.part, job.key, table, verdicts)
    return Outcome(job.detector, job.part, job.key, table.seconds, table.values.size, verdicts)


def run_all(work: list[Job]) -> Iterator[Outcome]:
    """All jobs; outcomes as they come."""
    context = multiprocessing.get_context("spawn")
    with Progress() as progress, ProcessPoolExecutor(PROCESSES, context) as pool:
        task = progress.add_task("series and hosts", total=len(work))
        for done in as_completed([pool.submit(run, job) for job in work]):
            progress.advance(task)
            yield done.result()


def group_logs(data: Path, out: Path) -> Iterator[Grouping]:
    """All log systems, here and now: they are short."""
    for folder in systems(data):
        log: LogFile = read_log(folder)
        names, spent = shipped.name_templates(log.messages)
        write_templates(out, log.system, names)
        if log.events:
            right = grouping_accuracy(names, log.events), grouping_accuracy(baselines.drain(log.messages), log.events)
        else:
            right = float("nan"), float("nan")
        yield Grouping(log.system, *right, len(names), spent)

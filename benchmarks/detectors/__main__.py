"""`python -m benchmarks.detectors [--rounds N] [--json FILE]`: CPU a sample and bytes a series, and their ratios.

Every contestant is fed the same values in the same order, all in turns within each round; figures are the least of
the rounds, which is the one that other work on the machine disturbed least.
"""

import argparse
import gc
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.detectors.contestants import CONTESTANTS, HEAVY, Contestant
from benchmarks.quality.folders import Floats

SIZES: Final = (1, 100, 10_000)
SAMPLES_LEAST, SECONDS_LEAST = 10_000, 0.2
WARM_ROWS: Final = {1: 1_000, 100: 400, 10_000: 100}
HEAVY_SERIES: Final = 1_000
WEIGHED_SERIES, WEIGHED_ROWS = 10, 500
GOALS: Final = (
    ("River, parts of lean", "memory, lean", 100.0),
    ("full in plain Python", "memory, full", 10.0),
    ("River GaussianScorer + ADWIN", "memory, full", 1.0),
)


class Cost(msgspec.Struct, frozen=True):
    """CPU microseconds a sample by number of series, and bytes a series."""

    microseconds: dict[int, float]
    bytes_per_series: int


class Figures(msgspec.Struct, frozen=True):
    """The result; `ratios` are those that have a goal, at 100 series: "River, parts of lean / memory, lean"."""

    costs: dict[str, Cost]
    ratios: dict[str, float]


def values(rows: int, series: int, seed: int) -> Floats:
    """A daily wave with noise in each series."""
    noise = np.random.default_rng(seed).normal(0.0, 1.0, (rows, series))
    wave = np.sin(np.arange(rows) * 2.0 * np.pi / 1440.0)
    found: Floats = 50.0 + 10.0 * wave[:, None] + noise
    return found


def microseconds(make: Callable[[int], Contestant], series: int) -> float:
    """CPU of one sample once the series are warm."""
    contestant = make(series)
    contestant.feed(values(WARM_ROWS[series], series, 1))
    rows = values(max(SAMPLES_LEAST // series, 1), series, 2)
    gc.collect()
    fed, spent, started = 0, 0.0, time.process_time()
    while spent < SECONDS_LEAST:
        contestant.feed(rows)
        fed, spent = fed + rows.size, time.process_time() - started
    return spent / fed * 1e6


def weight(make: Callable[[int], Contestant]) -> int:
    """Bytes of one warm series: exact, or what Python's allocator says of some."""
    known = make(WEIGHED_SERIES).bytes_per_series()
    if known is not None:
        return known
    rows = values(WEIGHED_ROWS, WEIGHED_SERIES, 1)
    gc.collect()
    tracemalloc.start()
    contestant = make(WEIGHED_SERIES)
    contestant.feed(rows)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken // WEIGHED_SERIES


def measure(rounds: int) -> dict[str, Cost]:
    """All contestants at all sizes, in turns."""
    found: dict[tuple[str, int], list[float]] = {}
    with Progress() as progress:
        task = progress.add_task("rounds", total=rounds * len(SIZES) * len(CONTESTANTS))
        for _ in range(rounds):
            for series in SIZES:
                for name, make in CONTESTANTS.items():
                    if name not in HEAVY or series <= HEAVY_SERIES:
                        found.setdefault((name, series), []).append(microseconds(make, series))
                    progress.advance(task)
    return {
        name: Cost({series: min(found[name, series]) for series in SIZES if (name, series) in found}, weight(make))
        for name, make in CONTESTANTS.items()
    }


def figures_of(costs: dict[str, Cost]) -> Figures:
    """With the ratios that have goals."""
    ratios = {
        f"{slow} / {fast}": costs[slow].microseconds[SIZES[1]] / costs[fast].microseconds[SIZES[1]]
        for slow, fast, _ in GOALS
    }
    return Figures(costs, ratios)


def table_of(figures: Figures) -> Table:
    """The figures for a reader."""
    table = Table(title="Detectors: CPU µs a sample at so many series; bytes a series")
    table.add_column("detector")
    for series in SIZES:
        table.add_column(f"{series:,}".replace(",", " "), justify="right")
    table.add_column("bytes", justify="right")
    for name, cost in figures.costs.items():
        cells = [f"{cost.microseconds[series]:.2f}" if series in cost.microseconds else "" for series in SIZES]
        table.add_row(name, *cells, f"{cost.bytes_per_series:,}".replace(",", " "))
    return table


def main() -> None:
    """Measure and print; exit status 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args()
    figures = figures_of(measure(asked.rounds))
    console = Console(width=None if Console().is_terminal else 110)
    console.print(table_of(figures))
    for (_, _, goal), (name, ratio) in zip(GOALS, figures.ratios.items(), strict=True):
        console.print(f"{name}: {ratio:.1f}, wanted {goal:.0f}")
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    raise SystemExit(any(figures.ratios[f"{slow} / {fast}"] < goal for slow, fast, goal in GOALS))


if __name__ == "__main__":
    main()

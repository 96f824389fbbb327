"""`python -m benchmarks.latency [--seconds N] [--json FILE]`: embedded Kafka, one detect worker, then an engine too."""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.latency import runs, signals
from stream.broker.embedded import EmbeddedBroker
from stream.detect.workers import run_worker
from stream.engine.flow import run_engine
from stream.owner import stop_with_signals
from stream.settings import KafkaSettings, Settings, TopicSettings
from stream.topics import ensure_topics


class Figures(msgspec.Struct, frozen=True):
    """What was measured of one way, in milliseconds."""

    way: str
    count: int
    p50: float
    p99: float
    maximum: float


def figures_of(way: str, seconds: list[float]) -> Figures:
    """Percentiles. ValueError if there is hardly anything to tell them from."""
    if len(seconds) < 30:
        raise ValueError(f"{way}: {len(seconds)} were measured, wanted 30 or more: let it run longer")
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return Figures(way, len(seconds), 1e3 * cuts[49], 1e3 * cuts[98], 1e3 * max(seconds))


@asynccontextmanager
async def role(name: str, settings: Settings, folder: Path) -> AsyncIterator[None]:
    """A role in a process of its own."""
    file = folder / f"{name}.json"
    file.write_bytes(msgspec.json.encode(settings))
    program = (sys.executable, "-m", "benchmarks.latency", f"--{name}", str(file))
    process = await asyncio.create_subprocess_exec(*program, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def work(name: str, settings: Settings) -> None:
    """What the process of a role does."""
    stop = asyncio.Event()
    stop_with_signals(stop.set)
    await (run_worker(settings, stop) if name == "detect" else run_engine(settings, stop))


async def measure_signals(settings: Settings, folder: Path, seconds: float) -> list[Figures]:
    """Detect alone."""
    await ensure_topics(settings)
    async with role("detect", settings, folder):
        return [figures_of("produce → signal", await signals.measure(settings, seconds))]


async def measure_runs(settings: Settings, folder: Path) -> list[Figures]:
    """Detect and engine, on topics of their own."""
    names = {name: f"runs.{topic}" for name, topic in msgspec.structs.asdict(settings.topics).items()}
    settings = runs.with_rules(msgspec.structs.replace(settings, topics=TopicSettings(**names)), folder)
    await ensure_topics(settings)
    async with AsyncExitStack() as roles:
        for name in ("detect", "engine"):
            await roles.enter_async_context(role(name, settings, folder))
        started, first_task = await runs.measure(settings)
    return [figures_of("produce → run started", started), figures_of("produce → first task ended", first_task)]


async def measure(seconds: float) -> list[Figures]:
    """Everything, on one broker."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = await asyncio.to_thread(EmbeddedBroker(folder / "kafka").start)
        try:
            settings = Settings(kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
            return [*await measure_signals(settings, folder, seconds), *await measure_runs(settings, folder)]
        finally:
            await asyncio.to_thread(broker.stop)


def table_of(figures: list[Figures]) -> Table:
    """The figures for a reader."""
    table = Table("way", title="Latency at 200 records a second, milliseconds")
    for column in ("p50", "p99", "max", "of"):
        table.add_column(column, justify="right")
    for row in figures:
        table.add_row(row.way, f"{row.p50:.1f}", f"{row.p99:.1f}", f"{row.maximum:.1f}", str(row.count))
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long to publish for the signals")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    for name in ("detect", "engine"):
        parser.add_argument(f"--{name}", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    for name in ("detect", "engine"):
        if file := getattr(asked, name):
            asyncio.run(work(name, msgspec.json.decode(file.read_bytes(), type=Settings)))
            return
    figures = asyncio.run(measure(asked.seconds))
    Console().print(table_of(figures))
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))


if __name__ == "__main__":
    main()

"""What consumption costs: raw aiokafka `getmany`, a stock Faust agent, our batch transport; no work, 500-byte records.

`python -m benchmarks.transport [--rounds N] [--json FILE]` starts an embedded Kafka, fills a topic and lets each way
read it in a process of its own, in turns. Figures are CPU microseconds a record (process time, all threads): medians
of the rounds, and their ratios in the same run. Exit status 1 if a goal is missed.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import Any

import faust
import msgspec
from rich.console import Console
from rich.table import Table

from stream.broker.embedded import EmbeddedBroker
from stream.detect.offsets import Partition
from stream.detect.outbox import Message, Outbox
from stream.detect.transport import KafkaBatch
from stream.detect.workers import FETCH_RECORDS_MAXIMUM, NoWeb, add_agent, new_app
from stream.kafka import open_consumer, open_producer
from stream.settings import DetectSettings, KafkaSettings, Settings
from stream.topics import Topic, ensure_topics

TOPIC = "benchmark"
PARTITIONS = 4
RECORD_BYTES = 500
# Stock Faust is so much slower that it is given fewer records; all figures are per record.
RECORDS = {"raw": 400_000, "batch": 400_000, "stock": 40_000}
GOAL_STOCK_RATIO = 20.0
GOAL_RAW_SHARE = 0.7


class Reading(msgspec.Struct, frozen=True):
    """What one process saw: from the first delivery on."""

    records: int
    cpu_seconds: float
    wall_seconds: float


class Figures(msgspec.Struct, frozen=True):
    """The result; microseconds are CPU time a record."""

    microseconds: dict[str, float]
    stock_over_batch: float
    raw_over_batch: float
    rounds: int


class Meter:
    """Counts records from the second delivery on, and says when enough were seen."""

    def __init__(self, wanted: int) -> None:
        self.enough = asyncio.Event()
        self._wanted = wanted
        self._records = -1
        self._cpu_start = self._wall_start = 0.0
        self.reading: Reading | None = None

    def count(self, records: int) -> None:
        """So many records were delivered."""
        if self._records < 0:
            self._records = 0
            self._cpu_start, self._wall_start = time.process_time(), time.perf_counter()
            return
        self._records += records
        if self._records >= self._wanted and self.reading is None:
            cpu, wall = time.process_time() - self._cpu_start, time.perf_counter() - self._wall_start
            self.reading = Reading(self._records, cpu, wall)
            self.enough.set()


class NoState:
    """An owner of partitions that keeps nothing."""

    async def recover(self, assigned: frozenset[Partition], generation: int) -> None:
        """Nothing to load."""

    def begin(
        self, offsets: Mapping[Partition, int], lives: Mapping[Partition, str], anew: Collection[Partition]
    ) -> None:
        """Nothing to begin."""

    async def settle(self) -> None:
        """Nothing to save."""

    def forget(self) -> None:
        """Nothing to forget."""


def settings_for(bootstrap_servers: str) -> Settings:
    """A group of its own at every reading, so that each reads from the start."""
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=bootstrap_servers),
        detect=DetectSettings(group=f"benchmark-{uuid.uuid4().hex[:8]}"),
    )


async def read_raw(settings: Settings, meter: Meter, _folder: Path) -> None:
    """The floor: aiokafka alone."""
    consumer = await open_consumer(settings.kafka, TOPIC, group=settings.detect.group)
    try:
        while not meter.enough.is_set():
            for records in (await consumer.getmany(timeout_ms=1000, max_records=FETCH_RECORDS_MAXIMUM)).values():
                meter.count(len(records))
    finally:
        await consumer.stop()


async def read_batch(settings: Settings, meter: Meter, _folder: Path) -> None:
    """Our transport: an agent that is given batches, and commits."""

    async def handle(batch: KafkaBatch) -> None:
        meter.count(len(batch.records))
        batch.done()

    app = new_app(settings, NoState())
    add_agent(app, "count", [TOPIC], handle)
    await run_until_enough(app, meter)


async def read_stock(settings: Settings, meter: Meter, folder: Path) -> None:
    """Faust as it comes: an agent that is given events of raw bytes."""

    class StockApp(faust.App):
        BootStrategy = NoWeb

    app = StockApp(
        settings.detect.group,
        broker=f"kafka://{settings.kafka.bootstrap_servers}",
        datadir=folder,
        autodiscover=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_recovery_delay=0.0,
        broker_max_poll_records=FETCH_RECORDS_MAXIMUM,
        consumer_auto_offset_reset="earliest",
    )

    async def agent(stream: Any) -> None:  # noqa: ANN401 - faust's stream of raw events
        async for _event in stream.events():
            meter.count(1)

    app.agent(app.topic(TOPIC, value_serializer="raw", key_serializer="raw"))(agent)
    await run_until_enough(app, meter)


async def run_until_enough(app: faust.App, meter: Meter) -> None:
    """Run an app until the meter has seen enough."""
    await app.start()
    await meter.enough.wait()
    await app.stop()


READERS: dict[str, Callable[[Settings, Meter, Path], Coroutine[object, object, None]]] = {
    "raw": read_raw,
    "stock": read_stock,
    "batch": read_batch,
}


async def fill(settings: Settings) -> None:
    """Make the topic and fill it."""
    await ensure_topics(settings, [Topic(TOPIC, PARTITIONS)])
    producer = await open_producer(settings.kafka)
    try:
        # More than is counted: the last fetch of a reader must not be a short one.
        per_partition = max(RECORDS.values()) // PARTITIONS + 4 * FETCH_RECORDS_MAXIMUM
        for partition in range(PARTITIONS):
            value = os.urandom(RECORD_BYTES)
            await Outbox(producer).publish(TOPIC, [Message(None, value, partition=partition)] * per_partition)
    finally:
        await producer.stop()


def read_apart(reader: str, bootstrap_servers: str) -> Reading:
    """Let one reader read in a process of its own."""
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "benchmarks.transport", "--reader", reader, "--servers", bootstrap_servers],
        check=True,
        stdout=subprocess.PIPE,
        timeout=300,
    )
    return msgspec.json.decode(done.stdout, type=Reading)


async def read_here(reader: str, bootstrap_servers: str) -> None:
    """The process of one reader: its reading goes to standard output."""
    meter = Meter(RECORDS[reader])
    with tempfile.TemporaryDirectory() as folder:
        await READERS[reader](settings_for(bootstrap_servers), meter, Path(folder))
    sys.stdout.write(msgspec.json.encode(meter.reading).decode())


def measure(rounds: int, console: Console) -> Figures:
    """Start Kafka, fill the topic, and read it `rounds` times in every way."""
    costs: dict[str, list[float]] = {reader: [] for reader in READERS}
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder)) as broker:
        asyncio.run(fill(settings_for(broker.bootstrap_servers)))
        for number in range(rounds):
            for reader, figures in costs.items():
                reading = read_apart(reader, broker.bootstrap_servers)
                figures.append(1e6 * reading.cpu_seconds / reading.records)
                console.print(f"round {number + 1}: {reader} {figures[-1]:.2f} µs CPU a record")
    medians = {reader: statistics.median(figures) for reader, figures in costs.items()}
    return Figures(medians, medians["stock"] / medians["batch"], medians["raw"] / medians["batch"], rounds)


def table_of(figures: Figures) -> Table:
    """The figures for a reader."""
    table = Table(title=f"Consumption, {RECORD_BYTES}-byte records, no work (median of {figures.rounds} rounds)")
    table.add_column("way")
    table.add_column("CPU µs a record", justify="right")
    table.add_column("relative to ours", justify="right")
    for reader, microseconds in figures.microseconds.items():
        table.add_row(reader, f"{microseconds:.2f}", f"{microseconds / figures.microseconds['batch']:.2f}")
    table.caption = (
        f"stock Faust / ours: {figures.stock_over_batch:.1f} (goal at least {GOAL_STOCK_RATIO:.0f}); "
        f"raw / ours: {figures.raw_over_batch:.2f} (goal at least {GOAL_RAW_SHARE:.2f})"
    )
    return table


def main() -> int:
    """Measure and print; status 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="times each way reads the topic")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--servers", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.reader:
        asyncio.run(read_here(asked.reader, asked.servers))
        return 0
    console = Console()
    figures = measure(asked.rounds, console)
    console.print(table_of(figures))
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    return 0 if figures.stock_over_batch >= GOAL_STOCK_RATIO and figures.raw_over_batch >= GOAL_RAW_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())

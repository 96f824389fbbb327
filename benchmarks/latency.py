"""How long from bytes to a signal, at 200 records a second: p50 and p99.

`python -m benchmarks.latency [--seconds N] [--json FILE]` starts an embedded Kafka and one detect worker, warms up the
models of twenty hosts, then publishes ten readings a second of each; every host goes strange now and then. A signal
names the sample that raised or cleared it; the time is from just before that reading was published to the moment a
consumer of the signals topic has the signal.
"""

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console
from rich.table import Table

from detectors.samples import Sample
from detectors.signals import Notice, Signal
from stream.broker.embedded import EmbeddedBroker
from stream.detect.outbox import Message, Outbox
from stream.detect.workers import run_worker
from stream.kafka import open_consumer, open_producer
from stream.settings import KafkaSettings, Settings
from stream.supervision import stop_with_signals
from stream.topics import ensure_topics

HOSTS = 20
RECORDS_PER_SECOND = 200
WARM_UP_ROWS = 150
# A host is strange for ten readings, then ordinary for fifteen: time enough to raise and to clear.
STRANGE_ROWS, CYCLE_ROWS = 10, 25
WARM_UP_LIMIT_SECONDS = 60.0
DRAIN_SECONDS = 5.0

type Place = tuple[int, int]


class Figures(msgspec.Struct, frozen=True):
    """The result: milliseconds from publishing the decisive reading to having its signal."""

    signals: int
    p50_milliseconds: float
    p99_milliseconds: float
    maximum_milliseconds: float
    records_per_second: float


class Load:
    """Readings of the hosts, row by row, with event times a second apart."""

    def __init__(self) -> None:
        self._random = random.Random(1)  # noqa: S311 - a reproducible load
        self.start_time = time.time() - 3600.0

    def record(self, host: int, row: int) -> Message:
        """One reading; hosts go strange at different rows."""
        strange = row > WARM_UP_ROWS and (row + host) % CYCLE_ROWS < STRANGE_ROWS
        value = self._random.gauss(60.0 if strange else 10.0, 1.0)
        document = {
            "name": "cpu",
            "tags": {"host": f"host-{host}"},
            "fields": {"usage": value},
            "timestamp": self.start_time + row,
        }
        return Message(key=f"host-{host}".encode(), value=json.dumps(document).encode())


async def warm_up(settings: Settings, load: Load, outbox: Outbox) -> None:
    """Publish the first rows at once, and wait until they are samples."""
    rows = [load.record(host, row) for row in range(WARM_UP_ROWS) for host in range(HOSTS)]
    await outbox.publish(settings.topics.metrics, rows)
    deadline = time.monotonic() + WARM_UP_LIMIT_SECONDS
    while len(await read_samples(settings)) < len(rows):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(rows)} readings were not ingested in {WARM_UP_LIMIT_SECONDS:.0f} s")
        await asyncio.sleep(0.5)


async def publish_steadily(settings: Settings, load: Load, outbox: Outbox, seconds: float) -> dict[Place, float]:
    """Publish reading after reading at the rate; (host, row) → when, on the monotonic clock."""
    published: dict[Place, float] = {}
    started = time.monotonic()
    for number in range(int(seconds * RECORDS_PER_SECOND)):
        row, host = divmod(number, HOSTS)
        await asyncio.sleep(max(0.0, started + number / RECORDS_PER_SECOND - time.monotonic()))
        published[host, WARM_UP_ROWS + row] = time.monotonic()
        await outbox.publish(settings.topics.metrics, [load.record(host, WARM_UP_ROWS + row)])
    return published


async def collect_signals(consumer: AIOKafkaConsumer, arrivals: list[tuple[Signal, float]]) -> None:
    """Note when each signal arrives, until cancelled."""
    async for record in consumer:
        arrived = time.monotonic()
        notice: Notice = msgspec.json.decode(record.value, type=Notice)
        if isinstance(notice, Signal):
            arrivals.append((notice, arrived))


async def read_samples(settings: Settings) -> dict[Place, Sample]:
    """(partition, offset) → sample, of the whole samples topic."""
    consumer = await open_consumer(settings.kafka)
    try:
        sources = [TopicPartition(settings.topics.samples, number) for number in range(settings.kafka.partitions)]
        consumer.assign(sources)
        await consumer.seek_to_beginning(*sources)
        ends = await consumer.end_offsets(sources)
        found: dict[Place, Sample] = {}
        left = sources
        while left := [source for source in left if await consumer.position(source) < ends[source]]:
            for source, records in (await consumer.getmany(*left, timeout_ms=500)).items():
                for record in records:
                    found[source.partition, record.offset] = msgspec.json.decode(record.value, type=Sample)
        return found
    finally:
        await consumer.stop()


def latencies(
    arrivals: list[tuple[Signal, float]], samples: dict[Place, Sample], published: dict[Place, float], start_time: float
) -> list[float]:
    """Seconds of each signal that rests on a reading of the steady part."""
    found = []
    for notice, arrived in arrivals:
        sample = samples[notice.evidence.partition, notice.evidence.last_offset]
        place = int(sample.host.removeprefix("host-")), round(sample.time - start_time)
        if place in published:
            found.append(arrived - published[place])
    return found


async def measure(settings: Settings, seconds: float) -> Figures:
    """Warm up, publish, collect."""
    await ensure_topics(settings)
    load, arrivals = Load(), list[tuple[Signal, float]]()
    producer = await open_producer(settings.kafka)
    consumer = await open_consumer(settings.kafka, settings.topics.signals)
    collecting = asyncio.create_task(collect_signals(consumer, arrivals))
    try:
        outbox = Outbox(producer)
        await warm_up(settings, load, outbox)
        published = await publish_steadily(settings, load, outbox, seconds)
        await asyncio.sleep(DRAIN_SECONDS)
        found = latencies(arrivals, await read_samples(settings), published, load.start_time)
    finally:
        collecting.cancel()
        await consumer.stop()
        await producer.stop()
    return figures_of(found, len(published) / (max(published.values()) - min(published.values())))


def figures_of(seconds: list[float], rate: float) -> Figures:
    """Percentiles in milliseconds."""
    if len(seconds) < 100:
        raise ValueError(f"{len(seconds)} signals are too few for a p99, wanted 100 or more: let it run longer")
    cuts = statistics.quantiles(seconds, n=100)
    return Figures(len(seconds), 1e3 * cuts[49], 1e3 * cuts[98], 1e3 * max(seconds), rate)


@asynccontextmanager
async def detect_process(settings: Settings, folder: Path) -> AsyncIterator[None]:
    """One detect worker in a process of its own."""
    file = folder / "settings.json"
    file.write_bytes(msgspec.json.encode(settings))
    program = (sys.executable, "-m", "benchmarks.latency", "--worker", str(file))
    worker = await asyncio.create_subprocess_exec(*program, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        worker.terminate()
        await worker.wait()


async def work(settings: Settings) -> None:
    """The process of the worker."""
    stop = asyncio.Event()
    stop_with_signals(stop.set)
    await run_worker(settings, stop)


async def run(seconds: float) -> Figures:
    """Everything that runs while measuring."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = await asyncio.to_thread(EmbeddedBroker(folder / "kafka").start)
        try:
            settings = Settings(kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
            await ensure_topics(settings)
            async with detect_process(settings, folder):
                return await measure(settings, seconds)
        finally:
            await asyncio.to_thread(broker.stop)


def table_of(figures: Figures) -> Table:
    """The figures for a reader."""
    table = Table(title=f"Latency at {figures.records_per_second:.0f} records a second")
    for column in ("from → to", "p50 ms", "p99 ms", "max ms", "of"):
        table.add_column(column, justify="left" if column == "from → to" else "right")
    table.add_row(
        "produce → signal",
        f"{figures.p50_milliseconds:.1f}",
        f"{figures.p99_milliseconds:.1f}",
        f"{figures.maximum_milliseconds:.1f}",
        f"{figures.signals} signals",
    )
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long to publish")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        asyncio.run(work(msgspec.json.decode(asked.worker.read_bytes(), type=Settings)))
        return
    figures = asyncio.run(run(asked.seconds))
    Console().print(table_of(figures))
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))


if __name__ == "__main__":
    main()
